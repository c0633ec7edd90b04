//! Whether those who signed a change may make it: what the hub asks before it commits, and an author's
//! machine before it believes what the hub shows it. An agent asks the same of its own share, in
//! `bundle`.

use crate::change::Change;
use crate::document::{DocumentRef, Kind};
use crate::fleet::{Edit, Fleet};
use crate::history::changes::Subject;
use crate::trust::authority::{NotAllowed, Signed, Untrusted};
use crate::trust::root::KeyName;

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The signatures count for nothing.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The signers may not do all of it; each reason once.
    #[error("{}", first(.0))]
    NotAllowed(Vec<NotAllowed>),
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
            Self::Untrusted(_) => false,
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
    let signed =
        Signed::check(&base.trust, &change.statement, &change.bytes, signatures)?.known()?;
    let mut refused = Vec::new();
    for edit in &change.edits {
        if let Err(reason) = allowed(base, &change.fleet, &signed, edit)
            && !refused.contains(&reason)
        {
            refused.push(reason);
        }
    }
    if refused.is_empty() {
        Ok(signed.names().iter().cloned().collect())
    } else {
        Err(Refused::NotAllowed(refused))
    }
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
