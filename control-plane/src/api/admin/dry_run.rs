//! `DryRun`: what the touched clusters would say to a change.

use futures::StreamExt as _;
use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::dry_run::Outcome;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::DryRunRequest,
) -> Result<Responses<proto::DryRunResponse>, ServiceError> {
    let change = msg.change.ok_or_else(|| ServiceError::invalid("the change is missing"))?;
    let outcomes = services.dry_runs.run(convert::submission(change)).await?;
    lease(services, ctx, outcomes.map(|outcome| Ok(response(outcome))))
}

fn response(outcome: Outcome) -> proto::DryRunResponse {
    let cluster = outcome.cluster;
    match outcome.answer {
        Ok(answer) => proto::DryRunResponse {
            cluster,
            unavailable: String::new(),
            problems: answer.problems.into_iter().map(convert::object_problem).collect(),
            tried: answer.tried,
        },
        Err(unavailable) => {
            proto::DryRunResponse { cluster, unavailable, problems: Vec::new(), tried: 0 }
        }
    }
}
