//! The digests of a cluster's inventory, kept by what changed.

use std::collections::{BTreeMap, BTreeSet};

use hanse_domain::access::inventory::{BUCKETS, bucket_digest, root};
use hanse_domain::access::object::MAX_OBJECTS;
use hanse_domain::ids::Digest;

use super::super::StoreError;
use super::super::columns::DigestColumn;
use super::decide::{Known, Step};

/// What the objects of one cluster may say together. An agent reports no more than 104 MiB.
const MAX_INVENTORY_BYTES: i64 = 128 * 1024 * 1024;

/// The stored row of a cluster: root, buckets, objects, bytes, skipped, unseen, learned_at.
pub(super) type Before = (DigestColumn, Vec<u8>, i64, i64, i64, String, i64);

/// The digests of a cluster's inventory after a report.
pub(super) struct Inventory {
    pub(super) root: Digest,
    pub(super) buckets: Vec<u8>,
    pub(super) objects: u32,
    pub(super) bytes: i64,
    /// The objects of which there is a stored version.
    pub(super) known: BTreeSet<Digest>,
}

impl Inventory {
    pub(super) fn after(
        before: Option<&Before>,
        touched: &BTreeSet<u8>,
        stored: BTreeMap<Digest, Known>,
        chains: &BTreeMap<Digest, Vec<Step>>,
        size: impl Fn(&Step) -> usize,
    ) -> Result<Self, StoreError> {
        let mut buckets = [bucket_digest([]); BUCKETS];
        if let Some((_, bytes, ..)) = before {
            let (digests, _) = bytes.as_chunks::<32>();
            for (bucket, digest) in buckets.iter_mut().zip(digests) {
                *bucket = Digest(*digest);
            }
        }
        let known: BTreeSet<Digest> = stored.keys().copied().collect();
        let mut bytes = before.map_or(0, |(_, _, _, bytes, ..)| *bytes);
        for (key_hash, versions) in chains {
            bytes -= stored.get(key_hash).map_or(0, |known| known.bytes);
            bytes +=
                versions.last().map_or(0, |last| i64::try_from(size(last)).unwrap_or(i64::MAX));
        }
        if bytes > MAX_INVENTORY_BYTES {
            let most = MAX_INVENTORY_BYTES / (1024 * 1024);
            return Err(StoreError::invalid(format!("objects that say more than {most} MiB")));
        }
        let mut leaves: BTreeMap<Digest, Digest> = (stored.into_iter())
            .filter_map(|(key_hash, known)| Some((key_hash, known.leaf?)))
            .collect();
        let had = leaves.len();
        for (key_hash, versions) in chains {
            match versions.last().and_then(|last| last.leaf) {
                Some(leaf) => leaves.insert(*key_hash, leaf),
                None => leaves.remove(key_hash),
            };
        }
        let objects = before.map_or(0, |(_, _, objects, ..)| *objects);
        let objects = usize::try_from(objects).unwrap_or(0).saturating_sub(had) + leaves.len();
        if objects > MAX_OBJECTS {
            return Err(StoreError::invalid(format!("more than {MAX_OBJECTS} objects")));
        }
        for number in touched {
            let held = leaves.range(Digest(fill(*number, 0))..=Digest(fill(*number, u8::MAX)));
            if let Some(bucket) = buckets.get_mut(usize::from(*number)) {
                *bucket = bucket_digest(held.map(|(_, leaf)| leaf));
            }
        }
        Ok(Self {
            root: root(&buckets),
            buckets: buckets.iter().flat_map(|digest| digest.0).collect(),
            objects: u32::try_from(objects).unwrap_or(u32::MAX),
            bytes: bytes.max(0),
            known,
        })
    }
}

/// A key hash that begins with a byte and goes on with another.
fn fill(first: u8, rest: u8) -> [u8; 32] {
    let mut bytes = [rest; 32];
    if let Some(byte) = bytes.first_mut() {
        *byte = first;
    }
    bytes
}

pub(super) fn end(first: u8, rest: u8) -> Vec<u8> {
    fill(first, rest).to_vec()
}
