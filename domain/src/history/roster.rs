//! A roster entry: what the fleet has agreed on about one cluster. Its labels decide placement.
//!
//! ```text
//! hanse cluster v1
//! id 0192f0c1-2a3b-7c4d-8e5f-60718293a4b5
//! name prod-1
//! label env prod
//! recipient age1…
//! confirm-removals 7 40
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::encoding::{Lines, Malformed, words};
use crate::ids::{ClusterId, Digest, Generation, RevisionNumber};
use crate::names;
use crate::trust::recipient;

const WHAT: &str = "roster entry";
const HEADER: &str = "hanse cluster v1";
/// Most bytes that an entry may have.
pub const MAX_ENTRY_BYTES: usize = 64 * 1024;

/// Labels of a cluster, of a namespace or of an object.
pub type Labels = BTreeMap<String, String>;

/// One cluster in the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEntry {
    /// The same as in the cluster's certificate.
    pub id: ClusterId,
    /// A DNS label, unique in the fleet.
    pub name: String,
    /// What selectors of placements match.
    pub labels: Labels,
    /// The age recipient that its agent made: to whom secrets are sealed. The signature vouches for it.
    pub recipient: Option<String>,
    /// A person has seen that this many objects go at this generation, and wants it.
    pub confirmed_removals: Option<ConfirmedRemovals>,
}

/// Lets an agent remove more objects at once than it does unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedRemovals {
    /// The generation at which the removals wait.
    pub generation: Generation,
    /// Exactly how many.
    pub count: u32,
}

impl ClusterEntry {
    /// An entry as `hanse cluster accept` first makes it.
    pub fn new(id: ClusterId, name: String, labels: Labels) -> Self {
        Self { id, name, labels, recipient: None, confirmed_removals: None }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("{HEADER}\nid {}\nname {}\n", self.id, self.name);
        for (key, value) in &self.labels {
            let _ = writeln!(out, "label {key} {value}");
        }
        if let Some(recipient) = &self.recipient {
            let _ = writeln!(out, "recipient {recipient}");
        }
        if let Some(confirmed) = &self.confirmed_removals {
            let _ = writeln!(out, "confirm-removals {} {}", confirmed.generation, confirmed.count);
        }
        out.into_bytes()
    }

    /// Reads an entry. Errors: not canonical, or names and labels that Kubernetes would refuse.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_ENTRY_BYTES)?;
        let id = lines.field("id")?.parse().map_err(|e| lines.fail(e))?;
        let name = lines.field("name")?.to_owned();
        names::check_dns_label(&name).map_err(|e| lines.fail(e))?;
        let mut labels = Labels::new();
        while let Some(value) = lines.optional("label") {
            let [key, value] = words(value).ok_or_else(|| lines.fail("a key and a value"))?;
            names::check_label_key(key).map_err(|e| lines.fail(e))?;
            names::check_label_value(value).map_err(|e| lines.fail(e))?;
            labels.insert(key.to_owned(), value.to_owned());
        }
        let recipient = lines.optional("recipient").map(str::to_owned);
        if let Some(recipient) = &recipient {
            recipient::check_recipient(recipient).map_err(|e| lines.fail(e))?;
        }
        let confirmed_removals = match lines.optional("confirm-removals") {
            None => None,
            Some(value) => {
                let [generation, count] =
                    words(value).ok_or_else(|| lines.fail("a generation and a number"))?;
                Some(ConfirmedRemovals {
                    generation: RevisionNumber(generation.parse().map_err(|e| lines.fail(e))?),
                    count: count.parse().map_err(|e| lines.fail(e))?,
                })
            }
        };
        lines.end()?;
        let entry = Self { id, name, labels, recipient, confirmed_removals };
        if entry.encode() == bytes {
            Ok(entry)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }

    /// The digest that statements and manifests name.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }
}
