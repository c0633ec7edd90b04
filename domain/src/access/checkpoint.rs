//! What an agent signs for: that its cluster's inventory had one root from one moment to another.
//!
//! ```text
//! hanse checkpoint v1
//! fleet 3f…
//! cluster 0192f0c1-2a3b-7c4d-8e5f-60718293a4b5
//! root 9c…
//! objects 1042
//! from 2026-03-03T10:00:00.000001Z
//! until 2026-03-03T10:05:00Z
//! unseen Pod pods is forbidden
//! skipped 2
//! ```
//!
//! The signature is Ed25519 (RFC 8032) with the scalar of the agent's age identity, the one whose
//! recipient authors have signed into the roster. The hub can put no other key in its place, and the
//! agent's token in its cluster does not reach it. One key for X25519 and for Ed25519 is shown to be
//! sound by Thormarker, "On using the same key pair for Ed25519 and an X25519 based KEM" (2021). The
//! public key travels with the signature and must be, as a Montgomery point, the recipient's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Signature, VerifyingKey};
use jiff::Timestamp;
use sha2::Sha512;
use zeroize::Zeroizing;

use super::object::AccessKind;
use crate::history::encoding::{Lines, Malformed, words};
use crate::ids::{ClusterId, Digest};

const WHAT: &str = "checkpoint";
const HEADER: &str = "hanse checkpoint v1";
/// Most bytes of a checkpoint.
pub const MAX_CHECKPOINT_BYTES: usize = 16 * 1024;
/// Most bytes of why a kind was not seen.
pub const MAX_WHY_BYTES: usize = 256;
/// Of the public key and the signature together.
pub const SIGNATURE_BYTES: usize = 96;

/// What an agent has seen of its cluster's access without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The fleet's id.
    pub fleet: Digest,
    /// The cluster.
    pub cluster: ClusterId,
    /// Of its inventory.
    pub root: Digest,
    /// How many objects are in it.
    pub objects: u32,
    /// Since when it was so, by the agent's clock, in whole microseconds.
    pub from: Timestamp,
    /// Up to when the agent saw no change.
    pub until: Timestamp,
    /// Kinds that could not be seen, and why: at most [`MAX_WHY_BYTES`] bytes on one line each.
    pub unseen: BTreeMap<AccessKind, String>,
    /// How many objects were too large, too many or malformed, and are not in it.
    pub skipped: u32,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// Not a checkpoint.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Not 96 bytes of a public key and a signature.
    #[error("not a public key and a signature")]
    Form,
    /// By a key that is not the recipient's.
    #[error("signed by another key than the one that authors accepted for the cluster")]
    OtherKey,
    /// The signature does not cover the bytes.
    #[error("the signature does not cover the checkpoint")]
    Signature,
}

impl Checkpoint {
    /// The canonical encoding. Line breaks in `unseen` become spaces, and what is too long is cut.
    pub fn encode(&self) -> Vec<u8> {
        let Self { fleet, cluster, root, objects, from, until, unseen, skipped } = self;
        let mut out = format!(
            "{HEADER}\nfleet {fleet}\ncluster {cluster}\nroot {root}\nobjects {objects}\n\
             from {from}\nuntil {until}\n"
        );
        for (kind, why) in unseen {
            let _ = writeln!(out, "unseen {kind} {}", one_line(why));
        }
        if *skipped > 0 {
            let _ = writeln!(out, "skipped {skipped}");
        }
        out.into_bytes()
    }

    /// Reads a checkpoint. Errors: not canonical, or one that ends before it begins.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_CHECKPOINT_BYTES)?;
        let fleet = lines.field("fleet")?.parse().map_err(|e| lines.fail(e))?;
        let cluster = lines.field("cluster")?.parse().map_err(|e| lines.fail(e))?;
        let root = lines.field("root")?.parse().map_err(|e| lines.fail(e))?;
        let objects = lines.field("objects")?.parse().map_err(|e| lines.fail(e))?;
        let from: Timestamp = lines.field("from")?.parse().map_err(|e| lines.fail(e))?;
        let until: Timestamp = lines.field("until")?.parse().map_err(|e| lines.fail(e))?;
        if until < from {
            return Err(lines.fail("it ends before it begins"));
        }
        let mut unseen = BTreeMap::new();
        while let Some(value) = lines.optional("unseen") {
            let (kind, why) =
                value.split_once(' ').ok_or_else(|| lines.fail("a kind and a reason"))?;
            let kind = AccessKind::from_name(kind).ok_or_else(|| lines.fail("an unknown kind"))?;
            unseen.insert(kind, why.to_owned());
        }
        let skipped = match lines.optional("skipped") {
            None => 0,
            Some(value) => {
                let [count] = words(value).ok_or_else(|| lines.fail("a number"))?;
                count.parse().map_err(|e| lines.fail(e))?
            }
        };
        lines.end()?;
        let read = Self { fleet, cluster, root, objects, from, until, unseen, skipped };
        if read.encode() == bytes {
            Ok(read)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }
}

/// Signs a checkpoint with the 32 bytes of an X25519 secret. Returns [`SIGNATURE_BYTES`]: the Ed25519
/// public key, then the signature. Deterministic.
pub fn sign(x25519_secret: &[u8; 32], checkpoint: &[u8]) -> [u8; SIGNATURE_BYTES] {
    // The nonce's key must be a secret of its own: a hash of the scalar under another name.
    let nonce_key = Digest::of_parts(&[b"hanse checkpoint nonce v1\n", x25519_secret]);
    let nonce_key = Zeroizing::new(nonce_key.0);
    let mut expanded = Zeroizing::new([0; 64]);
    for (to, from) in expanded.iter_mut().zip(x25519_secret.iter().chain(nonce_key.iter())) {
        *to = *from;
    }
    let key = ExpandedSecretKey::from_bytes(&expanded);
    let public = VerifyingKey::from(&key);
    let signature = raw_sign::<Sha512>(&key, checkpoint, &public);
    let mut out = [0; SIGNATURE_BYTES];
    let bytes = public.as_bytes().iter().copied().chain(signature.to_bytes());
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = from;
    }
    out
}

/// Reads a checkpoint that the holder of an age recipient ("age1…") signed. Which recipient is a
/// cluster's, the roster says; which cluster, fleet and moment it is about, the caller checks.
pub fn verify(
    recipient: &str,
    checkpoint: &[u8],
    signature: &[u8],
) -> Result<Checkpoint, NotSigned> {
    let (public, signature) = signature.split_at_checked(32).ok_or(NotSigned::Form)?;
    let public: &[u8; 32] = public.try_into().map_err(|_| NotSigned::Form)?;
    let key = VerifyingKey::from_bytes(public).map_err(|_| NotSigned::OtherKey)?;
    let point = bech32::decode(recipient).map_err(|_| NotSigned::OtherKey)?.1;
    if key.to_montgomery().as_bytes().as_slice() != point.as_slice() {
        return Err(NotSigned::OtherKey);
    }
    let signature = Signature::from_slice(signature).map_err(|_| NotSigned::Form)?;
    key.verify_strict(checkpoint, &signature).map_err(|_| NotSigned::Signature)?;
    Ok(Checkpoint::decode(checkpoint)?)
}

fn one_line(why: &str) -> String {
    let mut out = String::new();
    for c in why.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > MAX_WHY_BYTES {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn secret() -> [u8; 32] {
        Digest::of(b"any secret").0
    }

    fn recipient(secret: &[u8; 32]) -> String {
        let expanded: Vec<u8> = secret.iter().copied().chain([0; 32]).collect();
        let key = ExpandedSecretKey::from_bytes(&expanded.try_into().unwrap());
        let point = VerifyingKey::from(&key).to_montgomery();
        let hrp = bech32::Hrp::parse("age").unwrap();
        bech32::encode::<bech32::Bech32>(hrp, point.as_bytes()).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            fleet: Digest::of(b"fleet"),
            cluster: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap(),
            root: Digest::of(b"root"),
            objects: 3,
            from: "2026-03-03T10:00:00.000001Z".parse().unwrap(),
            until: "2026-03-03T10:05:00Z".parse().unwrap(),
            unseen: BTreeMap::from([(AccessKind::Pod, "pods is forbidden".to_owned())]),
            skipped: 2,
        }
    }

    #[test]
    fn it_reads_what_it_writes() {
        let bytes = checkpoint().encode();
        assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint()));
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [
            ("skipped 2", "skipped 02"),
            ("objects 3", "objects -3"),
            ("until 2026-03-03T10:05:00Z", "until 2026-03-03T09:05:00Z"),
            ("until 2026-03-03T10:05:00Z", "until 2026-03-03T11:05:00+01:00"),
            ("unseen Pod", "unseen Secret"),
            ("skipped 2\n", "skipped 2\n\n"),
        ] {
            let bad = text.replace(from, to);
            assert_ne!(bad, text);
            assert!(Checkpoint::decode(bad.as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn only_the_recipient_s_holder_signs() {
        let bytes = checkpoint().encode();
        let signature = sign(&secret(), &bytes);
        let ours = recipient(&secret());
        assert_eq!(verify(&ours, &bytes, &signature), Ok(checkpoint()));

        let other = [7; 32];
        assert_eq!(verify(&recipient(&other), &bytes, &signature), Err(NotSigned::OtherKey));
        let theirs = sign(&other, &bytes);
        assert_eq!(verify(&ours, &bytes, &theirs), Err(NotSigned::OtherKey));
        let mut mixed = theirs;
        for (to, from) in mixed.iter_mut().zip(signature).take(32) {
            *to = from;
        }
        assert_eq!(verify(&ours, &bytes, &mixed), Err(NotSigned::Signature));
        let altered = String::from_utf8(bytes.clone()).unwrap().replace("objects 3", "objects 4");
        assert_eq!(verify(&ours, altered.as_bytes(), &signature), Err(NotSigned::Signature));
        assert_eq!(verify(&ours, &bytes, &signature[..95]), Err(NotSigned::Form));
        assert_eq!(verify("age1", &bytes, &signature), Err(NotSigned::OtherKey));
    }

    #[test]
    fn why_a_kind_is_unseen_stays_on_its_line() {
        let mut odd = checkpoint();
        odd.unseen.insert(AccessKind::Job, format!("a\nroot b{}", "é".repeat(400)));
        let read = Checkpoint::decode(&odd.encode()).unwrap();
        let why = read.unseen.get(&AccessKind::Job).unwrap();
        assert!(why.starts_with("a root b") && why.len() <= MAX_WHY_BYTES, "{why}");
    }
}
