//! Rows as they come, in the format that was asked for: nothing is kept of a row that was written.

use std::fmt::Write as _;
use std::marker::PhantomData;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::csv;
use crate::failure::{Failure, Outcome};
use crate::text::{escape, escape_json};

/// Formats of `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns
    #[default]
    Table,
    /// More columns
    Wide,
    /// The API's messages as JSON: the stable form for scripts
    Json,
    /// For spreadsheets; no cell is a formula
    Csv,
}

impl Format {
    /// Whether a person reads it as it comes.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }
}

/// Something that is listed.
pub(crate) trait Row {
    /// The name of their list in JSON.
    const LIST: &'static str;
    const HEADINGS: &'static [&'static str];
    /// Further columns of `-o wide`.
    const WIDE: &'static [&'static str];
    /// Headings of CSV.
    fn columns() -> Vec<&'static str>;
    fn cells(&self, now: Timestamp) -> Vec<String>;
    fn wide(&self) -> Vec<String>;
    /// Lines of CSV.
    fn records(&self) -> Vec<Vec<String>>;
    fn json(&self) -> Outcome<Value>;
}

/// How many rows are laid out together. The first ones give the columns their widths.
const CHUNK: usize = 200;
/// No column is made wider than this by the first rows.
const MAX_WIDTH: usize = 120;
const GAP: usize = 3;

/// Text of rows that is not written yet.
#[derive(Debug)]
pub(crate) struct Sheet<R> {
    format: Format,
    now: Timestamp,
    /// Cells that are not laid out yet.
    pending: Vec<Vec<String>>,
    /// The cells of the row before.
    last: Vec<String>,
    widths: Vec<usize>,
    count: u64,
    out: String,
    of: PhantomData<R>,
}

impl<R: Row> Sheet<R> {
    /// `question`: the head of JSON.
    pub(crate) fn new(format: Format, now: Timestamp, question: &Value) -> Outcome<Self> {
        let mut sheet = Self {
            format,
            now,
            pending: Vec::new(),
            last: Vec::new(),
            widths: Vec::new(),
            count: 0,
            out: String::new(),
            of: PhantomData,
        };
        match format {
            Format::Json => {
                let question = pretty(question, "  ")?;
                sheet.out = format!("{{\n  \"question\": {question},\n  \"{}\": [", R::LIST);
            }
            Format::Csv => sheet.out = csv::line(R::columns()),
            Format::Table | Format::Wide => {}
        }
        Ok(sheet)
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn push(&mut self, row: &R) -> Outcome<()> {
        match self.format {
            Format::Json => {
                let comma = if self.count == 0 { "" } else { "," };
                let item = pretty(&row.json()?, "    ")?;
                let _ = write!(self.out, "{comma}\n    {item}");
            }
            Format::Csv => {
                for record in row.records() {
                    self.out.push_str(&csv::line(record));
                }
            }
            Format::Table | Format::Wide => {
                let mut cells = row.cells(self.now);
                if self.format == Format::Wide {
                    cells.extend(row.wide());
                }
                let cells: Vec<String> =
                    cells.iter().map(|cell| escape(cell).into_owned()).collect();
                // Several rules of one role are one path to it; `wide` shows the rules.
                if self.format != Format::Table || self.last != cells {
                    self.last.clone_from(&cells);
                    self.pending.push(cells);
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// What can be written now, once it is worth it.
    pub(crate) fn ready(&mut self) -> Option<String> {
        if self.pending.len() >= CHUNK {
            self.lay_out();
        }
        let enough = self.format.is_text() || self.out.len() > 16 * 1024;
        (enough && !self.out.is_empty()).then(|| std::mem::take(&mut self.out))
    }

    /// The rest. `views`: the end of JSON.
    pub(crate) fn end(mut self, views: &Value) -> Outcome<String> {
        match self.format {
            Format::Json => {
                let end = if self.count == 0 { "]" } else { "\n  ]" };
                let views = pretty(views, "  ")?;
                let _ = write!(self.out, "{end},\n  \"views\": {views}\n}}\n");
            }
            Format::Csv => {}
            Format::Table | Format::Wide => self.lay_out(),
        }
        Ok(self.out)
    }

    fn lay_out(&mut self) {
        let rows = std::mem::take(&mut self.pending);
        if rows.is_empty() {
            return;
        }
        if self.widths.is_empty() {
            let wide = if self.format == Format::Wide { R::WIDE } else { &[] };
            let headings: Vec<String> =
                R::HEADINGS.iter().chain(wide).map(ToString::to_string).collect();
            self.widths = headings.iter().map(|heading| heading.chars().count()).collect();
            for row in &rows {
                for (width, cell) in self.widths.iter_mut().zip(row) {
                    *width = (*width).max(cell.chars().count().min(MAX_WIDTH));
                }
            }
            self.line(&headings);
        }
        for row in &rows {
            self.line(row);
        }
    }

    fn line(&mut self, cells: &[String]) {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&self.widths) {
            line.push_str(cell);
            let gap = (width + GAP).saturating_sub(cell.chars().count()).max(GAP);
            line.extend(std::iter::repeat_n(' ', gap));
        }
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}

/// JSON of several lines, all but the first of which are indented.
fn pretty(value: &Value, indent: &str) -> Outcome<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| {
        Failure::new("output", "the answer could not be written out").why(e.to_string())
    })?;
    Ok(escape_json(&text).replace('\n', &format!("\n{indent}")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    struct Pair(&'static str, &'static str);

    impl Row for Pair {
        const LIST: &'static str = "pairs";
        const HEADINGS: &'static [&'static str] = &["ONE", "TWO"];
        const WIDE: &'static [&'static str] = &["THREE"];

        fn columns() -> Vec<&'static str> {
            vec!["one", "two"]
        }

        fn cells(&self, _: Timestamp) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }

        fn wide(&self) -> Vec<String> {
            vec!["w".to_owned()]
        }

        fn records(&self) -> Vec<Vec<String>> {
            vec![self.cells(Timestamp::UNIX_EPOCH)]
        }

        fn json(&self) -> Outcome<Value> {
            Ok(json!({ "one": self.0, "two": self.1 }))
        }
    }

    fn sheet(format: Format) -> Sheet<Pair> {
        Sheet::new(format, Timestamp::UNIX_EPOCH, &json!({ "a": 1 })).unwrap()
    }

    fn whole(format: Format, rows: &[Pair]) -> String {
        let mut sheet = sheet(format);
        let mut out = String::new();
        for row in rows {
            sheet.push(row).unwrap();
            out.extend(sheet.ready());
        }
        out + &sheet.end(&json!([{ "cluster": "x" }])).unwrap()
    }

    #[test]
    fn each_format() {
        let rows = [Pair("a\u{1b}", "=b"), Pair("long", "c,d")];
        insta::assert_snapshot!(whole(Format::Table, &rows), @r"
        ONE       TWO
        a\u{1b}   =b
        long      c,d
        ");
        insta::assert_snapshot!(whole(Format::Wide, &rows), @r"
        ONE       TWO   THREE
        a\u{1b}   =b    w
        long      c,d   w
        ");
        assert_eq!(whole(Format::Csv, &rows), "one,two\r\na\\u{1b},'=b\r\nlong,\"c,d\"\r\n");
        insta::assert_snapshot!(whole(Format::Json, &rows), @r#"
        {
          "question": {
            "a": 1
          },
          "pairs": [
            {
              "one": "a\u001b",
              "two": "=b"
            },
            {
              "one": "long",
              "two": "c,d"
            }
          ],
          "views": [
            {
              "cluster": "x"
            }
          ]
        }
        "#);
    }

    #[test]
    fn rows_that_look_the_same_are_one_in_a_table_alone() {
        let rows = || [Pair("a", "b"), Pair("a", "b"), Pair("c", "b"), Pair("a", "b")];
        assert_eq!(whole(Format::Table, &rows()), "ONE   TWO\na     b\nc     b\na     b\n");
        assert_eq!(whole(Format::Csv, &rows()).lines().count(), 5);
    }

    #[test]
    fn nothing_is_a_document_too() {
        assert_eq!(whole(Format::Table, &[]), "");
        assert_eq!(whole(Format::Csv, &[]), "one,two\r\n");
        let json: Value = serde_json::from_str(&whole(Format::Json, &[])).unwrap();
        assert_eq!(json["pairs"], json!([]));
    }

    #[test]
    fn later_rows_keep_the_first_ones_columns() {
        let mut sheet = sheet(Format::Table);
        for turn in 0..CHUNK - 1 {
            sheet.push(&Pair(["aa", "ab"][turn % 2], "b")).unwrap();
            assert_eq!(sheet.ready(), None);
        }
        sheet.push(&Pair("aaaa", "b")).unwrap();
        let first = sheet.ready().unwrap();
        assert!(first.starts_with("ONE    TWO\naa     b\n"), "{first}");
        sheet.push(&Pair("a", "b")).unwrap();
        sheet.push(&Pair("much longer", "b")).unwrap();
        assert_eq!(sheet.end(&Value::Null).unwrap(), "a      b\nmuch longer   b\n");
    }

    #[test]
    fn what_was_written_is_not_kept() {
        let mut sheet = sheet(Format::Json);
        let mut most = 0;
        for _ in 0..5000 {
            sheet.push(&Pair("aa", "b")).unwrap();
            most = most.max(sheet.out.len());
            drop(sheet.ready());
        }
        assert!(most < 32 * 1024, "{most}");
        assert_eq!(sheet.count(), 5000);
    }
}
