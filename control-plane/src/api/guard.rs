//! The one layer that every request of a listener passes: who calls, may they call this, and then
//! the [`OpContext`] for the handler. A method without a row in the table is refused here.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderValue, Request, Response};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tower::{Layer, Service};
use uuid::Uuid;

use super::context::OpContext;
use super::status::{self, REQUEST_ID};
use crate::auth::{Caller, Peer, TrustDomain, permitted};
use crate::net::PeerInfo;
use crate::service::ServiceError;
use crate::service::access::Access;

/// Longest path that is looked at.
const MAX_PATH_BYTES: usize = 200;

/// Puts the guard around a listener's services.
#[derive(Clone)]
pub struct GuardLayer {
    access: Access,
    trust_domain: TrustDomain,
    at_once: Arc<Semaphore>,
}

impl GuardLayer {
    /// `at_once`: requests that may be under way on the listener.
    pub fn new(access: Access, trust_domain: TrustDomain, at_once: usize) -> Self {
        Self { access, trust_domain, at_once: Arc::new(Semaphore::new(at_once)) }
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
        let known = self.access.caller(&peer, now).await?;
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
            let Ok(_permit) = layer.at_once.try_acquire() else {
                let busy = ServiceError::Exhausted("the hub is busy: try again".to_owned());
                return Ok(status::make(id, parts.uri.path(), &busy).into_http());
            };
            let ctx = match layer.check(&parts, id).await {
                Ok(ctx) => ctx,
                Err(error) => return Ok(status::make(id, parts.uri.path(), &error).into_http()),
            };
            parts.extensions.insert(ctx);
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            if let Ok(id) = HeaderValue::try_from(id.to_string()) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        })
    }
}
