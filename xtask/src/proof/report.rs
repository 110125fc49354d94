//! The proof as JSON. The fields are stable: later versions may add some.

use serde::Serialize;

/// Everything that was checked.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What `rustc -V` says.
    pub rustc: String,
    /// The machine, in a few words.
    pub machine: String,
    /// A row a claim.
    pub claims: Vec<Row>,
}

/// A claim, and what came of it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What links lead to it by.
    pub id: String,
    /// What is claimed.
    pub claim: String,
    /// What kind of evidence there is.
    pub evidence: String,
    /// What was found, in the evidence's own words.
    pub figure: String,
    /// Whether it holds.
    pub status: Status,
    /// What anybody can run.
    pub command: String,
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    /// It does.
    #[serde(rename = "pass")]
    Pass,
    /// It does not.
    #[serde(rename = "fail")]
    Fail,
    /// It was not checked here.
    #[serde(rename = "not checked")]
    NotChecked,
}

impl Status {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::NotChecked => "not checked",
        }
    }
}
