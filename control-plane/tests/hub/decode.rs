//! What the hub sends, as the domain has it.

use hanse_domain::bundle::{Evidence, Offer, Shown};
use hanse_domain::history::changes::ProvenChange;
use hanse_domain::history::log::LogProof;
use hanse_domain::history::merkle::{ConsistencyProof, InclusionProof};
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::trust::walk::RootStep;
use hanse_proto::agent;

pub(crate) fn offer(bundle: &agent::Bundle) -> Offer {
    Offer {
        generation: RevisionNumber(bundle.generation),
        statement: bundle.statement.to_vec(),
        signatures: bundle.signatures.to_vec(),
        log: log_proof(bundle.log.as_ref().unwrap()),
        changes: bundle.changes.iter().map(proven).collect(),
        manifest: bundle.manifest.to_vec(),
        inclusion: inclusion(bundle.inclusion.as_ref().unwrap()),
        contents: bundle.contents.iter().map(|content| content.to_vec()).collect(),
        evidence: bundle.evidence.iter().map(evidence).collect(),
    }
}

pub(crate) fn root_step(step: &agent::RootStep) -> RootStep {
    RootStep {
        statement: step.statement.to_vec(),
        signatures: step.signatures.to_vec(),
        log: log_proof(step.log.as_ref().unwrap()),
        change: proven(step.change.as_ref().unwrap()),
        root: step.root.to_vec(),
    }
}

fn evidence(evidence: &agent::Evidence) -> Evidence {
    let shown = evidence
        .manifest_inclusion
        .as_ref()
        .map(|proof| Shown { manifest: evidence.manifest.to_vec(), inclusion: inclusion(proof) });
    Evidence {
        statement: evidence.statement.to_vec(),
        signatures: evidence.signatures.to_vec(),
        inclusion: inclusion(evidence.inclusion.as_ref().unwrap()),
        changes: evidence.changes.iter().map(proven).collect(),
        shown,
    }
}

fn proven(change: &agent::ProvenChange) -> ProvenChange {
    ProvenChange::parse(&change.line, inclusion(change.inclusion.as_ref().unwrap())).unwrap()
}

fn log_proof(proof: &agent::LogProof) -> LogProof {
    match proof.place.as_ref().unwrap() {
        agent::log_proof::Place::Ahead(ahead) => LogProof::Ahead {
            peaks: hashes(&ahead.peaks),
            consistency: ConsistencyProof { path: hashes(&ahead.consistency) },
        },
        agent::log_proof::Place::Within(within) => LogProof::Within(inclusion(within)),
    }
}

fn inclusion(proof: &agent::InclusionProof) -> InclusionProof {
    InclusionProof {
        leaf_index: proof.leaf_index,
        tree_size: proof.tree_size,
        path: hashes(&proof.path),
    }
}

fn hashes(hashes: &[bytes::Bytes]) -> Vec<Digest> {
    hashes.iter().map(|hash| Digest::try_from(hash.as_ref()).unwrap()).collect()
}
