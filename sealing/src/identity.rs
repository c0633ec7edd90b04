//! Private keys: an agent's or an owner's own one, and the one of a secret's version.

use std::fmt;
use std::str::FromStr;

use secrecy::SecretString;

use crate::recipient::Recipient;

/// The bech32 form has 74 characters.
const MAX_TEXT_BYTES: usize = 128;

/// An age X25519 identity, wiped when dropped.
#[derive(Clone)]
pub struct Identity(age::x25519::Identity);

/// Not an `AGE-SECRET-KEY-1…`. What it is instead stays unsaid: it may well be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an age identity: one begins with `AGE-SECRET-KEY-1` (make one with `age-keygen`)")]
pub struct InvalidIdentity;

impl Identity {
    /// A new one, from the operating system's randomness.
    pub fn make_random() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads `AGE-SECRET-KEY-1…`.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidIdentity);
        }
        age::x25519::Identity::from_str(text).map(Self).map_err(|_| InvalidIdentity)
    }

    /// `AGE-SECRET-KEY-1…`, to store it.
    pub fn expose(&self) -> SecretString {
        self.0.to_string()
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient::of(&self.0)
    }

    pub(crate) fn age(&self) -> &age::x25519::Identity {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.recipient())
    }
}

/// The identity that one version of a secret is sealed to. Whoever has it reads that version, and
/// no other one. Its public half is a secret as well: without it nobody can seal another payload to
/// the same key.
#[derive(Clone)]
pub struct VersionIdentity(pub(crate) Identity);

impl fmt::Debug for VersionIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VersionIdentity([redacted])")
    }
}
