//! One statement on its way into the history: what the store gets of it, and what is kept ready for
//! the clusters that it touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hanse_domain::change::Change;
use hanse_domain::fleet::Fleet;
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::trust::root::KeyName;
use jiff::Timestamp;

use super::ServiceError;
use super::said::Said;
use crate::store::{BundleRow, NewStatement, StatementRow};

/// A statement that was just committed, with what every touched cluster needs of it.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) said: Arc<Said>,
    /// For each cluster that it touched.
    pub(super) proofs: BTreeMap<ClusterId, InclusionProof>,
    /// What each touched cluster had to hold before, by its digest.
    pub(super) before: BTreeMap<ClusterId, (Digest, Arc<Manifest>)>,
}

impl Landed {
    /// What lands when `change` is made to `base`.
    pub(super) fn of(base: &Fleet, change: &Change, signatures: Bytes) -> Self {
        let before = change.touched.iter().filter_map(|id| {
            let member = base.member(*id)?;
            Some((*id, (member.digest, Arc::clone(&member.manifest))))
        });
        let statement = Bytes::copy_from_slice(&change.bytes);
        let number = change.statement.number;
        Self {
            said: Arc::new(Said::new(number, statement, signatures, &change.changes)),
            proofs: change.fleet.inclusions(&change.touched),
            before: before.collect(),
        }
    }

    /// What the store appends.
    pub(super) fn to_store(
        &self,
        change: &Change,
        author: String,
        signed_by: &[KeyName],
        now: Timestamp,
    ) -> Result<NewStatement, ServiceError> {
        let mut contents: BTreeMap<Digest, Bytes> = change
            .contents
            .iter()
            .map(|content| (Digest::of(content), Bytes::copy_from_slice(content)))
            .collect();
        let mut bundles = Vec::with_capacity(change.touched.len());
        for id in &change.touched {
            let Some((member, proof)) = change.fleet.member(*id).zip(self.proofs.get(id)) else {
                return Err(ServiceError::Internal(format!("cluster {id} has no bundle")));
            };
            contents.insert(member.digest, member.manifest.encode().into());
            bundles.push(BundleRow {
                cluster: *id,
                generation: self.said.number,
                manifest: member.digest,
                leaf_index: proof.leaf_index,
                tree_size: proof.tree_size,
                path: proof.path.clone(),
            });
        }
        Ok(NewStatement {
            row: StatementRow {
                number: self.said.number,
                digest: Digest::of(&change.bytes),
                leaf_hash: Statement::leaf_hash(&change.bytes),
                bytes: self.said.statement.clone(),
                signatures: self.said.signatures.clone(),
                changes: change.changes.encode().into(),
                signed_by: names(signed_by),
                author,
                time: change.statement.time,
                recorded_at: now,
                clusters_changed: u32::try_from(bundles.len()).unwrap_or(u32::MAX),
            },
            contents: contents.into_iter().collect(),
            leaves: change
                .changes
                .0
                .iter()
                .map(|(subject, transition)| (subject.to_string(), transition.after))
                .collect(),
            bundles,
        })
    }
}

/// Names of keys as they are stored.
pub(super) fn names(names: &[KeyName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
