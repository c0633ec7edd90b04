//! `ListInventories`: how each cluster's inventory stands.

use futures::StreamExt as _;
use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::ListInventoriesRequest,
) -> Result<Responses<proto::InventoryStatus>, ServiceError> {
    let asked = services.access.ask(convert::question(msg.scope)?, ctx.now).await?;
    let answer = services.access.inventories(asked);
    lease(services, ctx, answer.map(|inventory| Ok(convert::inventory(inventory?))))
}
