//! `WatchHead`: the number of the newest revision, now and each time it moves. A slow watcher misses
//! numbers in between, never the newest.

use futures::StreamExt as _;
use hanse_proto::admin as proto;
use tokio_stream::wrappers::WatchStream;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services};
use crate::service::ServiceError;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    _: proto::WatchHeadRequest,
) -> Result<Responses<proto::WatchHeadResponse>, ServiceError> {
    let numbers = WatchStream::new(services.fleet.head());
    lease(services, ctx, numbers.map(|number| Ok(proto::WatchHeadResponse { number })))
}
