//! A statement of the history as it is shown to clusters: with a proof for each of its changes.

use std::collections::BTreeMap;

use bytes::Bytes;
use hanse_domain::history::changes::{Changes, ProvenChange, Subject, Transition};
use hanse_domain::history::merkle::{InclusionProof, Tree, leaf_hash};
use hanse_domain::ids::RevisionNumber;

use crate::store::{StatementRow, StoreError};

/// A statement, ready to prove what it changes.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) number: RevisionNumber,
    pub(super) statement: Bytes,
    pub(super) signatures: Bytes,
    /// Each with its place in the list.
    changes: BTreeMap<Subject, (Transition, u64)>,
    /// Over the list's lines.
    tree: Tree,
}

impl Said {
    pub(super) fn new(
        number: RevisionNumber,
        statement: Bytes,
        signatures: Bytes,
        changes: &Changes,
    ) -> Self {
        let line = |subject: &Subject, transition| {
            let inclusion = InclusionProof { leaf_index: 0, tree_size: 0, path: Vec::new() };
            leaf_hash(
                ProvenChange { subject: subject.clone(), transition, inclusion }.line().as_bytes(),
            )
        };
        let tree = changes.0.iter().map(|(subject, transition)| line(subject, *transition));
        Self {
            number,
            statement,
            signatures,
            tree: tree.collect(),
            changes: changes
                .0
                .iter()
                .zip(0..)
                .map(|((subject, transition), place)| (subject.clone(), (*transition, place)))
                .collect(),
        }
    }

    /// As it is stored.
    pub(super) fn of_row(row: &StatementRow) -> Result<Self, StoreError> {
        let changes = Changes::decode(&row.changes).map_err(|error| StoreError::Corrupt {
            what: format!("statement {}: {error}", row.number),
        })?;
        Ok(Self::new(row.number, row.bytes.clone(), row.signatures.clone(), &changes))
    }

    /// How it changes a subject.
    pub(super) fn transition(&self, subject: &Subject) -> Option<Transition> {
        self.changes.get(subject).map(|(transition, _)| *transition)
    }

    /// Those of the subjects that it changes, each with its proof.
    pub(super) fn prove<'s>(
        &self,
        subjects: impl IntoIterator<Item = &'s Subject>,
    ) -> Vec<ProvenChange> {
        let size = self.tree.len();
        subjects
            .into_iter()
            .filter_map(|subject| {
                let (transition, place) = *self.changes.get(subject)?;
                let inclusion = self.tree.inclusion(place, size)?;
                Some(ProvenChange { subject: subject.clone(), transition, inclusion })
            })
            .collect()
    }
}
