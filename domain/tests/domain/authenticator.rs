//! A software authenticator: signs as ssh-keygen does with a hardware token (PROTOCOL.u2f), and
//! builds SSHSIG blobs with any field at will, which no honest program would.

use hanse_domain::trust::signature::{KeyKind, PublicKey, armor};
use p256::ecdsa::signature::Signer as _;
use sha2::{Digest as _, Sha256, Sha512};

/// The flag of a token that somebody touched.
pub(crate) const TOUCHED: u8 = 1;

/// A key whose private part is at hand, with what a token would add to its signatures.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: KeyKind,
    pub(crate) application: &'static str,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) seed: [u8; 32],
}

impl Token {
    pub(crate) fn new(kind: KeyKind) -> Self {
        Self { kind, application: "ssh:", flags: TOUCHED, counter: 7, seed: [3; 32] }
    }

    fn ed25519(&self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&self.seed)
    }

    fn p256(&self) -> p256::ecdsa::SigningKey {
        p256::ecdsa::SigningKey::from_slice(&self.seed).unwrap()
    }

    /// The public key's bytes as they are in a `.pub` file's base64.
    pub(crate) fn key_blob(&self) -> Vec<u8> {
        let mut blob = string(self.kind.to_string().as_bytes());
        match self.kind {
            KeyKind::Ed25519 | KeyKind::SkEd25519 => {
                blob.extend(string(self.ed25519().verifying_key().as_bytes()));
            }
            KeyKind::EcdsaP256 | KeyKind::SkEcdsaP256 => {
                let point = self.p256().verifying_key().to_encoded_point(false);
                blob.extend(string(b"nistp256"));
                blob.extend(string(point.as_bytes()));
            }
        }
        if self.kind.is_hardware() {
            blob.extend(string(self.application.as_bytes()));
        }
        blob
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        key_text(self.kind, &self.key_blob()).parse().unwrap()
    }

    /// The signature in the SSH wire format.
    fn sign(&self, data: &[u8]) -> Vec<u8> {
        let trailer = [&[self.flags][..], &self.counter.to_be_bytes()].concat();
        let data = if self.kind.is_hardware() {
            let application = Sha256::digest(self.application);
            [&application[..], &trailer, &Sha256::digest(data)].concat()
        } else {
            data.to_vec()
        };
        let raw = match self.kind {
            KeyKind::Ed25519 | KeyKind::SkEd25519 => self.ed25519().sign(&data).to_bytes().to_vec(),
            KeyKind::EcdsaP256 | KeyKind::SkEcdsaP256 => {
                let signature: p256::ecdsa::Signature = self.p256().sign(&data);
                ecdsa(&signature)
            }
        };
        let mut signature = string(self.kind.to_string().as_bytes());
        signature.extend(string(&raw));
        if self.kind.is_hardware() {
            signature.extend(trailer);
        }
        signature
    }

    /// The PEM block of a signature in the namespace `hanse`.
    pub(crate) fn signature(&self, message: &[u8]) -> Vec<u8> {
        self.signature_with("hanse", b"", message)
    }

    pub(crate) fn signature_with(
        &self,
        namespace: &str,
        reserved: &[u8],
        message: &[u8],
    ) -> Vec<u8> {
        let head = [string(namespace.as_bytes()), string(reserved), string(b"sha512")].concat();
        let signed = [&b"SSHSIG"[..], &head, &string(&Sha512::digest(message))].concat();
        blob(1, &self.key_blob(), &head, &self.sign(&signed))
    }
}

/// The PEM block of a blob; `head`: namespace, reserved and hash algorithm.
pub(crate) fn blob(version: u32, key: &[u8], head: &[u8], signature: &[u8]) -> Vec<u8> {
    let version = version.to_be_bytes();
    let blob = [&b"SSHSIG"[..], &version, &string(key), head, &string(signature)].concat();
    armor(&blob).into_bytes()
}

/// The text of a public key with these bytes.
pub(crate) fn key_text(kind: impl std::fmt::Display, blob: &[u8]) -> String {
    use base64::Engine as _;
    format!("{kind} {}", base64::engine::general_purpose::STANDARD.encode(blob))
}

pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap();
    [&len.to_be_bytes()[..], bytes].concat()
}

/// Both halves as SSH's integers: no leading zeros, but one before a high bit.
pub(crate) fn ecdsa(signature: &p256::ecdsa::Signature) -> Vec<u8> {
    let (r, s) = signature.split_bytes();
    let integer = |bytes: &[u8]| {
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if digits[0] & 0x80 == 0 { &[][..] } else { &[0][..] };
        string(&[sign, &digits].concat())
    };
    [integer(&r), integer(&s)].concat()
}
