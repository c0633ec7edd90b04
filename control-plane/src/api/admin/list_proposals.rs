//! `ListProposals`: what waits for more signatures.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

/// Changes of each that are listed; `GetProposal` has all of them.
const CHANGES: usize = 100;

pub(super) async fn handle(
    services: &Services,
    _: &OpContext,
    _: proto::ListProposalsRequest,
) -> Result<proto::ListProposalsResponse, ServiceError> {
    let mut proposals = Vec::new();
    // One at a time: the list of changes of each may have megabytes.
    for digest in services.fleet.proposals().await? {
        if let Some(row) = services.store.proposal_head(&digest).await? {
            let stale = services.fleet.is_stale(&row);
            proposals.push(convert::proposal(&row, stale, CHANGES)?);
        }
    }
    Ok(proto::ListProposalsResponse { proposals })
}
