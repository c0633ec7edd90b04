//! `WithdrawProposal`: takes a change back that waits.

use hanse_proto::admin as proto;

use crate::api::Services;
use crate::api::context::OpContext;
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::WithdrawProposalRequest,
) -> Result<proto::WithdrawProposalResponse, ServiceError> {
    services.fleet.withdraw(&ctx.caller_name(), &msg.digest).await?;
    Ok(proto::WithdrawProposalResponse {})
}
