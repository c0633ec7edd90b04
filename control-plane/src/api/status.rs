//! The one place where an error becomes what a caller sees. Internals go to the log, with the request
//! id that the caller gets.

use std::error::Error;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use uuid::Uuid;

use super::context::OpContext;
use crate::service::ServiceError;
use crate::store::StoreError;

/// In the metadata of each answer.
pub const REQUEST_ID: &str = "x-request-id";

/// The status for an error of a call.
pub fn of(ctx: &OpContext, error: &ServiceError) -> Status {
    make(ctx.request_id, &ctx.method, error)
}

/// The status for an error of a call that has no context yet.
pub(super) fn make(request_id: Uuid, method: &str, error: &ServiceError) -> Status {
    let (code, text) = public(error);
    log(request_id, method, code, error);
    let mut status = Status::new(code, text);
    if let Ok(value) = MetadataValue::try_from(request_id.to_string()) {
        status.metadata_mut().insert(REQUEST_ID, value);
    }
    status
}

fn public(error: &ServiceError) -> (Code, String) {
    let code = match error {
        ServiceError::Invalid(_) => Code::InvalidArgument,
        ServiceError::Stale { .. } | ServiceError::Signatures(_) => Code::FailedPrecondition,
        ServiceError::AlreadyExists(_) => Code::AlreadyExists,
        ServiceError::NotFound(_) => Code::NotFound,
        ServiceError::Denied(_) | ServiceError::Untrusted(_) => Code::PermissionDenied,
        ServiceError::Unauthenticated(_) => Code::Unauthenticated,
        ServiceError::Exhausted(_) => Code::ResourceExhausted,
        ServiceError::Aborted(_) => Code::Aborted,
        ServiceError::Unavailable(_) => Code::Unavailable,
        ServiceError::TimedOut(_) => Code::DeadlineExceeded,
        ServiceError::Store(error) => return of_store(error),
        ServiceError::Internal(_) => return (Code::Internal, internal()),
    };
    (code, error.to_string())
}

fn of_store(error: &StoreError) -> (Code, String) {
    match error {
        StoreError::Conflict { .. } => (Code::AlreadyExists, "it exists already".to_owned()),
        StoreError::Stale { current } => public(&ServiceError::Stale { current: *current }),
        StoreError::Serialization => {
            (Code::Unavailable, "too many others changed the same at once: try again".to_owned())
        }
        StoreError::Unavailable { .. } => {
            (Code::Unavailable, "the hub's database is not available: try again".to_owned())
        }
        StoreError::CutOff => (Code::Unauthenticated, error.to_string()),
        StoreError::Superseded => (Code::Aborted, error.to_string()),
        StoreError::Corrupt { .. } => (Code::DataLoss, internal()),
        StoreError::Invalid { .. } | StoreError::SchemaTooNew { .. } | StoreError::Open(_) => {
            (Code::Internal, internal())
        }
    }
}

fn internal() -> String {
    "something is wrong in the hub; its log says more under this request's id".to_owned()
}

/// By who must act: a defect or damaged data is broken, a database that is away is worth a look.
fn log(request_id: Uuid, method: &str, code: Code, error: &ServiceError) {
    let chain = chain(error);
    match code {
        Code::Internal | Code::DataLoss | Code::Unknown => {
            tracing::error!(request.id = %request_id, method, "{method} failed: {chain}");
        }
        Code::Unavailable => {
            tracing::warn!(request.id = %request_id, method, "{method} failed: {chain}");
        }
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => {
            tracing::debug!(request.id = %request_id, method, ?code, "{method}: {chain}");
        }
    }
}

/// An error with all that lies below it.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        let more = below.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = below.source();
    }
    text
}
