//! `GetProposal`: one change that waits, with all that must be looked at before it is signed.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    _: &OpContext,
    msg: proto::GetProposalRequest,
) -> Result<proto::GetProposalResponse, ServiceError> {
    let row = services.fleet.proposal(&msg.digest).await?;
    let stale = services.fleet.is_stale(&row);
    Ok(proto::GetProposalResponse {
        proposal: Some(convert::proposal(&row, stale, usize::MAX)?),
        change: Some(proto::CommitRequest {
            statement: row.statement,
            signatures: row.signatures,
            contents: row.contents,
            changes: row.changes,
            propose: false,
        }),
    })
}
