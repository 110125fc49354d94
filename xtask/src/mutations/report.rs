//! What came of the mutations. The fields of the JSON are stable: later versions may add some.

use std::time::Duration;

use comfy_table::{Cell, Table, TableComponent, presets};
use serde::Serialize;

use super::copy::Ended;
use super::list::Mutation;

/// All of them.
#[derive(Debug, Serialize)]
pub struct Report {
    /// A row a mutation.
    pub mutations: Vec<Row>,
}

/// A mutation, and whether its proof saw it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was broken.
    pub mutation: String,
    /// In which file.
    pub file: String,
    /// What stood there.
    pub from: String,
    /// What was put there.
    pub to: String,
    /// The proof: a command.
    pub proof: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why the proof need not see it, if the source says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Build and proof, in seconds.
    pub seconds: f64,
}

/// What came of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The proof failed, as it should.
    Caught,
    /// The proof did not end, and was ended; it counts as caught.
    Endless,
    /// The proof holds all the same.
    NotCaught,
    /// The proof holds all the same, and the source says why.
    Explained,
    /// It does not compile, so that nothing can be said: the list is out of date.
    NotBuilt,
    /// The proof does not hold as things are, so that nothing can be said.
    NoProof,
}

impl Outcome {
    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Endless => "caught: endless",
            Self::NotCaught => "NOT CAUGHT",
            Self::Explained => "not caught: the source says why",
            Self::NotBuilt => "DOES NOT COMPILE",
            Self::NoProof => "PROOF DOES NOT HOLD",
        }
    }
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Fails => Self::Caught,
            Ended::Endless => Self::Endless,
            Ended::Holds => Self::NotCaught,
            Ended::NotBuilt => Self::NotBuilt,
        }
    }
}

impl Row {
    pub(super) fn new(mutation: &Mutation<'_>, outcome: Outcome, time: Duration) -> Self {
        let outcome = match (outcome, mutation.reason) {
            (Outcome::NotCaught, Some(_)) => Outcome::Explained,
            _ => outcome,
        };
        Self {
            mutation: mutation.what.to_owned(),
            file: mutation.file.to_owned(),
            from: mutation.from.to_owned(),
            to: mutation.to.to_owned(),
            proof: mutation.proof.shown(),
            outcome,
            reason: mutation.reason.map(str::to_owned),
            seconds: time.as_secs_f64(),
        }
    }
}

impl Report {
    /// How many came to this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.mutations.iter().filter(|row| row.outcome == outcome).count()
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .remove_style(TableComponent::HorizontalLines)
            .remove_style(TableComponent::MiddleIntersections)
            .set_header(["what was broken", "file", "to be caught by", ""]);
        for row in &self.mutations {
            table.add_row([&row.mutation, &row.file, &row.proof, row.outcome.words()].map(Cell::new));
        }
        let caught = self.count(Outcome::Caught) + self.count(Outcome::Endless);
        let explained = match self.count(Outcome::Explained) {
            0 => String::new(),
            explained => format!(", and {explained} explained"),
        };
        format!("{table}\n{caught} of {} caught{explained}\n", self.mutations.len())
    }
}
