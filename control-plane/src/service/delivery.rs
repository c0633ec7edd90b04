//! `select`: what one cluster must hold, and what of it its agent lacks.
//!
//! ```text
//! (cluster, generation and digest that its agent has) ─▶ nothing, or the newest bundle with the
//!                                                        contents that the agent's manifest lacks
//! ```
//!
//! Everything about a cluster is looked up by the id in its certificate. Right after a commit all of
//! it is in memory; the database is asked for older statements and manifests only.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hanse_domain::fleet::{Fleet, Member};
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::ids::{ClusterId, Digest, Generation};

use super::ServiceError;
use super::fleet::{Current, FleetService};
use crate::store::{Store, StoreError};

/// What a cluster must hold from now on, ready to be sent.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The number of the statement that changed it last.
    pub generation: Generation,
    /// Digest of the manifest.
    pub digest: Digest,
    /// That statement.
    pub statement: Bytes,
    /// Its signature.
    pub signature: Bytes,
    /// The manifest's canonical encoding.
    pub manifest: Bytes,
    /// That the manifest is under the statement's fleet root.
    pub inclusion: InclusionProof,
    /// The roster entry and documents that the agent lacks.
    pub contents: Vec<Bytes>,
}

/// What an agent says that it has.
pub type Have = Option<(Generation, Digest)>;

/// What to do for an agent.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// It has the newest bundle, or there is none for it.
    Nothing,
    /// It has a newer one than this hub: an old backup was restored here.
    Ahead {
        /// The newest that this hub knows.
        ours: Generation,
    },
    /// It gets this.
    Bundle(Box<Bundle>),
}

/// Delivers bundles. Clones share everything.
#[derive(Clone)]
pub struct DeliveryService {
    store: Store,
    fleet: FleetService,
}

impl DeliveryService {
    /// From the fleet in memory and its database.
    pub fn new(store: Store, fleet: FleetService) -> Self {
        Self { store, fleet }
    }

    /// What the cluster's agent must get, when it has `have`.
    pub async fn bundle_for(
        &self,
        cluster: ClusterId,
        have: Have,
    ) -> Result<Delivery, ServiceError> {
        let current = self.fleet.current();
        let ours = current.fleet.member(cluster);
        let (Some(member), have) = (ours, have) else {
            // Out of the roster: what was applied stays.
            return Ok(Delivery::Nothing);
        };
        match have {
            Some((generation, digest)) if generation == member.generation => {
                if digest == member.digest {
                    return Ok(Delivery::Nothing);
                }
                tracing::error!(
                    cluster.id = %cluster,
                    generation = generation.0,
                    "cluster {cluster} holds another bundle of generation {generation}: the history was rewritten"
                );
            }
            Some((generation, _)) if generation > member.generation => {
                return Ok(Delivery::Ahead { ours: member.generation });
            }
            Some(_) | None => {}
        }
        let known = match have {
            Some((_, digest)) => self.manifest(&current, cluster, digest).await?,
            None => None,
        };
        let contents = missing(&current.fleet, member, known.as_deref())?;
        self.assemble(&current, member, contents)
            .await
            .map(|bundle| Delivery::Bundle(Box::new(bundle)))
    }

    async fn assemble(
        &self,
        current: &Current,
        member: &Member,
        contents: Vec<Bytes>,
    ) -> Result<Bundle, ServiceError> {
        let (cluster, generation) = (member.entry.id, member.generation);
        let recent = current.recent.iter().find(|landed| landed.number == generation);
        let ready = recent.and_then(|landed| {
            let proof = landed.proofs.get(&cluster)?.clone();
            Some((landed.statement.clone(), landed.signature.clone(), proof))
        });
        let (statement, signature, inclusion) = match ready {
            Some(ready) => ready,
            None => self.stored(cluster, generation, member.digest).await?,
        };
        Ok(Bundle {
            generation,
            digest: member.digest,
            statement,
            signature,
            manifest: member.manifest.encode().into(),
            inclusion,
            contents,
        })
    }

    async fn stored(
        &self,
        cluster: ClusterId,
        generation: Generation,
        digest: Digest,
    ) -> Result<(Bytes, Bytes, InclusionProof), ServiceError> {
        let damaged = |what: String| ServiceError::from(StoreError::Corrupt { what });
        let bundle = self.store.bundle(cluster, generation).await?;
        let bundle = bundle
            .filter(|bundle| bundle.manifest == digest)
            .ok_or_else(|| damaged(format!("bundle {generation} of {cluster} is missing")))?;
        let row = self.store.statement(generation).await?;
        let row = row.ok_or_else(|| damaged(format!("statement {generation} is missing")))?;
        let proof = InclusionProof {
            leaf_index: bundle.leaf_index,
            tree_size: bundle.tree_size,
            path: bundle.path,
        };
        Ok((row.bytes, row.signature, proof))
    }

    /// The manifest of a digest, if it is one of this cluster's.
    async fn manifest(
        &self,
        current: &Current,
        cluster: ClusterId,
        digest: Digest,
    ) -> Result<Option<Arc<Manifest>>, ServiceError> {
        let recent = current.recent.iter().rev().find_map(|landed| {
            let (before, manifest) = landed.before.get(&cluster)?;
            (*before == digest).then(|| Arc::clone(manifest))
        });
        if recent.is_some() {
            return Ok(recent);
        }
        let Some(bytes) = self.store.content(&digest).await? else {
            return Ok(None);
        };
        let manifest = Manifest::decode(&bytes).ok();
        Ok(manifest.filter(|manifest| manifest.cluster == cluster).map(Arc::new))
    }
}

/// A bundle for a fleet that is only proposed, whole.
pub(super) fn proposed(
    fleet: &Fleet,
    cluster: ClusterId,
    statement: Bytes,
    signature: Bytes,
    inclusion: InclusionProof,
) -> Result<Option<Bundle>, ServiceError> {
    let Some(member) = fleet.member(cluster) else {
        return Ok(None);
    };
    Ok(Some(Bundle {
        generation: fleet.number,
        digest: member.digest,
        statement,
        signature,
        manifest: member.manifest.encode().into(),
        inclusion,
        contents: missing(fleet, member, None)?,
    }))
}

/// The contents of a manifest that another one does not name.
fn missing(
    fleet: &Fleet,
    member: &Member,
    known: Option<&Manifest>,
) -> Result<Vec<Bytes>, ServiceError> {
    let known: BTreeSet<Digest> = known.iter().flat_map(|known| known.digests()).collect();
    let mut contents = Vec::new();
    if !known.contains(&member.manifest.entry.digest) {
        contents.push(member.entry.encode().into());
    }
    for (reference, pin) in &member.manifest.documents {
        if known.contains(&pin.digest) {
            continue;
        }
        let held = fleet.documents().get(reference);
        let held = held.filter(|held| held.document.digest == pin.digest);
        let held = held.ok_or_else(|| {
            ServiceError::Internal(format!("{reference} is not as {} has it", member.entry.id))
        })?;
        contents.push(Bytes::from_owner(Arc::clone(&held.document.bytes)));
    }
    Ok(contents)
}
