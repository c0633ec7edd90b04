//! Secrets, sealed on the author's machine and opened in the cluster. **The hub never depends on
//! this crate**: what it stores and forwards it has no code to open, and no key either.
//!
//! ```text
//! SecretData ─seal→ payload (one age file a version, to a fresh VersionIdentity)
//!                      VersionIdentity ─wrap→ one small age file a recipient
//!
//! own Identity + own wrap ─unwrap→ VersionIdentity + payload ─open→ SecretData
//! ```
//!
//! Both files carry, inside, what they are for (a [`SecretContext`]), so that neither can be moved
//! to another name, namespace, type, version or fleet. Who made them is not said by age: anyone may
//! seal to a public key. That is what the signed statement is for, which covers both digests.
//!
//! Both are plain age files, and a wrap's plaintext is an age identity file, so that public tools
//! open a secret without us:
//!
//! ```text
//! age -d -i me.txt wrap.age > version.txt && age -d -i version.txt payload.age
//! ```
//!
//! What does not belong here: files, terminals, the network, and who may receive what.

#![forbid(unsafe_code)]

mod context;
mod data;
mod encoding;
mod envelope;
mod error;
mod identity;
mod identity_file;
mod payload;
mod recipient;
pub mod shapes;
mod wrap;

pub use context::{ContextField, InvalidContext, MAX_NAMESPACES, SecretContext};
pub use data::{DataError, MAX_ENTRIES, MAX_SECRET_BYTES, SecretBytes, SecretData};
pub use error::{OpenError, Refusal, SealError, SealedThing};
pub use identity::{Identity, InvalidIdentity, VersionIdentity};
pub use identity_file::{
    IdentityFile, IdentityFileError, MAX_IDENTITIES, MAX_IDENTITY_FILE_BYTES,
    MAX_SCRYPT_WORK_FACTOR,
};
pub use payload::{MAX_PAYLOAD_BYTES, SealedPayload, open, seal};
pub use recipient::{InvalidRecipient, Recipient};
pub use wrap::{MAX_WRAP_BYTES, unwrap, wrap, wrap_all};
