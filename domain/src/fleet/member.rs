//! A cluster of the fleet, with what it must hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{Document, DocumentRef};
use crate::history::manifest::{Manifest, Pin, fleet_leaf};
use crate::history::roster::ClusterEntry;
use crate::history::wrap::Wrap;
use crate::ids::{Digest, Generation, RevisionNumber};
use crate::kinds::Spec;

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

impl Member {
    /// A cluster whose entry was last changed by the statement `number`.
    pub(super) fn new(
        entry: Arc<ClusterEntry>,
        number: RevisionNumber,
        documents: BTreeMap<DocumentRef, Pin>,
        wraps: BTreeMap<String, HeldWrap>,
    ) -> Self {
        let manifest = Manifest {
            cluster: entry.id,
            entry: Pin { digest: entry.digest(), number },
            documents,
            wraps: wraps.iter().map(|(secret, held)| (secret.clone(), held.pin())).collect(),
        };
        Self::holding(manifest, entry, wraps)
    }

    /// The cluster after some documents and wrapped keys have changed; nothing where one is not there
    /// any more.
    pub(super) fn changed<'c>(
        &self,
        documents: impl Iterator<Item = (&'c DocumentRef, Option<Pin>)>,
        wraps: impl Iterator<Item = (&'c str, Option<HeldWrap>)>,
    ) -> Self {
        let mut manifest = Manifest::clone(&self.manifest);
        let mut held_wraps = self.wraps.clone();
        for (reference, pin) in documents {
            match pin {
                Some(pin) => drop(manifest.documents.insert(reference.clone(), pin)),
                None => drop(manifest.documents.remove(reference)),
            }
        }
        for (secret, held) in wraps {
            if let Some(held) = held {
                manifest.wraps.insert(secret.to_owned(), held.pin());
                held_wraps.insert(secret.to_owned(), held);
            } else {
                manifest.wraps.remove(secret);
                held_wraps.remove(secret);
            }
        }
        Self::holding(manifest, Arc::clone(&self.entry), held_wraps)
    }

    fn holding(
        manifest: Manifest,
        entry: Arc<ClusterEntry>,
        wraps: BTreeMap<String, HeldWrap>,
    ) -> Self {
        let (digest, generation) = (manifest.digest(), manifest.newest());
        Self { entry, manifest: Arc::new(manifest), digest, generation, wraps }
    }

    /// Its leaf under the fleet root.
    pub(super) fn leaf(&self) -> Digest {
        fleet_leaf(self.entry.id, self.digest)
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

impl HeldWrap {
    fn pin(&self) -> Pin {
        Pin { digest: self.wrap.digest(), number: self.number }
    }
}

/// The version of a sealed secret; nothing for other documents.
pub fn secret_version(document: &Document) -> Option<u64> {
    match &document.base.spec {
        Spec::Secret(secret) => Some(secret.version),
        Spec::Namespace(_) | Spec::Role(_) | Spec::RoleBinding(_) | Spec::Invariant(_) => None,
    }
}
