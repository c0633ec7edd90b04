//! The one error of the testbed: what failed, why, and the command that helps.

use std::fmt;
use std::path::Path;

/// Something the testbed could not do, in words for a person.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Error {
    what: String,
    why: String,
    hint: Option<String>,
}

/// What the testbed's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `what` could not be done, because of `why`.
    pub fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string(), hint: None }
    }

    /// Adds what helps: one sentence, with the exact command where there is one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What could not be done.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Why it could not be done.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What helps, if anything is known to.
    pub fn help(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;

    fn path(self, verb: &str, path: &Path) -> Result<T>
    where
        Self: Sized,
    {
        self.doing(|| format!("cannot {verb} {}", path.display()))
    }
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(what(), error))
    }
}
