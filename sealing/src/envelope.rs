//! One binary age file to one X25519 recipient: all that is used of the age library.
//!
//! Whatever comes in is bounded before the library sees it: the whole file by its caller, the
//! header here. Each stanza of a header may cost a multiplication on the curve, and each line of it
//! a new parse of all before it.

use std::io::{Read, Write};

use age::DecryptError;
use zeroize::Zeroizing;

use crate::error::{Refusal, SealError};

/// A stanza of ours and the random one that the library adds take less than 400.
const MAX_HEADER_BYTES: usize = 1_024;

/// Encrypts to one recipient.
pub(crate) fn encrypt(
    plaintext: &[u8],
    recipient: &age::x25519::Recipient,
) -> Result<Vec<u8>, SealError> {
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient as _))
        .map_err(|_| SealError::Encrypt)?;
    let file = Vec::with_capacity(plaintext.len() + plaintext.len() / 2_048 + MAX_HEADER_BYTES);
    let mut writer = encryptor.wrap_output(file).map_err(|_| SealError::Encrypt)?;
    writer.write_all(plaintext).map_err(|_| SealError::Encrypt)?;
    writer.finish().map_err(|_| SealError::Encrypt)
}

/// Decrypts a file of at most `limit` bytes. The text of the library's errors goes nowhere: it is
/// localised, and computing it may overflow (`ExcessiveWork`).
pub(crate) fn decrypt(
    file: &[u8],
    limit: usize,
    identity: &dyn age::Identity,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    if file.len() > limit {
        return Err(Refusal::TooLarge { bytes: file.len(), limit });
    }
    if !has_short_header(file) {
        return Err(Refusal::NotAge);
    }
    let decryptor = age::Decryptor::new_buffered(file).map_err(|_| Refusal::NotAge)?;
    let stream = decryptor.decrypt(std::iter::once(identity)).map_err(|error| refusal(&error))?;
    // All of it at once: a buffer that grows would leave pieces of the plaintext behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(file.len()));
    stream
        .take(u64::try_from(limit).unwrap_or(u64::MAX))
        .read_to_end(&mut plaintext)
        .map_err(|_| Refusal::Damaged)?;
    Ok(plaintext)
}

/// The logarithm of the work that scrypt has with a file's passphrase, if it has one.
pub(crate) fn passphrase_work(file: &[u8]) -> Result<Option<u8>, Refusal> {
    if !has_short_header(file) {
        return Err(Refusal::NotAge);
    }
    let decryptor = age::Decryptor::new_buffered(file).map_err(|_| Refusal::NotAge)?;
    if !decryptor.is_scrypt() {
        return Ok(None);
    }
    // `-> scrypt SALT LOG_N` is the second line: a passphrase is the only recipient of its file.
    let stanza = file.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
    let log_n = stanza.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let log_n = std::str::from_utf8(log_n).ok().and_then(|text| text.parse().ok());
    log_n.map(Some).ok_or(Refusal::NotAge)
}

/// Whether the header ends soon: its last line is the only one that begins with `---`.
fn has_short_header(file: &[u8]) -> bool {
    let beginning = file.get(..MAX_HEADER_BYTES).unwrap_or(file);
    file.starts_with(b"age-encryption.org/v1\n")
        && beginning.windows(5).any(|window| window == b"\n--- ")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "age's errors may grow; the rest is damage")]
fn refusal(error: &DecryptError) -> Refusal {
    match error {
        DecryptError::NoMatchingKeys => Refusal::OtherRecipient,
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => Refusal::NotAge,
        _ => Refusal::Damaged,
    }
}
