//! Signatures as OpenSSH makes them (PROTOCOL.sshsig), in the namespace `hanse`, and the public
//! keys that make them.
//!
//! A signed thing carries one or more PEM blocks, one behind the other, exactly as `ssh-keygen -Y
//! sign -n hanse` writes them; each is by itself what `ssh-keygen -Y verify -n hanse` accepts.
//! What ssh-keygen would not write is refused: other line lengths, text around a block, a reserved
//! field that is not empty.
//!
//! A signature identifies nothing: digests are over what is signed. So it does no harm that someone
//! without the key can turn an ECDSA signature into a second valid one (s and n − s), and both
//! are accepted, since neither OpenSSH nor hardware tokens prefer one of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{HashAlg, SshSig};

/// What separates Hanse's signatures from those for git, mail and anything else.
pub const NAMESPACE: &str = "hanse";

/// How many blocks one signed thing may carry.
pub const MAX_SIGNATURES: usize = 8;

/// How long all blocks together may be, in bytes.
pub const MAX_SIGNATURES_LEN: usize = 16 * 1024;

/// How long a public key's text may be, in bytes.
pub const MAX_KEY_LEN: usize = 512;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";

/// The characters in a line of base64, as OpenSSH wraps it.
const LINE: usize = 70;

/// The bit of a token's flags that says that a person touched it.
const USER_PRESENT: u8 = 1;

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
fn beginning(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Why signatures do not count. `block` is the position of the block, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// No block at all.
    #[error("there is no signature")]
    Missing,
    /// More bytes than allowed.
    #[error("the signatures have {0} bytes, more than {MAX_SIGNATURES_LEN}")]
    TooLong(usize),
    /// More blocks than allowed.
    #[error("there are more than {MAX_SIGNATURES} signatures")]
    TooMany,
    /// Not as ssh-keygen writes it.
    #[error("signature {block} is malformed: {why}")]
    Malformed {
        /// Which one.
        block: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Made for something else.
    #[error("signature {block} was made for the namespace {namespace:?}, not `{NAMESPACE}`")]
    OtherNamespace {
        /// Which one.
        block: usize,
        /// The beginning of its namespace.
        namespace: String,
    },
    /// Made by a key that may not sign.
    #[error("the key of signature {block} cannot be used: {why}")]
    UnsupportedKey {
        /// Which one.
        block: usize,
        /// What is wrong with the key.
        why: BadKey,
    },
    /// Made by a hardware token that nobody touched.
    #[error("signature {block} was made without touching the hardware token of {key}")]
    Untouched {
        /// Which one.
        block: usize,
        /// Whose.
        key: Box<PublicKey>,
    },
    /// Not a signature of this key over this message.
    #[error("signature {block} is not one of {key} over these bytes")]
    DoesNotVerify {
        /// Which one.
        block: usize,
        /// Whose it says it is.
        key: Box<PublicKey>,
    },
}

/// The keys that signed the message. All blocks must be valid; two of one key count once. A
/// hardware token's key counts only if a person touched the token (`no-touch-required` keys never
/// count).
pub fn signers(message: &[u8], signatures: &[u8]) -> Result<BTreeSet<PublicKey>, BadSignature> {
    let blocks = split(signatures)?;
    blocks.iter().enumerate().map(|(at, block)| signer(message, block, at + 1)).collect()
}

/// The blocks, each with its line feed at the end. Only their armor is looked at.
pub fn split(signatures: &[u8]) -> Result<Vec<&[u8]>, BadSignature> {
    if signatures.len() > MAX_SIGNATURES_LEN {
        return Err(BadSignature::TooLong(signatures.len()));
    }
    let malformed = |block, why| BadSignature::Malformed { block, why };
    let mut rest = std::str::from_utf8(signatures).map_err(|_| malformed(1, "not a text"))?;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        if blocks.len() == MAX_SIGNATURES {
            return Err(BadSignature::TooMany);
        }
        let block = blocks.len() + 1;
        if !rest.starts_with(BEGIN) {
            return Err(malformed(block, "it does not begin with the BEGIN line"));
        }
        let end = rest.find(END).ok_or_else(|| malformed(block, "it has no END line"))?;
        let (one, behind) = rest.split_at(end + END.len());
        blocks.push(one.as_bytes());
        rest = behind;
    }
    if blocks.is_empty() { Err(BadSignature::Missing) } else { Ok(blocks) }
}

/// The blocks with one more behind them. Whether they are valid is for `signers` to say.
pub fn append(signatures: &[u8], one: &[u8]) -> Vec<u8> {
    [signatures, one].concat()
}

/// The PEM block of a signature's bytes, as ssh-keygen writes it.
pub fn armor(blob: &[u8]) -> String {
    let base64 = STANDARD.encode(blob);
    let mut pem = String::from(BEGIN);
    for (at, character) in base64.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push('\n');
    pem.push_str(END);
    pem
}

/// Whether ssh-keygen would write the PEM block so.
fn is_as_written(block: &[u8]) -> bool {
    let blob = std::str::from_utf8(block).ok().and_then(|text| {
        let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
        STANDARD.decode(body.replace('\n', "")).ok()
    });
    blob.is_some_and(|blob| armor(&blob).as_bytes() == block)
}

fn signer(message: &[u8], pem: &[u8], block: usize) -> Result<PublicKey, BadSignature> {
    let malformed = |why| BadSignature::Malformed { block, why };
    if !is_as_written(pem) {
        return Err(malformed("its base64 is not as ssh-keygen writes it"));
    }
    let signature = SshSig::from_pem(pem).map_err(|_| malformed("it is not an SSHSIG"))?;
    if signature.version() != SshSig::VERSION {
        return Err(malformed("it has another version than 1"));
    }
    if !signature.reserved().is_empty() {
        return Err(malformed("its reserved field is not empty"));
    }
    if signature.namespace() != NAMESPACE {
        let namespace = beginning(signature.namespace());
        return Err(BadSignature::OtherNamespace { block, namespace });
    }
    let key = PublicKey::from_key_data(signature.public_key().clone())
        .map_err(|why| BadSignature::UnsupportedKey { block, why })?;
    let verifies = signature.algorithm() == key.data.algorithm()
        && ssh_key::PublicKey::new(key.data.clone(), "")
            .verify(NAMESPACE, message, &signature)
            .is_ok();
    if !verifies {
        return Err(BadSignature::DoesNotVerify { block, key: Box::new(key) });
    }
    if key.kind.is_hardware() && !is_touched(signature.signature_bytes()) {
        return Err(BadSignature::Untouched { block, key: Box::new(key) });
    }
    Ok(key)
}

/// A token's signature ends with a byte of flags and a counter of four bytes.
fn is_touched(signature: &[u8]) -> bool {
    matches!(signature, [.., flags, _, _, _, _] if flags & USER_PRESENT != 0)
}
