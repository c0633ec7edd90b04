//! `GetHubStatus`: what `hanse check` looks at.

use hanse_proto::admin as proto;
use jiff::Timestamp;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    _: &OpContext,
    _: proto::GetHubStatusRequest,
) -> Result<proto::GetHubStatusResponse, ServiceError> {
    // Says whether the database answers, too.
    services.store.head_number().await?;
    let hub = &services.hub;
    Ok(proto::GetHubStatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trust_domain: hub.trust_domain.to_string(),
        fleet_id: hub.fleet_id.to_string(),
        database: hub.database.to_owned(),
        ca_expires_at: Some(convert::time(hub.ca_expires_at)),
        started_at: Some(convert::time(hub.started_at)),
        time: Some(convert::time(Timestamp::now())),
    })
}
