//! Bundles out, and what agents say of them.

use hanse_domain::ids::RevisionNumber;
use hanse_proto::{admin, agent};

use super::{bounded, digest};
use crate::service::ServiceError;
use crate::service::delivery::Bundle;
use crate::service::dry_run::{Answer, Problem};
use crate::store::{AppliedRow, ObjectKey, ProblemRow};

/// Problems that are kept of one report.
const MAX_PROBLEMS: usize = 20;
/// Problems that a dry run may find in one cluster.
const MAX_DRY_RUN_PROBLEMS: usize = 1_000;
const MAX_MESSAGE_BYTES: usize = 1_024;
const MAX_NAME_BYTES: usize = 320;

/// A bundle to send.
pub(in crate::api) fn bundle(bundle: Bundle) -> agent::Bundle {
    let path = bundle.inclusion.path;
    agent::Bundle {
        generation: bundle.generation.0,
        statement: bundle.statement,
        signature: bundle.signature,
        manifest: bundle.manifest,
        inclusion: Some(agent::InclusionProof {
            leaf_index: bundle.inclusion.leaf_index,
            tree_size: bundle.inclusion.tree_size,
            path: path.into_iter().map(|hash| hash.0.to_vec().into()).collect(),
        }),
        contents: bundle.contents,
    }
}

/// What an agent reports, bounded.
pub(in crate::api) fn applied(msg: &agent::Applied) -> Result<AppliedRow, ServiceError> {
    let phase = msg.phase();
    if phase == agent::applied::Phase::Unspecified {
        return Err(ServiceError::invalid("a report without a phase"));
    }
    Ok(AppliedRow {
        generation: RevisionNumber(msg.generation),
        digest: digest("digest", &msg.digest)?,
        phase: i16::try_from(phase as i32).unwrap_or_default(),
        problems: msg.problems.iter().take(MAX_PROBLEMS).map(problem_row).collect(),
        removals_waiting: msg.removals_waiting,
        objects: msg.objects,
        message: bounded(&msg.message, MAX_MESSAGE_BYTES),
    })
}

/// What an agent answers to a dry run, bounded.
pub(in crate::api) fn dry_run_answer(msg: &agent::DryRunResult) -> Result<Answer, String> {
    if !msg.refused.is_empty() {
        return Err(bounded(&msg.refused, MAX_MESSAGE_BYTES));
    }
    let problems = msg.problems.iter().take(MAX_DRY_RUN_PROBLEMS);
    Ok(Answer { problems: problems.map(bounded_problem).collect(), tried: msg.tried })
}

/// A problem as proto has it.
pub(in crate::api) fn object_problem(problem: Problem) -> admin::ObjectProblem {
    admin::ObjectProblem {
        object: Some(admin::ObjectReference {
            api_version: problem.api_version,
            kind: problem.kind,
            namespace: problem.namespace,
            name: problem.name,
        }),
        message: problem.message,
    }
}

fn problem_row(problem: &admin::ObjectProblem) -> ProblemRow {
    let problem = bounded_problem(problem);
    ProblemRow {
        object: ObjectKey {
            api_version: problem.api_version,
            kind: problem.kind,
            namespace: problem.namespace,
            name: problem.name,
        },
        message: problem.message,
    }
}

fn bounded_problem(problem: &admin::ObjectProblem) -> Problem {
    let object = problem.object.clone().unwrap_or_default();
    Problem {
        api_version: bounded(&object.api_version, MAX_NAME_BYTES),
        kind: bounded(&object.kind, MAX_NAME_BYTES),
        namespace: bounded(&object.namespace, MAX_NAME_BYTES),
        name: bounded(&object.name, MAX_NAME_BYTES),
        message: bounded(&problem.message, MAX_MESSAGE_BYTES),
    }
}
