//! A cluster's age recipient on its way into the roster. The hub carries it and could put its own in
//! its place, so the join command holds a key that the hub never sees, and the agent vouches for its
//! recipient with it:
//!
//! ```text
//! HMAC-SHA256(key, "hanse recipient v1\n" fleet "\n" cluster "\n" recipient "\n")
//! ```
//!
//! `fleet` is the fleet's id in hexadecimal. Recipients are text here; encrypting to one is another
//! crate's work.

use std::fmt;

use hmac::digest::Key;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::ids::Digest;

const PREFIX: &str = "age1";
/// Of an X25519 recipient: the prefix, 52 characters of key and 6 of checksum.
const LENGTH: usize = 62;
/// What bech32 is written with.
const CHARSET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// A text that is no age recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no age recipient: it is age1 and {} letters and digits", LENGTH - PREFIX.len())]
pub struct InvalidRecipient;

/// Whether a text looks as an X25519 recipient does. Its checksum is looked at where it is used.
pub fn check_recipient(text: &str) -> Result<(), InvalidRecipient> {
    let key = text.strip_prefix(PREFIX).filter(|_| text.len() == LENGTH);
    let ok = key.is_some_and(|key| key.chars().all(|c| CHARSET.contains(c)));
    if ok { Ok(()) } else { Err(InvalidRecipient) }
}

/// The key of one join command. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct VouchKey(pub [u8; 32]);

impl fmt::Debug for VouchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VouchKey(…)")
    }
}

/// What the agent says with its recipient. The cluster's name and the recipient have no line breaks:
/// both are checked where they come from.
pub fn vouch(key: &VouchKey, cluster: &str, fleet: &Digest, recipient: &str) -> [u8; 32] {
    mac(key, cluster, fleet, recipient).finalize().into_bytes().into()
}

/// Whether a recipient was vouched for by who holds the key; in constant time.
pub fn check_vouch(
    key: &VouchKey,
    cluster: &str,
    fleet: &Digest,
    recipient: &str,
    vouched: &[u8],
) -> bool {
    check_recipient(recipient).is_ok()
        && mac(key, cluster, fleet, recipient).verify_slice(vouched).is_ok()
}

fn mac(key: &VouchKey, cluster: &str, fleet: &Digest, recipient: &str) -> Hmac<Sha256> {
    // A key of 32 bytes is shorter than SHA-256's block of 64: HMAC fills it up with zeros.
    let mut block = Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key.0) {
        *to = from;
    }
    let mut mac = Hmac::<Sha256>::new(&block);
    for line in ["hanse recipient v1", &fleet.to_string(), cluster, recipient] {
        mac.update(line.as_bytes());
        mac.update(b"\n");
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    fn key() -> VouchKey {
        VouchKey(std::array::from_fn(|i| u8::try_from(i).unwrap_or_default()))
    }

    /// Made with openssl:
    /// `printf 'hanse recipient v1\n%s\n%s\n%s\n' FLEET east RECIPIENT |
    /// openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f`
    #[test]
    fn it_is_what_others_compute() {
        let vouched = vouch(&key(), "east", &Digest::of(b"root"), RECIPIENT);
        let expected = "c991100fce3b2da82dd6387466d96804ec391862830ab74989b8bfbc2c221c98";
        assert_eq!(hex::encode(vouched), expected);
    }

    #[test]
    fn it_holds_for_one_key_cluster_fleet_and_recipient() {
        let fleet = Digest::of(b"root");
        let vouched = vouch(&key(), "east", &fleet, RECIPIENT);
        assert!(check_vouch(&key(), "east", &fleet, RECIPIENT, &vouched));

        let other = RECIPIENT.replace("8p", "p8");
        assert!(!check_vouch(&VouchKey([0; 32]), "east", &fleet, RECIPIENT, &vouched));
        assert!(!check_vouch(&key(), "west", &fleet, RECIPIENT, &vouched));
        assert!(!check_vouch(&key(), "east", &Digest::of(b"other"), RECIPIENT, &vouched));
        assert!(!check_vouch(&key(), "east", &fleet, &other, &vouched));
        assert!(!check_vouch(&key(), "east", &fleet, RECIPIENT, &[]));
        assert!(!check_vouch(&key(), "east", &fleet, RECIPIENT, vouched.split_at(16).0));
        let mut flipped = vouched;
        flipped[31] ^= 1;
        assert!(!check_vouch(&key(), "east", &fleet, RECIPIENT, &flipped));
    }

    #[test]
    fn what_is_no_recipient_is_not_vouched_for() {
        let fleet = Digest::of(b"root");
        let vouched = vouch(&key(), "east", &fleet, "age1");
        assert!(!check_vouch(&key(), "east", &fleet, "age1", &vouched));
    }

    #[test]
    fn recipients_look_like_age_recipients() {
        assert_eq!(check_recipient(RECIPIENT), Ok(()));
        let upper = RECIPIENT.to_uppercase();
        let (short, long) = (RECIPIENT.split_at(61).0, format!("{RECIPIENT}q"));
        let forbidden = RECIPIENT.replace("ql3", "qb3");
        let line = RECIPIENT.replace("8p", "8\n");
        for bad in ["", "age1", &upper, short, &long, &forbidden, &line] {
            assert_eq!(check_recipient(bad), Err(InvalidRecipient), "{bad}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", VouchKey([7; 32])), "VouchKey(…)");
    }
}
