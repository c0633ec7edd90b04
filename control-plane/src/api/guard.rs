//! The one layer that every request of a listener passes: who calls, may they call this, and then
//! the [`OpContext`] for the handler. A method without a row in the table is refused here.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use uuid::Uuid;

use super::context::OpContext;
use super::status::{self, REQUEST_ID};
use crate::auth::{Caller, Peer, TrustDomain, permitted};
use crate::net::PeerInfo;
use crate::service::ServiceError;
use crate::service::callers::Callers;

/// Longest path that is looked at.
const MAX_PATH_BYTES: usize = 200;
/// Requests without a certificate that may be under way on a listener.
const ANONYMOUS_AT_ONCE: usize = 16;
/// How long the body of such a request may take.
const ANONYMOUS_BODY: Duration = Duration::from_secs(5);

/// Puts the guard around a listener's services.
#[derive(Clone)]
pub struct GuardLayer {
    callers: Callers,
    trust_domain: TrustDomain,
    at_once: Arc<Semaphore>,
    /// Apart, so that nobody without a certificate keeps out somebody with one.
    anonymous: Arc<Semaphore>,
}

impl GuardLayer {
    /// `at_once`: requests that may be under way on the listener.
    pub fn new(callers: Callers, trust_domain: TrustDomain, at_once: usize) -> Self {
        let [at_once, anonymous] =
            [at_once, ANONYMOUS_AT_ONCE].map(|most| Arc::new(Semaphore::new(most)));
        Self { callers, trust_domain, at_once, anonymous }
    }

    async fn check(&self, request: &Parts, id: Uuid) -> Result<OpContext, ServiceError> {
        let path = request.uri.path();
        let path = path.get(..MAX_PATH_BYTES).unwrap_or(path);
        let method = path.strip_prefix('/').unwrap_or(path).to_owned();
        let info = request.extensions.get::<PeerInfo>();
        let info = info.ok_or_else(|| ServiceError::Internal("no peer is known".to_owned()))?;
        let now = Timestamp::now();
        let peer = Peer::identify(info.certificate.as_ref(), &self.trust_domain)
            .map_err(|error| ServiceError::Unauthenticated(error.to_string()))?;
        let known = self.callers.caller(&peer, now).await?;
        if !permitted(&method, &known.caller) {
            return Err(refusal(&method, &known.caller));
        }
        Ok(OpContext {
            caller: known.caller,
            peer,
            cluster: known.cluster.map(Arc::new),
            request_id: id,
            method,
            remote: info.remote,
            now,
        })
    }
}

fn refusal(method: &str, caller: &Caller) -> ServiceError {
    match caller {
        Caller::Anonymous => {
            ServiceError::Unauthenticated(format!("{method} needs a client certificate"))
        }
        Caller::Agent(_) => ServiceError::Denied(format!("an agent may not call {method}")),
        Caller::User { name, role } => {
            let role = super::convert::role_name(*role);
            ServiceError::Denied(format!("{name} ({role}) may not call {method}"))
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, layer: self.clone() }
    }
}

/// A listener's services behind the guard.
#[derive(Clone)]
pub struct Guard<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone that was polled ready is the one to call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        let id = Uuid::now_v7();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let info = parts.extensions.get::<PeerInfo>();
            let known = info.is_some_and(|info| info.certificate.is_some());
            let at_once = if known { &layer.at_once } else { &layer.anonymous };
            let Ok(_permit) = at_once.try_acquire() else {
                let busy = ServiceError::Exhausted("the hub is busy: try again".to_owned());
                return Ok(status::make(id, parts.uri.path(), &busy).into_http());
            };
            let ctx = match layer.check(&parts, id).await {
                Ok(ctx) => ctx,
                Err(error) => return Ok(status::make(id, parts.uri.path(), &error).into_http()),
            };
            parts.extensions.insert(ctx);
            let body = if known { body } else { Timed::within(ANONYMOUS_BODY, body) };
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            if let Ok(id) = HeaderValue::try_from(id.to_string()) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        })
    }
}

/// A body that must have arrived by some time.
struct Timed {
    body: Body,
    end: Pin<Box<Sleep>>,
}

impl Timed {
    fn within(time: Duration, body: Body) -> Body {
        Body::new(Self { body, end: Box::pin(sleep(time)) })
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            let why = "the request did not arrive in time";
            return Poll::Ready(Some(Err(Status::deadline_exceeded(why))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
