//! `RevokeCluster`: cuts a cluster off.

use hanse_proto::admin as proto;

use crate::api::Services;
use crate::api::context::OpContext;
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::RevokeClusterRequest,
) -> Result<proto::RevokeClusterResponse, ServiceError> {
    let id = msg
        .cluster_id
        .parse()
        .map_err(|error| ServiceError::invalid(format!("cluster_id: {error}")))?;
    services.clusters.revoke(&ctx.caller_name(), id, ctx.now).await?;
    // It is cut off already; that its access is not asked any more can wait.
    if let Err(error) = services.access.follow_all().await {
        tracing::warn!(cluster.id = %id, %error, "the access of cluster {id} stays in the index for now");
    }
    Ok(proto::RevokeClusterResponse {})
}
