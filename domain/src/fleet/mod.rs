//! A fleet at one revision: its roster, its documents and, for each cluster, the manifest of what it
//! must hold. The hub keeps one, and an author's machine builds the same to plan on.
//!
//! ```text
//! edit    what can be changed
//! member  a cluster with what it must hold
//! next    one statement further: what edits make of a fleet
//! index   what a fleet is searched by
//! leaves  the Merkle tree under the fleet root
//! ```
//!
//! A fleet is immutable where it is used: a change makes another one, which shares with the old one
//! all that has not changed. Both a copy and a change cost what is different, not what is there.

mod edit;
mod index;
mod leaves;
mod member;
mod next;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;

pub use edit::Edit;
pub(crate) use index::federated_roles;
pub use member::{HeldWrap, Member, secret_version};

use crate::document::{Document, DocumentRef, Kind};
use crate::history::changes::{Subject, Transition, WrapRef};
use crate::history::merkle::{Frontier, InclusionProof};
use crate::history::roster::ClusterEntry;
use crate::history::wrap::Wrap;
use crate::ids::{ClusterId, Digest, Generation, RevisionNumber};
use crate::selector::LabelSelector;
use crate::trust::chain::RootChain;

/// What has been agreed on, up to one statement.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Whom it believes, from its first statement on.
    pub trust: RootChain,
    /// The newest statement's number; 0 before the first.
    pub number: RevisionNumber,
    /// Merkle tree hash over all statements up to `number`.
    pub history: Digest,
    members: OrdMap<ClusterId, Member>,
    documents: OrdMap<DocumentRef, Held>,
    /// Of `members`.
    clusters: index::Clusters,
    /// Of `documents`.
    placements: index::Placements,
    /// Of `members`.
    leaves: leaves::Leaves,
}

/// Everything that a fleet holds at one revision, each with the number of the statement that last
/// changed it.
#[derive(Clone, Debug, Default)]
pub struct Everything {
    /// The clusters.
    pub roster: Vec<(ClusterEntry, RevisionNumber)>,
    /// The documents.
    pub documents: Vec<(Document, RevisionNumber)>,
    /// The wrapped keys.
    pub wraps: Vec<(Wrap, RevisionNumber)>,
}

/// A document and the statement that last changed it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The document.
    pub document: Arc<Document>,
    /// The statement that last changed it.
    pub number: RevisionNumber,
}

impl Fleet {
    /// A fleet before its first statement.
    pub fn new(trust: RootChain) -> Self {
        Self {
            trust,
            number: RevisionNumber(0),
            history: Frontier::default().root(),
            members: OrdMap::new(),
            documents: OrdMap::new(),
            clusters: index::Clusters::default(),
            placements: index::Placements::default(),
            leaves: leaves::Leaves::default(),
        }
    }

    /// A fleet as it stands after `number` statements, from everything that it then holds.
    /// Generations are those of the newest thing in each manifest, which is too low where something
    /// was removed since: the hub puts its own record over them.
    pub fn assemble(
        trust: RootChain,
        number: RevisionNumber,
        history: Digest,
        held: Everything,
    ) -> Self {
        let mut fleet = Self { number, history, ..Self::new(trust) };
        let Everything { roster, documents, wraps } = held;
        let mut wraps_of: BTreeMap<ClusterId, BTreeMap<String, HeldWrap>> = BTreeMap::new();
        for (wrap, number) in wraps {
            let WrapRef { secret, cluster } = wrap.reference.clone();
            let held = HeldWrap { wrap: Arc::new(wrap), number };
            wraps_of.entry(cluster).or_default().insert(secret, held);
        }
        for (document, number) in documents {
            fleet.put_document(Arc::new(document), number);
        }
        for (entry, number) in roster {
            let wraps = wraps_of.remove(&entry.id).unwrap_or_default();
            let documents = fleet.pins(&entry);
            fleet.put_member(Member::new(Arc::new(entry), number, documents, wraps));
        }
        let leaves = fleet.members.values().map(|member| (member.entry.id, Some(member.leaf())));
        fleet.leaves.update(leaves.collect());
        fleet
    }

    /// The fleet's id: the digest of its first trust root.
    pub const fn id(&self) -> Digest {
        self.trust.fleet()
    }

    /// The clusters, by id.
    pub fn members(&self) -> &OrdMap<ClusterId, Member> {
        &self.members
    }

    /// One cluster.
    pub fn member(&self, id: ClusterId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// One cluster, by its name.
    pub fn member_named(&self, name: &str) -> Option<&Member> {
        self.members_named(name).next()
    }

    /// The clusters of one name, by id: one at the most once `plan::verify` has nothing to say.
    pub fn members_named(&self, name: &str) -> impl Iterator<Item = &Member> {
        self.clusters.named(name).filter_map(|id| self.members.get(&id))
    }

    /// The clusters that a selector matches, by id.
    pub fn matching(&self, selector: &LabelSelector) -> impl Iterator<Item = &Member> {
        let candidates = self.clusters.candidates(selector);
        let all = candidates.is_none().then(|| self.members.values()).into_iter().flatten();
        let few = candidates.into_iter().flatten().filter_map(|id| self.members.get(&id));
        all.chain(few).filter(|member| selector.matches(&member.entry.labels))
    }

    /// The clusters that a document is placed on, by id.
    pub fn selected(&self, document: &Document) -> Vec<&Member> {
        let placement = &document.placement;
        let named = placement.cluster_names.iter().flat_map(|name| self.members_named(name));
        let matching = placement.cluster_selector.iter().flat_map(|s| self.matching(s));
        let by_id = named.chain(matching).map(|member| (member.entry.id, member));
        by_id.collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// The documents, by kind and name.
    pub fn documents(&self) -> &OrdMap<DocumentRef, Held> {
        &self.documents
    }

    /// The documents of one cluster, with the numbers of the statements that last changed them.
    pub fn placed_on<'f>(
        &'f self,
        member: &'f Member,
    ) -> impl Iterator<Item = (&'f Document, RevisionNumber)> + 'f {
        member.manifest.documents.keys().filter_map(|reference| {
            self.documents.get(reference).map(|held| (&*held.document, held.number))
        })
    }

    /// The bindings that refer to a federated role, by themselves or with an override.
    pub fn bindings_of(&self, role: &str) -> impl Iterator<Item = &DocumentRef> {
        self.placements.bindings_of(role)
    }

    /// Merkle tree hash over the clusters' manifests.
    pub fn root(&self) -> Digest {
        self.leaves.root()
    }

    /// That a cluster's manifest is under the fleet root.
    pub fn inclusion(&self, id: ClusterId) -> Option<InclusionProof> {
        self.leaves.inclusion(id)
    }

    /// Proofs for several clusters.
    pub fn inclusions(&self, ids: &BTreeSet<ClusterId>) -> BTreeMap<ClusterId, InclusionProof> {
        ids.iter().filter_map(|id| Some((*id, self.inclusion(*id)?))).collect()
    }

    /// Sets the generation that the history records for a cluster.
    pub fn set_generation(&mut self, id: ClusterId, generation: Generation) {
        if let Some(member) = self.members.get_mut(&id) {
            member.generation = generation;
        }
    }

    /// What an edit changes here; nothing when it changes nothing.
    pub fn transition(&self, edit: &Edit) -> Option<Transition> {
        let before = match edit.subject() {
            Subject::Document(reference) => {
                self.documents.get(&reference).map(|held| held.document.digest)
            }
            Subject::Cluster(id) => self.members.get(&id).map(|member| member.entry.digest()),
            Subject::Wrap(WrapRef { secret, cluster }) => {
                let member = self.members.get(&cluster);
                member.and_then(|member| Some(member.manifest.wraps.get(&secret)?.digest))
            }
            Subject::TrustRoot => Some(self.trust.current().digest),
        };
        let after = match edit {
            Edit::Put(document) => Some(document.digest),
            Edit::PutCluster(entry) => Some(entry.digest()),
            Edit::PutWrap(wrap) => Some(wrap.digest()),
            Edit::PutRoot(root) => Some(root.digest()),
            Edit::Remove(_) | Edit::RemoveCluster(_) | Edit::RemoveWrap(_) => None,
        };
        (before != after).then_some(Transition { before, after })
    }

    /// The edits that change something, in the order of their subjects. Of several edits of one
    /// subject the last one counts. Wrapped keys that open nothing any more go with what they were
    /// for.
    pub fn effective(&self, edits: impl IntoIterator<Item = Edit>) -> Vec<Edit> {
        let mut last: BTreeMap<Subject, Edit> =
            edits.into_iter().map(|edit| (edit.subject(), edit)).collect();
        last.retain(|_, edit| self.transition(edit).is_some());
        let useless: Vec<WrapRef> =
            last.values().flat_map(|edit| self.useless_after(edit)).collect();
        for reference in useless {
            let subject = Subject::Wrap(reference.clone());
            last.entry(subject).or_insert(Edit::RemoveWrap(reference));
        }
        last.into_values().collect()
    }

    /// Wrapped keys that open nothing after an edit.
    fn useless_after(&self, edit: &Edit) -> Vec<WrapRef> {
        let (secret, version) = match edit {
            Edit::Put(document) if document.reference.kind == Kind::FederatedSecret => {
                (&document.reference.name, secret_version(document))
            }
            Edit::Remove(reference) if reference.kind == Kind::FederatedSecret => {
                (&reference.name, None)
            }
            Edit::RemoveCluster(id) => {
                let wraps = self.members.get(id).into_iter().flat_map(Member::wraps);
                return wraps.map(|(_, held)| held.wrap.reference.clone()).collect();
            }
            Edit::Put(_)
            | Edit::Remove(_)
            | Edit::PutCluster(_)
            | Edit::PutWrap(_)
            | Edit::RemoveWrap(_)
            | Edit::PutRoot(_) => return Vec::new(),
        };
        let holders = self.clusters.with_wrap_of(secret).filter_map(|id| self.members.get(&id));
        let wraps = holders.filter_map(|member| member.wraps().get(secret));
        wraps
            .filter(|held| Some(held.wrap.version) != version)
            .map(|held| held.wrap.reference.clone())
            .collect()
    }
}
