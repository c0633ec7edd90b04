//! `ListClusters`: every cluster, by name.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

/// Bytes of ceilings in one answer, half of what a message takes; what is beyond is left out.
const CEILING_BYTES: usize = 32 * 1024 * 1024;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    _: proto::ListClustersRequest,
) -> Result<proto::ListClustersResponse, ServiceError> {
    let mut left = CEILING_BYTES;
    let mut clusters = Vec::new();
    for view in services.clusters.list(ctx.now).await? {
        let mut cluster = convert::cluster(view);
        if let Some(fence) = &mut cluster.fence {
            match left.checked_sub(fence.ceiling.len()) {
                Some(less) => left = less,
                None => fence.ceiling.clear(),
            }
        }
        clusters.push(cluster);
    }
    Ok(proto::ListClustersResponse { clusters })
}
