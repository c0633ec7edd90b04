//! What a statement changes: a list with one line a subject, of which the statement signs the number
//! and the Merkle tree hash. So a statement stays small, and a cluster is shown the lines that
//! concern it, each with a proof, and no others.
//!
//! ```text
//! hanse changes v1
//! Cluster/0192f0c1-2a3b-7c4d-8e5f-60718293a4b5 <digest> <digest>
//! FederatedNamespace/payments - <digest>
//! TrustRoot <digest> <digest>
//! Wrap/db-password/0192f0c1-2a3b-7c4d-8e5f-60718293a4b5 - <digest>
//! ```
//!
//! A line names the digests before and after, `-` where there is none. Each line, without its line
//! feed, is a leaf of the tree; lines are in the order of the subjects.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::encoding::{Lines, Malformed, words};
use super::merkle::{self, BadProof, InclusionProof};
use crate::document::DocumentRef;
use crate::ids::{ClusterId, Digest, InvalidId};
use crate::names;

const WHAT: &str = "list of changes";
const HEADER: &str = "hanse changes v1";
/// Most bytes that a list may have.
pub const MAX_CHANGES_BYTES: usize = 8 * 1024 * 1024;

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A cluster's roster entry.
    Cluster(ClusterId),
    /// A document.
    Document(DocumentRef),
    /// The trust root.
    TrustRoot,
    /// The key of a secret, wrapped to one cluster.
    Wrap(WrapRef),
}

/// Which wrapped key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WrapRef {
    /// Name of the `FederatedSecret`.
    pub secret: String,
    /// To which cluster.
    pub cluster: ClusterId,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(id) => write!(f, "Cluster/{id}"),
            Self::Document(reference) => reference.fmt(f),
            Self::TrustRoot => f.write_str("TrustRoot"),
            Self::Wrap(WrapRef { secret, cluster }) => write!(f, "Wrap/{secret}/{cluster}"),
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "TrustRoot" {
            return Ok(Self::TrustRoot);
        }
        if let Some(id) = text.strip_prefix("Cluster/") {
            return id.parse().map(Self::Cluster);
        }
        if let Some(wrap) = text.strip_prefix("Wrap/") {
            let invalid = InvalidId::new("a wrapped key like Wrap/SECRET/CLUSTER");
            let (secret, cluster) = wrap.split_once('/').ok_or(invalid)?;
            names::check_dns_subdomain(secret).map_err(|_| invalid)?;
            return Ok(Self::Wrap(WrapRef {
                secret: secret.to_owned(),
                cluster: cluster.parse()?,
            }));
        }
        text.parse().map(Self::Document)
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

/// What a statement changes, subject by subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(pub BTreeMap<Subject, Transition>);

impl Changes {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = HEADER.to_owned();
        for (subject, transition) in &self.0 {
            out.push('\n');
            out.push_str(&line(subject, *transition));
        }
        out.push('\n');
        out.into_bytes()
    }

    /// Reads a list. Errors: not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_CHANGES_BYTES)?;
        let mut changes = BTreeMap::new();
        while let Some(text) = lines.any() {
            let (subject, transition) = parse_line(text).map_err(|e| lines.fail(e))?;
            changes.insert(subject, transition);
        }
        let changes = Self(changes);
        if changes.encode() == bytes {
            Ok(changes)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }

    /// The Merkle tree hash over the lines: what the statement signs.
    pub fn root(&self) -> Digest {
        merkle::root(&self.leaves())
    }

    /// The changes of these subjects, each with its proof; subjects that do not change are left out.
    pub fn prove<'s>(&self, subjects: impl IntoIterator<Item = &'s Subject>) -> Vec<ProvenChange> {
        let leaves: merkle::Tree = self.leaves().into_iter().collect();
        let size = self.0.len() as u64;
        let indices: BTreeMap<&Subject, u64> = self.0.keys().zip(0..).collect();
        subjects
            .into_iter()
            .filter_map(|subject| {
                Some(ProvenChange {
                    subject: subject.clone(),
                    transition: *self.0.get(subject)?,
                    inclusion: leaves.inclusion(*indices.get(subject)?, size)?,
                })
            })
            .collect()
    }

    fn leaves(&self) -> Vec<Digest> {
        self.0.iter().map(|(s, t)| merkle::leaf_hash(line(s, *t).as_bytes())).collect()
    }
}

/// One change of a statement, with the proof that the statement lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenChange {
    /// What changes.
    pub subject: Subject,
    /// How.
    pub transition: Transition,
    /// That the line is under the statement's `changes`.
    pub inclusion: InclusionProof,
}

impl ProvenChange {
    /// Checks the proof against the number of changes and their Merkle tree hash.
    pub fn verify(&self, count: u64, root: Digest) -> Result<(), BadProof> {
        if self.inclusion.tree_size != count {
            return Err(BadProof);
        }
        let leaf = merkle::leaf_hash(self.line().as_bytes());
        self.inclusion.verify(leaf, root)
    }

    /// The line, as the list has it.
    pub fn line(&self) -> String {
        line(&self.subject, self.transition)
    }

    /// From a line and its proof.
    pub fn parse(text: &str, inclusion: InclusionProof) -> Result<Self, Malformed> {
        let fail = |why: String| Malformed { what: "change", why };
        let (subject, transition) = parse_line(text).map_err(fail)?;
        let change = Self { subject, transition, inclusion };
        if change.line() == text {
            Ok(change)
        } else {
            Err(fail("not in canonical form".to_owned()))
        }
    }
}

fn line(subject: &Subject, transition: Transition) -> String {
    let digest = |d: Option<Digest>| d.map_or_else(|| "-".to_owned(), |d| d.to_string());
    format!("{subject} {} {}", digest(transition.before), digest(transition.after))
}

fn parse_line(text: &str) -> Result<(Subject, Transition), String> {
    let [subject, before, after] =
        words(text).ok_or_else(|| "a subject and two digests expected".to_owned())?;
    let digest = |text: &str| {
        if text == "-" { Ok(None) } else { text.parse().map(Some) }
    };
    let digest = |text| digest(text).map_err(|e: InvalidId| e.to_string());
    let transition = Transition { before: digest(before)?, after: digest(after)? };
    if transition.before == transition.after {
        return Err("a change that changes nothing".to_owned());
    }
    Ok((subject.parse().map_err(|e: InvalidId| e.to_string())?, transition))
}
