//! `ListWhatCan`: each rule that reaches a subject, a cluster at a time.

use futures::StreamExt as _;
use hanse_proto::admin as proto;

use super::list_who_can::response;
use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListWhatCanRequest,
) -> Result<Responses<proto::GrantResponse>, ServiceError> {
    let subject = convert::subject(msg.subject.as_ref(), &msg.groups)?;
    let asked = services.access.ask(convert::question(msg.scope)?, ctx.now).await?;
    let answer = services.access.what_can(asked, &subject, msg.groups);
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}
