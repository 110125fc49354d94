//! A table of what was overwritten and what came of it.

/// What came of one overwritten byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// `validate` said so.
    Reported,
    /// The operation that met it said so.
    Refused,
    /// Neither, and everything went on as if nothing had been.
    Harmless,
}

/// What came of all bytes of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    pub injected: usize,
    pub reported: usize,
    pub refused: usize,
}

impl Row {
    pub fn add(&mut self, fate: Fate) {
        self.injected += 1;
        self.reported += usize::from(fate == Fate::Reported);
        self.refused += usize::from(fate == Fate::Refused);
    }

    /// Whether none went unseen.
    pub fn is_complete(&self) -> bool {
        self.injected > 0 && self.reported + self.refused == self.injected
    }
}

/// Prints a table, one row a kind.
pub fn print<'a>(of: &str, rows: impl IntoIterator<Item = (&'a str, Row)>) {
    println!("{of:<44} injected reported  refused harmless");
    for (kind, Row { injected, reported, refused }) in rows {
        println!(
            "  {kind:<42} {injected:>8} {reported:>8} {refused:>8} {:>8}",
            injected - reported - refused
        );
    }
}
