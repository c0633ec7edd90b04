//! `WhoAmI`: the caller, as the hub knows it.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::auth::{Caller, Peer, permissions};
use crate::service::ServiceError;

pub(super) async fn handle(
    _: &Services,
    ctx: &OpContext,
    _: proto::WhoAmIRequest,
) -> Result<proto::WhoAmIResponse, ServiceError> {
    let (Caller::User { name, role }, Peer::User { not_after, .. }) = (&ctx.caller, &ctx.peer)
    else {
        return Err(ServiceError::Denied("only a person may ask".to_owned()));
    };
    Ok(proto::WhoAmIResponse {
        name: name.to_string(),
        role: convert::role_name(*role).to_owned(),
        certificate_expires_at: Some(convert::time(*not_after)),
        methods: permissions::methods_of(&ctx.caller).map(str::to_owned).collect(),
    })
}
