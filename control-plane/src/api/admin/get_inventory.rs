//! `GetInventory`: everything of which answers are made, with what agents signed.

use futures::StreamExt as _;
use hanse_proto::admin as proto;
use hanse_proto::admin::get_inventory_response::Part as Out;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::InventoryPart;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::GetInventoryRequest,
) -> Result<Responses<proto::GetInventoryResponse>, ServiceError> {
    let question = convert::question(msg.scope)?;
    let until = convert::moment("until", msg.until.as_ref())?;
    if let Some(until) = until
        && until < question.at.unwrap_or(ctx.now)
    {
        return Err(ServiceError::invalid("`until` is before `at`"));
    }
    let asked = services.access.ask(question, ctx.now).await?;
    let answer = services.access.inventory(asked, until);
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}

fn response(part: InventoryPart) -> proto::GetInventoryResponse {
    let part = match part {
        InventoryPart::Begin { cluster, id } => {
            Out::Begin(proto::InventoryBegin { cluster, cluster_id: id.to_string() })
        }
        InventoryPart::Version(row) => Out::Change(convert::version(row)),
        InventoryPart::Checkpoint(row) => Out::Checkpoint(convert::checkpoint(row)),
        InventoryPart::View(view) => Out::View(convert::view(view)),
    };
    proto::GetInventoryResponse { part: Some(part) }
}
