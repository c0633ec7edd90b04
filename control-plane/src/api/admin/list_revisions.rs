//! `ListRevisions`: newest first, in pages that fit into one message.

use hanse_domain::ids::RevisionNumber;
use hanse_proto::admin as proto;
use prost::Message as _;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

const PAGE: usize = 50;
const PAGE_MAX: usize = 500;
/// Statements that are read at once: each may have megabytes.
const READ: usize = 10;
/// About what an answer may have, under the 4 MiB that clients take by default.
const ANSWER_BYTES: usize = 3 * 1024 * 1024;

pub(super) async fn handle(
    services: &Services,
    _: &OpContext,
    msg: proto::ListRevisionsRequest,
) -> Result<proto::ListRevisionsResponse, ServiceError> {
    let wanted = match usize::try_from(msg.page_size).unwrap_or(PAGE_MAX) {
        0 => PAGE,
        size => size.min(PAGE_MAX),
    };
    let mut before = (msg.before > 0).then_some(RevisionNumber(msg.before));
    let mut answer = proto::ListRevisionsResponse::default();
    let mut bytes = 0;
    while answer.revisions.len() < wanted && bytes < ANSWER_BYTES {
        let limit = READ.min(wanted - answer.revisions.len());
        let rows = services.store.statements_before(before, limit).await?;
        for row in &rows {
            let revision = convert::revision(row)?;
            let more = revision.encoded_len();
            if bytes > 0 && bytes + more > ANSWER_BYTES {
                answer.next_before = row.number.0 + 1;
                return Ok(answer);
            }
            bytes += more;
            before = Some(row.number);
            answer.revisions.push(revision);
        }
        if rows.len() < limit {
            return Ok(answer);
        }
    }
    answer.next_before = before.map_or(0, |number| if number.0 > 1 { number.0 } else { 0 });
    Ok(answer)
}
