//! A fleet at one revision: its roster, its documents and, for each cluster, the manifest of what it
//! must hold. The hub keeps one, and an author's machine builds the same to plan on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::document::{Document, DocumentRef, Kind};
use crate::history::changes::{Subject, Transition, WrapRef};
use crate::history::manifest::{Manifest, Pin, fleet_leaf};
use crate::history::merkle::{self, Frontier, InclusionProof};
use crate::history::roster::ClusterEntry;
use crate::history::wrap::Wrap;
use crate::ids::{ClusterId, Digest, Generation, RevisionNumber};
use crate::kinds::Spec;
use crate::trust::chain::{BrokenChain, RootChain};
use crate::trust::root::TrustRoot;

/// What has been agreed on, up to one statement.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Whom it believes, from its first statement on.
    pub trust: RootChain,
    /// The newest statement's number; 0 before the first.
    pub number: RevisionNumber,
    /// Merkle tree hash over all statements up to `number`.
    pub history: Digest,
    members: BTreeMap<ClusterId, Member>,
    documents: BTreeMap<DocumentRef, Held>,
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
    wraps: BTreeMap<String, HeldWrap>,
}

/// A wrapped key and the statement that last changed it.
#[derive(Clone, Debug)]
pub struct HeldWrap {
    /// The wrapped key.
    pub wrap: Arc<Wrap>,
    /// The statement that last changed it.
    pub number: RevisionNumber,
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
    /// Adds or replaces a wrapped key.
    PutWrap(Arc<Wrap>),
    /// Takes a wrapped key away.
    RemoveWrap(WrapRef),
    /// Puts the next version of the trust root in place, for the statements that follow.
    PutRoot(Arc<TrustRoot>),
}

impl Member {
    fn new(
        entry: Arc<ClusterEntry>,
        manifest: Manifest,
        wraps: BTreeMap<String, HeldWrap>,
    ) -> Self {
        let digest = manifest.digest();
        Self {
            generation: manifest.newest(),
            leaf: fleet_leaf(entry.id, digest),
            manifest: Arc::new(manifest),
            entry,
            digest,
            wraps,
        }
    }

    /// The keys of secrets that are wrapped to it, by the secret's name.
    pub const fn wraps(&self) -> &BTreeMap<String, HeldWrap> {
        &self.wraps
    }

    /// Whether a secret that is placed here can be opened here: sealed in this version, to the
    /// recipient that the roster names.
    pub fn can_open(&self, secret: &Document) -> bool {
        let wrap = self.wraps.get(&secret.reference.name).map(|held| &held.wrap);
        wrap.is_some_and(|wrap| {
            secret_version(secret) == Some(wrap.version)
                && self.entry.recipient.as_ref() == Some(&wrap.recipient)
        })
    }
}

/// The version of a sealed secret; nothing for other documents.
pub fn secret_version(document: &Document) -> Option<u64> {
    match &document.base.spec {
        Spec::Secret(secret) => Some(secret.version),
        Spec::Namespace(_) | Spec::Role(_) | Spec::RoleBinding(_) => None,
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
            Self::PutWrap(wrap) => Subject::Wrap(wrap.reference.clone()),
            Self::RemoveWrap(reference) => Subject::Wrap(reference.clone()),
            Self::PutRoot(_) => Subject::TrustRoot,
        }
    }

    /// The bytes that it brings; nothing for a removal.
    pub fn content(&self) -> Option<Vec<u8>> {
        match self {
            Self::Put(document) => Some(document.bytes.to_vec()),
            Self::PutCluster(entry) => Some(entry.encode()),
            Self::PutWrap(wrap) => Some(wrap.encode()),
            Self::PutRoot(root) => Some(root.encode()),
            Self::Remove(_) | Self::RemoveCluster(_) | Self::RemoveWrap(_) => None,
        }
    }
}

impl Fleet {
    /// A fleet before its first statement.
    pub fn new(trust: RootChain) -> Self {
        Self {
            trust,
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
        fleet.documents = documents
            .into_iter()
            .map(|(document, number)| {
                (document.reference.clone(), Held { document: Arc::new(document), number })
            })
            .collect();
        for (entry, number) in roster {
            let wraps = wraps_of.remove(&entry.id).unwrap_or_default();
            let member = fleet.member_of(Arc::new(entry), number, wraps);
            fleet.members.insert(member.entry.id, member);
        }
        fleet
    }

    /// The fleet's id: the digest of its first trust root.
    pub const fn id(&self) -> Digest {
        self.trust.fleet()
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
        let useless: Vec<WrapRef> =
            last.values().flat_map(|edit| self.useless_after(edit)).collect();
        for reference in useless {
            let subject = Subject::Wrap(reference.clone());
            last.entry(subject).or_insert(Edit::RemoveWrap(reference));
        }
        last.into_values().filter(|edit| self.transition(edit).is_some()).collect()
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
                let wraps = self.members.get(id).into_iter().flat_map(|member| &member.wraps);
                return wraps.map(|(_, held)| held.wrap.reference.clone()).collect();
            }
            Edit::Put(_)
            | Edit::Remove(_)
            | Edit::PutCluster(_)
            | Edit::PutWrap(_)
            | Edit::RemoveWrap(_)
            | Edit::PutRoot(_) => return Vec::new(),
        };
        let wraps = self.members.values().filter_map(|member| member.wraps.get(secret));
        wraps
            .filter(|held| Some(held.wrap.version) != version)
            .map(|held| held.wrap.reference.clone())
            .collect()
    }

    /// The fleet after one more statement with these edits, and the clusters whose manifest changed.
    /// `history` stays as it was: it covers the statement's bytes, which do not exist yet.
    pub fn with(&self, edits: &[Edit]) -> Result<(Self, BTreeSet<ClusterId>), BrokenChain> {
        let mut next = self.clone();
        next.number = self.number.next();
        let mut entries: BTreeSet<ClusterId> = BTreeSet::new();
        let mut rewrapped: BTreeMap<ClusterId, Vec<(&String, Option<&Arc<Wrap>>)>> =
            BTreeMap::new();
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
                    let wraps = self.members.get(&entry.id).map(|m| m.wraps.clone());
                    let wraps = wraps.unwrap_or_default();
                    let member = next.member_of(Arc::new(entry.clone()), next.number, wraps);
                    next.members.insert(entry.id, member);
                }
                Edit::RemoveCluster(id) => {
                    next.members.remove(id);
                }
                Edit::PutWrap(wrap) => {
                    let WrapRef { secret, cluster } = &wrap.reference;
                    rewrapped.entry(*cluster).or_default().push((secret, Some(wrap)));
                }
                Edit::RemoveWrap(WrapRef { secret, cluster }) => {
                    rewrapped.entry(*cluster).or_default().push((secret, None));
                }
                Edit::PutRoot(root) => {
                    next.trust = next.trust.followed_by(Arc::clone(root), next.number)?;
                }
            }
        }
        for (cluster, wraps) in &rewrapped {
            if let Some(member) = next.members.get_mut(cluster) {
                for (secret, wrap) in wraps {
                    match wrap {
                        Some(wrap) => {
                            let held = HeldWrap { wrap: Arc::clone(wrap), number: next.number };
                            member.wraps.insert((*secret).clone(), held);
                        }
                        None => drop(member.wraps.remove(*secret)),
                    }
                }
            }
        }
        let changed_documents: Vec<DocumentRef> = edits
            .iter()
            .filter_map(|edit| match edit.subject() {
                Subject::Document(reference) => Some(reference),
                Subject::Cluster(_) | Subject::Wrap(_) | Subject::TrustRoot => None,
            })
            .collect();
        let concerned = entries.iter().chain(rewrapped.keys()).copied();
        let concerned = concerned.filter(|id| next.members.contains_key(id)).collect();
        let touched = next.touched(&changed_documents, concerned);
        for id in &touched {
            let Some(member) = next.members.get(id) else {
                continue;
            };
            // Only a new entry asks every document; a changed document asks nothing of the others.
            let member = if entries.contains(id) {
                let (number, wraps) = (member.manifest.entry.number, member.wraps.clone());
                next.member_of(Arc::clone(&member.entry), number, wraps)
            } else {
                next.repinned(member, &changed_documents)
            };
            next.members.insert(*id, Member { generation: next.number, ..member });
        }
        Ok((next, touched))
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

    fn member_of(
        &self,
        entry: Arc<ClusterEntry>,
        number: RevisionNumber,
        wraps: BTreeMap<String, HeldWrap>,
    ) -> Member {
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
            wraps: pins(&wraps),
        };
        Member::new(entry, manifest, wraps)
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
        manifest.wraps = pins(&member.wraps);
        Member::new(Arc::clone(&member.entry), manifest, member.wraps.clone())
    }
}

fn pins(wraps: &BTreeMap<String, HeldWrap>) -> BTreeMap<String, Pin> {
    let pin = |held: &HeldWrap| Pin { digest: held.wrap.digest(), number: held.number };
    wraps.iter().map(|(secret, held)| (secret.clone(), pin(held))).collect()
}
