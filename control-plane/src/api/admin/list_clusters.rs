//! `ListClusters`: every cluster, by name.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    _: proto::ListClustersRequest,
) -> Result<proto::ListClustersResponse, ServiceError> {
    let views = services.clusters.list(ctx.now).await?;
    Ok(proto::ListClustersResponse { clusters: views.into_iter().map(convert::cluster).collect() })
}
