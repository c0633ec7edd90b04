//! A wrapped key: what opens one version of a secret, sealed to one cluster's recipient. Each cluster
//! gets its own beside the payload that all of them share.
//!
//! ```text
//! hanse wrap v1
//! secret db-password
//! version 3
//! cluster 0192f0c1-2a3b-7c4d-8e5f-60718293a4b5
//! recipient age1…
//! key <base64 of an age file>
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::changes::WrapRef;
use super::encoding::{Lines, Malformed};
use crate::ids::Digest;
use crate::names;
use crate::trust::recipient;

const WHAT: &str = "wrapped key";
const HEADER: &str = "hanse wrap v1";
/// Most bytes that a wrapped key may have.
pub const MAX_WRAP_BYTES: usize = 8 * 1024;

/// The key of one version of a secret, for one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap {
    /// Of which secret, for which cluster.
    pub reference: WrapRef,
    /// Of which version of the secret.
    pub version: u64,
    /// The age recipient that can open it.
    pub recipient: String,
    /// An age file.
    pub key: Vec<u8>,
}

impl Wrap {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let WrapRef { secret, cluster } = &self.reference;
        let (version, recipient, key) = (self.version, &self.recipient, STANDARD.encode(&self.key));
        format!(
            "{HEADER}\nsecret {secret}\nversion {version}\ncluster {cluster}\nrecipient {recipient}\n\
             key {key}\n"
        )
        .into_bytes()
    }

    /// Reads a wrapped key. Errors: not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_WRAP_BYTES)?;
        let secret = lines.field("secret")?.to_owned();
        names::check_dns_subdomain(&secret).map_err(|e| lines.fail(e))?;
        let version = lines.field("version")?.parse().map_err(|e| lines.fail(e))?;
        let cluster = lines.field("cluster")?.parse().map_err(|e| lines.fail(e))?;
        let recipient = lines.field("recipient")?.to_owned();
        recipient::check_recipient(&recipient).map_err(|e| lines.fail(e))?;
        let key = STANDARD.decode(lines.field("key")?).map_err(|e| lines.fail(e))?;
        lines.end()?;
        let wrap = Self { reference: WrapRef { secret, cluster }, version, recipient, key };
        if wrap.encode() == bytes {
            Ok(wrap)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }

    /// The digest that statements and manifests name.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }
}
