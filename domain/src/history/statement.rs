//! A statement: one change to the fleet, as its author says it. Revisions are the list of them.
//!
//! ```text
//! hanse statement v1
//! fleet <digest of the first trust root>
//! number 4
//! history <Merkle tree hash over statements 1 to 3>
//! time 2026-11-24T10:57:00.123456Z
//! message "give the payments team its namespace"
//! change FederatedNamespace/payments - <digest>
//! change Cluster/0192f0c1-2a3b-7c4d-8e5f-60718293a4b5 <digest> <digest>
//! fleet-root <Merkle tree hash over the clusters' manifests after the change>
//! ```
//!
//! A change names the digests before and after, `-` where there is none. The message is a JSON string.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use jiff::{Timestamp, Unit};

use super::encoding::{Lines, Malformed, words};
use super::merkle;
use crate::document::DocumentRef;
use crate::ids::{ClusterId, Digest, InvalidId, RevisionNumber};

const WHAT: &str = "statement";
const HEADER: &str = "hanse statement v1";
/// Most bytes that a statement may have.
pub const MAX_STATEMENT_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes that a message may have.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A cluster's roster entry.
    Cluster(ClusterId),
    /// A document.
    Document(DocumentRef),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(id) => write!(f, "Cluster/{id}"),
            Self::Document(reference) => reference.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.strip_prefix("Cluster/") {
            Some(id) => id.parse().map(Self::Cluster),
            None => text.parse().map(Self::Document),
        }
    }
}

/// The digests of a subject's bytes before and after a change; at least one is there, and they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Nothing when the subject is new.
    pub before: Option<Digest>,
    /// Nothing when the subject goes.
    pub after: Option<Digest>,
}

/// One change to the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Digest of the fleet's first trust root.
    pub fleet: Digest,
    /// 1, 2, 3 …
    pub number: RevisionNumber,
    /// Merkle tree hash over all earlier statements.
    pub history: Digest,
    /// As the author's machine saw it, to the microsecond.
    pub time: Timestamp,
    /// Why, in the author's words.
    pub message: String,
    /// What it adds, changes and removes.
    pub changes: BTreeMap<Subject, Transition>,
    /// Merkle tree hash over the clusters' manifests after the change.
    pub fleet_root: Digest,
}

impl Statement {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!(
            "{HEADER}\nfleet {}\nnumber {}\nhistory {}\ntime {}\nmessage {}\n",
            self.fleet,
            self.number,
            self.history,
            canonical_time(self.time),
            serde_json::Value::from(self.message.as_str()),
        );
        let digest = |d: Option<Digest>| d.map_or_else(|| "-".to_owned(), |d| d.to_string());
        for (subject, transition) in &self.changes {
            let (before, after) = (digest(transition.before), digest(transition.after));
            let _ = writeln!(out, "change {subject} {before} {after}");
        }
        let _ = writeln!(out, "fleet-root {}", self.fleet_root);
        out.into_bytes()
    }

    /// Reads a statement. Errors: not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_STATEMENT_BYTES)?;
        let fleet = lines.field("fleet")?.parse().map_err(|e| lines.fail(e))?;
        let number = lines.field("number")?.parse().map_err(|e| lines.fail(e))?;
        let history = lines.field("history")?.parse().map_err(|e| lines.fail(e))?;
        let time = lines.field("time")?.parse().map_err(|e| lines.fail(e))?;
        let message: String =
            serde_json::from_str(lines.field("message")?).map_err(|e| lines.fail(e))?;
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(lines.fail(format_args!("a message over {MAX_MESSAGE_BYTES} bytes")));
        }
        let mut changes = BTreeMap::new();
        while let Some(value) = lines.optional("change") {
            let [subject, before, after] =
                words(value).ok_or_else(|| lines.fail("a subject and two digests"))?;
            let transition = Transition {
                before: optional_digest(before).map_err(|e| lines.fail(e))?,
                after: optional_digest(after).map_err(|e| lines.fail(e))?,
            };
            if transition.before == transition.after {
                return Err(lines.fail("a change that changes nothing"));
            }
            changes.insert(subject.parse().map_err(|e| lines.fail(e))?, transition);
        }
        let fleet_root = lines.field("fleet-root")?.parse().map_err(|e| lines.fail(e))?;
        lines.end()?;
        let number = RevisionNumber(number);
        let statement = Self { fleet, number, history, time, message, changes, fleet_root };
        if statement.encode() == bytes {
            Ok(statement)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }

    /// Whether it would be read again with these bytes of its encoding.
    pub(crate) fn bounded(&self, bytes: &[u8]) -> Result<(), Malformed> {
        let why = if bytes.len() > MAX_STATEMENT_BYTES {
            format!("{} bytes, more than {MAX_STATEMENT_BYTES}", bytes.len())
        } else if self.message.len() > MAX_MESSAGE_BYTES {
            format!("a message over {MAX_MESSAGE_BYTES} bytes")
        } else {
            return Ok(());
        };
        Err(Malformed { what: WHAT, why })
    }

    /// The hash that the history's Merkle tree has for these bytes of a statement.
    pub fn leaf_hash(bytes: &[u8]) -> Digest {
        merkle::leaf_hash(bytes)
    }
}

fn optional_digest(text: &str) -> Result<Option<Digest>, InvalidId> {
    if text == "-" { Ok(None) } else { text.parse().map(Some) }
}

/// A time to the microsecond, always with six digits.
fn canonical_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Cuts a time to what a statement can hold.
pub fn to_microseconds(time: Timestamp) -> Timestamp {
    time.round(jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Trunc))
        .unwrap_or(time)
}
