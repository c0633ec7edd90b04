//! Why something could not be sealed or opened. No value is in any of these, and nothing of what
//! the age library says: its errors are turned into ours where they arise.

use crate::context::{ContextField, InvalidContext};

/// What was to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedThing {
    /// The values of a secret's version.
    Payload,
    /// A version's key for one recipient.
    Wrap,
}

impl std::fmt::Display for SealedThing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Payload => "sealed secret",
            Self::Wrap => "wrapped key",
        })
    }
}

/// A payload or wrap that was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot open the {what}: {refusal}")]
pub struct OpenError {
    /// What was to be opened.
    pub what: SealedThing,
    /// Why it was not.
    pub refusal: Refusal,
}

/// Why something was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than anything that is sealed here; not read at all.
    #[error("it has {bytes} bytes, more than {limit}")]
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Not an age file, or one with a header that is none of ours.
    #[error("it is not a sealed file, or its beginning was altered or cut off")]
    NotAge,
    /// Sealed to somebody else. A damaged header may look like this, too.
    #[error("it is not sealed to this identity, or was altered")]
    OtherRecipient,
    /// The authentication failed.
    #[error("it was altered or cut short")]
    Damaged,
    /// Sealed to this identity, but by something that writes another format.
    #[error("what is sealed in it is not in the expected form ({0})")]
    Malformed(&'static str),
    /// Sealed for something else.
    #[error("it was sealed for another {0}")]
    OtherContext(ContextField),
}

/// A secret that was not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The context cannot be written.
    #[error(transparent)]
    Context(#[from] InvalidContext),
    /// The age library failed, which it has no reason to.
    #[error("cannot encrypt")]
    Encrypt,
}
