//! A statement: one change to the fleet, as its author says it. Revisions are the list of them.
//!
//! ```text
//! hanse statement v1
//! fleet <digest of the first trust root>
//! root <digest of the trust root in force>
//! number 4
//! history <Merkle tree hash over statements 1 to 3>
//! time 2026-11-24T10:57:00.123456Z
//! message "give the payments team its namespace"
//! signers 1
//! changes 2 <Merkle tree hash over the lines of its changes>
//! fleet-root <Merkle tree hash over the clusters' manifests after the change>
//! ```
//!
//! The message is a JSON string. `signers` is how many keys of the trust root must have signed: with
//! fewer it is a proposal and no part of any history.

use std::fmt::Write as _;

use jiff::{Timestamp, Unit};

use super::changes::ProvenChange;
use super::encoding::{Lines, Malformed, words};
use super::merkle::{self, BadProof};
use crate::ids::{Digest, RevisionNumber};
use crate::trust::signature::MAX_SIGNATURES;

const WHAT: &str = "statement";
const HEADER: &str = "hanse statement v1";
/// Most bytes that a statement may have.
pub const MAX_STATEMENT_BYTES: usize = 8 * 1024;
/// Most keys that a statement may need: as many as can sign it.
pub const MAX_SIGNERS: usize = MAX_SIGNATURES;
/// Most bytes that a message may have.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// One change to the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Digest of the fleet's first trust root.
    pub fleet: Digest,
    /// Digest of the trust root by which it is signed.
    pub root: Digest,
    /// 1, 2, 3 …
    pub number: RevisionNumber,
    /// Merkle tree hash over all earlier statements.
    pub history: Digest,
    /// As the author's machine saw it, to the microsecond.
    pub time: Timestamp,
    /// Why, in the author's words.
    pub message: String,
    /// How many keys of the trust root must sign it, 1 at least. Who sees only a part of what it changes
    /// knows by this whether it was ever complete.
    pub signers: usize,
    /// How many subjects it adds, changes and removes.
    pub change_count: u64,
    /// Merkle tree hash over the lines of its changes.
    pub changes: Digest,
    /// Merkle tree hash over the clusters' manifests after the change.
    pub fleet_root: Digest,
}

impl Statement {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!(
            "{HEADER}\nfleet {}\nroot {}\nnumber {}\nhistory {}\ntime {}\nmessage {}\n\
             signers {}\n",
            self.fleet,
            self.root,
            self.number,
            self.history,
            canonical_time(self.time),
            serde_json::Value::from(self.message.as_str()),
            self.signers,
        );
        let _ = writeln!(out, "changes {} {}", self.change_count, self.changes);
        let _ = writeln!(out, "fleet-root {}", self.fleet_root);
        out.into_bytes()
    }

    /// Reads a statement. Errors: not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_STATEMENT_BYTES)?;
        let fleet = lines.field("fleet")?.parse().map_err(|e| lines.fail(e))?;
        let root = lines.field("root")?.parse().map_err(|e| lines.fail(e))?;
        let number = RevisionNumber(lines.field("number")?.parse().map_err(|e| lines.fail(e))?);
        let history = lines.field("history")?.parse().map_err(|e| lines.fail(e))?;
        let time = lines.field("time")?.parse().map_err(|e| lines.fail(e))?;
        let message: String =
            serde_json::from_str(lines.field("message")?).map_err(|e| lines.fail(e))?;
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(lines.fail(format_args!("a message over {MAX_MESSAGE_BYTES} bytes")));
        }
        let signers = lines.field("signers")?.parse().map_err(|e| lines.fail(e))?;
        if !(1..=MAX_SIGNERS).contains(&signers) {
            return Err(lines.fail(format_args!("{signers} signers; it is 1 to {MAX_SIGNERS}")));
        }
        let [count, changes] = words(lines.field("changes")?)
            .ok_or_else(|| lines.fail("a number and a digest expected"))?;
        let change_count = count.parse().map_err(|e| lines.fail(e))?;
        let changes = changes.parse().map_err(|e| lines.fail(e))?;
        let fleet_root = lines.field("fleet-root")?.parse().map_err(|e| lines.fail(e))?;
        lines.end()?;
        let statement = Self {
            fleet,
            root,
            number,
            history,
            time,
            message,
            signers,
            change_count,
            changes,
            fleet_root,
        };
        if number.0 == 0 {
            return Err(Malformed { what: WHAT, why: "number 0".to_owned() });
        }
        if statement.encode() == bytes {
            Ok(statement)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }

    /// Whether it would be read again with these bytes of its encoding.
    pub(crate) fn bounded(&self, bytes: &[u8]) -> Result<(), Malformed> {
        let why = if bytes.len() > MAX_STATEMENT_BYTES {
            format!(
                "{} bytes, more than {MAX_STATEMENT_BYTES}: write a shorter message, without control characters",
                bytes.len()
            )
        } else if self.message.len() > MAX_MESSAGE_BYTES {
            format!("a message over {MAX_MESSAGE_BYTES} bytes")
        } else if !(1..=MAX_SIGNERS).contains(&self.signers) {
            format!("{} signers; it is 1 to {MAX_SIGNERS}", self.signers)
        } else {
            return Ok(());
        };
        Err(Malformed { what: WHAT, why })
    }

    /// Checks that it lists a change.
    pub fn lists(&self, change: &ProvenChange) -> Result<(), BadProof> {
        change.verify(self.change_count, self.changes)
    }

    /// The hash that the history's Merkle tree has for these bytes of a statement.
    pub fn leaf_hash(bytes: &[u8]) -> Digest {
        merkle::leaf_hash(bytes)
    }
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
