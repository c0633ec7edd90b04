//! Public keys that secrets are wrapped to.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// An age X25519 recipient, `age1…`. Ordered by that text, and there is one text for each key.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: age::x25519::Recipient,
}

/// Not a recipient that secrets are wrapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecipient {
    /// A private key where a public one belongs.
    #[error("this is a private key: give its public half (`age-keygen -y FILE`)")]
    PrivateKey,
    /// A recipient that other programs may know.
    #[error("only recipients of age's X25519 kind are known here: `age1` and 58 characters")]
    OtherKind,
    /// Nothing of the kind.
    #[error("not an age recipient: `age1` and 58 lower-case letters and digits")]
    Malformed,
    /// One of the points with which every shared secret is zero.
    #[error("this recipient is a point of low order: anyone could open what is sealed to it")]
    LowOrder,
}

impl Recipient {
    pub(crate) fn of(identity: &age::x25519::Identity) -> Self {
        let key = identity.to_public();
        Self { text: key.to_string(), key }
    }

    /// `age1…`
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn age(&self) -> &age::x25519::Recipient {
        &self.key
    }
}

impl FromStr for Recipient {
    type Err = InvalidRecipient;

    fn from_str(text: &str) -> Result<Self, InvalidRecipient> {
        if text.len() >= 15 && text.as_bytes().iter().take(15).eq(b"AGE-SECRET-KEY-") {
            return Err(InvalidRecipient::PrivateKey);
        }
        // With its second 1: a key of ours, too, may begin with `pq` or `tag`, but has no other 1.
        if ["ssh-", "age1tag1", "age1pq1"].iter().any(|other| text.starts_with(other)) {
            return Err(InvalidRecipient::OtherKind);
        }
        if text.len() != 62 {
            return Err(InvalidRecipient::Malformed);
        }
        let key =
            age::x25519::Recipient::from_str(text).map_err(|_| InvalidRecipient::Malformed)?;
        // bech32 may be in upper case, too; then one key would have two names.
        if key.to_string() != text {
            return Err(InvalidRecipient::Malformed);
        }
        let (_, bytes) = bech32::decode(text).map_err(|_| InvalidRecipient::Malformed)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidRecipient::Malformed)?;
        // The age library panics when it wraps to such a point.
        if x25519_dalek::x25519([1; 32], bytes) == [0; 32] {
            return Err(InvalidRecipient::LowOrder);
        }
        Ok(Self { text: text.to_owned(), key })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.text)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}

impl PartialOrd for Recipient {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Recipient {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Recipient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
