//! `SignProposal`: one more signature for a change that waits.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::SignProposalRequest,
) -> Result<proto::CommitResponse, ServiceError> {
    let signer = ctx.caller_name();
    let committed = services.fleet.sign(&signer, &msg.digest, msg.signature, ctx.now).await?;
    convert::committed(&committed)
}
