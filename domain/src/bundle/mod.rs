//! `verify`: what an agent checks before it believes a bundle. Nothing is rendered from a bundle that
//! fails here, and the last good one stays.
//!
//! ```text
//! Offer ─▶ 1 the statement: signed, next in the history that was accepted last, generation never back
//!          2 its manifest is under the statement's fleet root, for this cluster
//!          3 every content has the manifest's digest and is placed here
//!          4 whatever is new was last changed by a statement of the history that lists it, signed by
//!            keys that may sign that
//!          5 whatever is gone was taken away by such a statement, too
//!       ─▶ VerifiedBundle
//! ```

mod evidence;
mod refusal;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use evidence::{Evidence, Shown};
pub use refusal::{Condition, Refusal};

use evidence::Witnesses;

use crate::document::{Document, DocumentRef};
use crate::history::changes::{ProvenChange, Subject};
use crate::history::log::{LogHead, LogProof};
use crate::history::manifest::{Manifest, fleet_leaf};
use crate::history::merkle::InclusionProof;
use crate::history::roster::ClusterEntry;
use crate::history::statement::Statement;
use crate::history::wrap::Wrap;
use crate::ids::{ClusterId, Digest, Generation, RevisionNumber};
use crate::parse;
use crate::trust::authority::Signed;
use crate::trust::chain::RootChain;

/// A bundle as it arrives: claims, not facts.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What the hub says is its generation.
    pub generation: Generation,
    /// Bytes of the statement of that number.
    pub statement: Vec<u8>,
    /// SSHSIG blocks over it.
    pub signatures: Vec<u8>,
    /// That it is in the history that was accepted last.
    pub log: LogProof,
    /// What it changes for this cluster.
    pub changes: Vec<ProvenChange>,
    /// Bytes of the manifest.
    pub manifest: Vec<u8>,
    /// That the manifest is under the statement's fleet root.
    pub inclusion: InclusionProof,
    /// The roster entry, documents and wrapped keys that the agent may lack.
    pub contents: Vec<Vec<u8>>,
    /// The earlier statements that brought, and that took away, what the agent has not seen yet.
    pub evidence: Vec<Evidence>,
}

/// A bundle that this cluster accepts.
#[derive(Clone, Debug)]
pub struct VerifiedBundle {
    /// The number of the statement that changed it last.
    pub generation: Generation,
    /// Digest of its manifest.
    pub digest: Digest,
    /// The statement's bytes.
    pub statement: Vec<u8>,
    /// What must be held.
    pub manifest: Manifest,
    /// The cluster's own entry.
    pub entry: ClusterEntry,
    /// The documents with the numbers of the statements that last changed them, in the manifest's order.
    pub documents: Vec<(Arc<Document>, RevisionNumber)>,
    /// The keys of sealed secrets, by the secret's name.
    pub wraps: BTreeMap<String, Arc<Wrap>>,
    /// The history that is accepted with it.
    pub head: LogHead,
}

impl VerifiedBundle {
    /// One of its documents.
    pub fn document(&self, reference: &DocumentRef) -> Option<&Document> {
        find(&self.documents, reference)
    }
}

/// One of the documents of a bundle, which are in the order of the manifest.
fn find<'d>(
    documents: &'d [(Arc<Document>, RevisionNumber)],
    reference: &DocumentRef,
) -> Option<&'d Document> {
    let by_reference = |(document, _): &(Arc<Document>, _)| document.reference.cmp(reference);
    let index = documents.binary_search_by(by_reference).ok()?;
    documents.get(index).map(|(document, _)| &**document)
}

/// What an agent holds already.
#[derive(Clone, Copy, Debug)]
pub struct Held<'h> {
    /// Whom it believes; begins with the trust root that was pinned at the join.
    pub trust: &'h RootChain,
    /// The history that was accepted last.
    pub head: LogHead,
    /// The last bundle; nothing before the first.
    pub bundle: Option<&'h VerifiedBundle>,
    /// Contents by digest, so that only what is missing travels.
    pub contents: Option<&'h BTreeMap<Digest, Arc<[u8]>>>,
}

/// Checks everything about an offer. `Ok(None)`: it is what is held already.
pub fn verify(
    cluster: ClusterId,
    held: &Held<'_>,
    offer: &Offer,
) -> Result<Option<VerifiedBundle>, Refusal> {
    let digest = Digest::of(&offer.manifest);
    if let Some(bundle) = held.bundle {
        let accepted = bundle.generation;
        if offer.generation < accepted {
            return Err(Refusal::Older { offered: offer.generation, accepted });
        }
        if offer.generation == accepted {
            let same = digest == bundle.digest;
            return if same { Ok(None) } else { Err(Refusal::Forked { generation: accepted }) };
        }
    }
    let statement = numbered(held, offer)?;
    let signed = Signed::check(held.trust, &statement, &offer.statement, &offer.signatures)?;
    let signed = signed.known()?;
    let accepted = held.head;
    let reached = accepted
        .admit(&statement, &offer.statement, &offer.log)
        .map_err(|_| Refusal::OtherHistory { accepted: accepted.size })?;
    let contents = Contents::new(offer, held);
    let opened = open(cluster, &contents, offer, &statement)?;
    let manifest = &opened.manifest;
    let witnesses = Witnesses::new(cluster, held, offer, &contents, &statement, signed, manifest)?;
    let known_entry = held.bundle.is_some_and(|bundle| bundle.manifest.entry == manifest.entry);
    for (subject, pin) in opened.manifest.pins() {
        let before = held.bundle.and_then(|bundle| bundle.manifest.pin(&subject));
        if before == Some(pin) {
            continue;
        }
        if let Some(bundle) = held.bundle
            && pin.number <= bundle.generation
            && (before.is_some() || known_entry)
        {
            return Err(Refusal::Replayed { subject, number: pin.number });
        }
        if !known_entry {
            witnesses.was_there(&subject, pin, opened.manifest.entry)?;
        }
        witnesses.brought(&subject, pin, held.bundle, &opened)?;
    }
    if let Some(bundle) = held.bundle {
        for (subject, _) in bundle.manifest.pins() {
            if opened.manifest.pin(&subject).is_none() {
                witnesses.took_away(&subject, bundle)?;
            }
        }
    }
    Ok(Some(VerifiedBundle {
        generation: offer.generation,
        digest,
        statement: offer.statement.clone(),
        manifest: opened.manifest,
        entry: opened.entry,
        documents: opened.documents,
        wraps: opened.wraps,
        head: reached,
    }))
}

/// Looks into an offer that is only proposed, and so is not signed: everything but who may say it.
pub fn inspect(
    cluster: ClusterId,
    held: &Held<'_>,
    offer: &Offer,
) -> Result<VerifiedBundle, Refusal> {
    let statement = numbered(held, offer)?;
    let opened = open(cluster, &Contents::new(offer, held), offer, &statement)?;
    Ok(VerifiedBundle {
        generation: offer.generation,
        digest: Digest::of(&offer.manifest),
        statement: offer.statement.clone(),
        manifest: opened.manifest,
        entry: opened.entry,
        documents: opened.documents,
        wraps: opened.wraps,
        head: held.head,
    })
}

fn numbered(held: &Held<'_>, offer: &Offer) -> Result<Statement, Refusal> {
    let statement = Statement::decode(&offer.statement)
        .map_err(|error| Refusal::malformed(Condition::Statement, error))?;
    if held.trust.fleet() != statement.fleet {
        return Err(Refusal::OtherFleet);
    }
    if statement.number != offer.generation {
        return Err(Refusal::OtherStatement {
            statement: statement.number,
            generation: offer.generation,
        });
    }
    Ok(statement)
}

/// What an offer contains, in the right form and for this cluster.
struct Opened {
    manifest: Manifest,
    entry: ClusterEntry,
    documents: Vec<(Arc<Document>, RevisionNumber)>,
    wraps: BTreeMap<String, Arc<Wrap>>,
}

impl Opened {
    fn document(&self, reference: &DocumentRef) -> Option<&Document> {
        find(&self.documents, reference)
    }
}

fn open(
    cluster: ClusterId,
    contents: &Contents<'_>,
    offer: &Offer,
    statement: &Statement,
) -> Result<Opened, Refusal> {
    let manifest = under(cluster, &offer.manifest, &offer.inclusion, statement)?;
    let malformed = |error| Refusal::malformed(Condition::Contents, error);
    let entry = ClusterEntry::decode(contents.find(manifest.entry.digest)?).map_err(malformed)?;
    if entry.id != cluster {
        return Err(Refusal::OtherCluster(entry.id));
    }
    let mut documents = Vec::with_capacity(manifest.documents.len());
    for (reference, pin) in &manifest.documents {
        let document = parse::parse_document(contents.find(pin.digest)?)?;
        if document.reference != *reference {
            return Err(Refusal::OtherContent(Subject::Document(reference.clone())));
        }
        if !document.selects(&entry) {
            return Err(Refusal::NotPlaced(reference.clone()));
        }
        documents.push((Arc::new(document), pin.number));
    }
    let mut wraps = BTreeMap::new();
    for (secret, pin) in &manifest.wraps {
        let wrap = Wrap::decode(contents.find(pin.digest)?).map_err(malformed)?;
        if wrap.reference.cluster != cluster || wrap.reference.secret != *secret {
            return Err(Refusal::OtherContent(Subject::Wrap(wrap.reference)));
        }
        wraps.insert(secret.clone(), Arc::new(wrap));
    }
    Ok(Opened { manifest, entry, documents, wraps })
}

/// A manifest of this cluster, under a statement's fleet root.
fn under(
    cluster: ClusterId,
    bytes: &[u8],
    inclusion: &InclusionProof,
    statement: &Statement,
) -> Result<Manifest, Refusal> {
    let manifest =
        Manifest::decode(bytes).map_err(|e| Refusal::malformed(Condition::Manifest, e))?;
    if manifest.cluster != cluster {
        return Err(Refusal::OtherCluster(manifest.cluster));
    }
    let leaf = fleet_leaf(cluster, Digest::of(bytes));
    inclusion.verify(leaf, statement.fleet_root).map_err(|_| Refusal::NotIncluded)?;
    Ok(manifest)
}

/// Contents by their digest, wherever they come from: the digest is what is believed.
struct Contents<'c> {
    sent: BTreeMap<Digest, &'c [u8]>,
    held: Option<&'c BTreeMap<Digest, Arc<[u8]>>>,
}

impl<'c> Contents<'c> {
    fn new(offer: &'c Offer, held: &Held<'c>) -> Self {
        let sent = offer.contents.iter().map(|c| (Digest::of(c), c.as_slice())).collect();
        Self { sent, held: held.contents }
    }

    fn find(&self, digest: Digest) -> Result<&'c [u8], Refusal> {
        let held = || self.held.and_then(|held| held.get(&digest)).map(|bytes| &**bytes);
        self.sent.get(&digest).copied().or_else(held).ok_or(Refusal::Missing(digest))
    }

    /// A document that came between what was held and what is offered, if its bytes are here.
    fn document(&self, digest: Digest, reference: &DocumentRef) -> Option<Document> {
        let document = parse::parse_document(self.find(digest).ok()?).ok()?;
        (document.reference == *reference).then_some(document)
    }
}
