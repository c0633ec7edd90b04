//! `hanse.enroll.v1`: how a cluster gets its first certificate.

use hanse_proto::enroll as proto;
use tonic::{Request, Response, Status, async_trait};

use super::Services;
use super::context::handle;

#[expect(clippy::module_inception, reason = "one RPC a file, and this one has the service's name")]
mod enroll;

/// Enrolment.
pub struct EnrollApi(pub Services);

#[async_trait]
impl proto::enroll_service_server::EnrollService for EnrollApi {
    async fn enroll(
        &self,
        request: Request<proto::EnrollRequest>,
    ) -> Result<Response<proto::EnrollResponse>, Status> {
        handle!(self, request, enroll::handle)
    }
}
