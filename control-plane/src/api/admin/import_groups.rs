//! `ImportGroups`: replaces the groups of one directory.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ImportGroupsRequest,
) -> Result<proto::ImportGroupsResponse, ServiceError> {
    let groups = msg.groups.into_iter().map(convert::group_members).collect();
    let by = ctx.caller_name();
    let import = services.access.import_groups(&msg.directory, groups, &by, ctx.now).await?;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(proto::ImportGroupsResponse {
        groups: count(import.groups),
        memberships: count(import.memberships),
        changed: import.changed,
    })
}
