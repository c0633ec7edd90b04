//! `Commit`: appends one statement to the history, or keeps it until others have signed, too.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::CommitRequest,
) -> Result<proto::CommitResponse, ServiceError> {
    let (author, propose) = (ctx.caller_name(), msg.propose);
    let submission = convert::submission(msg);
    let committed = services.fleet.commit(&author, submission, propose, ctx.now).await?;
    convert::committed(&committed)
}
