//! A person's stream lasts as long as the right to it: it ends with the certificate, soon after a
//! revocation, and when the hub goes.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::Status;

use super::context::OpContext;
use super::{Responses, Services, status};
use crate::auth::permitted;
use crate::service::ServiceError;

/// How often the right is looked at again.
const AGAIN: Duration = Duration::from_secs(5);

/// Lets a stream run while its caller may call the method.
pub(super) fn lease<T: Send + 'static>(
    services: &Services,
    ctx: &OpContext,
    stream: impl Stream<Item = Result<T, ServiceError>> + Send + 'static,
) -> Result<Responses<T>, ServiceError> {
    let permit = services.watches.clone().try_acquire_owned().map_err(|_| {
        ServiceError::Exhausted("too many streams are open on this hub: try again".to_owned())
    })?;
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lease = Lease {
        services: services.clone(),
        ctx: ctx.clone(),
        stream: Box::pin(stream),
        again,
        _permit: permit,
    };
    Ok(Box::pin(futures::stream::unfold(Some(lease), |lease| async move {
        let mut lease = lease?;
        match lease.next().await {
            Ok(Some(message)) => Some((Ok(message), Some(lease))),
            Ok(None) => None,
            Err(error) => Some((Err(lease.status(&error)), None)),
        }
    })))
}

struct Lease<S> {
    services: Services,
    ctx: OpContext,
    stream: S,
    again: Interval,
    _permit: OwnedSemaphorePermit,
}

impl<T, S: Stream<Item = Result<T, ServiceError>> + Unpin> Lease<S> {
    async fn next(&mut self) -> Result<Option<T>, ServiceError> {
        loop {
            tokio::select! {
                biased;
                () = self.services.soft.cancelled() => {
                    let why = "the hub is going down: connect again";
                    return Err(ServiceError::Unavailable(why.to_owned()));
                }
                _ = self.again.tick() => {
                    let callers = &self.services.callers;
                    let known = callers.caller(&self.ctx.peer, Timestamp::now()).await?;
                    if !permitted(&self.ctx.method, &known.caller) {
                        let why = "the right to this call has ended";
                        return Err(ServiceError::Denied(why.to_owned()));
                    }
                }
                item = self.stream.next() => return item.transpose(),
            }
        }
    }
}

impl<S> Lease<S> {
    fn status(&self, error: &ServiceError) -> Status {
        status::of(&self.ctx, error)
    }
}
