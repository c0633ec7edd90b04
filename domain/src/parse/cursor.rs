//! Reading typed values out of a tree and collecting every error on the way, each with its line and
//! field path. A reader returns `None` when it has reported an error, and reading goes on beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::node::{Content, Node};
use crate::names::{InvalidName, is_hidden};

/// Something wrong at one place of one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {}{message}", if .path.is_empty() { String::new() } else { format!("{}: ", .path) })]
pub struct ParseError {
    /// As it was named on the command line.
    pub file: String,
    /// From 1, in the file.
    pub line: usize,
    /// "spec.rules[0].verbs"; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Where errors go.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) file: String,
    /// Lines before the document in its file.
    pub(crate) lines_before: usize,
    pub(crate) errors: Vec<ParseError>,
}

impl Report {
    pub(crate) fn add(&mut self, line: usize, path: &str, message: impl Into<String>) {
        self.errors.push(ParseError {
            file: self.file.clone(),
            line: self.lines_before + line,
            path: visible(path),
            message: visible(&message.into()),
        });
    }
}

/// Longest path and message; both can quote what the document has.
const MAX_TEXT_CHARS: usize = 1000;

/// A text that is safe to show: not longer than a person reads, and nothing that a terminal obeys.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT_CHARS));
    for (count, c) in text.chars().enumerate() {
        if count == MAX_TEXT_CHARS {
            out.push('…');
            break;
        }
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// A node and the path that leads to it.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'n> {
    pub(crate) node: &'n Node,
    pub(crate) path: String,
}

impl<'n> Cursor<'n> {
    pub(crate) fn new(node: &'n Node, path: impl Into<String>) -> Self {
        Self { node, path: path.into() }
    }

    pub(crate) fn error(&self, report: &mut Report, message: impl Into<String>) {
        report.add(self.node.line, &self.path, message);
    }

    fn expected(&self, report: &mut Report, what: &str) {
        self.error(report, format!("expected {what}, found {}", self.node.describe()));
    }

    pub(crate) fn string(&self, report: &mut Report) -> Option<String> {
        match &self.node.content {
            Content::String(value) => Some(value.clone()),
            Content::Bool(value) => {
                self.error(
                    report,
                    format!("expected a string, found a boolean: write \"{value}\""),
                );
                None
            }
            Content::Number(_, value) => {
                self.error(report, format!("expected a string, found a number: write \"{value}\""));
                None
            }
            Content::Null | Content::List(_) | Content::Map(_) => {
                self.expected(report, "a string");
                None
            }
        }
    }

    pub(crate) fn bool(&self, report: &mut Report) -> Option<bool> {
        if let Content::Bool(value) = self.node.content {
            return Some(value);
        }
        self.expected(report, "true or false");
        None
    }

    /// A whole number from 0 on.
    pub(crate) fn number(&self, report: &mut Report) -> Option<u64> {
        if let Content::Number(number, _) = &self.node.content
            && let Some(value) = number.as_u64()
        {
            return Some(value);
        }
        self.expected(report, "a whole number");
        None
    }

    /// A string that a check accepts.
    pub(crate) fn checked(
        &self,
        report: &mut Report,
        check: impl Fn(&str) -> Result<(), InvalidName>,
    ) -> Option<String> {
        let value = self.string(report)?;
        match check(&value) {
            Ok(()) => Some(value),
            Err(error) => {
                self.error(report, error.to_string());
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn one_of<T: Copy>(&self, report: &mut Report, words: &[(&str, T)]) -> Option<T> {
        let value = self.string(report)?;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == value) {
            return Some(*found);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let guess = nearest(&value, known.iter().copied())
            .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
        let message = match known.as_slice() {
            [only] => format!("expected `{only}`, found `{value}`"),
            _ => format!("`{value}` is none of {}{guess}", known.join(", ")),
        };
        self.error(report, message);
        None
    }

    /// A list, each item read by `item`; nothing when an item fails, so that nobody complains of a
    /// short list as well.
    pub(crate) fn list<T>(
        &self,
        report: &mut Report,
        mut item: impl FnMut(&mut Report, Cursor<'n>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Content::List(items) = &self.node.content else {
            self.expected(report, "a list");
            return None;
        };
        let mut out = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            out.extend(item(report, Cursor::new(node, format!("{}[{index}]", self.path))));
        }
        (out.len() == items.len()).then_some(out)
    }

    pub(crate) fn strings(&self, report: &mut Report) -> Option<Vec<String>> {
        self.list(report, |report, item| item.string(report))
    }

    /// A map of any keys, each value read by `value`; nothing when one fails.
    pub(crate) fn map<T, E: fmt::Display>(
        &self,
        report: &mut Report,
        check_key: impl Fn(&str) -> Result<(), E>,
        mut value: impl FnMut(&mut Report, Cursor<'n>) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let mut out = BTreeMap::new();
        let errors_before = report.errors.len();
        for (key, line, node) in self.entries(report)? {
            let path = format!("{}[{key}]", self.path);
            if let Err(error) = check_key(key) {
                report.add(*line, &path, error.to_string());
            }
            if let Some(read) = value(report, Cursor::new(node, path)) {
                out.insert(key.clone(), read);
            }
        }
        (report.errors.len() == errors_before).then_some(out)
    }

    /// A map of known fields. What `read` does not ask for is reported as unknown.
    pub(crate) fn fields<T>(
        &self,
        report: &mut Report,
        read: impl FnOnce(&mut Report, &mut Fields<'n>) -> Option<T>,
    ) -> Option<T> {
        let entries = self.entries(report)?;
        let mut fields =
            Fields { entries, path: self.path.clone(), line: self.node.line, asked: Vec::new() };
        let value = read(report, &mut fields);
        fields.finish(report);
        value
    }

    fn entries(&self, report: &mut Report) -> Option<&'n [(String, usize, Node)]> {
        let Content::Map(entries) = &self.node.content else {
            self.expected(report, "a map");
            return None;
        };
        Some(entries)
    }

    /// Reports every key that a map of this tree has more than once.
    pub(crate) fn refuse_duplicates(&self, report: &mut Report) {
        match &self.node.content {
            Content::Map(entries) => {
                let mut seen = BTreeSet::new();
                for (key, line, node) in entries {
                    let path = join(&self.path, key);
                    if !seen.insert(key) {
                        report.add(*line, &path, "this key is here twice");
                    }
                    Cursor::new(node, path).refuse_duplicates(report);
                }
            }
            Content::List(items) => {
                for (index, node) in items.iter().enumerate() {
                    Cursor::new(node, format!("{}[{index}]", self.path)).refuse_duplicates(report);
                }
            }
            Content::Null | Content::Bool(_) | Content::Number(..) | Content::String(_) => {}
        }
    }

    /// The string in a field, without any complaint.
    pub(crate) fn peek(&self, field: &str) -> Option<&'n str> {
        let Content::Map(entries) = &self.node.content else {
            return None;
        };
        match &entries.iter().find(|(key, _, _)| key == field)?.2.content {
            Content::String(value) => Some(value),
            Content::Null
            | Content::Bool(_)
            | Content::Number(..)
            | Content::List(_)
            | Content::Map(_) => None,
        }
    }
}

/// The fields of one map, asked for by name.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    entries: &'n [(String, usize, Node)],
    path: String,
    line: usize,
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// A field that may be left out; `null` counts as left out.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Cursor<'n>> {
        self.asked.push(name);
        let (_, _, node) = self.entries.iter().find(|(key, _, _)| key == name)?;
        (node.content != Content::Null).then(|| Cursor::new(node, join(&self.path, name)))
    }

    /// A field that must be there.
    pub(crate) fn required(
        &mut self,
        report: &mut Report,
        name: &'static str,
    ) -> Option<Cursor<'n>> {
        let found = self.optional(name);
        if found.is_none() {
            report.add(self.line, &join(&self.path, name), "this field is required");
        }
        found
    }

    /// Reports an error about the map as a whole.
    pub(crate) fn error(&self, report: &mut Report, message: impl Into<String>) {
        report.add(self.line, &self.path, message);
    }

    fn finish(self, report: &mut Report) {
        for (key, line, _) in self.entries {
            if self.asked.iter().any(|name| name == key) {
                continue;
            }
            let message = match nearest(key, self.asked.iter().copied()) {
                Some(name) => format!("unknown field; did you mean `{name}`?"),
                None if self.asked.is_empty() => "unknown field".to_owned(),
                None => format!("unknown field; known are {}", self.asked.join(", ")),
            };
            report.add(*line, &join(&self.path, key), message);
        }
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The word that a typing error would most likely have been, if one is close.
pub(crate) fn nearest<'w>(typed: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let lower = typed.to_lowercase();
    words
        .map(|word| (edit_distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance * 3 <= word.len().max(3))
        .min()
        .map(|(_, word)| word)
}

/// Levenshtein distance, for short words; long ones count as far away.
fn edit_distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX / 3;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, to) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX / 3);
            let cost = (diagonal + usize::from(from != *to)).min(left + 1).min(above + 1);
            diagonal = above;
            if let Some(slot) = row.get_mut(j) {
                *slot = left;
            }
            left = cost;
        }
        if let Some(slot) = row.last_mut() {
            *slot = left;
        }
    }
    row.last().copied().unwrap_or(0)
}
