//! `Enroll`: uses up a join token.

use hanse_proto::enroll as proto;

use crate::api::context::OpContext;
use crate::api::{Services, convert};
use crate::service::ServiceError;
use crate::service::enrolment::Joining;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::EnrollRequest,
) -> Result<proto::EnrollResponse, ServiceError> {
    let joining = Joining {
        token: msg.token,
        name: msg.cluster_name,
        csr: msg.csr.into(),
        cluster_uid: msg.cluster_uid,
        agent_version: msg.agent_version,
        kubernetes_version: msg.kubernetes_version,
        recipient: msg.recipient,
        recipient_vouch: msg.recipient_vouch.into(),
    };
    let remote = ctx.remote.ip();
    let (cluster, issued) = services.enrolment.join(remote, joining, ctx.now).await?;
    let current = services.fleet.current();
    Ok(proto::EnrollResponse {
        cluster_id: cluster.to_string(),
        chain: issued.chain.iter().map(|der| der.to_vec().into()).collect(),
        expires_at: Some(convert::time(issued.not_after)),
        trust_domain: services.hub.trust_domain.to_string(),
        fleet_id: services.hub.fleet_id.0.to_vec().into(),
        agent_address: services.hub.agents_address.clone(),
        accepted: current.fleet.member(cluster).is_some(),
    })
}
