//! `ListDecisions`: yes or no, as the API server would say it, with the paths that allow it.

use futures::StreamExt as _;
use hanse_proto::admin as proto;
use hanse_proto::admin::decision_response::Part as Out;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::{Decision, Part};

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListDecisionsRequest,
) -> Result<Responses<proto::DecisionResponse>, ServiceError> {
    let request = convert::request(msg.request)?.exact();
    let subject = convert::subject(msg.subject.as_ref(), &msg.groups)?;
    let asked = services.access.ask(convert::question(msg.scope)?, ctx.now).await?;
    let answer = services.access.decisions(asked, request, &subject, msg.groups);
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}

fn response(part: Part<Decision>) -> proto::DecisionResponse {
    let part = match part {
        Part::Item(decision) => Out::Decision(convert::decision(decision)),
        Part::View(view) => Out::View(convert::view(view)),
    };
    proto::DecisionResponse { part: Some(part) }
}
