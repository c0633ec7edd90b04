//! What agents say of their bundles, bounded.

use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_proto::{admin, agent};

use super::{bounded, digest};
use crate::service::ServiceError;
use crate::service::dry_run::{Answer, Problem};
use crate::store::{AppliedRow, FenceRow, ObjectKey, ProblemRow};

/// Problems that are kept of one report.
const MAX_PROBLEMS: usize = 20;
/// Problems that a dry run may find in one cluster.
const MAX_DRY_RUN_PROBLEMS: usize = 1_000;
const MAX_MESSAGE_BYTES: usize = 1_024;
const MAX_NAME_BYTES: usize = 320;
/// Secrets that are named as pending.
const MAX_PENDING: usize = 100;
/// How many conditions a bundle must meet.
const CONDITIONS: u32 = 5;
const MAX_CEILING_BYTES: usize = 64 * 1024;
const MAX_MODEL_BYTES: usize = 32;

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
        refused_condition: i16::try_from(msg.refused_condition.min(CONDITIONS)).unwrap_or_default(),
        secrets_pending: msg
            .secrets_pending
            .iter()
            .take(MAX_PENDING)
            .map(|name| bounded(name, MAX_NAME_BYTES))
            .collect(),
    })
}

/// What an agent says of its fence, bounded; the ceiling itself is kept apart.
pub(in crate::api) fn fence_report(msg: &agent::FenceReport) -> Result<FenceRow, ServiceError> {
    let state = msg.state();
    if state == agent::fence_report::State::Unspecified {
        return Err(ServiceError::invalid("a report of the fence without a state"));
    }
    if msg.ceiling.len() > MAX_CEILING_BYTES || msg.ceiling.contains('\0') {
        let why = format!("a ceiling of more than {MAX_CEILING_BYTES} bytes, or not plain text");
        return Err(ServiceError::invalid(why));
    }
    Ok(FenceRow {
        state: i16::try_from(state as i32).unwrap_or_default(),
        model: bounded(&msg.model, MAX_MODEL_BYTES),
        problem: bounded(&msg.problem, MAX_MESSAGE_BYTES),
        ceiling_digest: if msg.ceiling.is_empty() {
            String::new()
        } else {
            Digest::of(msg.ceiling.as_bytes()).to_string()
        },
        ceiling_generation: msg.ceiling_generation,
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
