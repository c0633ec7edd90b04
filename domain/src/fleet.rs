//! A fleet at one revision: its roster, its documents and, for each cluster, the manifest of what it
//! must hold. The hub keeps one, and an author's machine builds the same to plan on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::document::{Document, DocumentRef};
use crate::history::manifest::{Manifest, Pin, fleet_leaf};
use crate::history::merkle::{self, Frontier, InclusionProof};
use crate::history::roster::ClusterEntry;
use crate::history::statement::{Subject, Transition};
use crate::ids::{ClusterId, Digest, Generation, RevisionNumber};

/// What has been agreed on, up to one statement.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Digest of the fleet's first trust root.
    pub id: Digest,
    /// The newest statement's number; 0 before the first.
    pub number: RevisionNumber,
    /// Merkle tree hash over all statements up to `number`.
    pub history: Digest,
    members: BTreeMap<ClusterId, Member>,
    documents: BTreeMap<DocumentRef, Held>,
}

/// A cluster of the roster.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its roster entry.
    pub entry: Arc<ClusterEntry>,
    /// What it must hold.
    pub manifest: Arc<Manifest>,
    /// Digest of the manifest.
    pub digest: Digest,
    /// The statement that last changed the manifest.
    pub generation: Generation,
    leaf: Digest,
}

/// A document and the statement that last changed it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The document.
    pub document: Arc<Document>,
    /// The statement that last changed it.
    pub number: RevisionNumber,
}

/// One thing that changes.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Adds or replaces a document.
    Put(Arc<Document>),
    /// Takes a document away.
    Remove(DocumentRef),
    /// Accepts a cluster, or changes its entry.
    PutCluster(ClusterEntry),
    /// Takes a cluster out of the fleet. What its agent applied stays.
    RemoveCluster(ClusterId),
}

impl Member {
    fn new(entry: Arc<ClusterEntry>, manifest: Manifest) -> Self {
        let digest = manifest.digest();
        let numbers = manifest.documents.values().map(|pin| pin.number);
        Self {
            generation: numbers.fold(manifest.entry.number, Ord::max),
            leaf: fleet_leaf(entry.id, digest),
            manifest: Arc::new(manifest),
            entry,
            digest,
        }
    }
}

impl Edit {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Put(document) => Subject::Document(document.reference.clone()),
            Self::Remove(reference) => Subject::Document(reference.clone()),
            Self::PutCluster(entry) => Subject::Cluster(entry.id),
            Self::RemoveCluster(id) => Subject::Cluster(*id),
        }
    }

    /// The bytes that it brings; nothing for a removal.
    pub fn content(&self) -> Option<Vec<u8>> {
        match self {
            Self::Put(document) => Some(document.bytes.to_vec()),
            Self::PutCluster(entry) => Some(entry.encode()),
            Self::Remove(_) | Self::RemoveCluster(_) => None,
        }
    }
}

impl Fleet {
    /// A fleet before its first statement.
    pub fn new(id: Digest) -> Self {
        Self {
            id,
            number: RevisionNumber(0),
            history: Frontier::default().root(),
            members: BTreeMap::new(),
            documents: BTreeMap::new(),
        }
    }

    /// A fleet as it stands after `number` statements, from everything that it then holds.
    /// Generations are those of the newest thing in each manifest, which is too low where something
    /// was removed since: the hub puts its own record over them.
    pub fn assemble(
        id: Digest,
        number: RevisionNumber,
        history: Digest,
        roster: impl IntoIterator<Item = (ClusterEntry, RevisionNumber)>,
        documents: impl IntoIterator<Item = (Document, RevisionNumber)>,
    ) -> Self {
        let mut fleet = Self { number, history, ..Self::new(id) };
        fleet.documents = documents
            .into_iter()
            .map(|(document, number)| {
                (document.reference.clone(), Held { document: Arc::new(document), number })
            })
            .collect();
        for (entry, number) in roster {
            let member = fleet.member_of(Arc::new(entry), number);
            fleet.members.insert(member.entry.id, member);
        }
        fleet
    }

    /// The clusters, by id.
    pub fn members(&self) -> &BTreeMap<ClusterId, Member> {
        &self.members
    }

    /// One cluster.
    pub fn member(&self, id: ClusterId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// One cluster, by its name.
    pub fn member_named(&self, name: &str) -> Option<&Member> {
        self.members.values().find(|member| member.entry.name == name)
    }

    /// The documents, by kind and name.
    pub fn documents(&self) -> &BTreeMap<DocumentRef, Held> {
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

    /// Merkle tree hash over the clusters' manifests.
    pub fn root(&self) -> Digest {
        merkle::root(&self.leaves())
    }

    /// That a cluster's manifest is under the fleet root.
    pub fn inclusion(&self, id: ClusterId) -> Option<InclusionProof> {
        let index = self.members.keys().position(|member| *member == id)?;
        InclusionProof::derive(&self.leaves(), index)
    }

    /// Proofs for several clusters, with the leaves gathered once.
    pub fn inclusions(&self, ids: &BTreeSet<ClusterId>) -> BTreeMap<ClusterId, InclusionProof> {
        let leaves = self.leaves();
        let places = self.members.keys().enumerate().filter(|(_, id)| ids.contains(id));
        places
            .filter_map(|(index, id)| Some((*id, InclusionProof::derive(&leaves, index)?)))
            .collect()
    }

    fn leaves(&self) -> Vec<Digest> {
        self.members.values().map(|member| member.leaf).collect()
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
        };
        let after = match edit {
            Edit::Put(document) => Some(document.digest),
            Edit::PutCluster(entry) => Some(entry.digest()),
            Edit::Remove(_) | Edit::RemoveCluster(_) => None,
        };
        (before != after).then_some(Transition { before, after })
    }

    /// The edits that change something, in the order of their subjects. Of several edits of one
    /// subject the last one counts.
    pub fn effective(&self, edits: impl IntoIterator<Item = Edit>) -> Vec<Edit> {
        let last: BTreeMap<Subject, Edit> =
            edits.into_iter().map(|edit| (edit.subject(), edit)).collect();
        last.into_values().filter(|edit| self.transition(edit).is_some()).collect()
    }

    /// The fleet after one more statement with these edits, and the clusters whose manifest changed.
    /// `history` stays as it was: it covers the statement's bytes, which do not exist yet.
    #[must_use]
    pub fn with(&self, edits: &[Edit]) -> (Self, BTreeSet<ClusterId>) {
        let mut next = self.clone();
        next.number = self.number.next();
        let mut entries: BTreeSet<ClusterId> = BTreeSet::new();
        for edit in edits {
            match edit {
                Edit::Put(document) => {
                    let held = Held { document: Arc::clone(document), number: next.number };
                    next.documents.insert(document.reference.clone(), held);
                }
                Edit::Remove(reference) => {
                    next.documents.remove(reference);
                }
                Edit::PutCluster(entry) => {
                    entries.insert(entry.id);
                    let member = next.member_of(Arc::new(entry.clone()), next.number);
                    next.members.insert(entry.id, member);
                }
                Edit::RemoveCluster(id) => {
                    next.members.remove(id);
                }
            }
        }
        let changed_documents: Vec<DocumentRef> = edits
            .iter()
            .filter_map(|edit| match edit.subject() {
                Subject::Document(reference) => Some(reference),
                Subject::Cluster(_) => None,
            })
            .collect();
        let touched = next.touched(&changed_documents, entries.clone());
        for id in &touched {
            let Some(member) = next.members.get(id) else {
                continue;
            };
            // Only a new entry asks every document; a changed document asks nothing of the others.
            let member = if entries.contains(id) {
                next.member_of(Arc::clone(&member.entry), member.manifest.entry.number)
            } else {
                next.repinned(member, &changed_documents)
            };
            next.members.insert(*id, Member { generation: next.number, ..member });
        }
        (next, touched)
    }

    /// Clusters that hold one of these documents, or should.
    fn touched(
        &self,
        changed: &[DocumentRef],
        mut touched: BTreeSet<ClusterId>,
    ) -> BTreeSet<ClusterId> {
        for (id, member) in &self.members {
            let concerned = changed.iter().any(|reference| {
                member.manifest.documents.contains_key(reference)
                    || self
                        .documents
                        .get(reference)
                        .is_some_and(|held| held.document.selects(&member.entry))
            });
            if concerned {
                touched.insert(*id);
            }
        }
        touched
    }

    fn member_of(&self, entry: Arc<ClusterEntry>, number: RevisionNumber) -> Member {
        let documents: BTreeMap<DocumentRef, Pin> = self
            .documents
            .iter()
            .filter(|(_, held)| held.document.selects(&entry))
            .map(|(reference, held)| {
                (reference.clone(), Pin { digest: held.document.digest, number: held.number })
            })
            .collect();
        let manifest = Manifest {
            cluster: entry.id,
            entry: Pin { digest: entry.digest(), number },
            documents,
        };
        Member::new(entry, manifest)
    }

    /// A member whose manifest follows some changed documents.
    fn repinned(&self, member: &Member, changed: &[DocumentRef]) -> Member {
        let mut manifest = Manifest::clone(&member.manifest);
        for reference in changed {
            match self.documents.get(reference) {
                Some(held) if held.document.selects(&member.entry) => {
                    let pin = Pin { digest: held.document.digest, number: held.number };
                    manifest.documents.insert(reference.clone(), pin);
                }
                _ => {
                    manifest.documents.remove(reference);
                }
            }
        }
        Member::new(Arc::clone(&member.entry), manifest)
    }
}
