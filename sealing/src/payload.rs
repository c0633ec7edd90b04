//! A secret's values, sealed once for each version.

use std::fmt;

use crate::context::SecretContext;
use crate::data::SecretData;
use crate::encoding;
use crate::envelope;
use crate::error::{OpenError, Refusal, SealError, SealedThing};
use crate::identity::{Identity, VersionIdentity};

/// The longest payload: a full secret with the most keys and namespaces, padded and sealed.
pub const MAX_PAYLOAD_BYTES: usize = 1_310_720;

/// A binary age file. Nothing in it is secret from those who cannot open it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedPayload(Vec<u8>);

impl SealedPayload {
    /// The file's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The file's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for SealedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedPayload({} bytes)", self.0.len())
    }
}

/// Seals the values to a new identity of this version. Without a wrap of that identity nobody can
/// open them again.
pub fn seal(
    context: &SecretContext,
    data: &SecretData,
) -> Result<(SealedPayload, VersionIdentity), SealError> {
    context.check()?;
    let identity = Identity::make_random();
    let plaintext = encoding::encode(context, data);
    let file = envelope::encrypt(&plaintext, identity.recipient().age())?;
    Ok((SealedPayload(file), VersionIdentity(identity)))
}

/// Opens a payload that was sealed for exactly this context.
pub fn open(
    context: &SecretContext,
    payload: &[u8],
    identity: &VersionIdentity,
) -> Result<SecretData, OpenError> {
    let data = || -> Result<SecretData, Refusal> {
        let plaintext = envelope::decrypt(payload, MAX_PAYLOAD_BYTES, identity.0.age())?;
        let (sealed_for, data) = encoding::decode(&plaintext)?;
        match sealed_for.difference(context) {
            Some(field) => Err(Refusal::OtherContext(field)),
            None => Ok(data),
        }
    };
    data().map_err(|refusal| OpenError { what: SealedThing::Payload, refusal })
}
