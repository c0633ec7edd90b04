//! Whether those who signed a change may make it: what the hub asks before it commits, and an author's
//! machine before it believes what the hub shows it. An agent asks the same of its own share, in
//! `bundle`.

use std::collections::BTreeSet;

use crate::change::Change;
use crate::document::{Document, DocumentRef, Kind};
use crate::fleet::{Edit, Fleet};
use crate::history::changes::Subject;
use crate::history::statement::MAX_SIGNERS;
use crate::plan;
use crate::trust::authority::{NotAllowed, Signed, Untrusted};
use crate::trust::fewest::fewest;
use crate::trust::root::{KeyName, Quorum, TrustRoot};

/// How many different sets of authors are looked at to count the signatures that a change needs.
const MAX_AUTHOR_SETS: usize = 3;

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The signatures count for nothing.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The signers may not do all of it; each reason once.
    #[error("{}", first(.0))]
    NotAllowed(Vec<NotAllowed>),
    /// It would be complete, by its own words, before enough have signed.
    #[error(
        "the statement says `signers {said}`, and what it changes needs the signatures of {needed} keys: \
         make the change again, so that the statement says `signers {needed}`"
    )]
    Signers {
        /// By the statement.
        said: usize,
        /// By what the change is.
        needed: usize,
    },
}

fn first(reasons: &[NotAllowed]) -> String {
    let rest = reasons.len().saturating_sub(1);
    let text = reasons.first().map(ToString::to_string).unwrap_or_default();
    if rest == 0 { text } else { format!("{text} (and {rest} more)") }
}

impl Refused {
    /// Whether all that is missing are the signatures of others.
    pub fn wants_more(&self) -> bool {
        match self {
            Self::Untrusted(why) => matches!(why, Untrusted::Incomplete { .. }),
            Self::Signers { .. } => false,
            Self::NotAllowed(reasons) => reasons.iter().all(NotAllowed::wants_more),
        }
    }
}

/// Checks the signatures of a change on its base, and what each signer may do. Returns who signed.
pub fn authorise(
    base: &Fleet,
    change: &Change,
    signatures: &[u8],
) -> Result<Vec<KeyName>, Refused> {
    let signed = Signed::check(&base.trust, &change.statement, &change.bytes, signatures)?;
    signed.has_part()?;
    let mut refused = Vec::new();
    for edit in &change.edits {
        if let Err(reason) = allowed(base, &change.fleet, &signed, edit)
            && !refused.contains(&reason)
        {
            refused.push(reason);
        }
    }
    let (said, needed) = (change.statement.signers, signers_needed(base, change));
    // Who may not sign it learns of that first, and who lacks others only if those can help.
    if said < needed && refused.iter().all(NotAllowed::wants_more) {
        return Err(Refused::Signers { said, needed });
    }
    if !refused.is_empty() {
        return Err(Refused::NotAllowed(refused));
    }
    signed.is_complete()?;
    Ok(signed.names().iter().cloned().collect())
}

/// How many keys of the trust root in force it takes at the least to sign a change: what its statement
/// must say, so that nobody takes for history what only some of them have signed.
pub fn signers_needed(base: &Fleet, change: &Change) -> usize {
    let root = &base.trust.current().root;
    let mut quorums = Vec::new();
    let mut authors: BTreeSet<BTreeSet<KeyName>> = BTreeSet::new();
    let (mut roster, mut danger) = (false, false);
    for edit in &change.edits {
        match edit {
            Edit::PutCluster(_) | Edit::RemoveCluster(_) => roster = true,
            Edit::PutRoot(next) => quorums.extend([root.root.clone(), known_of(root, next)]),
            Edit::Put(document) => {
                let hazardous = !plan::hazards_of(document).is_empty();
                danger |= hazardous;
                authors.insert(authors_of(root, document, hazardous));
                let before = base.documents().get(&document.reference);
                authors.extend(before.map(|held| authors_of(root, &held.document, false)));
            }
            Edit::Remove(reference) => {
                let before = base.documents().get(reference);
                authors.extend(before.map(|held| authors_of(root, &held.document, false)));
            }
            // They come with their secret or with their cluster, or one author is enough.
            Edit::PutWrap(_) | Edit::RemoveWrap(_) => {}
        }
    }
    quorums.extend(roster.then(|| root.roster.clone()));
    quorums.extend(danger.then(|| root.danger.clone()));
    let one_of = |names| Quorum { threshold: 1, names };
    quorums.extend(authors.into_iter().take(MAX_AUTHOR_SETS).map(one_of));
    fewest(&quorums).clamp(1, MAX_SIGNERS)
}

/// Who may sign a document.
fn authors_of(root: &TrustRoot, document: &Document, hazardous: bool) -> BTreeSet<KeyName> {
    let may = root
        .authors
        .iter()
        .filter(|(_, scope)| (scope.hazards || !hazardous) && scope.excludes(document).is_none());
    may.map(|(name, _)| name.clone()).collect()
}

/// The quorum of the next trust root, as far as it must be of keys that this one knows: nobody else
/// can count the signatures of new ones.
fn known_of(root: &TrustRoot, next: &TrustRoot) -> Quorum {
    let keys = next.root.names.iter().filter_map(|name| next.keys.get(name)).cloned().collect();
    let names = root.names_of(&keys);
    let new = next.root.names.len() - names.len();
    Quorum { threshold: next.root.threshold.saturating_sub(new), names }
}

fn allowed(base: &Fleet, next: &Fleet, signed: &Signed<'_>, edit: &Edit) -> Result<(), NotAllowed> {
    match edit {
        Edit::PutCluster(_) | Edit::RemoveCluster(_) => signed.may_change_roster(&edit.subject()),
        Edit::PutRoot(root) => signed.may_change_root(root),
        Edit::Put(document) => {
            replaced(base, signed, &document.reference)?;
            signed.may_put(document)
        }
        Edit::Remove(reference) => replaced(base, signed, reference),
        Edit::PutWrap(_) | Edit::RemoveWrap(_) => {
            let Subject::Wrap(reference) = edit.subject() else {
                return Ok(());
            };
            // A wrapped key goes with its cluster, too.
            if next.member(reference.cluster).is_none() {
                return signed.may_change_roster(&Subject::Cluster(reference.cluster));
            }
            let name = reference.secret;
            let secret = DocumentRef { kind: Kind::FederatedSecret, name };
            let held = next.documents().get(&secret).or_else(|| base.documents().get(&secret));
            let Some(held) = held else { return Ok(()) };
            signed.may_remove(&held.document)
        }
    }
}

/// Whether the document that is there now may be taken away or replaced.
fn replaced(base: &Fleet, signed: &Signed<'_>, reference: &DocumentRef) -> Result<(), NotAllowed> {
    match base.documents().get(reference) {
        Some(held) => signed.may_remove(&held.document),
        None => Ok(()),
    }
}
