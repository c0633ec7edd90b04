//! Everything that a report follows from, in one file:
//!
//! ```text
//! README.md
//! history/trust-root                       the first trust root
//! history/000001/statement, signatures, changes, contents/00001 …
//! manifest.json                            what was asked, of which fleet, up to which statement
//! groups.jsonl                             who is in which group of people, as the hub says
//! clusters/NAME/objects.jsonl, checkpoints.jsonl, hub.json
//! report.csv, report.json, report.html
//! SHA256SUMS
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};

use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::ClusterId;
use hanse_proto::admin::CommittedStatement;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::archive::Writer;
use super::evidence::Files;
use super::groups::{self, Group};
use super::question::Question;
use super::sheets::Sheets;
use super::summary::Head;

/// Of the manifest.
pub(crate) const FORMAT: &str = "hanse access evidence v1";
/// The first file, for whoever unpacks a bundle.
pub(crate) const README: &str = include_str!("bundle_readme.md");

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    /// What wrote it: another version may word a report in another way.
    pub(crate) program: String,
    /// `sha256:` and the digest of the first trust root.
    pub(crate) fleet: String,
    /// The newest statement, and the Merkle tree hash over all of them.
    pub(crate) revision: u64,
    pub(crate) history: String,
    pub(crate) made_at: Timestamp,
    pub(crate) question: Question,
    pub(crate) clusters: Vec<Listed>,
}

/// A cluster of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) id: ClusterId,
    /// Its folder in `clusters`: its name, unless two have the same.
    pub(crate) folder: String,
}

impl Manifest {
    pub(crate) fn new(question: &Question, head: &Head, clusters: &[ClusterEntry]) -> Self {
        Self {
            format: FORMAT.to_owned(),
            program: program(),
            fleet: format!("sha256:{}", head.fleet),
            revision: head.revision,
            history: head.history.to_string(),
            made_at: head.made_at,
            question: question.clone(),
            clusters: listed(clusters),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = serde_json::to_vec_pretty(self).unwrap_or_default();
        out.push(b'\n');
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.encode() == bytes { Ok(read) } else { Err("not in its canonical form".to_owned()) }
    }
}

/// This program and its version.
pub(crate) fn program() -> String {
    concat!("hanse ", env!("CARGO_PKG_VERSION")).to_owned()
}

fn listed(clusters: &[ClusterEntry]) -> Vec<Listed> {
    let mut of_name: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in clusters {
        *of_name.entry(&entry.name).or_default() += 1;
    }
    let folder = |entry: &ClusterEntry| {
        if of_name.get(entry.name.as_str()) == Some(&1) {
            entry.name.clone()
        } else {
            format!("{}.{}", entry.name, entry.id)
        }
    };
    clusters
        .iter()
        .map(|entry| Listed { name: entry.name.clone(), id: entry.id, folder: folder(entry) })
        .collect()
}

/// Where a statement's files are.
pub(crate) fn statement_folder(number: u64) -> String {
    format!("history/{number:06}")
}

/// Writes a bundle from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Builder<W> {
    out: Writer<W>,
    statements: u64,
}

impl<W: Write> Builder<W> {
    /// Begins with the first trust root.
    pub(crate) fn begin(out: W, root: &[u8]) -> io::Result<Self> {
        let mut out = Writer::new(out);
        out.file("README.md", README.as_bytes())?;
        out.file("history/trust-root", root)?;
        Ok(Self { out, statements: 0 })
    }

    /// The next statement.
    pub(crate) fn statement(&mut self, next: &CommittedStatement) -> io::Result<()> {
        self.statements += 1;
        let folder = statement_folder(self.statements);
        self.out.file(&format!("{folder}/statement"), &next.statement)?;
        self.out.file(&format!("{folder}/signatures"), &next.signatures)?;
        self.out.file(&format!("{folder}/changes"), &next.changes)?;
        for (number, content) in (1..).zip(&next.contents) {
            self.out.file(&format!("{folder}/contents/{number:05}"), content)?;
        }
        Ok(())
    }

    /// After the history.
    pub(crate) fn manifest(&mut self, manifest: &Manifest, groups: &[Group]) -> io::Result<()> {
        self.out.file("manifest.json", &manifest.encode())?;
        self.out.file("groups.jsonl", &groups::encode(groups))
    }

    /// The next cluster.
    pub(crate) fn cluster(&mut self, folder: &str, files: &Files) -> io::Result<()> {
        self.out.file(&format!("clusters/{folder}/objects.jsonl"), &files.objects)?;
        self.out.file(&format!("clusters/{folder}/checkpoints.jsonl"), &files.checkpoints)?;
        self.out.file(&format!("clusters/{folder}/hub.json"), &files.hub)
    }

    /// The report, and the end.
    pub(crate) fn end(mut self, sheets: &mut Sheets) -> io::Result<W> {
        let Sheets { csv, json, html, .. } = sheets;
        for (name, sheet) in [("report.csv", csv), ("report.json", json), ("report.html", html)] {
            self.out.stream(name, sheet.len()?, sheet.read()?)?;
        }
        self.out.end()
    }
}
