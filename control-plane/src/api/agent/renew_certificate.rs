//! `RenewCertificate`: another certificate for the same cluster.

use hanse_proto::agent as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::RenewCertificateRequest,
) -> Result<proto::RenewCertificateResponse, ServiceError> {
    let (cluster, used) = ctx.agent()?;
    let issued = services.enrolment.renew(cluster.id, &used, &msg.csr, ctx.now).await?;
    Ok(proto::RenewCertificateResponse {
        chain: issued.chain.iter().map(|der| der.to_vec().into()).collect(),
        expires_at: Some(convert::time(issued.not_after)),
    })
}
