//! `GetFleet`: the fleet at its current revision, in parts. All of it is of one revision.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use hanse_proto::admin as proto;
use hanse_proto::admin::get_fleet_response::Part;

use crate::api::context::OpContext;
use crate::api::{Responses, Services};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    _: &OpContext,
    _: proto::GetFleetRequest,
) -> Result<Responses<proto::GetFleetResponse>, ServiceError> {
    // What another hub has acknowledged is in it, so that an author is not stale at once.
    services.fleet.catch_up().await?;
    let current = services.fleet.current();
    let fleet = &current.fleet;
    let mut parts = Vec::with_capacity(1 + fleet.members().len() + fleet.documents().len());
    parts.push(Part::Head(proto::Head {
        fleet_id: fleet.id.0.to_vec().into(),
        number: fleet.number.0,
        history: fleet.history.0.to_vec().into(),
    }));
    parts.extend(fleet.members().values().map(|member| {
        Part::Cluster(proto::Leaf {
            content: member.entry.encode().into(),
            number: member.manifest.entry.number.0,
        })
    }));
    parts.extend(fleet.documents().values().map(|held| {
        Part::Document(proto::Leaf {
            content: Bytes::from_owner(Arc::clone(&held.document.bytes)),
            number: held.number.0,
        })
    }));
    let messages = stream::iter(parts).map(|part| Ok(proto::GetFleetResponse { part: Some(part) }));
    Ok(Box::pin(messages))
}
