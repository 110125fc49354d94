//! What came of the runs. The fields of the JSON are stable: later versions may add some.

use std::fs;
use std::path::Path;

use comfy_table::{Cell, CellAlignment, Table, TableComponent, presets};
use indicatif::HumanCount;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// All runs.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) runs: Vec<Row>,
}

/// One run of one target.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Row {
    pub(super) target: String,
    /// `random` or `libfuzzer`.
    pub(super) engine: String,
    pub(super) operations: u64,
    pub(super) inputs: u64,
    pub(super) seed: u32,
    pub(super) seconds: f64,
    /// Year, month and day, in UTC.
    pub(super) date: String,
    /// What failed.
    pub(super) findings: Vec<Finding>,
}

/// An input that fails.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Finding {
    /// Where it is.
    pub(super) file: String,
    /// What failed.
    pub(super) why: String,
    /// What runs it again.
    pub(super) command: String,
}

/// The date, in UTC.
pub(super) fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}

fn right(count: u64) -> Cell {
    Cell::new(HumanCount(count)).set_alignment(CellAlignment::Right)
}

impl Report {
    /// For people.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .remove_style(TableComponent::HorizontalLines)
            .remove_style(TableComponent::MiddleIntersections)
            .set_header(["target", "operations", "inputs", "seed", "findings"]);
        for row in &self.runs {
            table.add_row([
                Cell::new(&row.target),
                right(row.operations),
                right(row.inputs),
                Cell::new(row.seed).set_alignment(CellAlignment::Right),
                right(row.findings.len() as u64),
            ]);
        }
        let operations = self.runs.iter().map(|row| row.operations).sum();
        format!("{table}\n{} operations in all\n", HumanCount(operations))
    }
}

/// The runs that are written down in the repository.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Record {
    runs: Vec<Row>,
}

impl Record {
    /// Adds runs, a line each.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if the file is no record or cannot be written.
    pub(super) fn add(path: &Path, report: &Report) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::file(path, error);
        let mut record: Self = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(&error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(failed(&error)),
        };
        record.runs.extend(report.runs.iter().cloned());
        let rows: Result<Vec<String>, _> = record.runs.iter().map(serde_json::to_string).collect();
        let text = format!("{{\"runs\": [\n{}\n]}}\n", rows.map_err(|error| failed(&error))?.join(",\n"));
        fs::write(path, text).map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: &str, seed: u32) -> Row {
        Row {
            target: target.to_owned(),
            engine: "random".to_owned(),
            operations: 1_234_567,
            inputs: 7,
            seed,
            seconds: 1.5,
            date: today(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn runs_are_added_to_those_that_are_written_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.json");
        for seed in 1..=3 {
            Record::add(&path, &Report { runs: vec![row("heap", seed), row("ring", seed)] })
                .expect("writable");
        }
        let text = fs::read_to_string(&path).expect("there");
        let record: Record = serde_json::from_str(&text).expect("JSON");
        assert_eq!(record.runs.iter().map(|row| row.seed).collect::<Vec<_>>(), [1, 1, 2, 2, 3, 3]);
        assert_eq!(text.lines().count(), 8, "a line a run");
        fs::write(&path, "{}").expect("writable");
        assert!(Record::add(&path, &Report { runs: Vec::new() }).is_err(), "this is no record");
    }

    #[test]
    fn the_table_has_the_sum() {
        let report = Report { runs: vec![row("heap", 1), row("ring", 1)] };
        assert!(report.table().contains("2,469,134 operations in all"), "{}", report.table());
    }

    #[test]
    fn a_date_is_year_month_and_day() {
        let date = today();
        assert!(date.len() == 10 && date.split('-').count() == 3 && date.starts_with("20"), "{date}");
    }
}
