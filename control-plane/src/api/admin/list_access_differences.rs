//! `ListAccessDifferences`: what came and went between two moments.

use futures::StreamExt as _;
use hanse_proto::admin as proto;
use hanse_proto::admin::difference_response::Part as Out;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::{Difference, Part, Question};

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListAccessDifferencesRequest,
) -> Result<Responses<proto::DifferenceResponse>, ServiceError> {
    let request = msg.request.map(|request| convert::request(Some(request))).transpose()?;
    let question = convert::question(msg.scope)?;
    let from = convert::moment("from", msg.from.as_ref())?;
    let from = from.ok_or_else(|| ServiceError::invalid("`from` is missing"))?;
    let to = convert::moment("to", msg.to.as_ref())?;
    if to.unwrap_or(ctx.now) < from {
        return Err(ServiceError::invalid("`to` is before `from`"));
    }
    let before = Question { at: Some(from), ..question.clone() };
    // Always a moment, so that clusters that have left are compared as well.
    let after = Question { at: Some(to.unwrap_or(ctx.now)), ..question };
    let before = services.access.ask(before, ctx.now).await?;
    let after = services.access.ask(after, ctx.now).await?;
    let answer = services.access.differences(before, after, request);
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}

fn response(part: Part<Difference>) -> proto::DifferenceResponse {
    let part = match part {
        Part::Item(difference) => Out::Difference(convert::difference(difference)),
        Part::View(view) => Out::View(convert::view(view)),
    };
    proto::DifferenceResponse { part: Some(part) }
}
