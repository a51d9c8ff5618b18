//! [`Summary`]: the ratios of a group of tests, one line a test and server of ours.

use crate::sample::spread;
use std::io::{self, Write};

impl Cell {
    fn text(&self, is_rate: bool) -> &str {
        if is_rate { &self.rate } else { &self.cost }
    }
}

/// Ratios, as they come in.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    test: String,
    ours: String,
    theirs: String,
    cost: String,
    rate: String,
}

impl Summary {
    /// Ours to theirs in a test: CPU time for an operation, and operations a second, each round by round.
    pub(crate) fn add(&mut self, test: &str, ours: &str, theirs: &str, cost: &[f64], rate: &[f64]) {
        let (test, ours, theirs) = (test.to_owned(), ours.to_owned(), theirs.to_owned());
        self.cells.push(Cell { test, ours, theirs, cost: spread(cost), rate: spread(rate) });
    }

    /// Both tables, if there is anything in them.
    ///
    /// # Errors
    /// They cannot be printed.
    pub(crate) fn print(&self, group: &str, out: &mut impl Write) -> io::Result<()> {
        // Ours first here, too.
        let servers =
            self.cells.iter().map(|cell| &*cell.ours).chain(self.cells.iter().map(|cell| &*cell.theirs));
        let is_theirs = |name: &&str| self.cells.iter().any(|cell| cell.theirs == **name);
        let columns = distinct(servers.filter(is_theirs));
        let rows = distinct(self.cells.iter().map(|cell| (&*cell.test, &*cell.ours)));
        if rows.is_empty() {
            return Ok(());
        }
        for (title, is_rate) in [("CPU time for an operation", false), ("operations a second", true)] {
            let columns_of = columns.join(" | ");
            writeln!(out, "\n### {group}: {title}, ours / theirs\n\n| test | ours | {columns_of} |")?;
            writeln!(out, "|---|---|{}", "---:|".repeat(columns.len()))?;
            for (test, ours) in &rows {
                write!(out, "| {test} | {ours} |")?;
                for theirs in &columns {
                    let cell =
                        |cell: &&Cell| cell.test == *test && cell.ours == *ours && cell.theirs == *theirs;
                    write!(out, " {} |", self.cells.iter().find(cell).map_or("", |cell| cell.text(is_rate)))?;
                }
                writeln!(out)?;
            }
        }
        out.flush()
    }
}

/// In the order of their first appearance.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_place_for_all() {
        let mut summary = Summary::default();
        summary.add("a", "x", "y", &[2.0], &[0.5]);
        summary.add("b", "x", "z", &[3.0], &[0.25]);
        let mut out = Vec::new();
        summary.print("g", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("| test | ours | y | z |\n|---|---|---:|---:|\n"), "{text}");
        assert!(text.contains("| a | x | **2.00** [2.00, 2.00] |  |\n"), "{text}");
        assert!(text.contains("| b | x |  | **0.25** [0.25, 0.25] |\n"), "{text}");
    }
}
