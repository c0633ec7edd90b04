//! `verify`: what an agent checks before it believes a bundle. Nothing is rendered from a bundle that
//! fails here, and the last good one stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::Document;
use crate::history::encoding::Malformed;
use crate::history::manifest::{Manifest, fleet_leaf};
use crate::history::merkle::InclusionProof;
use crate::history::roster::ClusterEntry;
use crate::history::statement::Statement;
use crate::ids::{ClusterId, Digest, Generation, RevisionNumber};
use crate::parse::{self, ParseError};

/// A bundle as it arrives: claims, not facts.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What the hub says is its generation.
    pub generation: Generation,
    /// Bytes of the statement of that number.
    pub statement: Vec<u8>,
    /// Bytes of the manifest.
    pub manifest: Vec<u8>,
    /// That the manifest is under the statement's fleet root.
    pub inclusion: InclusionProof,
    /// The roster entry and documents that the agent may lack.
    pub contents: Vec<Vec<u8>>,
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
    /// The documents with the numbers of the statements that last changed them.
    pub documents: Vec<(Arc<Document>, RevisionNumber)>,
}

/// What an agent holds already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held<'h> {
    /// Generation and digest in the ledger; nothing before the first bundle.
    pub accepted: Option<(Generation, Digest)>,
    /// Digest of the fleet's first trust root, from enrolment; pinned once accepted.
    pub fleet: Option<Digest>,
    /// Contents by digest, so that only what is missing travels.
    pub contents: Option<&'h BTreeMap<Digest, Arc<[u8]>>>,
}

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// An older one than was accepted.
    #[error("generation {offered} is older than {accepted}, which was accepted before")]
    Older {
        /// Of the bundle.
        offered: Generation,
        /// In the ledger.
        accepted: Generation,
    },
    /// The same generation with other contents: somebody lies.
    #[error("generation {generation} was accepted with another digest")]
    Forked {
        /// Of both.
        generation: Generation,
    },
    /// Of another fleet.
    #[error("the statement is of another fleet")]
    OtherFleet,
    /// The statement is not the one of its generation.
    #[error("the statement is number {statement} and the bundle is generation {generation}")]
    OtherStatement {
        /// Its number.
        statement: RevisionNumber,
        /// What the hub said.
        generation: Generation,
    },
    /// Another cluster's manifest.
    #[error("the manifest is of cluster {0}")]
    OtherCluster(ClusterId),
    /// The manifest is not under the fleet root.
    #[error("the manifest is not under the statement's fleet root")]
    NotIncluded,
    /// A content is missing; asking for the whole bundle helps.
    #[error("the content {0} is missing")]
    Missing(Digest),
    /// A document that is placed elsewhere.
    #[error("{0} is not placed on this cluster")]
    NotPlaced(crate::document::DocumentRef),
    /// A content that is not what the manifest says it is.
    #[error("the content of {0} is of another document")]
    OtherDocument(crate::document::DocumentRef),
    /// Not a canonical encoding.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A document that is not valid.
    #[error("a document is not valid: {0}")]
    Document(#[from] ParseError),
}

/// Checks everything about an offer. `Ok(None)`: it is what the ledger holds already.
pub fn verify(
    cluster: ClusterId,
    held: &Held<'_>,
    offer: &Offer,
) -> Result<Option<VerifiedBundle>, Refusal> {
    let digest = Digest::of(&offer.manifest);
    if let Some((accepted, accepted_digest)) = held.accepted {
        if offer.generation < accepted {
            return Err(Refusal::Older { offered: offer.generation, accepted });
        }
        if offer.generation == accepted {
            let same = digest == accepted_digest;
            return if same { Ok(None) } else { Err(Refusal::Forked { generation: accepted }) };
        }
    }
    let statement = Statement::decode(&offer.statement)?;
    if held.fleet.is_some_and(|fleet| fleet != statement.fleet) {
        return Err(Refusal::OtherFleet);
    }
    if statement.number != offer.generation {
        return Err(Refusal::OtherStatement {
            statement: statement.number,
            generation: offer.generation,
        });
    }
    let manifest = Manifest::decode(&offer.manifest)?;
    if manifest.cluster != cluster {
        return Err(Refusal::OtherCluster(manifest.cluster));
    }
    offer
        .inclusion
        .verify(fleet_leaf(cluster, digest), statement.fleet_root)
        .map_err(|_| Refusal::NotIncluded)?;
    let contents = Contents::new(offer, held);
    let entry = ClusterEntry::decode(contents.find(manifest.entry.digest)?)?;
    if entry.id != cluster {
        return Err(Refusal::OtherCluster(entry.id));
    }
    let mut documents = Vec::with_capacity(manifest.documents.len());
    for (reference, pin) in &manifest.documents {
        let document = parse::parse_document(contents.find(pin.digest)?)?;
        if document.reference != *reference {
            return Err(Refusal::OtherDocument(reference.clone()));
        }
        if !document.selects(&entry) {
            return Err(Refusal::NotPlaced(reference.clone()));
        }
        documents.push((Arc::new(document), pin.number));
    }
    Ok(Some(VerifiedBundle {
        generation: offer.generation,
        digest,
        statement: offer.statement.clone(),
        manifest,
        entry,
        documents,
    }))
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
}
