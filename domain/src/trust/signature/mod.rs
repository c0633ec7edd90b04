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

mod key;
mod wire;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::{HashAlg, Signature, SshSig};

pub use key::{BadKey, KeyKind, MAX_KEY_LEN, PublicKey};

/// What separates Hanse's signatures from those for git, mail and anything else.
pub const NAMESPACE: &str = "hanse";

/// How many blocks one signed thing may carry.
pub const MAX_SIGNATURES: usize = 8;

/// How long all blocks together may be, in bytes.
pub const MAX_SIGNATURES_LEN: usize = 4 * 1024;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";

/// The characters in a line of base64, as OpenSSH wraps it.
const LINE: usize = 70;

/// The bit of a token's flags that says that a person touched it.
const USER_PRESENT: u8 = 1;

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

/// What a key signs for a message: ed25519 and ECDSA keys these bytes, a token's key what a token
/// makes of them.
pub fn signed_bytes(message: &[u8]) -> Vec<u8> {
    wire::signed_bytes(NAMESPACE, "sha512", &HashAlg::Sha512.digest(message))
}

/// The PEM block for a key's signature over `signed_bytes`.
pub fn block(key: &PublicKey, signature: &Signature) -> Vec<u8> {
    let signature = wire::signature(key.kind(), signature.as_bytes());
    armor(&wire::blob(&key.blob(), NAMESPACE, "sha512", &signature)).into_bytes()
}

/// The bytes of a PEM block, if ssh-keygen would write it so.
fn dearmor(block: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(block).ok()?;
    let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let blob = STANDARD.decode(body.replace('\n', "")).ok()?;
    (armor(&blob) == text).then_some(blob)
}

fn signer(message: &[u8], pem: &[u8], block: usize) -> Result<PublicKey, BadSignature> {
    let malformed = |why| BadSignature::Malformed { block, why };
    let blob = dearmor(pem).ok_or(malformed("its base64 is not as ssh-keygen writes it"))?;
    let sshsig = wire::SshSig::decode(&blob).map_err(malformed)?;
    if sshsig.namespace != NAMESPACE {
        let namespace = key::beginning(sshsig.namespace);
        return Err(BadSignature::OtherNamespace { block, namespace });
    }
    let key = PublicKey::from_blob(sshsig.key)
        .map_err(|why| BadSignature::UnsupportedKey { block, why })?;
    let hash = match sshsig.hash {
        "sha256" => HashAlg::Sha256,
        "sha512" => HashAlg::Sha512,
        _ => return Err(malformed("its hash is neither sha256 nor sha512")),
    };
    let signature = wire::read_signature(key.kind(), sshsig.signature)
        .ok_or(malformed("it is not a signature of its key's type"))?;
    let touched = !key.kind().is_hardware() || is_touched(signature.as_bytes());
    let verifies = SshSig::new(key.key_data().clone(), NAMESPACE, hash, signature)
        .and_then(|sshsig| key.verify(NAMESPACE, message, &sshsig));
    if verifies.is_err() {
        return Err(BadSignature::DoesNotVerify { block, key: Box::new(key) });
    }
    if !touched {
        return Err(BadSignature::Untouched { block, key: Box::new(key) });
    }
    Ok(key)
}

/// A token's signature ends with a byte of flags and a counter of four bytes.
fn is_touched(signature: &[u8]) -> bool {
    matches!(signature, [.., flags, _, _, _, _] if flags & USER_PRESENT != 0)
}
