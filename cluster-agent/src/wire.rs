//! The one place where the wire (`hanse.agent.v1`) meets the core's types and the inventory's.

pub mod inventory;

use hanse_domain::bundle::{Evidence, Offer, Shown};
use hanse_domain::drift::{DriftClass, FieldDifference};
use hanse_domain::history::changes::ProvenChange;
use hanse_domain::history::log::LogProof;
use hanse_domain::history::merkle::{ConsistencyProof, InclusionProof};
use hanse_domain::ids::{Digest, Generation, RevisionNumber};
use hanse_domain::object::ObjectRef;
use hanse_domain::trust::walk::RootStep;
use hanse_proto::admin::drift::{Class, State};
use hanse_proto::admin::{Drift, FieldDifference as FieldMsg, ObjectProblem, ObjectReference};
use hanse_proto::agent::applied::Phase;
use hanse_proto::agent::session_request::Message as Request;
use hanse_proto::agent::session_response::Message as Response;
use hanse_proto::agent::{
    self as msg, Applied, Bundle, DriftReport, DryRunResult, Hello, SessionRequest, SessionResponse,
};
use jiff::Timestamp;
use pbjson_types::Timestamp as TimestampMsg;

use crate::core::io::{DriftRecord, DriftState, Input, Progress, ProgressPhase, Report};
use crate::fence::FenceState;
use crate::kube::client::ClusterFacts;

/// A message of the hub that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub sent a message that is not valid: {0}")]
pub struct Malformed(&'static str);

/// For whom a message is.
#[derive(Debug)]
pub enum Incoming {
    /// For the core.
    Core(Input),
    /// For the inventory.
    Inventory(crate::inventory::Input),
}

/// A message of the hub, and what a person should know of it.
pub fn incoming(message: SessionResponse) -> Result<Incoming, Malformed> {
    Ok(Incoming::Core(match message.message.ok_or(Malformed("it is empty"))? {
        Response::InventoryAck(ack) => {
            return Ok(Incoming::Inventory(crate::inventory::Input::Stored(ack.sequence)));
        }
        Response::InventoryWanted(wanted) => {
            return Ok(Incoming::Inventory(inventory::wanted(&wanted)?));
        }
        Response::InventoryAsk(msg::InventoryAsk {}) => {
            return Ok(Incoming::Inventory(crate::inventory::Input::Asked));
        }
        Response::Welcome(welcome) => {
            let name = crate::terminal::plain(&welcome.cluster_name);
            if welcome.accepted {
                tracing::info!("the hub knows this cluster as {name}");
            } else {
                tracing::warn!("the cluster {name} waits to be accepted: hanse cluster accept");
            }
            Input::Welcomed { drift_wanted: welcome.drift_wanted }
        }
        Response::Bundle(bundle) => Input::Offered(offer(bundle)?),
        Response::TrustRoots(roots) => Input::TrustRoots {
            first: roots.first.into(),
            steps: roots.steps.into_iter().map(root_step).collect::<Result<_, _>>()?,
        },
        Response::DriftAck(ack) => Input::DriftStored(ack.sequence),
        Response::DryRun(ask) => {
            let bundle = ask.bundle.ok_or(Malformed("a dry run has no bundle"))?;
            Input::DryRunAsked { id: ask.id, offer: offer(bundle)? }
        }
    }))
}

fn offer(bundle: Bundle) -> Result<Offer, Malformed> {
    Ok(Offer {
        generation: RevisionNumber(bundle.generation),
        statement: bundle.statement.into(),
        signatures: bundle.signatures.into(),
        log: log(bundle.log)?,
        changes: bundle.changes.into_iter().map(change).collect::<Result<_, _>>()?,
        manifest: bundle.manifest.into(),
        inclusion: inclusion(bundle.inclusion)?,
        contents: bundle.contents.into_iter().map(Into::into).collect(),
        evidence: bundle.evidence.into_iter().map(evidence).collect::<Result<_, _>>()?,
    })
}

fn root_step(step: msg::RootStep) -> Result<RootStep, Malformed> {
    Ok(RootStep {
        statement: step.statement.into(),
        signatures: step.signatures.into(),
        log: log(step.log)?,
        change: change(step.change.ok_or(Malformed("a trust root has no change"))?)?,
        root: step.root.into(),
    })
}

fn evidence(evidence: msg::Evidence) -> Result<Evidence, Malformed> {
    let shown = if evidence.manifest.is_empty() {
        None
    } else {
        let inclusion = inclusion(evidence.manifest_inclusion)?;
        Some(Shown { manifest: evidence.manifest.into(), inclusion })
    };
    Ok(Evidence {
        statement: evidence.statement.into(),
        signatures: evidence.signatures.into(),
        inclusion: inclusion(evidence.inclusion)?,
        changes: evidence.changes.into_iter().map(change).collect::<Result<_, _>>()?,
        shown,
    })
}

fn change(change: msg::ProvenChange) -> Result<ProvenChange, Malformed> {
    ProvenChange::parse(&change.line, inclusion(change.inclusion)?)
        .map_err(|_| Malformed("a change that is none"))
}

fn log(proof: Option<msg::LogProof>) -> Result<LogProof, Malformed> {
    use msg::log_proof::Place;
    match proof.and_then(|proof| proof.place).ok_or(Malformed("a statement has no place"))? {
        Place::Ahead(ahead) => Ok(LogProof::Ahead {
            peaks: hashes(&ahead.peaks)?,
            consistency: ConsistencyProof { path: hashes(&ahead.consistency)? },
        }),
        Place::Within(proof) => Ok(LogProof::Within(inclusion(Some(proof))?)),
    }
}

fn inclusion(proof: Option<msg::InclusionProof>) -> Result<InclusionProof, Malformed> {
    let proof = proof.ok_or(Malformed("an inclusion proof is missing"))?;
    Ok(InclusionProof {
        leaf_index: proof.leaf_index,
        tree_size: proof.tree_size,
        path: hashes(&proof.path)?,
    })
}

fn hashes(hashes: &[bytes::Bytes]) -> Result<Vec<Digest>, Malformed> {
    let hash = |bytes: &bytes::Bytes| {
        Digest::try_from(bytes.as_ref()).map_err(|_| Malformed("a hash is not of 32 bytes"))
    };
    hashes.iter().map(hash).collect()
}

/// What the core tells the hub.
pub fn report(report: Report, cluster: &ClusterFacts, recipient: &str) -> SessionRequest {
    request(match report {
        Report::Hello { held, drift_digest, root_version, log_size } => {
            let (generation, digest) = held_msg(held);
            Request::Hello(Hello {
                agent_version: crate::VERSION.to_owned(),
                kubernetes_version: cluster.version.clone(),
                cluster_uid: cluster.uid.clone(),
                generation,
                digest,
                drift_digest: drift_digest.0.to_vec().into(),
                root_version,
                log_size,
                recipient: recipient.to_owned(),
            })
        }
        Report::Applied(progress) => Request::Applied(applied(progress)),
        Report::Drift { sequence, items, first, last } => Request::Drift(DriftReport {
            sequence,
            items: items.into_iter().map(drift).collect(),
            first,
            last,
        }),
    })
}

/// How the fence stands; what is not known yet is said as nothing.
pub fn fence(state: &FenceState) -> SessionRequest {
    use msg::fence_report::State as Msg;
    let report = |state: Msg| msg::FenceReport { state: state.into(), ..Default::default() };
    request(Request::Fence(match state {
        FenceState::Unknown => report(Msg::Unspecified),
        FenceState::Standing { model, ceiling } => msg::FenceReport {
            model: model.name().to_owned(),
            ceiling: ceiling.spec.clone(),
            ceiling_generation: ceiling.generation,
            ..report(Msg::Standing)
        },
        FenceState::Broken(why) => {
            msg::FenceReport { problem: why.join("; "), ..report(Msg::Broken) }
        }
        FenceState::Unfenced(why) => {
            msg::FenceReport { problem: why.join("; "), ..report(Msg::Unfenced) }
        }
    }))
}

/// The result of a dry run.
pub fn dry_run_result(id: u64, tried: DryRunOutcome) -> SessionRequest {
    let result = match tried {
        Ok((problems, tried)) => DryRunResult {
            id,
            problems: problems.into_iter().map(|(object, why)| problem(&object, why)).collect(),
            tried: u32::try_from(tried).unwrap_or(u32::MAX),
            refused: String::new(),
        },
        Err(refused) => DryRunResult { id, refused, ..DryRunResult::default() },
    };
    request(Request::DryRun(result))
}

/// What the API server would refuse and how many objects were tried, or why none was.
pub type DryRunOutcome = Result<(Vec<(ObjectRef, String)>, usize), String>;

const fn request(message: Request) -> SessionRequest {
    SessionRequest { message: Some(message) }
}

fn held_msg(held: Option<(Generation, Digest)>) -> (u64, bytes::Bytes) {
    held.map_or_else(Default::default, |(generation, digest)| {
        (generation.0, digest.0.to_vec().into())
    })
}

fn applied(progress: Progress) -> Applied {
    let (generation, digest) = held_msg(progress.held);
    let phase = match progress.phase {
        ProgressPhase::Applying => Phase::Applying,
        ProgressPhase::Applied => Phase::Applied,
        ProgressPhase::Failed => Phase::Failed,
        ProgressPhase::AwaitingConfirmation => Phase::AwaitingConfirmation,
        ProgressPhase::Refused => Phase::Refused,
    };
    Applied {
        generation,
        digest,
        phase: phase.into(),
        problems: progress.problems.into_iter().map(|(o, why)| problem(&o, why)).collect(),
        removals_waiting: progress.removals_waiting,
        message: progress.message,
        objects: progress.objects,
        refused_condition: progress.refused.map_or(0, |condition| condition.number().into()),
        secrets_pending: progress.secrets_pending,
    }
}

fn problem(object: &ObjectRef, message: String) -> ObjectProblem {
    ObjectProblem { object: Some(reference(object)), message }
}

fn reference(object: &ObjectRef) -> ObjectReference {
    ObjectReference {
        api_version: object.kind.api_version(),
        kind: object.kind.name().to_owned(),
        namespace: object.namespace.clone().unwrap_or_default(),
        name: object.name.clone(),
    }
}

fn drift(record: DriftRecord) -> Drift {
    let class = match record.finding.class {
        DriftClass::Modified => Class::Modified,
        DriftClass::Missing => Class::Missing,
        DriftClass::Conflicting => Class::Conflicting,
        DriftClass::Unmanaged => Class::Unmanaged,
    };
    let (state, resolved_at) = match record.state {
        DriftState::Open => (State::Open, None),
        DriftState::Corrected(at) => (State::Corrected, Some(at)),
        DriftState::Cleared(at) => (State::Cleared, Some(at)),
    };
    Drift {
        // The hub takes it from the certificate.
        cluster: String::new(),
        object: Some(reference(&record.object)),
        class: class.into(),
        state: state.into(),
        source: record.source.map(|source| source.to_string()).unwrap_or_default(),
        fields: record.finding.fields.into_iter().map(field).collect(),
        manager: record.finding.manager.unwrap_or_default(),
        since: record.finding.since.map(timestamp),
        detected_at: Some(timestamp(record.detected_at)),
        resolved_at: resolved_at.map(timestamp),
        message: record.message,
        id: record.id,
    }
}

fn field(difference: FieldDifference) -> FieldMsg {
    FieldMsg {
        path: difference.path,
        declared: difference.declared.unwrap_or_default(),
        live: difference.live.unwrap_or_default(),
    }
}

fn timestamp(at: Timestamp) -> TimestampMsg {
    // Protobuf counts nanoseconds forward from the second, jiff towards zero.
    let nanos = at.as_nanosecond();
    TimestampMsg {
        seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or_default(),
        nanos: i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn times_before_1970_count_forward() {
        let at: Timestamp = "1969-12-31T23:59:59.25Z".parse().unwrap();
        assert_eq!(timestamp(at), TimestampMsg { seconds: -1, nanos: 250_000_000 });
    }

    #[test]
    fn a_bundle_needs_its_proof_and_whole_hashes() {
        let message = |bundle| SessionResponse { message: Some(Response::Bundle(bundle)) };
        assert!(incoming(message(Bundle::default())).is_err());
        let mut proof = hanse_proto::agent::InclusionProof {
            leaf_index: 1,
            tree_size: 2,
            path: vec![vec![7; 32].into()],
        };
        let ahead = msg::log_proof::Place::Ahead(msg::Ahead::default());
        let bundle = |proof: &hanse_proto::agent::InclusionProof| Bundle {
            generation: 3,
            log: Some(msg::LogProof { place: Some(ahead.clone()) }),
            inclusion: Some(proof.clone()),
            contents: vec![b"a".to_vec().into()],
            ..Bundle::default()
        };
        let Ok(Incoming::Core(Input::Offered(offer))) = incoming(message(bundle(&proof))) else {
            unreachable!("it is whole")
        };
        assert_eq!(offer.generation, RevisionNumber(3));
        assert_eq!(offer.inclusion.path, [Digest([7; 32])]);
        assert_eq!(offer.contents, [b"a"]);
        proof.path = vec![vec![7; 31].into()];
        assert!(incoming(message(bundle(&proof))).is_err());
        assert!(incoming(SessionResponse { message: None }).is_err());
    }
}
