//! Not served yet.

use hanse_proto::admin as proto;

use crate::api::context::OpContext;
use crate::api::{Responses, Services};
use crate::service::ServiceError;

#[expect(clippy::unused_async, reason = "handlers are")]
pub(super) async fn handle(
    _: &Services,
    _: &OpContext,
    _: proto::WatchViolationsRequest,
) -> Result<Responses<proto::WatchViolationsResponse>, ServiceError> {
    Err(ServiceError::invalid("not served yet"))
}
