//! Join tokens: what a new cluster shows once to get its first certificate.
//!
//! The hub keeps a token's hash only. 256 random bits need no slow hash and no salt.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hanse_domain::ids::Digest;
use rand::CryptoRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

const PREFIX: &str = "hjt_";
const HASH_DOMAIN: &[u8] = b"hanse.dev/join-token/v1\0";
const SECRET_BYTES: usize = 32;
/// `ceil(32 * 8 / 6)`.
const SECRET_CHARS: usize = 43;

/// A join token: 256 random bits, written as `hjt_` and 43 characters of base64url (RFC 4648).
///
/// It has no `Display` and its `Debug` shows nothing; [`JoinToken::to_text`] is the only way out.
pub struct JoinToken(SecretBox<[u8; SECRET_BYTES]>);

impl JoinToken {
    /// A new token.
    pub fn make(rng: &mut impl CryptoRng) -> Self {
        Self(SecretBox::init_with_mut(|secret: &mut [u8; SECRET_BYTES]| rng.fill_bytes(secret)))
    }

    /// Reads the text form; anything but exactly that form is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidToken)?;
        if encoded.len() != SECRET_CHARS {
            return Err(InvalidToken);
        }
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidToken)?);
        let bytes = decoded.first_chunk().ok_or(InvalidToken)?;
        Ok(Self(SecretBox::init_with_mut(|secret| *secret = *bytes)))
    }

    /// What the store keeps and looks the token up by.
    pub fn hash(&self) -> Digest {
        Digest::of_parts(&[HASH_DOMAIN, self.0.expose_secret()])
    }

    /// The text form, for the one answer that carries it.
    pub fn to_text(&self) -> SecretString {
        let mut text = String::with_capacity(PREFIX.len() + SECRET_CHARS);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(self.0.expose_secret(), &mut text);
        SecretString::from(text)
    }
}

impl FromStr for JoinToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        Self::parse(text)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(…)")
    }
}

/// Text that is not a join token. It does not repeat the text, which may be one with a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a join token: it must be hjt_ and {SECRET_CHARS} characters of a-z, A-Z, 0-9, '-' and '_'"
)]
pub struct InvalidToken;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn text_reads_back_as_the_same_token() {
        let token = JoinToken::make(&mut rand::rng());
        let text = token.to_text();
        assert_eq!(text.expose_secret().len(), 47);
        let read = JoinToken::parse(text.expose_secret()).unwrap();
        assert_eq!(read.hash(), token.hash());
        assert_ne!(read.hash(), JoinToken::make(&mut rand::rng()).hash());
    }

    #[test]
    fn hash_is_bound_to_its_purpose() {
        let token = JoinToken::parse(&format!("hjt_{}", "A".repeat(43))).unwrap();
        assert_ne!(token.hash(), Digest::of(&[0; 32]));
        // Stored hashes outlive a release: this value may never change.
        let known = "86820146bd49d8cbd16716f4a038c1b92f35b4d274e32d72f84b1114d93dae18";
        assert_eq!(token.hash().to_string(), known);
    }

    #[test]
    fn nothing_shows_the_secret() {
        let token = JoinToken::parse(&format!("hjt_{}", "A".repeat(43))).unwrap();
        assert_eq!(format!("{token:?}"), "JoinToken(…)");
        let error = JoinToken::parse("hjt_canary").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn only_the_exact_form_is_read() {
        let good = "A".repeat(43);
        for bad in [
            String::new(),
            good.clone(),
            format!("HJT_{good}"),
            format!("hjt_{good}A"),
            format!("hjt_{good}="),
            format!(" hjt_{good}"),
            format!("hjt_{good}\n"),
            format!("hjt_{}", "A".repeat(42)),
            format!("hjt_{}+", "A".repeat(42)),
            format!("hjt_{}/", "A".repeat(42)),
            // The last character's two low bits are not part of the secret and must be zero.
            format!("hjt_{}B", "A".repeat(42)),
        ] {
            assert!(JoinToken::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
