//! `CreateJoinToken`: invites one cluster. The token is in this answer and nowhere else.

use hanse_proto::admin as proto;
use secrecy::ExposeSecret as _;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::CreateJoinTokenRequest,
) -> Result<proto::CreateJoinTokenResponse, ServiceError> {
    let by = ctx.caller_name();
    let invitation =
        services.enrolment.invite(&by, &msg.cluster_name, msg.ttl_seconds, ctx.now).await?;
    Ok(proto::CreateJoinTokenResponse {
        cluster_id: invitation.cluster.to_string(),
        token: invitation.token.to_text().expose_secret().to_owned(),
        expires_at: Some(convert::time(invitation.expires_at)),
        ca_hash: services.hub.ca_hash.clone(),
        hub_address: services.hub.people_address.clone(),
    })
}
