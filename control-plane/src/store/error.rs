//! What can go wrong, in the terms that callers act on.

use std::borrow::Cow;
use std::error::Error as StdError;

use hanse_domain::ids::RevisionNumber;

/// Why the store did not do it. A row that is not there is `Ok(None)`, never an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something that may be there once is there already.
    #[error("{what} is there already")]
    Conflict {
        /// What it is.
        what: String,
    },
    /// The statement is not the next one: plan again on the current base.
    #[error("the history has moved on to {current}")]
    Stale {
        /// Number of the newest statement.
        current: RevisionNumber,
    },
    /// The cluster never joined or was revoked: nothing of it is recorded.
    #[error("the cluster has not joined, or was revoked")]
    CutOff,
    /// A newer stream of the same cluster has written: nothing of an older one is recorded any more.
    #[error("a newer stream of the cluster took over")]
    Superseded,
    /// Other transactions got in the way, again and again. Trying later may work.
    #[error("too many others changed the same at once")]
    Serialization,
    /// What is stored is not what was stored.
    #[error("the database holds damaged data: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
    /// What was to be stored contradicts itself or refers to what is not there. A defect of the
    /// caller; nothing was written.
    #[error("cannot be stored: {what}")]
    Invalid {
        /// The rule that it breaks.
        what: String,
    },
    /// The database does not answer, or not in time.
    #[error("the database is not available")]
    Unavailable {
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// A newer program has used this database. Nothing was written.
    #[error("the database has schema {found}, this program knows up to {known}")]
    SchemaTooNew {
        /// The newest migration that the database has.
        found: i64,
        /// The newest migration that this program has.
        known: i64,
    },
    /// The database cannot be opened. Nothing was written.
    #[error(transparent)]
    Open(Box<OpenError>),
}

/// Why a database cannot be opened, for a person: `error:`, `why:` and `hint:`.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct OpenError {
    /// What failed. Never with a password.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub hint: String,
    /// What lies below, for the log.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl StoreError {
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(super) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }

    pub(super) fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        if matches!(
            source,
            sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnNotFound(_)
        ) {
            return Self::corrupt(source.to_string());
        }
        let what = source.to_string();
        match Code::of(&source) {
            Code::Contention => Self::Serialization,
            Code::Unique => Self::Conflict { what: named(&source).unwrap_or(what) },
            Code::Broken => Self::Invalid { what },
            Code::Damage => Self::Corrupt { what },
            Code::Other => Self::Unavailable { source },
        }
    }
}

/// The name of the constraint, where the database tells it.
fn named(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let message = || error.message().strip_prefix("UNIQUE constraint failed: ");
    error.constraint().or_else(message).map(ToOwned::to_owned)
}

/// What the two databases' error codes come down to.
enum Code {
    Contention,
    Unique,
    Broken,
    Damage,
    Other,
}

impl Code {
    fn of(error: &sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let code = code.unwrap_or(Cow::Borrowed(""));
        // PostgreSQL's have five characters (appendix A of its manual), SQLite's are numbers whose
        // low byte is the primary code (sqlite.org/rescode.html).
        match code.as_ref() {
            "40001" | "40P01" | "55P03" => return Self::Contention,
            "23505" => return Self::Unique,
            "23502" | "23503" | "23514" => return Self::Broken,
            "XX001" | "XX002" => return Self::Damage,
            text if text.len() == 5 => return Self::Other,
            _ => {}
        }
        match code.parse::<i32>() {
            Ok(1555 | 2067 | 2579) => Self::Unique,
            Ok(code) => match code & 0xff {
                5 | 6 => Self::Contention,
                19 => Self::Broken,
                11 | 26 => Self::Damage,
                _ => Self::Other,
            },
            Err(_) => Self::Other,
        }
    }
}
