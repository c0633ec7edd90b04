//! What is known of one call before its handler runs. Only the guard makes one.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::auth::{Caller, Peer};
use crate::service::ServiceError;
use crate::store::ClusterRow;

/// One call, by somebody who may make it.
#[derive(Clone, Debug)]
pub struct OpContext {
    /// Who calls.
    pub caller: Caller,
    /// Who is at the other end, by certificate.
    pub peer: Peer,
    /// The row of the calling agent's cluster, as it was when the call began.
    pub cluster: Option<Arc<ClusterRow>>,
    /// In the answer's metadata, in errors and in the log.
    pub request_id: Uuid,
    /// "hanse.admin.v1.FleetService/Commit"
    pub method: String,
    /// Where the connection came from.
    pub remote: SocketAddr,
    /// When the call began.
    pub now: Timestamp,
}

impl OpContext {
    /// The caller's name for records: a person's, or a cluster's id.
    pub fn caller_name(&self) -> String {
        match &self.caller {
            Caller::Anonymous => "anonymous".to_owned(),
            Caller::Agent(cluster) => format!("cluster {cluster}"),
            Caller::User { name, .. } => name.to_string(),
        }
    }

    /// The cluster that calls, with its row.
    pub(super) fn agent(
        &self,
    ) -> Result<(Arc<ClusterRow>, hanse_domain::ids::Digest), ServiceError> {
        match (&self.peer, &self.cluster) {
            (Peer::Agent { fingerprint, .. }, Some(row)) => Ok((Arc::clone(row), *fingerprint)),
            _ => Err(ServiceError::Denied("only an agent may do this".to_owned())),
        }
    }
}

/// Takes a request apart. Without a context it never passed the guard, and is refused.
pub(super) fn open<T>(request: Request<T>) -> Result<(OpContext, T), Status> {
    let (_, mut extensions, message) = request.into_parts();
    match extensions.remove::<OpContext>() {
        Some(ctx) => Ok((ctx, message)),
        None => Err(Status::internal("the call was not checked")),
    }
}

/// Calls a handler with the context and the message of a request.
macro_rules! handle {
    ($api:expr, $request:expr, $handler:path) => {{
        let (ctx, message) = $crate::api::context::open($request)?;
        match $handler(&$api.0, &ctx, message).await {
            Ok(answer) => Ok(tonic::Response::new(answer)),
            Err(error) => Err($crate::api::status::of(&ctx, &error)),
        }
    }};
}
pub(super) use handle;
