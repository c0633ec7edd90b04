//! `PreviewAccess`: what a statement would open and close. Nothing is changed.

use futures::StreamExt as _;
use hanse_proto::admin as proto;
use hanse_proto::admin::preview_access_response::Part as Out;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services, convert};
use crate::service::ServiceError;
use crate::service::access::Previewed;
use crate::service::fleet::Submission;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::PreviewAccessRequest,
) -> Result<Responses<proto::PreviewAccessResponse>, ServiceError> {
    let submission = Submission {
        statement: msg.statement,
        signatures: bytes::Bytes::new(),
        changes: msg.changes,
        contents: msg.contents.into_iter().map(Into::into).collect(),
    };
    let answer = services.access.preview(submission, ctx.now).await?;
    lease(services, ctx, answer.map(|part| Ok(response(part?))))
}

fn response(part: Previewed) -> proto::PreviewAccessResponse {
    let part = match part {
        Previewed::Opened(path) => Out::Opened(convert::escalation(path)),
        Previewed::Closed(path) => Out::Closed(convert::escalation(path)),
        Previewed::Violated(violation) => Out::Violated(convert::violation(violation)),
        Previewed::Resolved(violation) => Out::Resolved(convert::violation(violation)),
        Previewed::View(view) => Out::View(convert::view(view)),
    };
    proto::PreviewAccessResponse { part: Some(part) }
}
