//! `GetRevision`: one revision with all its bytes.

use hanse_domain::history::changes::Changes;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;
use crate::store::StoreError;

pub(super) async fn handle(
    services: &Services,
    _: &OpContext,
    msg: proto::GetRevisionRequest,
) -> Result<proto::GetRevisionResponse, ServiceError> {
    let number = RevisionNumber(msg.number);
    let row = services.store.statement(number).await?;
    let row =
        row.ok_or_else(|| ServiceError::NotFound(format!("there is no revision {number}")))?;
    let damaged = |what: String| StoreError::Corrupt { what };
    let changes = Changes::decode(&row.changes)
        .map_err(|error| damaged(format!("statement {number}: {error}")))?;
    let wanted: Vec<Digest> = changes.0.values().filter_map(|t| t.after).collect();
    let contents = services.store.contents(&wanted).await?;
    Ok(proto::GetRevisionResponse {
        revision: Some(convert::revision(&row)?),
        statement: row.bytes,
        signatures: row.signatures,
        contents: contents.into_iter().map(|(_, bytes)| bytes).collect(),
        changes: row.changes,
    })
}
