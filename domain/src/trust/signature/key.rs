//! The public keys that may sign.

use std::fmt;
use std::str::FromStr;

use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, SshSig};

/// How long a public key's text may be, in bytes.
pub const MAX_KEY_LEN: usize = 512;

/// The types of keys that may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// `ssh-ed25519`
    Ed25519,
    /// `ecdsa-sha2-nistp256`
    EcdsaP256,
    /// `sk-ssh-ed25519@openssh.com`: Ed25519 on a hardware token
    SkEd25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`: ECDSA P-256 on a hardware token
    SkEcdsaP256,
}

impl KeyKind {
    /// Whether the private key is on a hardware token, which wants to be touched for a signature.
    pub fn is_hardware(self) -> bool {
        matches!(self, Self::SkEd25519 | Self::SkEcdsaP256)
    }

    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Ed25519 => Algorithm::Ed25519,
            Self::EcdsaP256 => Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
            Self::SkEd25519 => Algorithm::SkEd25519,
            Self::SkEcdsaP256 => Algorithm::SkEcdsaSha2NistP256,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        })
    }
}

/// Why a public key cannot be one of Hanse's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not in the one form.
    #[error("not an OpenSSH public key of the form `TYPE BASE64`")]
    Malformed,
    /// A type that may not sign.
    #[error("a key of type {0}; {KINDS}")]
    Kind(String),
    /// The point is not on the curve, is written in another form, or lets anyone sign.
    #[error("the {0} key is not a valid point of its curve")]
    Point(KeyKind),
    /// A hardware token's key that was made for something else than ssh.
    #[error(
        "the token made the key for the application {0:?}; it must be of printable ASCII and begin with `ssh:`, as ssh-keygen makes it"
    )]
    Application(String),
}

const KINDS: &str = "ssh-ed25519, ecdsa-sha2-nistp256 and their sk- forms can be used; make one with `ssh-keygen -t ed25519`";

/// An OpenSSH public key that may sign: the key itself, without the comment. Keys are ordered as
/// their texts are, byte by byte.
///
/// The application of a token's key must begin with `ssh:`: ssh-keygen makes no other, and what a
/// web site lets a token sign can then never count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    text: String,
    kind: KeyKind,
    data: KeyData,
}

impl PublicKey {
    /// Reads a line of a `.pub` file or of an `authorized_keys` file without options: the comment
    /// and the line feed at the end are left out.
    pub fn from_line(line: &str) -> Result<Self, BadKey> {
        let mut words = line.split_ascii_whitespace();
        let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
            return Err(BadKey::Malformed);
        };
        format!("{kind} {base64}").parse()
    }

    /// The key in the ssh-key crate's type, if it may sign.
    pub fn from_key_data(data: KeyData) -> Result<Self, BadKey> {
        let kind = kind_of(&data)?;
        let text = ssh_key::PublicKey::new(data.clone(), "")
            .to_openssh()
            .map_err(|_| BadKey::Malformed)?;
        Ok(Self { text, kind, data })
    }

    /// The key in the ssh-key crate's type.
    pub fn key_data(&self) -> &KeyData {
        &self.data
    }

    /// The key from its bytes in the SSH wire format, if they are the only ones for it.
    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, BadKey> {
        let parsed = ssh_key::PublicKey::from_bytes(blob).map_err(|_| BadKey::Malformed)?;
        let key = Self::from_key_data(parsed.key_data().clone())?;
        if key.blob() == blob { Ok(key) } else { Err(BadKey::Malformed) }
    }

    /// The key's bytes in the SSH wire format.
    pub(super) fn blob(&self) -> Vec<u8> {
        // Encoding fails only where lengths do not fit 32 bits, and `text` was encoded before.
        ssh_key::PublicKey::new(self.data.clone(), "").to_bytes().unwrap_or_default()
    }

    pub(super) fn verify(
        &self,
        namespace: &str,
        message: &[u8],
        signature: &SshSig,
    ) -> ssh_key::Result<()> {
        ssh_key::PublicKey::new(self.data.clone(), "").verify(namespace, message, signature)
    }

    /// The key's type.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// `SHA256:` and the digest, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.data.fingerprint(HashAlg::Sha256).to_string()
    }
}

/// The one form: `TYPE BASE64`, without a comment.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads what `Display` writes, and nothing else.
impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        if text.len() > MAX_KEY_LEN {
            return Err(match text.split_once(' ') {
                // RSA keys are long: their type says more than their length.
                Some((kind, _)) if kind.len() < 64 => BadKey::Kind(kind.escape_debug().to_string()),
                _ => BadKey::Malformed,
            });
        }
        let parsed = ssh_key::PublicKey::from_openssh(text).map_err(|_| BadKey::Malformed)?;
        let key = Self::from_key_data(parsed.key_data().clone())?;
        if key.text == text { Ok(key) } else { Err(BadKey::Malformed) }
    }
}

fn kind_of(data: &KeyData) -> Result<KeyKind, BadKey> {
    if let Some(key) = data.ed25519() {
        ed25519(key.0, KeyKind::Ed25519)
    } else if let Some(EcdsaPublicKey::NistP256(point)) = data.ecdsa() {
        p256(point.as_bytes(), KeyKind::EcdsaP256)
    } else if let Some(key) = data.sk_ed25519() {
        application(key.application())?;
        ed25519(key.public_key().0, KeyKind::SkEd25519)
    } else if let Some(key) = data.sk_ecdsa_p256() {
        application(key.application())?;
        p256(key.ec_point().as_bytes(), KeyKind::SkEcdsaP256)
    } else {
        Err(BadKey::Kind(data.algorithm().to_string()))
    }
}

/// A point of small order would verify signatures that nobody made.
fn ed25519(bytes: [u8; 32], kind: KeyKind) -> Result<KeyKind, BadKey> {
    match ed25519_dalek::VerifyingKey::from_bytes(&bytes) {
        Ok(key) if !key.is_weak() => Ok(kind),
        _ => Err(BadKey::Point(kind)),
    }
}

/// Only the uncompressed form, which is the only one in OpenSSH: one key has one text.
fn p256(bytes: &[u8], kind: KeyKind) -> Result<KeyKind, BadKey> {
    let uncompressed = bytes.first() == Some(&4);
    match p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes) {
        Ok(_) if uncompressed => Ok(kind),
        _ => Err(BadKey::Point(kind)),
    }
}

fn application(name: &str) -> Result<(), BadKey> {
    let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && name.starts_with("ssh:") {
        Ok(())
    } else {
        Err(BadKey::Application(beginning(name)))
    }
}

/// Enough of a text from outside to recognise it.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(64).collect()
}
