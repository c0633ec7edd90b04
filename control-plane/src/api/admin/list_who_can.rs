//! `ListWhoCan`: each grant of something, a cluster at a time.

use futures::StreamExt as _;
use hanse_proto::admin as proto;
use hanse_proto::admin::grant_response::Part as Out;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::{Granted, Part};

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListWhoCanRequest,
) -> Result<Responses<proto::GrantResponse>, ServiceError> {
    let request = convert::request(msg.request)?;
    let asked = services.access.ask(convert::question(msg.scope)?, ctx.now).await?;
    let answer = services.access.who_can(asked, request, msg.direct);
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}

pub(super) fn response(part: Part<Granted>) -> proto::GrantResponse {
    let part = match part {
        Part::Item(granted) => Out::Grant(convert::grant(granted)),
        Part::View(view) => Out::View(convert::view(view)),
    };
    proto::GrantResponse { part: Some(part) }
}
