//! What can go wrong in a use case, in the terms that a caller acts on.

use hanse_domain::ids::RevisionNumber;

use crate::store::StoreError;

/// Why a use case did not do it. `Display` is for the caller, except for what lies inside.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// What was asked for makes no sense. All of the reasons at once.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// Somebody else was faster.
    #[error("STALE: the fleet is at revision {current}: plan again on the new base")]
    Stale {
        /// The number of the newest statement.
        current: RevisionNumber,
    },
    /// Others must sign, too.
    #[error("SIGNATURES: {0}")]
    Signatures(String),
    /// The signers may not say that, whoever signs besides them.
    #[error("UNTRUSTED: {0}")]
    Untrusted(String),
    /// There is one already.
    #[error("{0}")]
    AlreadyExists(String),
    /// There is none that the caller may know of.
    #[error("{0}")]
    NotFound(String),
    /// The caller is known and may not.
    #[error("{0}")]
    Denied(String),
    /// The caller is not known, or not any more.
    #[error("{0}")]
    Unauthenticated(String),
    /// Too much at once, or too often.
    #[error("{0}")]
    Exhausted(String),
    /// The caller has to begin again.
    #[error("{0}")]
    Aborted(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect, or damaged data. Never shown to a caller.
    #[error("{0}")]
    Internal(String),
}

impl ServiceError {
    /// One reason.
    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over")]
    pub fn invalid(why: impl ToString) -> Self {
        Self::Invalid(vec![why.to_string()])
    }
}
