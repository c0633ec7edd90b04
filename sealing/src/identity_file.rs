//! The file in which an owner keeps identities: as `age-keygen` writes it, in the clear or sealed
//! with a passphrase (`age -p`, armored or binary).

use std::io::Read;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::envelope;
use crate::identity::Identity;
use crate::recipient::Recipient;

/// The longest file.
pub const MAX_IDENTITY_FILE_BYTES: usize = 65_536;

/// The most identities in one file.
pub const MAX_IDENTITIES: usize = 64;

/// scrypt's work factor: 2^20 takes 1 GiB of memory and a few seconds. `age` itself writes 2^18.
pub const MAX_SCRYPT_WORK_FACTOR: u8 = 20;

const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const BINARY: &[u8] = b"age-encryption.org/";

/// The identities of a file, in its order; at least one.
#[derive(Clone, Debug)]
pub struct IdentityFile {
    identities: Vec<Identity>,
}

/// A file of identities that was not read. Nothing of its text is in here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFileError {
    /// Longer than [`MAX_IDENTITY_FILE_BYTES`].
    #[error("the identity file has {0} bytes, more than {MAX_IDENTITY_FILE_BYTES}")]
    TooLarge(usize),
    /// A line that is no comment and no identity.
    #[error(
        "line {0} of the identity file is neither a comment nor an `AGE-SECRET-KEY-1…` (keys of ssh and of plugins are not read)"
    )]
    Line(usize),
    /// Comments alone.
    #[error("the identity file has no identity in it (make one with `age-keygen -o FILE`)")]
    Empty,
    /// More than [`MAX_IDENTITIES`].
    #[error("the identity file has more than {MAX_IDENTITIES} identities")]
    TooMany,
    /// It needs a passphrase, and none was given.
    #[error("the identity file is sealed with a passphrase, and none was given")]
    NoPassphrase,
    /// Sealed, but to a key.
    #[error("the identity file is sealed to a key: only a passphrase can seal it (`age -p`)")]
    SealedToKey,
    /// It would take too much memory and time to open.
    #[error(
        "the identity file asks for more work than 2^{MAX_SCRYPT_WORK_FACTOR}: seal it again with `age -p`"
    )]
    ExcessiveWork,
    /// Another passphrase, or a damaged file.
    #[error("the passphrase does not open the identity file, or the file is damaged")]
    Passphrase,
    /// Not armor, or not an age file.
    #[error("the identity file looks like a sealed one, but is damaged")]
    Damaged,
}

impl IdentityFile {
    /// Reads a file's bytes. `passphrase` is asked once, and only if the file is sealed with one.
    pub fn parse(
        file: &[u8],
        passphrase: impl FnOnce() -> Option<SecretString>,
    ) -> Result<Self, IdentityFileError> {
        if file.len() > MAX_IDENTITY_FILE_BYTES {
            return Err(IdentityFileError::TooLarge(file.len()));
        }
        let text = file.trim_ascii_start();
        if text.starts_with(ARMOR) {
            let mut binary = Vec::new();
            age::armor::ArmoredReader::new(text)
                .read_to_end(&mut binary)
                .map_err(|_| IdentityFileError::Damaged)?;
            Self::read(&decrypt(&binary, passphrase)?)
        } else if file.starts_with(BINARY) {
            Self::read(&decrypt(file, passphrase)?)
        } else {
            Self::read(file)
        }
    }

    /// The identities, in the file's order.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The identity that opens what is sealed to `recipient`.
    pub fn find(&self, recipient: &Recipient) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.recipient() == *recipient)
    }

    fn read(text: &[u8]) -> Result<Self, IdentityFileError> {
        let mut identities = Vec::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let identity = std::str::from_utf8(line).ok().and_then(|l| Identity::parse(l).ok());
            identities.push(identity.ok_or(IdentityFileError::Line(number))?);
            if identities.len() > MAX_IDENTITIES {
                return Err(IdentityFileError::TooMany);
            }
        }
        if identities.is_empty() { Err(IdentityFileError::Empty) } else { Ok(Self { identities }) }
    }
}

fn decrypt(
    file: &[u8],
    passphrase: impl FnOnce() -> Option<SecretString>,
) -> Result<Zeroizing<Vec<u8>>, IdentityFileError> {
    let work = envelope::passphrase_work(file).map_err(|_| IdentityFileError::Damaged)?;
    let work = work.ok_or(IdentityFileError::SealedToKey)?;
    if work > MAX_SCRYPT_WORK_FACTOR {
        return Err(IdentityFileError::ExcessiveWork);
    }
    let passphrase = passphrase().ok_or(IdentityFileError::NoPassphrase)?;
    let mut identity = age::scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MAX_SCRYPT_WORK_FACTOR);
    envelope::decrypt(file, MAX_IDENTITY_FILE_BYTES, &identity)
        .map_err(|_| IdentityFileError::Passphrase)
}
