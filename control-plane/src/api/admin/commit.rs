//! `Commit`: appends one statement to the history.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;
use crate::service::fleet::Proposal;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::CommitRequest,
) -> Result<proto::CommitResponse, ServiceError> {
    let author = ctx.caller_name();
    let row = services.fleet.commit(&author, proposal(msg), ctx.now).await?;
    Ok(proto::CommitResponse { revision: Some(convert::revision(&row)?) })
}

pub(super) fn proposal(msg: proto::CommitRequest) -> Proposal {
    Proposal {
        statement: msg.statement,
        signature: msg.signature,
        contents: msg.contents.into_iter().map(Into::into).collect(),
    }
}
