//! `parse`: YAML text → documents that cannot be invalid, or every error at once, each with file,
//! line and field path.
//!
//! ```text
//! text ─ split at "---" ─ node::read (a tree with lines) ─ spec::* (typed, collecting errors) ─ Document
//! ```
//!
//! The bytes of each document stay exactly as they were written: they are what is signed and sent.

mod common;
mod cursor;
mod node;
mod spec;

use std::collections::BTreeMap;

use serde_json::Value;

pub use cursor::ParseError;
pub(crate) use cursor::nearest;
use cursor::{Cursor, Report};
use node::{Content, Node};

use crate::document::{Document, DocumentRef, Kind, Placed};
use crate::history::roster::Labels;
use crate::ids::Digest;
use crate::names;

/// The only version there is.
pub const API_VERSION: &str = "hanse.dev/v1alpha1";
/// Most bytes in one file.
pub const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes in one document. A cluster's API server takes 1.5 MiB in a request; what a document
/// becomes must fit well into that.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Most bytes in a document with a sealed secret: Kubernetes takes a Secret of 1 MiB.
pub const MAX_SECRET_DOCUMENT_BYTES: usize = 2 * 1024 * 1024;
/// How many errors are worth reading.
const MAX_ERRORS: usize = 200;

/// Reads all documents of some files, given as (name, text). Names must be unique over all of them.
pub fn parse_files<'t>(
    files: impl IntoIterator<Item = (&'t str, &'t [u8])>,
) -> Result<Vec<Document>, Vec<ParseError>> {
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    let mut seen: BTreeMap<DocumentRef, (String, usize)> = BTreeMap::new();
    for (file, bytes) in files {
        let mut report = Report { file: file.to_owned(), lines_before: 0, errors: Vec::new() };
        for (line, document) in parse_file(&mut report, bytes) {
            report.lines_before = 0;
            if let Some((other, other_line)) = seen.get(&document.reference) {
                let message =
                    format!("{} is declared at {other}:{other_line} already", document.reference);
                report.add(line, "metadata.name", message);
            } else {
                seen.insert(document.reference.clone(), (file.to_owned(), line));
                documents.push(document);
            }
        }
        report.errors.sort_by_key(|error| error.line);
        errors.append(&mut report.errors);
        if errors.len() > MAX_ERRORS {
            errors.truncate(MAX_ERRORS);
            if let Some(last) = errors.last().cloned() {
                errors.push(ParseError {
                    path: String::new(),
                    message: format!(
                        "and more: after {MAX_ERRORS} errors the rest is not looked at"
                    ),
                    ..last
                });
            }
            break;
        }
    }
    if errors.is_empty() { Ok(documents) } else { Err(errors) }
}

/// Reads one document from its exact bytes, as an agent receives it.
pub fn parse_document(bytes: &[u8]) -> Result<Document, ParseError> {
    let mut documents = parse_files([("document", bytes)])
        .map_err(|errors| errors.into_iter().next().unwrap_or_else(single_document_expected))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) if *document.bytes == *bytes => Ok(document),
        _ => Err(single_document_expected()),
    }
}

fn single_document_expected() -> ParseError {
    ParseError {
        file: "document".to_owned(),
        line: 1,
        path: String::new(),
        message: "exactly one document expected".to_owned(),
    }
}

/// Reads the part of a spec that overrides can change.
pub(crate) fn placed_from_json(kind: Kind, spec: &Value) -> Result<Placed, String> {
    let mut report = Report { file: String::new(), lines_before: 0, errors: Vec::new() };
    let node = Node::from_json(spec, 0);
    let placed = Cursor::new(&node, "spec")
        .fields(&mut report, |report, fields| spec::placed(report, fields, kind));
    match (report.errors.first(), placed) {
        (None, Some(placed)) => Ok(placed),
        (Some(error), _) => Err(format!("{}: {}", error.path, error.message)),
        (None, None) => Err("not a valid spec".to_owned()),
    }
}

fn parse_file(report: &mut Report, bytes: &[u8]) -> Vec<(usize, Document)> {
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!(
            "the file has {} bytes, more than {MAX_FILE_BYTES}: split it into several files",
            bytes.len()
        );
        report.add(1, "", message);
        return Vec::new();
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.split(|b| *b == b'\n').count();
            report.add(line, "", "the file is not UTF-8 from here on");
            return Vec::new();
        }
    };
    // A byte order mark belongs to the file and to none of its documents.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    for (lines_before, text) in split(text) {
        if report.errors.len() > MAX_ERRORS {
            break;
        }
        report.lines_before = lines_before;
        let named = parse_text(report, text);
        documents.extend(named.map(|(line, document)| (lines_before + line, document)));
    }
    documents
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

/// Splits at lines that begin with `---`, as kubectl does, and gives each part with the number of
/// lines before it. Parts with nothing but comments are left out.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.trim_end();
        if marker == "---" || marker.starts_with("--- ") {
            parts.push((start_line, text.get(start..at).unwrap_or_default()));
            // What stands behind the marker on its line belongs to the document.
            let inline = !is_blank(marker.trim_start_matches('-'));
            start = at + if inline { 4 } else { line.len() };
            start_line = number + usize::from(!inline);
        }
        at += line.len();
    }
    parts.push((start_line, text.get(start..).unwrap_or_default()));
    parts.retain(|(_, part)| !part.lines().all(is_blank));
    parts
}

/// The line of a text's first directive, if it has nothing else.
fn directives(text: &str) -> Option<usize> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !is_blank(line));
    let (first, _) = lines.clone().next()?;
    lines.all(|(_, line)| line.starts_with('%')).then_some(first)
}

/// A document, and the line of its name.
fn parse_text(report: &mut Report, text: &str) -> Option<(usize, Document)> {
    if text.len() > MAX_SECRET_DOCUMENT_BYTES {
        report.add(1, "", too_large(text, MAX_SECRET_DOCUMENT_BYTES));
        return None;
    }
    if let Some(line) = directives(text) {
        report.add(line, "", "YAML directives (`%`) are not used here: take this line away");
        return None;
    }
    let root = match node::read(text) {
        Ok(root) => root,
        Err(unreadable) => {
            report.add(unreadable.line, "", format!("not valid YAML: {}", unreadable.why));
            return None;
        }
    };
    let errors_before = report.errors.len();
    let root = Cursor::new(&root, "");
    if let Some(message) = foreign(&root) {
        root.error(report, message);
        return None;
    }
    if text.len() > MAX_DOCUMENT_BYTES && root.peek("kind") != Some(Kind::FederatedSecret.name()) {
        report.add(1, "", too_large(text, MAX_DOCUMENT_BYTES));
        return None;
    }
    root.refuse_duplicates(report);
    let document = root.fields(report, |report, fields| {
        let api_version = fields.required(report, "apiVersion");
        let kind = fields.required(report, "kind");
        let metadata = fields.required(report, "metadata");
        let spec = fields.required(report, "spec");
        if let Some(cursor) = api_version {
            cursor.one_of(report, &[(API_VERSION, ())]);
        }
        let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
        let kind = kind.and_then(|cursor| cursor.one_of(report, &kinds));
        let metadata = metadata.and_then(|cursor| read_metadata(report, &cursor, kind));
        let (kind, spec) = (kind?, spec?);
        let (placement, overrides, base) = spec::whole(report, &spec, kind)?;
        let Metadata { line, name, labels, annotations } = metadata?;
        let document = Document {
            reference: DocumentRef { kind, name },
            bytes: text.as_bytes().into(),
            digest: Digest::of(text.as_bytes()),
            labels,
            annotations,
            placement,
            overrides,
            base,
            spec: own_spec(spec.node),
        };
        Some((line, document))
    });
    document.filter(|_| report.errors.len() == errors_before)
}

fn too_large(text: &str, limit: usize) -> String {
    format!("the document has {} bytes, more than {limit}", text.len())
}

/// The spec without what overrides cannot change.
fn own_spec(spec: &Node) -> Value {
    let mut value = spec.to_json();
    if let Value::Object(map) = &mut value {
        map.retain(|key, value| key != "placement" && key != "overrides" && !value.is_null());
    }
    value
}

/// What to say of a document that is whole and well, but not one of ours.
fn foreign(root: &Cursor<'_>) -> Option<String> {
    let (version, kind) = (root.peek("apiVersion")?, root.peek("kind")?);
    if version == API_VERSION || Kind::ALL.iter().any(|known| known.name() == kind) {
        return None;
    }
    let ours = match kind {
        "Namespace" => Some(Kind::FederatedNamespace),
        "Role" | "ClusterRole" => Some(Kind::FederatedRole),
        "RoleBinding" | "ClusterRoleBinding" => Some(Kind::FederatedRoleBinding),
        "Secret" => Some(Kind::FederatedSecret),
        _ => None,
    };
    let hint = ours
        .map_or_else(String::new, |ours| format!("; over many clusters Hanse has {}", ours.name()));
    let cut = |text: &str| -> String { text.escape_debug().take(80).collect() };
    Some(format!(
        "this is `kind: {}` of `apiVersion: {}`, not a document of {API_VERSION}{hint}",
        cut(kind),
        cut(version)
    ))
}

struct Metadata {
    /// Where the name is.
    line: usize,
    name: String,
    labels: Labels,
    annotations: Labels,
}

fn read_metadata(report: &mut Report, cursor: &Cursor<'_>, kind: Option<Kind>) -> Option<Metadata> {
    cursor.fields(report, |report, fields| {
        let cursor = fields.required(report, "name");
        let line = cursor.as_ref().map_or(0, |name| name.node.line);
        let name = cursor.and_then(|name| match kind {
            // A namespace's document has the namespace's name.
            Some(Kind::FederatedNamespace) => spec::namespace_name(report, &name),
            _ => name.checked(report, names::check_dns_subdomain),
        });
        let labels = fields
            .optional("labels")
            .map_or_else(|| Some(BTreeMap::new()), |labels| common::labels(report, &labels));
        let annotations = fields.optional("annotations").map_or_else(
            || Some(BTreeMap::new()),
            |annotations| {
                annotations
                    .map(report, names::check_label_key, |report, value| value.string(report))
            },
        );
        Some(Metadata { line, name: name?, labels: labels?, annotations: annotations? })
    })
}

/// Whether a tree has anything in it.
pub(crate) fn is_empty_map(node: &Node) -> bool {
    matches!(&node.content, Content::Map(entries) if entries.is_empty())
}
