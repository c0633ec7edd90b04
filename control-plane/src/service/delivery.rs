//! `select`: what one cluster must hold, what of it its agent lacks, and the proofs for that.
//!
//! ```text
//! (cluster, what its agent has) ─▶ the trust roots that it lacks
//!                                ─▶ nothing, or the newest bundle with the contents that the agent's
//!                                   manifest lacks, its place in the history, and the evidence
//! ```
//!
//! Everything about a cluster is looked up by the id in its certificate. Right after a commit all of
//! it is in memory; the database is asked for older statements and manifests only.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hanse_domain::bundle::Evidence;
use hanse_domain::fleet::{Fleet, Member};
use hanse_domain::history::changes::{ProvenChange, Subject};
use hanse_domain::history::log::LogProof;
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::merkle::{ConsistencyProof, InclusionProof};
use hanse_domain::ids::{ClusterId, Digest, Generation};
use hanse_domain::trust::walk::RootStep;

use super::ServiceError;
use super::evidence::{Held, Witnesses, inclusion, log_proof, no_bundle};
use super::fleet::{Current, FleetService};
use crate::store::Store;

/// What a cluster must hold from now on, ready to be sent.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The number of the statement that changed it last.
    pub generation: Generation,
    /// Digest of the manifest.
    pub digest: Digest,
    /// That statement.
    pub statement: Bytes,
    /// The signatures over it.
    pub signatures: Bytes,
    /// That it is in the history that the agent has accepted.
    pub log: LogProof,
    /// What it changes for this cluster.
    pub changes: Vec<ProvenChange>,
    /// The manifest's canonical encoding.
    pub manifest: Bytes,
    /// That the manifest is under the statement's fleet root.
    pub inclusion: InclusionProof,
    /// The roster entry, documents and wrapped keys that the agent lacks.
    pub contents: Vec<Bytes>,
    /// The earlier statements that brought, and that took away, what the agent has not seen yet.
    pub evidence: Vec<Evidence>,
}

/// What an agent has, as far as it told and was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Has {
    /// Its bundle.
    pub bundle: Option<(Generation, Digest)>,
    /// Version of the trust root; 0 for none.
    pub root_version: u64,
    /// How many statements it has accepted as the history.
    pub log_size: u64,
    /// It asked for everything, whatever it has.
    pub whole: bool,
    /// A bundle that it has at least, where it does not say: what went since is shown to have gone.
    pub at_least: Option<(Generation, Digest)>,
}

/// The trust roots that an agent lacks.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// The first one.
    pub first: Option<Bytes>,
    /// Each further one.
    pub steps: Vec<RootStep>,
}

/// What to do for an agent.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// To be sent first.
    pub roots: Option<Roots>,
    /// To be sent then; nothing when it has the newest, or there is none for it.
    pub bundle: Option<Box<Bundle>>,
    /// It has something newer than this hub: an old backup was restored here. The newest generation
    /// that this hub knows.
    pub ahead: Option<Generation>,
    /// What it has once it believes the trust roots, and not yet the bundle.
    pub rooted: Has,
    /// What it has once it believes all this.
    pub has: Has,
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

    /// What the cluster's agent must get, when it has `has`.
    pub async fn for_agent(&self, cluster: ClusterId, has: &Has) -> Result<Delivery, ServiceError> {
        let current = self.fleet.current();
        let member = current.fleet.member(cluster);
        let (rooted, unchanged) = (has.clone(), has.clone());
        let nothing = Delivery { roots: None, bundle: None, ahead: None, rooted, has: unchanged };
        let ours = member.map(|member| member.generation).unwrap_or_default();
        let newer = has.bundle.is_some_and(|(generation, _)| member.is_some() && generation > ours);
        let trust = &current.fleet.trust;
        if newer
            || has.log_size > current.fleet.number.0
            || has.root_version > trust.current().root.version
        {
            return Ok(Delivery { ahead: Some(ours), ..nothing });
        }
        // Before it is accepted it learns nothing, and once out of the roster no bundle: what was
        // applied stays. Who may sign is said to everyone who was ever told.
        if member.is_none() && has.root_version == 0 {
            return Ok(nothing);
        }
        let witnesses = Witnesses::new(&self.store, &current, cluster);
        let (roots, has) = roots(&witnesses, &current, has).await?;
        let Some(member) = member.filter(|member| has.whole || !is_newest(member, &has)) else {
            return Ok(Delivery { roots, rooted: has.clone(), has, ..nothing });
        };
        let bundle = self.bundle(&witnesses, &current, member, &has).await?;
        let (log, log_size) = log_proof(&current.tree, member.generation, has.log_size)?;
        let bundle = Some(Box::new(Bundle { log, ..bundle }));
        let held = Some((member.generation, member.digest));
        let rooted = has.clone();
        let has = Has { bundle: held, log_size, whole: false, at_least: None, ..has };
        Ok(Delivery { roots, bundle, ahead: None, rooted, has })
    }

    async fn bundle(
        &self,
        witnesses: &Witnesses<'_>,
        current: &Current,
        member: &Member,
        has: &Has,
    ) -> Result<Bundle, ServiceError> {
        let (cluster, generation) = (member.entry.id, member.generation);
        let claimed = has.bundle.filter(|(held, _)| *held < generation).or(has.at_least);
        let held = match claimed {
            Some((since, digest)) if since < generation => {
                let manifest = self.manifest(current, cluster, digest).await?;
                manifest.map(|manifest| (since, manifest))
            }
            Some(_) | None => None,
        };
        let held = held.as_ref().map(|(since, manifest)| Held { since: *since, manifest });
        let known = held.map(|held| held.manifest).filter(|_| !has.whole);
        let manifest = &member.manifest;
        let shows = witnesses.evidence(generation, manifest, known, held).await?;
        let mut contents = missing(&current.fleet, member, known)?;
        let more: Vec<Digest> = shows.contents.into_iter().collect();
        contents.extend(self.store.contents(&more).await?.into_iter().map(|(_, bytes)| bytes));
        let said = witnesses.said(generation).await?;
        let ours = manifest.pins().chain(held.into_iter().flat_map(|held| held.manifest.pins()));
        let ours: BTreeSet<Subject> = ours.map(|(subject, _)| subject).collect();
        Ok(Bundle {
            generation,
            digest: member.digest,
            statement: said.statement.clone(),
            signatures: said.signatures.clone(),
            log: nowhere(),
            changes: said.prove(&ours),
            manifest: manifest.encode().into(),
            inclusion: self.inclusion(current, member).await?,
            contents,
            evidence: shows.evidence,
        })
    }

    /// That a cluster's newest manifest is under its statement's fleet root.
    async fn inclusion(
        &self,
        current: &Current,
        member: &Member,
    ) -> Result<InclusionProof, ServiceError> {
        let (cluster, generation) = (member.entry.id, member.generation);
        let recent = current.recent.iter().find(|landed| landed.said.number == generation);
        if let Some(proof) = recent.and_then(|landed| landed.proofs.get(&cluster)) {
            return Ok(proof.clone());
        }
        let row = self.store.bundle(cluster, generation).await?;
        row.filter(|row| row.manifest == member.digest)
            .map(inclusion)
            .ok_or_else(|| no_bundle(cluster, generation))
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

/// The trust roots that an agent lacks, and what it has when it got them.
async fn roots(
    witnesses: &Witnesses<'_>,
    current: &Current,
    has: &Has,
) -> Result<(Option<Roots>, Has), ServiceError> {
    let trust = &current.fleet.trust;
    let newest = trust.current().root.version;
    if has.root_version == newest {
        return Ok((None, has.clone()));
    }
    let first = trust.versions().next().filter(|_| has.root_version == 0);
    let first = first.map(|version| version.root.encode().into());
    let (steps, log_size) = witnesses.root_steps(trust, has.root_version, has.log_size).await?;
    let has = Has { root_version: newest, log_size, ..has.clone() };
    Ok((Some(Roots { first, steps }), has))
}

fn is_newest(member: &Member, has: &Has) -> bool {
    match has.bundle {
        Some((generation, digest)) if generation == member.generation => {
            if digest != member.digest {
                let cluster = member.entry.id;
                tracing::error!(
                    cluster.id = %cluster,
                    generation = generation.0,
                    "cluster {cluster} holds another bundle of generation {generation}: the history was rewritten"
                );
            }
            digest == member.digest
        }
        Some(_) | None => false,
    }
}

/// A bundle for a fleet that is only proposed, whole and without proofs that nobody can make yet.
pub(super) fn proposed(
    fleet: &Fleet,
    cluster: ClusterId,
    statement: Bytes,
    inclusion: InclusionProof,
) -> Result<Option<Bundle>, ServiceError> {
    let Some(member) = fleet.member(cluster) else {
        return Ok(None);
    };
    Ok(Some(Bundle {
        generation: fleet.number,
        digest: member.digest,
        statement,
        signatures: Bytes::new(),
        log: nowhere(),
        changes: Vec::new(),
        manifest: member.manifest.encode().into(),
        inclusion,
        contents: missing(fleet, member, None)?,
        evidence: Vec::new(),
    }))
}

/// A proof that proves nothing.
fn nowhere() -> LogProof {
    LogProof::Ahead { peaks: Vec::new(), consistency: ConsistencyProof::default() }
}

/// The contents of a manifest that another one does not name.
fn missing(
    fleet: &Fleet,
    member: &Member,
    known: Option<&Manifest>,
) -> Result<Vec<Bytes>, ServiceError> {
    let known: BTreeSet<Digest> = known.iter().flat_map(|known| known.digests()).collect();
    let other = |what: &dyn std::fmt::Display| {
        ServiceError::Internal(format!("{what} is not as {} has it", member.entry.id))
    };
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
        let held = held.ok_or_else(|| other(reference))?;
        contents.push(Bytes::from_owner(Arc::clone(&held.document.bytes)));
    }
    for (secret, pin) in &member.manifest.wraps {
        if known.contains(&pin.digest) {
            continue;
        }
        let held = member.wraps().get(secret).ok_or_else(|| other(secret))?;
        contents.push(held.wrap.encode().into());
    }
    Ok(contents)
}
