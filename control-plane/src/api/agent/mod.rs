//! `hanse.agent.v1`: between the hub and the agents. A cluster is known by its certificate alone.

mod deliver;
mod drift_intake;
mod inventory_intake;
mod renew_certificate;
mod session;

use hanse_proto::agent as proto;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::context::handle;
use super::{Responses, Services};

/// For agents.
pub struct AgentApi(pub Services);

#[async_trait]
impl proto::agent_service_server::AgentService for AgentApi {
    type SessionStream = Responses<proto::SessionResponse>;

    async fn session(
        &self,
        request: Request<Streaming<proto::SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        handle!(self, request, session::handle)
    }

    async fn renew_certificate(
        &self,
        request: Request<proto::RenewCertificateRequest>,
    ) -> Result<Response<proto::RenewCertificateResponse>, Status> {
        handle!(self, request, renew_certificate::handle)
    }
}
