//! `ListClusters`: every cluster, by name.

use std::collections::BTreeMap;

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

/// Bytes of ceilings in one answer, half of what a message takes; what is beyond is left out.
const CEILING_BYTES: usize = 32 * 1024 * 1024;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    request: proto::ListClustersRequest,
) -> Result<proto::ListClustersResponse, ServiceError> {
    let views = services.clusters.list(ctx.now).await?;
    // After the fences: one that was reported meanwhile is here, too.
    let mut ceilings = if request.without_ceilings {
        BTreeMap::new()
    } else {
        services.clusters.ceilings(CEILING_BYTES).await?
    };
    let clusters = views.into_iter().map(|view| {
        let ceiling = ceilings.remove(&view.row.id);
        let mut cluster = convert::cluster(view);
        if let Some((fence, ceiling)) = cluster.fence.as_mut().zip(ceiling) {
            fence.ceiling = ceiling;
        }
        cluster
    });
    Ok(proto::ListClustersResponse { clusters: clusters.collect() })
}
