//! A secret's values, as a Kubernetes Secret holds them. Wiped when dropped, and without any way to
//! print or serialize them.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// The most bytes of keys and values together. Kubernetes allows as much for the values alone
/// (`core.MaxSecretSize`).
pub const MAX_SECRET_BYTES: usize = 1_048_576;

/// The most keys in one secret.
pub const MAX_ENTRIES: usize = 4_096;

/// One value. Its `Debug` shows nothing, not even its length.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The value itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a Secret's `data` cannot hold. No value is in it, and a key only when it is a valid one:
/// a bad key may be a value that somebody put in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Not a key of a Kubernetes Secret.
    #[error(
        "a key must be 1 to 253 of A-Z, a-z, 0-9, '-', '_' and '.', and neither `.` nor begin with `..`"
    )]
    Key,
    /// The same key again.
    #[error("the key `{0}` is there twice")]
    Duplicate(String),
    /// More than [`MAX_SECRET_BYTES`].
    #[error("keys and values are {0} bytes together, more than {MAX_SECRET_BYTES}")]
    TooLarge(usize),
    /// More than [`MAX_ENTRIES`].
    #[error("more than {MAX_ENTRIES} keys")]
    TooMany,
}

/// The values by key, within Kubernetes' limits at all times.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData {
    entries: BTreeMap<String, SecretBytes>,
    bytes: usize,
}

impl SecretData {
    /// Adds a key that is not there yet.
    pub fn insert(
        &mut self,
        key: impl Into<String>,
        value: impl Into<SecretBytes>,
    ) -> Result<(), DataError> {
        let (key, value) = (key.into(), value.into());
        if !is_key(&key) {
            return Err(DataError::Key);
        }
        if self.entries.contains_key(&key) {
            return Err(DataError::Duplicate(key));
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(DataError::TooMany);
        }
        let bytes = self.bytes.saturating_add(key.len()).saturating_add(value.expose().len());
        if bytes > MAX_SECRET_BYTES {
            return Err(DataError::TooLarge(bytes));
        }
        self.bytes = bytes;
        self.entries.insert(key, value);
        Ok(())
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: &str) -> Option<SecretBytes> {
        let value = self.entries.remove(key)?;
        self.bytes -= key.len() + value.expose().len();
        Some(value)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&SecretBytes> {
        self.entries.get(key)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &SecretBytes)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of keys and values together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// `IsConfigMapKey` in `k8s.io/apimachinery/pkg/util/validation`.
fn is_key(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && key != "."
        && !key.starts_with("..")
}
