//! One statement further: what some edits make of a fleet.
//!
//! ```text
//! edits ─┬─ clusters ─────▶ by name and label ─────┐
//!        ├─ documents ────▶ by placement and role ─┼─▶ concerns ─▶ manifests ─▶ leaves
//!        └─ wrapped keys ─▶ by secret ─────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Edit, Fleet, Held, HeldWrap, Member};
use crate::document::{Document, DocumentRef};
use crate::history::changes::WrapRef;
use crate::history::manifest::Pin;
use crate::history::roster::ClusterEntry;
use crate::history::wrap::Wrap;
use crate::ids::{ClusterId, RevisionNumber};
use crate::trust::chain::BrokenChain;

/// What has to be looked at to make one cluster's manifest again.
#[derive(Default)]
struct Concern<'a> {
    documents: BTreeSet<&'a DocumentRef>,
    /// By the secret's name; nothing for one that goes.
    wraps: BTreeMap<&'a str, Option<&'a Arc<Wrap>>>,
}

impl Fleet {
    /// The fleet after one more statement with these edits, and the clusters whose manifest changed.
    /// `history` stays as it was: it covers the statement's bytes, which do not exist yet.
    pub fn with(&self, edits: &[Edit]) -> Result<(Self, BTreeSet<ClusterId>), BrokenChain> {
        let mut next = self.clone();
        next.number = self.number.next();
        let mut leaves = BTreeMap::new();
        for edit in edits {
            match edit {
                Edit::Put(document) => next.put_document(Arc::clone(document), next.number),
                Edit::Remove(reference) => next.remove_document(reference),
                Edit::PutCluster(entry) => next.put_cluster(entry),
                Edit::RemoveCluster(id) => {
                    next.remove_member(*id);
                    leaves.insert(*id, None);
                }
                Edit::PutRoot(root) => {
                    next.trust = next.trust.followed_by(Arc::clone(root), next.number)?;
                }
                Edit::PutWrap(_) | Edit::RemoveWrap(_) => {}
            }
        }
        let remade: Vec<Member> = self
            .concerns(&next, edits)
            .iter()
            .filter_map(|(id, concern)| Some(next.remade(next.members.get(id)?, concern)))
            .collect();
        let touched = remade.iter().map(|member| member.entry.id).collect();
        for member in remade {
            leaves.insert(member.entry.id, Some(member.leaf()));
            next.put_member(member);
        }
        next.leaves.update(leaves);
        Ok((next, touched))
    }

    /// What edits concern: a document the clusters that held it and those that hold it now, an entry
    /// and a wrapped key their cluster.
    fn concerns<'a>(&self, next: &'a Self, edits: &'a [Edit]) -> BTreeMap<ClusterId, Concern<'a>> {
        let mut concerns: BTreeMap<ClusterId, Concern<'a>> = BTreeMap::new();
        let holders = |reference: &DocumentRef| {
            let ids = [self, next].map(|fleet| fleet.holders(reference));
            ids.into_iter().flatten().collect::<BTreeSet<ClusterId>>()
        };
        for edit in edits {
            match edit {
                Edit::Put(document) => {
                    let reference = &document.reference;
                    for id in holders(reference) {
                        concerns.entry(id).or_default().documents.insert(reference);
                    }
                }
                Edit::Remove(reference) => {
                    for id in holders(reference) {
                        concerns.entry(id).or_default().documents.insert(reference);
                    }
                }
                Edit::PutCluster(entry) => {
                    let candidates = next.placements.candidates(entry);
                    concerns.entry(entry.id).or_default().documents.extend(candidates);
                }
                Edit::PutWrap(wrap) => {
                    let WrapRef { secret, cluster } = &wrap.reference;
                    concerns.entry(*cluster).or_default().wraps.insert(secret, Some(wrap));
                }
                Edit::RemoveWrap(WrapRef { secret, cluster }) => {
                    concerns.entry(*cluster).or_default().wraps.insert(secret, None);
                }
                Edit::RemoveCluster(_) | Edit::PutRoot(_) => {}
            }
        }
        concerns
    }

    fn holders(&self, reference: &DocumentRef) -> Vec<ClusterId> {
        let held = self.documents.get(reference);
        let members = held.into_iter().flat_map(|held| self.selected(&held.document));
        members.map(|member| member.entry.id).collect()
    }

    /// A member as this statement leaves it.
    fn remade(&self, member: &Member, concern: &Concern<'_>) -> Member {
        let documents = concern.documents.iter();
        let documents = documents.map(|reference| (*reference, self.pin(&member.entry, reference)));
        let held = |wrap: &Arc<Wrap>| HeldWrap { wrap: Arc::clone(wrap), number: self.number };
        let wraps = concern.wraps.iter().map(|(secret, wrap)| (*secret, wrap.map(held)));
        let mut member = member.changed(documents, wraps);
        member.generation = self.number;
        member
    }

    /// What a cluster's manifest says of a document; nothing when it is not placed there.
    fn pin(&self, entry: &ClusterEntry, reference: &DocumentRef) -> Option<Pin> {
        let held = self.documents.get(reference).filter(|held| held.document.selects(entry))?;
        Some(Pin { digest: held.document.digest, number: held.number })
    }

    /// The documents that a cluster must hold.
    pub(super) fn pins(&self, entry: &ClusterEntry) -> BTreeMap<DocumentRef, Pin> {
        let candidates = self.placements.candidates(entry).into_iter();
        candidates.filter_map(|r| Some((r.clone(), self.pin(entry, r)?))).collect()
    }

    pub(super) fn put_document(&mut self, document: Arc<Document>, number: RevisionNumber) {
        self.remove_document(&document.reference);
        self.placements.insert(&document);
        self.documents.insert(document.reference.clone(), Held { document, number });
    }

    fn remove_document(&mut self, reference: &DocumentRef) {
        if let Some(before) = self.documents.remove(reference) {
            self.placements.remove(&before.document);
        }
    }

    /// A cluster with a new entry and the wrapped keys that it had. Its documents are still to come.
    fn put_cluster(&mut self, entry: &ClusterEntry) {
        let before = self.members.get(&entry.id);
        let wraps = before.map(|member| member.wraps().clone()).unwrap_or_default();
        let entry = Arc::new(entry.clone());
        self.put_member(Member::new(entry, self.number, BTreeMap::new(), wraps));
    }

    /// Puts a member in the place of the one with its id.
    pub(super) fn put_member(&mut self, member: Member) {
        self.clusters.replace(self.members.get(&member.entry.id), Some(&member));
        self.members.insert(member.entry.id, member);
    }

    fn remove_member(&mut self, id: ClusterId) {
        let before = self.members.remove(&id);
        self.clusters.replace(before.as_ref(), None);
    }
}
