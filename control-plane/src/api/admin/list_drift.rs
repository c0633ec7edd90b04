//! `ListDrift`: newest first, in pages.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;
use crate::store::DriftFilter;

const PAGE: usize = 200;
const PAGE_MAX: usize = 1_000;

pub(super) async fn handle(
    services: &Services,
    _: &OpContext,
    msg: proto::ListDriftRequest,
) -> Result<proto::ListDriftResponse, ServiceError> {
    let limit = match usize::try_from(msg.page_size).unwrap_or(PAGE_MAX) {
        0 => PAGE,
        size => size.min(PAGE_MAX),
    };
    let after = match msg.page_token.as_str() {
        "" => None,
        token => Some(token.parse().map_err(ServiceError::invalid)?),
    };
    let cluster = match msg.cluster.as_str() {
        "" => None,
        name => Some(services.clusters.named(name).await?),
    };
    let history = msg.history;
    let filter = DriftFilter { cluster, history };
    let page = services.drift.list(filter, limit, after).await?;
    let names = services.clusters.names().await?;
    Ok(proto::ListDriftResponse {
        next_page_token: page.next.map_or_else(String::new, |next| next.to_string()),
        drift: page
            .rows
            .into_iter()
            .map(|row| {
                let cluster = names.get(&row.cluster).cloned().unwrap_or_default();
                convert::drift(row, cluster)
            })
            .collect(),
    })
}
