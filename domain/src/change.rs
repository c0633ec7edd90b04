//! From edits to a statement and back: `propose` on the author's machine, `check` on the hub. Both
//! compute the same from the same base, so that the hub commits only what it could have written
//! itself, and whoever signs knows what the hub will hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::fleet::{Edit, Fleet};
use crate::history::changes::{Changes, MAX_CHANGES_BYTES, Subject, Transition};
use crate::history::encoding::Malformed;
use crate::history::roster::ClusterEntry;
use crate::history::statement::{Statement, to_microseconds};
use crate::history::wrap::Wrap;
use crate::ids::{ClusterId, Digest, RevisionNumber};
use crate::parse::{self, ParseError};
use crate::trust::chain::BrokenChain;
use crate::trust::root::TrustRoot;

/// Most edits in one statement.
pub const MAX_EDITS: usize = 20_000;

/// Most bytes that one cluster can hold: what an agent takes in one message and writes into its
/// ledger.
pub const MAX_BUNDLE_BYTES: usize = 12 * 1024 * 1024;

/// Most documents and wrapped keys that one cluster can hold: for each of them an agent that joins may
/// have to be shown a statement.
pub const MAX_BUNDLE_ITEMS: usize = 4_000;

/// A statement with what it brings.
#[derive(Clone, Debug)]
pub struct Change {
    /// What is said.
    pub statement: Statement,
    /// Its canonical encoding: what is signed.
    pub bytes: Vec<u8>,
    /// What it changes, subject by subject.
    pub changes: Changes,
    /// The documents, entries, wrapped keys and the trust root that it adds or changes.
    pub contents: Vec<Vec<u8>>,
    /// What it does, one edit for each change of the statement.
    pub edits: Vec<Edit>,
    /// The fleet after it, with its history.
    pub fleet: Fleet,
    /// Clusters whose bundle it changes.
    pub touched: BTreeSet<ClusterId>,
}

/// Why a statement is not the next one of a fleet.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Somebody else was faster.
    #[error("the statement is number {number} on another history; the fleet is at {current}")]
    Stale {
        /// The statement's.
        number: RevisionNumber,
        /// The fleet's.
        current: RevisionNumber,
    },
    /// Nothing would change.
    #[error("the statement changes nothing")]
    Empty,
    /// It was made for another fleet.
    #[error("the statement is of another fleet")]
    OtherFleet,
    /// Not a canonical encoding.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The trust root that it brings is not the next one.
    #[error(transparent)]
    TrustRoot(#[from] BrokenChain),
    /// A document that it brings is not valid.
    #[error("a document of the change is not valid: {0}")]
    Document(#[from] ParseError),
    /// What it says is not what its contents make.
    #[error("the statement does not fit its contents: {0}")]
    Inconsistent(String),
    /// More than one cluster can hold.
    #[error(
        "cluster {cluster} would have to hold {bytes} bytes of documents, more than {MAX_BUNDLE_BYTES}: \
         place fewer or smaller documents on it"
    )]
    TooMuch {
        /// Which one.
        cluster: String,
        /// Of its manifest, its documents and the statement.
        bytes: usize,
    },
    /// More things than one cluster can hold.
    #[error(
        "cluster {cluster} would have to hold {count} documents and keys of secrets, more than \
         {MAX_BUNDLE_ITEMS}: place fewer on it, or put more into each"
    )]
    TooMany {
        /// Which one.
        cluster: String,
        /// Of documents and wrapped keys.
        count: usize,
    },
}

impl Change {
    /// Writes the statement for some edits, for one signature. Edits that change nothing are left out, and of several of
    /// one subject the last one counts; with none left the error is `Empty`.
    pub fn propose(
        base: &Fleet,
        edits: Vec<Edit>,
        message: &str,
        now: Timestamp,
    ) -> Result<Self, ChangeError> {
        Self::propose_for(base, edits, message, now, 1)
    }

    /// The same for this many signatures: as many as `authorise::signers_needed` finds, or more.
    pub fn propose_for(
        base: &Fleet,
        edits: Vec<Edit>,
        message: &str,
        now: Timestamp,
        signers: usize,
    ) -> Result<Self, ChangeError> {
        let effective = base.effective(edits);
        let changes: BTreeMap<Subject, Transition> = effective
            .iter()
            .filter_map(|edit| Some((edit.subject(), base.transition(edit)?)))
            .collect();
        if changes.is_empty() {
            return Err(ChangeError::Empty);
        }
        let changes = Changes(changes);
        bounded(&changes)?;
        let (fleet, touched) = base.with(&effective)?;
        let statement = Statement {
            fleet: base.id(),
            root: base.trust.current().digest,
            number: fleet.number,
            history: base.history,
            time: to_microseconds(now),
            message: message.to_owned(),
            signers,
            change_count: changes.0.len() as u64,
            changes: changes.root(),
            fleet_root: fleet.root(),
        };
        let bytes = statement.encode();
        statement.bounded(&bytes)?;
        fits(&fleet, &touched, bytes.len())?;
        let contents = effective.iter().filter_map(Edit::content).collect();
        Ok(Self { statement, bytes, changes, contents, edits: effective, fleet, touched })
    }

    /// Checks that a statement is the next one of `base` and says exactly what its contents make.
    /// Signatures are `authority`'s business.
    pub fn check(
        base: &Fleet,
        bytes: &[u8],
        changes: &[u8],
        contents: &[Vec<u8>],
    ) -> Result<Self, ChangeError> {
        let statement = Statement::decode(bytes)?;
        if statement.fleet != base.id() {
            return Err(ChangeError::OtherFleet);
        }
        if statement.number != base.number.next() || statement.history != base.history {
            return Err(ChangeError::Stale { number: statement.number, current: base.number });
        }
        let changes = Changes::decode(changes)?;
        if changes.0.is_empty() {
            return Err(ChangeError::Empty);
        }
        bounded(&changes)?;
        let inconsistent = |why: &str| Err(ChangeError::Inconsistent(why.to_owned()));
        if statement.changes != changes.root() || statement.change_count != changes.0.len() as u64 {
            return inconsistent("another list of changes");
        }
        if statement.root != base.trust.current().digest {
            return inconsistent("another trust root than the one in force");
        }
        let edits = edits(&changes, contents)?;
        if base.effective(edits.clone()).len() != edits.len() {
            return inconsistent("wrapped keys that open nothing stay behind");
        }
        for edit in &edits {
            if base.transition(edit).as_ref() != changes.0.get(&edit.subject()) {
                return Err(ChangeError::Inconsistent(format!(
                    "{} is not as the statement says",
                    edit.subject()
                )));
            }
        }
        let (fleet, touched) = base.with(&edits)?;
        if fleet.root() != statement.fleet_root {
            return inconsistent("another fleet root");
        }
        fits(&fleet, &touched, bytes.len())?;
        let contents = edits.iter().filter_map(Edit::content).collect();
        let bytes = bytes.to_vec();
        Ok(Self { statement, bytes, changes, contents, edits, fleet, touched })
    }
}

fn bounded(changes: &Changes) -> Result<(), ChangeError> {
    if changes.0.len() > MAX_EDITS {
        let why = format!("{} changes, more than {MAX_EDITS}", changes.0.len());
        return Err(ChangeError::Inconsistent(why));
    }
    let bytes = changes.encode().len();
    if bytes > MAX_CHANGES_BYTES {
        let why = format!("a list of changes of {bytes} bytes, more than {MAX_CHANGES_BYTES}");
        return Err(ChangeError::Inconsistent(why));
    }
    Ok(())
}

/// Every touched cluster must be able to hold its share.
fn fits(fleet: &Fleet, touched: &BTreeSet<ClusterId>, statement: usize) -> Result<(), ChangeError> {
    for member in touched.iter().filter_map(|id| fleet.member(*id)) {
        let count = member.manifest.documents.len() + member.manifest.wraps.len();
        if count > MAX_BUNDLE_ITEMS {
            return Err(ChangeError::TooMany { cluster: member.entry.name.clone(), count });
        }
        let documents: usize = fleet.placed_on(member).map(|(d, _)| d.bytes.len()).sum();
        let wraps: usize = member.wraps().values().map(|held| held.wrap.key.len() * 2 + 400).sum();
        let bytes = statement + member.manifest.encode().len() + documents + wraps;
        if bytes > MAX_BUNDLE_BYTES {
            return Err(ChangeError::TooMuch { cluster: member.entry.name.clone(), bytes });
        }
    }
    Ok(())
}

/// The edits that a statement's changes and contents stand for; each content must be used.
fn edits(changes: &Changes, contents: &[Vec<u8>]) -> Result<Vec<Edit>, ChangeError> {
    let mut by_digest: BTreeMap<Digest, &Vec<u8>> =
        contents.iter().map(|content| (Digest::of(content), content)).collect();
    let mut edits = Vec::with_capacity(changes.0.len());
    for (subject, transition) in &changes.0 {
        let content = match transition.after {
            None => None,
            Some(digest) => Some(by_digest.remove(&digest).ok_or_else(|| {
                ChangeError::Inconsistent(format!("the content of {subject} is missing"))
            })?),
        };
        edits.push(match (subject, content) {
            (Subject::Document(reference), None) => Edit::Remove(reference.clone()),
            (Subject::Cluster(id), None) => Edit::RemoveCluster(*id),
            (Subject::Document(_), Some(content)) => {
                Edit::Put(Arc::new(parse::parse_document(content)?))
            }
            (Subject::Cluster(_), Some(content)) => {
                Edit::PutCluster(ClusterEntry::decode(content)?)
            }
            (Subject::Wrap(reference), None) => Edit::RemoveWrap(reference.clone()),
            (Subject::Wrap(_), Some(content)) => Edit::PutWrap(Arc::new(Wrap::decode(content)?)),
            (Subject::TrustRoot, Some(content)) => {
                Edit::PutRoot(Arc::new(TrustRoot::decode(content)?))
            }
            (Subject::TrustRoot, None) => {
                return Err(ChangeError::Inconsistent("a fleet without a trust root".to_owned()));
            }
        });
    }
    let foreign = changes.0.keys().zip(&edits).find(|(subject, edit)| **subject != edit.subject());
    if let Some((subject, edit)) = foreign {
        let why = format!("the content of {subject} is {}", edit.subject());
        return Err(ChangeError::Inconsistent(why));
    }
    if by_digest.is_empty() {
        Ok(edits)
    } else {
        Err(ChangeError::Inconsistent("contents that the statement does not name".to_owned()))
    }
}
