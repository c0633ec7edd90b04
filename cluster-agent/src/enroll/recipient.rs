//! The join command's token, and what the agent says with its age recipient.
//!
//! ```text
//! hjt_…           goes to the hub
//! hjt_….KEY       only what is before the dot goes to the hub; KEY stays with the agent and with the
//!                 person who made the command, so that the hub cannot put another recipient in
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hanse_domain::ids::Digest;
use hanse_domain::trust::recipient::{VouchKey, vouch};
use hanse_sealing::Recipient;
use secrecy::SecretString;

const PREFIX: &str = "hjt_";
/// More is no token.
const MAX_CHARS: usize = 256;

/// What a person pasted.
#[derive(Clone, Debug)]
pub struct JoinToken {
    /// For the hub.
    pub for_hub: SecretString,
    key: Option<VouchKey>,
}

/// A token that is none. It is not shown: it may be good for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Something else.
    #[error("a token begins with {PREFIX} and has letters, digits, '-' and '_'")]
    Other,
    /// Cut short, for example.
    #[error("what follows the token's dot is not its key of 43 characters: copy the whole token")]
    Key,
}

impl JoinToken {
    /// Takes a token apart.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        let (token, key) = match text.split_once('.') {
            Some((token, key)) => (token, Some(key)),
            None => (text, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let body = token.strip_prefix(PREFIX).filter(|body| !body.is_empty());
        if text.len() > MAX_CHARS || !body.is_some_and(|body| body.chars().all(plain)) {
            return Err(InvalidToken::Other);
        }
        let key = key.map(key_of).transpose()?;
        Ok(Self { for_hub: token.to_owned().into(), key })
    }

    /// What proves to the person who made the join command that the recipient is this agent's.
    /// Nothing when the command came without a key.
    pub fn vouch(&self, cluster: &str, fleet: &Digest, recipient: &Recipient) -> Option<[u8; 32]> {
        Some(vouch(self.key.as_ref()?, cluster, fleet, recipient.as_str()))
    }
}

fn key_of(text: &str) -> Result<VouchKey, InvalidToken> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken::Key)?;
    bytes.try_into().map(VouchKey).map_err(|_| InvalidToken::Key)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hanse_domain::trust::recipient::check_vouch;
    use hanse_sealing::Identity;
    use secrecy::ExposeSecret as _;

    use super::*;

    const HUB: &str = "hjt_0123456789-_abcdefghijklmnopqrstuvwxyzABCDE";

    #[test]
    fn the_hub_gets_what_is_before_the_dot() {
        let key = VouchKey([0xfb; 32]);
        let whole = format!("{HUB}.{}", URL_SAFE_NO_PAD.encode(key.0));
        let token = JoinToken::parse(&format!(" {whole}\n")).unwrap();
        assert_eq!(token.for_hub.expose_secret(), HUB);

        let (fleet, recipient) = (Digest::of(b"root"), Identity::make_random().recipient());
        let vouched = token.vouch("east", &fleet, &recipient).unwrap();
        assert!(check_vouch(&key, "east", &fleet, recipient.as_str(), &vouched));
        assert!(!check_vouch(&key, "west", &fleet, recipient.as_str(), &vouched));

        let shown = format!("{token:?}");
        assert!(!shown.contains("0123456789") && !shown.contains("251"), "{shown}");
    }

    #[test]
    fn a_token_may_come_without_a_key() {
        let token = JoinToken::parse(HUB).unwrap();
        assert_eq!(token.for_hub.expose_secret(), HUB);
        let recipient = Identity::make_random().recipient();
        assert_eq!(token.vouch("east", &Digest::of(b"root"), &recipient), None);
    }

    #[test]
    fn what_is_no_token_is_said_to_be_none() {
        let key = URL_SAFE_NO_PAD.encode([1; 32]);
        let long = format!("hjt_{}", "a".repeat(300));
        for bad in ["", "hjt_", "abc", "hjt_a b", "hjt_ä", "x.hjt_a", &format!("hjt_.{key}"), &long]
        {
            assert_eq!(JoinToken::parse(bad).unwrap_err(), InvalidToken::Other, "{bad}");
        }
        let short = URL_SAFE_NO_PAD.encode([1; 31]);
        for bad in ["", "x", &short, &format!("{key}A"), &format!("{key}."), &format!("{key}=")] {
            let bad = format!("{HUB}.{bad}");
            assert_eq!(JoinToken::parse(&bad).unwrap_err(), InvalidToken::Key, "{bad}");
        }
    }
}
