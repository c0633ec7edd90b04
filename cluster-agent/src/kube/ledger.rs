//! The ledger in the cluster: config maps in the agent's namespace.
//!
//! ```text
//! hanse-ledger                 generation, digest, writer, chunks; and the ledger itself if it is small
//! hanse-ledger-<digest>-<n>    its pieces, if it is large
//! ```
//!
//! Pieces are named after what they hold, so that a writer that dies half-way leaves the old ledger
//! whole. They are written before the head, and those that no head needs are removed after it.
//!
//! The head's `resourceVersion` is the lock: who did not read or write it last cannot write it, so of
//! two agents in one cluster the one that did not start last learns it at its next write.

use std::collections::BTreeMap;
use std::fmt;

use hanse_domain::ids::Digest;
use hanse_domain::object::MANAGED_LABEL;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{CallError, NAMESPACE, within};
use crate::core::io::Failure;
use crate::core::ledger::Ledger;

/// Name of the head.
pub const HEAD: &str = "hanse-ledger";
const FIELD_MANAGER: &str = "hanse-agent/ledger";
const COMPONENT: &str = "app.kubernetes.io/component";
const CHUNK: &str = "ledger-chunk";
/// Most bytes of the ledger in one config map, of the 1 MiB that one may have.
const MAX_CHUNK_BYTES: usize = 700 * 1024;
/// Most pieces: 32 MiB, twice the largest bundle.
const MAX_CHUNKS: usize = 48;

/// What authenticates the ledger: only who has one of the agent's keys for secrets can write one that
/// is believed. Its token alone is not enough.
#[derive(Clone)]
pub struct LedgerKeys(Vec<Zeroizing<[u8; 32]>>);

impl LedgerKeys {
    /// The key that writes first, then those from before it.
    pub const fn new(keys: Vec<Zeroizing<[u8; 32]>>) -> Self {
        Self(keys)
    }

    fn mac(&self, digest: Digest, generation: u64) -> String {
        let key = self.0.first().map_or(&[][..], |key| &key[..]);
        hex::encode(hmac(key, digest, generation).finalize().into_bytes())
    }

    fn made(&self, mac: &str, digest: Digest, generation: u64) -> bool {
        let Ok(mac) = hex::decode(mac) else { return false };
        let by = |key: &Zeroizing<[u8; 32]>| {
            hmac(&key[..], digest, generation).verify_slice(&mac).is_ok()
        };
        self.0.iter().any(by)
    }
}

impl fmt::Debug for LedgerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerKeys({})", self.0.len())
    }
}

fn hmac(key: &[u8], digest: Digest, generation: u64) -> Hmac<Sha256> {
    // A block of SHA-256 (RFC 2104, section 2): a shorter key is filled up with zeros.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    mac.update(format!("hanse ledger v1\n{digest}\n{generation}\n").as_bytes());
    mac
}

/// A ledger that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not now.
    #[error("the API server does not give the ledger")]
    Call(#[source] CallError),
    /// What is stored is not what was written.
    #[error("the ledger is damaged: {why}")]
    Damaged {
        /// What is wrong.
        why: String,
        /// What the head says of the generation, below which nothing may be accepted even so.
        generation: u64,
    },
}

/// Reads and writes the ledger.
#[derive(Debug)]
pub struct LedgerStore {
    maps: Api<ConfigMap>,
    writer: String,
    /// Of the head, as it was last read or written; nothing when there is none.
    version: Option<String>,
    /// Whether there may be pieces besides those of the head.
    litter: bool,
    keys: LedgerKeys,
}

impl LedgerStore {
    /// Nothing is asked of the API server yet.
    pub fn new(client: Client, keys: LedgerKeys) -> Self {
        let maps = Api::namespaced(client, NAMESPACE);
        Self { maps, writer: Uuid::new_v4().to_string(), version: None, litter: false, keys }
    }

    /// What was written last; nothing when nothing was. After [`LoadError::Damaged`] a write replaces
    /// what is there.
    pub async fn load(&mut self) -> Result<Option<Ledger>, LoadError> {
        let head = within(self.maps.get_opt(HEAD)).await.map_err(LoadError::Call)?;
        let mut pieces = self.pieces().await.map_err(LoadError::Call)?;
        self.litter = !pieces.is_empty();
        let Some(head) = head else { return Ok(None) };
        self.version = head.metadata.resource_version;
        let mut data = head.data.unwrap_or_default();
        let forged = |why: &str| LoadError::Damaged { why: why.to_owned(), generation: 0 };
        let digest = data.remove("digest").ok_or_else(|| forged("it has no digest"))?;
        let digest: Digest = digest.parse().map_err(|_| forged("its digest is none"))?;
        let generation = data.remove("generation").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mac = data.remove("mac").unwrap_or_default();
        if !self.keys.made(&mac, digest, generation) {
            return Err(forged(
                "somebody else has written it, or the agent's key is another by now",
            ));
        }
        let damaged = |why: &str| LoadError::Damaged { why: why.to_owned(), generation };
        let chunks = data.remove("chunks").and_then(|chunks| chunks.parse::<usize>().ok());
        let text = match chunks {
            Some(0) => data.remove("ledger").ok_or_else(|| damaged("it has no content"))?,
            Some(count) if count <= MAX_CHUNKS => {
                let mut text = String::new();
                for index in 0..count {
                    let name = chunk_name(digest, index);
                    let missing = || damaged(&format!("the ConfigMap {name} is missing"));
                    let piece = pieces.remove(&name).ok_or_else(missing)?;
                    text.push_str(&piece);
                }
                text
            }
            Some(_) | None => return Err(damaged("the number of its pieces is none")),
        };
        if Digest::of(text.as_bytes()) != digest {
            return Err(damaged("its content does not have its digest"));
        }
        let ledger = serde_json::from_str(&text);
        ledger.map(Some).map_err(|error| damaged(&error.to_string()))
    }

    /// Writes it: one request, unless it is large. [`Failure::Conflict`] means that another agent
    /// wrote since.
    pub async fn write(&mut self, ledger: &Ledger) -> Result<(), Failure> {
        let text = serde_json::to_string(ledger).map_err(|e| Failure::Refused(e.to_string()))?;
        let digest = Digest::of(text.as_bytes());
        let chunks = if text.len() <= MAX_CHUNK_BYTES { Vec::new() } else { split(&text) };
        if chunks.len() > MAX_CHUNKS {
            return Err(Failure::Refused(format!("a ledger of {} bytes is too large", text.len())));
        }
        for (index, chunk) in chunks.iter().enumerate() {
            self.litter = true;
            self.write_chunk(&chunk_name(digest, index), chunk).await?;
        }
        let mut data = BTreeMap::from([
            ("generation".to_owned(), ledger.generation.to_string()),
            ("digest".to_owned(), digest.to_string()),
            ("mac".to_owned(), self.keys.mac(digest, ledger.generation)),
            ("writer".to_owned(), self.writer.clone()),
            ("chunks".to_owned(), chunks.len().to_string()),
        ]);
        let count = chunks.len();
        if chunks.is_empty() {
            data.insert("ledger".to_owned(), text);
        }
        self.write_head(data).await?;
        if self.litter {
            self.litter = !self.tidy(digest, count).await;
        }
        Ok(())
    }

    async fn write_head(&mut self, data: BTreeMap<String, String>) -> Result<(), Failure> {
        let mut head = config_map(HEAD, "ledger", data);
        for attempt in 0..2 {
            head.metadata.resource_version.clone_from(&self.version);
            let params = params();
            let written = if self.version.is_some() {
                within(self.maps.replace(HEAD, &params, &head)).await
            } else {
                within(self.maps.create(&params, &head)).await
            };
            match written {
                Ok(head) => {
                    self.version = head.metadata.resource_version;
                    return Ok(());
                }
                Err(error) if error.status().is_some_and(|s| matches!(s.code, 404 | 409)) => {
                    // A write of ours may have had its effect although no answer came.
                    if attempt == 0 && self.is_own_head().await? {
                        continue;
                    }
                    if error.is_not_found() {
                        return Err(error.into());
                    }
                    let why = "another agent writes the ledger of this cluster";
                    return Err(Failure::Conflict(why.to_owned()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Unavailable("the ledger's head changes under the write".to_owned()))
    }

    /// Looks at the head again; true if the last one to write it was this process, or if somebody
    /// removed it.
    async fn is_own_head(&mut self) -> Result<bool, Failure> {
        let Some(head) = within(self.maps.get_opt(HEAD)).await? else {
            self.version = None;
            return Ok(true);
        };
        let own = head.data.is_some_and(|data| data.get("writer") == Some(&self.writer));
        if own {
            self.version = head.metadata.resource_version;
        }
        Ok(own)
    }

    async fn write_chunk(&self, name: &str, text: &str) -> Result<(), Failure> {
        let data = BTreeMap::from([("ledger".to_owned(), text.to_owned())]);
        let map = config_map(name, CHUNK, data);
        match within(self.maps.create(&params(), &map)).await {
            // Its name says what is in it, and the head's digest would tell if it were not so.
            Err(error) if error.status().is_some_and(|status| status.code == 409) => {
                within(self.maps.replace(name, &params(), &map)).await?;
                Ok(())
            }
            other => other.map(|_| ()).map_err(Failure::from),
        }
    }

    async fn pieces(&self) -> Result<BTreeMap<String, String>, CallError> {
        let params = ListParams::default().labels(&format!("{COMPONENT}={CHUNK}"));
        let list = within(self.maps.list(&params)).await?;
        let piece = |map: ConfigMap| Some((map.metadata.name?, map.data?.remove("ledger")?));
        Ok(list.items.into_iter().filter_map(piece).collect())
    }

    /// Removes the pieces that the head just written does not need. True if all of them are gone; if
    /// not, the next write tries again.
    async fn tidy(&self, digest: Digest, count: usize) -> bool {
        let Ok(pieces) = self.pieces().await else {
            return false;
        };
        let needed: Vec<String> = (0..count).map(|index| chunk_name(digest, index)).collect();
        let mut tidy = true;
        for name in pieces.into_keys().filter(|name| !needed.contains(name)) {
            let removed = within(self.maps.delete(&name, &DeleteParams::default())).await;
            tidy &= removed.map_or_else(|error| error.is_not_found(), |_| true);
        }
        tidy && count == 0
    }
}

fn params() -> PostParams {
    PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) }
}

fn chunk_name(digest: Digest, index: usize) -> String {
    format!("{HEAD}-{}-{}", digest.short(), index + 1)
}

fn config_map(name: &str, component: &str, data: BTreeMap<String, String>) -> ConfigMap {
    let labels = [
        ("app.kubernetes.io/managed-by", "hanse-agent"),
        (COMPONENT, component),
        (MANAGED_LABEL, "true"),
    ];
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..ConfigMap::default()
    }
}

/// Pieces of at most [`MAX_CHUNK_BYTES`], cut between characters.
fn split(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_CHUNK_BYTES));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_bounded_and_make_the_whole() {
        let text = "xä€".repeat(400_000);
        let pieces = split(&text);
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_CHUNK_BYTES));
        assert_eq!(pieces.concat(), text);
        assert_eq!(pieces.len(), text.len().div_ceil(MAX_CHUNK_BYTES));
    }
}
