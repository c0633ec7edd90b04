//! Bundles and trust roots out, with their proofs.

use bytes::Bytes;
use hanse_domain::bundle::Evidence;
use hanse_domain::history::changes::ProvenChange;
use hanse_domain::history::log::LogProof;
use hanse_domain::history::merkle;
use hanse_domain::ids::Digest;
use hanse_domain::trust::walk::RootStep;
use hanse_proto::agent;
use hanse_proto::agent::log_proof::Place;

use crate::service::delivery::{Bundle, Roots};

/// Steps in one message: each may have about 300 KiB.
const STEPS: usize = 64;

/// A bundle to send.
pub(in crate::api) fn bundle(bundle: Bundle) -> agent::Bundle {
    agent::Bundle {
        generation: bundle.generation.0,
        statement: bundle.statement,
        signatures: bundle.signatures,
        manifest: bundle.manifest,
        inclusion: Some(inclusion(&bundle.inclusion)),
        contents: bundle.contents,
        log: Some(log_proof(&bundle.log)),
        changes: bundle.changes.iter().map(proven_change).collect(),
        evidence: bundle.evidence.into_iter().map(evidence).collect(),
    }
}

/// Trust roots to send, in as many messages as it takes.
pub(in crate::api) fn trust_roots(roots: Roots) -> impl Iterator<Item = agent::TrustRoots> {
    let mut steps: Vec<agent::RootStep> = roots.steps.into_iter().map(root_step).collect();
    let mut first = Some(roots.first.unwrap_or_default());
    std::iter::from_fn(move || {
        let begins = first.take();
        if begins.is_none() && steps.is_empty() {
            return None;
        }
        let some = steps.drain(..STEPS.min(steps.len())).collect();
        Some(agent::TrustRoots { first: begins.unwrap_or_default(), steps: some })
    })
}

fn root_step(step: RootStep) -> agent::RootStep {
    agent::RootStep {
        statement: step.statement.into(),
        signatures: step.signatures.into(),
        log: Some(log_proof(&step.log)),
        change: Some(proven_change(&step.change)),
        root: step.root.into(),
    }
}

fn evidence(evidence: Evidence) -> agent::Evidence {
    let (manifest, manifest_inclusion) = match evidence.shown {
        Some(shown) => (shown.manifest.into(), Some(inclusion(&shown.inclusion))),
        None => (Bytes::new(), None),
    };
    agent::Evidence {
        statement: evidence.statement.into(),
        signatures: evidence.signatures.into(),
        inclusion: Some(inclusion(&evidence.inclusion)),
        changes: evidence.changes.iter().map(proven_change).collect(),
        manifest,
        manifest_inclusion,
    }
}

fn proven_change(change: &ProvenChange) -> agent::ProvenChange {
    agent::ProvenChange { line: change.line(), inclusion: Some(inclusion(&change.inclusion)) }
}

fn log_proof(proof: &LogProof) -> agent::LogProof {
    let place = match proof {
        LogProof::Ahead { peaks, consistency } => Place::Ahead(agent::Ahead {
            peaks: hashes(peaks),
            consistency: hashes(&consistency.path),
        }),
        LogProof::Within(within) => Place::Within(inclusion(within)),
    };
    agent::LogProof { place: Some(place) }
}

fn inclusion(proof: &merkle::InclusionProof) -> agent::InclusionProof {
    agent::InclusionProof {
        leaf_index: proof.leaf_index,
        tree_size: proof.tree_size,
        path: hashes(&proof.path),
    }
}

fn hashes(hashes: &[Digest]) -> Vec<Bytes> {
    hashes.iter().map(|hash| hash.0.to_vec().into()).collect()
}
