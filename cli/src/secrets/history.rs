//! What became of one secret, statement by statement: from the history, verified again.

use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::ids::Digest;
use hanse_domain::trust::root::KeyName;
use jiff::Timestamp;

use super::reference;

/// One statement that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) revision: u64,
    pub(crate) time: Timestamp,
    /// Before and after; nothing where there was none.
    pub(crate) version: (Option<u64>, Option<u64>),
    pub(crate) digest: (Option<Digest>, Option<Digest>),
    /// Clusters that it was sealed to.
    pub(crate) sealed_to: usize,
    pub(crate) signed_by: Vec<String>,
    pub(crate) message: String,
}

impl Step {
    /// What a statement changed about a secret; nothing when it changed nothing.
    pub(crate) fn of(
        name: &str,
        base: &Fleet,
        change: &Change,
        signers: &[KeyName],
    ) -> Option<Self> {
        let reference = reference(name);
        let held = |fleet: &Fleet| fleet.documents().get(&reference).map(|h| h.document.clone());
        let (before, after) = (held(base), held(&change.fleet));
        let digest =
            |document: &Option<std::sync::Arc<Document>>| document.as_ref().map(|d| d.digest);
        let version = |document: &Option<std::sync::Arc<Document>>| {
            document.as_ref().and_then(|d| d.secret()).map(|secret| secret.version)
        };
        let wraps = change.edits.iter().filter(|edit| match edit {
            Edit::PutWrap(wrap) => wrap.reference.secret == name,
            Edit::Put(_)
            | Edit::Remove(_)
            | Edit::PutCluster(_)
            | Edit::RemoveCluster(_)
            | Edit::RemoveWrap(_)
            | Edit::PutRoot(_) => false,
        });
        let step = Self {
            revision: change.statement.number.0,
            time: change.statement.time,
            version: (version(&before), version(&after)),
            digest: (digest(&before), digest(&after)),
            sealed_to: wraps.count(),
            signed_by: signers.iter().map(ToString::to_string).collect(),
            message: change.statement.message.clone(),
        };
        (step.digest.0 != step.digest.1 || step.sealed_to > 0).then_some(step)
    }

    /// "created", "sealed anew" …
    pub(crate) fn what(&self) -> String {
        match (self.digest, self.version) {
            ((None, Some(_)), _) => "created".to_owned(),
            ((Some(_), None), _) => "deleted".to_owned(),
            ((before, after), _) if before == after => {
                format!("sealed to {} more", crate::text::count(self.sealed_to, "cluster"))
            }
            (_, (before, after)) if before == after => "placed otherwise".to_owned(),
            _ => "new version".to_owned(),
        }
    }
}
