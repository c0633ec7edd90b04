//! `ListGroups`: the groups of people at a moment.

use futures::stream;
use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListGroupsRequest,
) -> Result<Responses<proto::GroupResponse>, ServiceError> {
    let at = convert::moment("at", msg.at.as_ref())?;
    let groups = services.access.groups(at, ctx.now).await?;
    lease(services, ctx, stream::iter(groups.into_iter().map(|group| Ok(convert::group(group)))))
}
