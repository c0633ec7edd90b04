//! The SSH wire format of a signature, read strictly: every length is exactly that of what is in
//! it. (The ssh-key crate's own reader takes lengths that say too much.)

use ssh_key::Signature;

use super::key::KeyKind;

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// The flags and the counter that a token adds to its signatures.
const TRAILER: usize = 5;

/// An SSHSIG's fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct SshSig<'a> {
    pub(super) key: &'a [u8],
    pub(super) namespace: &'a str,
    pub(super) hash: &'a str,
    pub(super) signature: &'a [u8],
}

impl<'a> SshSig<'a> {
    pub(super) fn decode(blob: &'a [u8]) -> Result<Self, &'static str> {
        const NOT_ONE: &str = "it is not an SSHSIG";
        let mut reader = Reader(blob);
        if reader.take(MAGIC.len()) != Some(MAGIC) {
            return Err(NOT_ONE);
        }
        if reader.u32() != Some(VERSION) {
            return Err("it has another version than 1");
        }
        let key = reader.string().ok_or(NOT_ONE)?;
        let namespace = reader.text().ok_or(NOT_ONE)?;
        if !reader.string().ok_or(NOT_ONE)?.is_empty() {
            return Err("its reserved field is not empty");
        }
        let hash = reader.text().ok_or(NOT_ONE)?;
        let signature = reader.string().ok_or(NOT_ONE)?;
        if !reader.0.is_empty() {
            return Err("something is behind its last field");
        }
        Ok(Self { key, namespace, hash, signature })
    }
}

/// The signature of a key of this kind, in the ssh-key crate's type.
pub(super) fn read_signature(kind: KeyKind, bytes: &[u8]) -> Option<Signature> {
    let mut reader = Reader(bytes);
    let named = reader.text()?;
    let mut raw = reader.string()?.to_vec();
    if kind.is_hardware() {
        raw.extend(reader.take(TRAILER)?);
    }
    let whole = reader.0.is_empty() && named == kind.to_string();
    whole.then(|| Signature::new(kind.algorithm(), raw).ok()).flatten()
}

/// The bytes of a signature as they are in an SSHSIG; `raw` ends with a token's trailer.
pub(super) fn signature(kind: KeyKind, raw: &[u8]) -> Vec<u8> {
    let trailer = if kind.is_hardware() { TRAILER } else { 0 };
    let (raw, trailer) = raw.split_at(raw.len().saturating_sub(trailer));
    [&string(kind.to_string().as_bytes()), &string(raw), trailer].concat()
}

/// An SSHSIG.
pub(super) fn blob(key: &[u8], namespace: &str, hash: &str, signature: &[u8]) -> Vec<u8> {
    let fields = [
        &VERSION.to_be_bytes()[..],
        &string(key),
        &string(namespace.as_bytes()),
        &string(b""),
        &string(hash.as_bytes()),
        &string(signature),
    ];
    [MAGIC, &fields.concat()].concat()
}

/// What the key signs.
pub(super) fn signed_bytes(namespace: &str, hash: &str, digest: &[u8]) -> Vec<u8> {
    let fields =
        [string(namespace.as_bytes()), string(b""), string(hash.as_bytes()), string(digest)];
    [MAGIC, &fields.concat()].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&len.to_be_bytes(), bytes].concat()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u32()?).ok()?;
        self.take(len)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }
}
