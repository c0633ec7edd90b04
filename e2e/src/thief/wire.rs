//! What the thief says, as `hanse.agent.v1` has it.

use bytes::Bytes;
use hanse_domain::bundle::{Evidence, Offer};
use hanse_domain::history::changes::ProvenChange;
use hanse_domain::history::log::LogProof;
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::ids::Digest;
use hanse_domain::trust::walk::RootStep;
use hanse_proto::agent::log_proof::Place;
use hanse_proto::agent::session_response::Message;
use hanse_proto::agent::{self as msg, Ahead, Bundle, RootStep as RootStepMsg, TrustRoots};

/// A bundle.
pub fn bundle(offer: &Offer) -> Message {
    Message::Bundle(Bundle {
        generation: offer.generation.0,
        statement: offer.statement.clone().into(),
        signatures: offer.signatures.clone().into(),
        manifest: offer.manifest.clone().into(),
        inclusion: Some(inclusion(&offer.inclusion)),
        contents: offer.contents.iter().cloned().map(Into::into).collect(),
        log: Some(log(&offer.log)),
        changes: offer.changes.iter().map(change).collect(),
        evidence: offer.evidence.iter().map(evidence).collect(),
    })
}

/// Trust roots, for an agent that has the first.
pub fn trust_roots(steps: &[RootStep]) -> Message {
    let steps = steps.iter().map(|step| RootStepMsg {
        statement: step.statement.clone().into(),
        signatures: step.signatures.clone().into(),
        log: Some(log(&step.log)),
        change: Some(change(&step.change)),
        root: step.root.clone().into(),
    });
    Message::TrustRoots(TrustRoots { first: Bytes::new(), steps: steps.collect() })
}

fn evidence(evidence: &Evidence) -> msg::Evidence {
    let shown = evidence.shown.as_ref();
    msg::Evidence {
        statement: evidence.statement.clone().into(),
        signatures: evidence.signatures.clone().into(),
        inclusion: Some(inclusion(&evidence.inclusion)),
        changes: evidence.changes.iter().map(change).collect(),
        manifest: shown.map(|shown| shown.manifest.clone().into()).unwrap_or_default(),
        manifest_inclusion: shown.map(|shown| inclusion(&shown.inclusion)),
    }
}

fn change(change: &ProvenChange) -> msg::ProvenChange {
    msg::ProvenChange { line: change.line(), inclusion: Some(inclusion(&change.inclusion)) }
}

fn log(proof: &LogProof) -> msg::LogProof {
    let place = match proof {
        LogProof::Ahead { peaks, consistency } => {
            Place::Ahead(Ahead { peaks: hashes(peaks), consistency: hashes(&consistency.path) })
        }
        LogProof::Within(within) => Place::Within(inclusion(within)),
    };
    msg::LogProof { place: Some(place) }
}

fn inclusion(proof: &InclusionProof) -> msg::InclusionProof {
    msg::InclusionProof {
        leaf_index: proof.leaf_index,
        tree_size: proof.tree_size,
        path: hashes(&proof.path),
    }
}

fn hashes(hashes: &[Digest]) -> Vec<Bytes> {
    hashes.iter().map(|hash| hash.0.to_vec().into()).collect()
}
