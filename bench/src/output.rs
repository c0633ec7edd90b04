//! The only place that prints: progress on stderr, the result on stdout.

use std::time::{Duration, Instant};

use crate::report::{Figure, Goal, Report, number};

const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Says what is going on.
#[expect(clippy::print_stderr, reason = "progress is for a person, and not the result")]
pub(crate) fn say(what: &str) {
    eprintln!("{what} …");
}

/// How far a loop has come.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    all: usize,
    told: Instant,
}

impl Progress {
    pub(crate) fn new(what: &'static str, all: usize) -> Self {
        say(&format!("{what}, {all} times"));
        Self { what, all, told: Instant::now() }
    }

    /// A repetition is done; tells it now and then.
    pub(crate) fn done(&mut self, repetition: usize) {
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            say(&format!("  {}: {} of {}", self.what, repetition + 1, self.all));
        }
    }
}

/// The tables and what is needed to read them.
#[expect(clippy::print_stdout, reason = "this is the program's result")]
pub(crate) fn print(report: &Report) {
    println!("{}", text(report));
}

fn text(report: &Report) -> String {
    let mut lines = report.conditions.clone();
    lines.push(String::new());
    let header =
        ["", "figure", "unit", "n", "median", "p99", "floor median", "floor p99", "× floor"];
    let rows = report.figures.iter().map(figure).collect::<Vec<_>>();
    lines.extend(table(&header.map(str::to_owned), &rows, 3));
    lines.push(String::new());
    let header = ["", "target", "stage", "at most", "measured", ""];
    let rows = report.goals.iter().map(goal).collect::<Vec<_>>();
    lines.extend(table(&header.map(str::to_owned), &rows, 9));
    lines.push(String::new());
    lines.extend(report.notes.iter().map(|note| format!("- {note}")));
    lines.join("\n")
}

fn figure(figure: &Figure) -> Vec<String> {
    let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let floor = figure.floor.as_ref();
    vec![
        figure.id.to_owned(),
        figure.what.clone(),
        figure.unit.to_owned(),
        figure.repetitions.to_string(),
        number(figure.median),
        or_dash(figure.p99),
        or_dash(floor.map(|floor| floor.median)),
        or_dash(floor.map(|floor| floor.p99)),
        floor.map_or_else(|| "-".to_owned(), |floor| format!("{:.1}", floor.ratio)),
    ]
}

fn goal(goal: &Goal) -> Vec<String> {
    vec![
        goal.id.to_owned(),
        goal.what.clone(),
        goal.stage.to_owned(),
        goal.target.clone(),
        goal.measured.clone(),
        if goal.met { "met" } else { "MISSED" }.to_owned(),
    ]
}

/// Columns as wide as their widest cell; from column `right` on they are aligned to the right.
fn table(header: &[String], rows: &[Vec<String>], right: usize) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).chain(header.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column >= right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    [line(header), rule.join("  ")].into_iter().chain(rows.iter().map(|row| line(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_not_by_bytes() {
        let cells = |row: [&str; 2]| row.map(str::to_owned).to_vec();
        let lines = table(&cells(["a", "n"]), &[cells(["é→", "10"]), cells(["abc", "1"])], 1);
        assert_eq!(lines, ["a     n", "───  ──", "é→   10", "abc   1"]);
    }
}
