//! A report as CSV, JSON and HTML. Rows go to temporary files, a cluster at a time, so that a large
//! fleet's report is never in memory; what comes before them is known only at the end.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write as _};

use hanse_domain::access::object::AccessKey;
use hanse_domain::access::subject::Subject;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::grants::Row;
use super::groups::Group;
use super::html;
use super::question::Question;
use super::summary::{Head, Summary};
use super::trace::Trace;
use crate::access::csv;
use crate::access::words::group_name;
use crate::failure::{Failure, Outcome};
use crate::text::escape_json;

/// Of the JSON.
pub(crate) const FORMAT: &str = "hanse access report v1";

/// Columns of the CSV.
const COLUMNS: [&str; 36] = [
    "cluster",
    "cluster_id",
    "subject_kind",
    "subject_namespace",
    "subject",
    "via_group",
    "namespace",
    "verbs",
    "api_groups",
    "resources",
    "resource_names",
    "non_resource_urls",
    "limited_to",
    "binding_kind",
    "binding_namespace",
    "binding",
    "role_kind",
    "role_namespace",
    "role",
    "aggregated_from",
    "held_from",
    "held_until",
    "proof",
    "source",
    "document",
    "revision",
    "signed_by",
    "created_at",
    "changed_at",
    "manager",
    "uid",
    "role_source",
    "role_document",
    "role_revision",
    "role_signed_by",
    "note",
];

/// Writes all three forms.
#[derive(Debug)]
pub(crate) struct Composer<'q> {
    question: &'q Question,
    head: &'q Head,
    groups: &'q [Group],
    summary: Summary,
    csv: Spool,
    json: Spool,
    html: Spool,
}

/// What a report has become.
#[derive(Debug)]
pub(crate) struct Sheets {
    pub(crate) csv: Sheet,
    pub(crate) json: Sheet,
    pub(crate) html: Sheet,
    pub(crate) summary: Summary,
}

/// One form: what comes first, the rows, what comes last.
#[derive(Debug)]
pub(crate) struct Sheet {
    head: Vec<u8>,
    rows: File,
    tail: Vec<u8>,
}

#[derive(Debug)]
struct Spool(BufWriter<File>);

impl Spool {
    fn new() -> Outcome<Self> {
        Ok(Self(BufWriter::new(tempfile::tempfile().map_err(|e| not_kept(&e))?)))
    }

    fn write(&mut self, text: &str) -> Outcome<()> {
        self.0.write_all(text.as_bytes()).map_err(|e| not_kept(&e))
    }

    fn sheet(self, head: String, tail: String) -> Outcome<Sheet> {
        let rows = self.0.into_inner().map_err(|e| not_kept(e.error()))?;
        Ok(Sheet { head: head.into_bytes(), rows, tail: tail.into_bytes() })
    }
}

impl Sheet {
    /// How many bytes it has.
    pub(crate) fn len(&self) -> io::Result<u64> {
        let ends = self.head.len() as u64 + self.tail.len() as u64;
        Ok(self.rows.metadata()?.len() + ends)
    }

    /// From the beginning.
    pub(crate) fn read(&mut self) -> io::Result<impl Read + '_> {
        self.rows.seek(SeekFrom::Start(0))?;
        Ok(self.head.chain(&self.rows).chain(self.tail.as_slice()))
    }
}

fn not_kept(error: &io::Error) -> Failure {
    Failure::io("the report cannot be kept in the folder for temporary files", error)
}

impl<'q> Composer<'q> {
    pub(crate) fn new(
        question: &'q Question,
        head: &'q Head,
        groups: &'q [Group],
    ) -> Outcome<Self> {
        let summary = Summary::default();
        let (csv, json, html) = (Spool::new()?, Spool::new()?, Spool::new()?);
        Ok(Self { question, head, groups, summary, csv, json, html })
    }

    /// The next cluster.
    pub(crate) fn cluster(&mut self, answer: &Answer) -> Outcome<()> {
        self.summary.add(answer, self.groups);
        let Some(about) = self.summary.clusters.last() else { return Ok(()) };
        for note in &about.notes {
            let mut cells = vec![about.name.clone(), answer.entry.id.to_string()];
            cells.resize(COLUMNS.len() - 1, String::new());
            cells.push(note.clone());
            self.csv.write(&csv::line(cells))?;
        }
        for row in &answer.rows {
            self.csv.write(&csv::line(record(answer, row)))?;
        }
        let comma = if self.summary.clusters.len() > 1 { "," } else { "" };
        self.json.write(&format!(
            "{comma}\n{{\"cluster\":{}",
            one_line(&cluster(answer, &about.notes))
        ))?;
        self.json.write(",\"grants\":[")?;
        for (number, row) in answer.rows.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            self.json.write(&format!("{comma}\n{}", one_line(&grant(row))))?;
        }
        self.json.write("]}")?;
        html::cluster(answer, about, self.question, &mut |text| self.html.write(text))
    }

    /// All clusters are there.
    pub(crate) fn end(self) -> Outcome<Sheets> {
        let Self { question, head, groups, summary, csv, json, html } = self;
        let begin = json_head(question, head);
        let end = format!(
            "],\n\"groups\":{},\n\"totals\":{}}}\n",
            one_line(&json!(groups)),
            one_line(&json!(summary.totals())),
        );
        Ok(Sheets {
            csv: csv.sheet(csv::line(COLUMNS), String::new())?,
            json: json.sheet(begin, end)?,
            html: html.sheet(html::begin(question, head, groups, &summary), html::end(head))?,
            summary,
        })
    }
}

fn json_head(question: &Question, head: &Head) -> String {
    let fields = [
        ("format", json!(FORMAT)),
        ("fleet", json!(format!("sha256:{}", head.fleet))),
        ("revision", json!(head.revision)),
        ("history", json!(head.history.to_string())),
        ("madeAt", json!(head.made_at)),
        ("question", json!(question)),
        ("words", json!(format!("{}, {}", question.words(), question.when.words()))),
    ];
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("\"{name}\":{}", one_line(value))).collect();
    format!("{{{},\n\"clusters\":[", fields.join(",\n"))
}

fn one_line(value: &Value) -> String {
    escape_json(&value.to_string())
}

fn cluster(answer: &Answer, notes: &[String]) -> Value {
    let standing = &answer.standing;
    let spans = |spans: &[(Timestamp, Timestamp)]| -> Value {
        spans.iter().map(|(from, until)| json!({ "from": from, "until": until })).collect()
    };
    let checkpoints: Value = standing
        .fitting
        .iter()
        .map(|fitting| {
            let read = &fitting.checkpoint;
            json!({
                "digest": fitting.digest.to_string(),
                "from": read.from,
                "until": read.until,
                "root": read.root.to_string(),
                "objects": read.objects,
            })
        })
        .collect();
    json!({
        "name": answer.entry.name,
        "id": answer.entry.id,
        "labels": answer.entry.labels,
        "recipient": answer.entry.recipient,
        "proof": standing.whole().word(),
        "root": standing.root.map(|root| root.to_string()),
        "objects": standing.objects,
        "proven": spans(&standing.proven),
        "notProven": spans(&standing.gaps),
        "signedForTheSameUntil": standing.before,
        "contradictions": standing.contradictions,
        "unseen": standing.unseen,
        "skipped": standing.skipped,
        "checkpoints": checkpoints,
        "hubSays": answer.evidence.hub,
        "notes": notes,
    })
}

fn grant(row: &Row) -> Value {
    let grant = &row.grant;
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            out.insert(name.to_owned(), value);
        }
    };
    let (kind, namespace, name) = subject(&grant.subject);
    let mut who = json!({ "kind": kind });
    if let (Some(who), false) = (who.as_object_mut(), namespace.is_empty()) {
        who.insert("namespace".to_owned(), json!(namespace));
    }
    if let Some(who) = who.as_object_mut() {
        who.insert("name".to_owned(), json!(name));
    }
    put("subject", who);
    put("viaGroup", json!(grant.via_group));
    put("rule", json!(*grant.rule));
    put("namespace", json!(grant.namespace));
    put("limitedTo", json!(grant.limited_to));
    put("binding", json!(grant.binding));
    put("role", json!(grant.role));
    put("aggregatedFrom", json!(grant.aggregated_from));
    put("from", json!(row.from));
    put("until", json!(row.until));
    put("proof", json!(row.proof.word()));
    put("origin", json!(row.binding));
    put("roleOrigin", json!(row.role));
    Value::Object(out)
}

/// Kind, namespace and name.
pub(crate) fn subject(subject: &Subject) -> (&'static str, &str, &str) {
    match subject {
        Subject::User(name) => ("User", "", name),
        Subject::Group(name) => ("Group", "", name),
        Subject::ServiceAccount { namespace, name } => ("ServiceAccount", namespace, name),
    }
}

fn record(answer: &Answer, row: &Row) -> Vec<String> {
    let grant = &row.grant;
    let (kind, namespace, name) = subject(&grant.subject);
    let key = |key: Option<&AccessKey>| match key {
        None => [String::new(), String::new(), String::new()],
        Some(key) => [key.kind.to_string(), key.namespace.clone(), key.name.clone()],
    };
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let words = |words: &[String]| words.join(" ");
    let rule = &grant.rule;
    let mut cells = vec![answer.entry.name.clone(), answer.entry.id.to_string()];
    cells.extend([kind, namespace, name].map(str::to_owned));
    cells.push(grant.via_group.clone().unwrap_or_default());
    cells.push(grant.namespace.clone().unwrap_or_default());
    cells.push(words(&rule.verbs));
    let groups: Vec<&str> = rule.api_groups.iter().map(|group| group_name(group)).collect();
    cells.push(groups.join(" "));
    let lists = [&rule.resources, &rule.resource_names, &rule.non_resource_urls, &grant.limited_to];
    cells.extend(lists.map(|list| words(list)));
    cells.extend(key(grant.binding.as_ref()));
    cells.extend(key(grant.role.as_ref()));
    cells.push(words(&grant.aggregated_from));
    cells.extend([moment(row.from), moment(row.until), row.proof.word().to_owned()]);
    let declared = |trace: &Trace| {
        let revision = trace.revision.map(|number| number.to_string()).unwrap_or_default();
        let source = trace.source.word().to_owned();
        [source, trace.document.clone(), revision, trace.author.clone()]
    };
    cells.extend(declared(&row.binding));
    cells.extend([moment(row.binding.created_at), moment(row.binding.changed_at)]);
    cells.extend([row.binding.manager.clone(), row.binding.uid.clone()]);
    cells.extend(declared(&row.role));
    cells.push(String::new());
    cells
}
