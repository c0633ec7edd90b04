//! `FederatedSecret`: a sealed Secret and where it goes. Its values are in the payload, which only the
//! clusters and the owners can open.

use std::collections::BTreeSet;
use std::fmt;

/// Most bytes of a sealed payload: a Secret of 1 MiB, padded and sealed.
pub const MAX_PAYLOAD_BYTES: usize = 1_300_000;
/// Most owners of one secret.
pub const MAX_OWNERS: usize = 100;

/// A sealed secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretSpec {
    /// As in the Secret's `type`.
    pub secret_type: String,
    /// In which namespaces of each cluster.
    pub namespaces: BTreeSet<String>,
    /// Rises by one each time it is sealed.
    pub version: u64,
    /// The names of its values, for people; what is in the payload decides.
    pub keys: BTreeSet<String>,
    /// An age file: the values, sealed to the identity of this version.
    pub payload: Vec<u8>,
    /// Who else can open it, change it and seal it again.
    pub owners: Vec<Owner>,
}

/// Somebody who can open a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// For people.
    pub name: String,
    /// An age recipient.
    pub recipient: String,
    /// An age file to it: the identity of this version.
    pub wrap: Vec<u8>,
}

impl fmt::Debug for SecretSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSpec")
            .field("secret_type", &self.secret_type)
            .field("namespaces", &self.namespaces)
            .field("version", &self.version)
            .field("keys", &self.keys)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}
