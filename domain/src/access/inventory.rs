//! An inventory's root: one digest over all of a cluster's access, that costs what changed to keep.
//!
//! ```text
//! root = SHA-256("hanse inventory v1\n" ‖ bucket 0 ‖ … ‖ bucket 255)
//! bucket b = SHA-256(leaves of the objects whose key hash begins with the byte b, by key hash)
//! ```
//!
//! Two sides with different roots compare 256 bucket digests (8 KiB) and exchange only the buckets
//! that differ. Whoever has the objects can compute the root with `sha256sum`.

use std::collections::{BTreeMap, BTreeSet};

use super::object::AccessKey;
use crate::ids::Digest;

/// How many buckets there are.
pub const BUCKETS: usize = 256;
const PREFIX: &[u8] = b"hanse inventory v1\n";

/// Which bucket a key belongs to: the first byte of its hash.
pub const fn bucket_of(key_hash: &Digest) -> u8 {
    let [first, ..] = key_hash.0;
    first
}

/// The digest of one bucket from its leaves in the order of their key hashes.
pub fn bucket_digest<'l>(leaves: impl IntoIterator<Item = &'l Digest>) -> Digest {
    let leaves: Vec<&[u8]> = leaves.into_iter().map(|leaf| leaf.0.as_slice()).collect();
    Digest::of_parts(&leaves)
}

/// The root over all buckets.
pub fn root(buckets: &[Digest; BUCKETS]) -> Digest {
    let mut parts = vec![PREFIX];
    parts.extend(buckets.iter().map(|bucket| bucket.0.as_slice()));
    Digest::of_parts(&parts)
}

/// The digests of all objects, by bucket. It does not hold the objects.
#[derive(Clone, Debug)]
pub struct Inventory {
    leaves: Vec<BTreeMap<Digest, Digest>>,
    buckets: Box<[Digest; BUCKETS]>,
    len: usize,
}

impl Default for Inventory {
    fn default() -> Self {
        let empty = bucket_digest([]);
        Self { leaves: vec![BTreeMap::new(); BUCKETS], buckets: Box::new([empty; BUCKETS]), len: 0 }
    }
}

impl Inventory {
    /// Puts, or with no leaf takes away, one object. Says whether something changed. O(bucket).
    pub fn set(&mut self, key: &AccessKey, leaf: Option<Digest>) -> bool {
        self.set_all([(key, leaf)])
    }

    /// The same for many objects, in order. O(objects + buckets that they touch).
    pub fn set_all<'k>(
        &mut self,
        objects: impl IntoIterator<Item = (&'k AccessKey, Option<Digest>)>,
    ) -> bool {
        let mut touched = BTreeSet::new();
        for (key, leaf) in objects {
            let hash = key.hash();
            let at = usize::from(bucket_of(&hash));
            let Some(leaves) = self.leaves.get_mut(at) else { continue };
            let before = match leaf {
                Some(leaf) => leaves.insert(hash, leaf),
                None => leaves.remove(&hash),
            };
            match (before, leaf) {
                (None, Some(_)) => self.len += 1,
                (Some(_), None) => self.len -= 1,
                (None, None) | (Some(_), Some(_)) => {}
            }
            if before != leaf {
                touched.insert(at);
            }
        }
        for at in &touched {
            if let (Some(leaves), Some(bucket)) = (self.leaves.get(*at), self.buckets.get_mut(*at))
            {
                *bucket = bucket_digest(leaves.values());
            }
        }
        !touched.is_empty()
    }

    /// The digests of all buckets.
    pub fn buckets(&self) -> &[Digest; BUCKETS] {
        &self.buckets
    }

    /// The root.
    pub fn root(&self) -> Digest {
        root(&self.buckets)
    }

    /// How many objects there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::AccessKind;
    use super::*;

    fn key(n: u32) -> AccessKey {
        AccessKey::namespaced(AccessKind::RoleBinding, "a", n.to_string())
    }

    #[test]
    fn the_order_of_changes_does_not_matter() {
        let (mut one, mut other) = (Inventory::default(), Inventory::default());
        for n in 0..600 {
            one.set(&key(n), Some(Digest::of(&n.to_be_bytes())));
        }
        other.set(&key(7), Some(Digest::of(b"before")));
        for n in (0..700).rev() {
            other.set(&key(n), Some(Digest::of(&n.to_be_bytes())));
        }
        assert_ne!(one.root(), other.root());
        for n in 600..700 {
            assert!(other.set(&key(n), None));
            assert!(!other.set(&key(n), None));
        }
        assert_eq!(one.root(), other.root());
        assert_eq!((one.len(), other.len()), (600, 600));
    }

    #[test]
    fn many_at_once_are_as_one_by_one() {
        let (mut one, mut many) = (Inventory::default(), Inventory::default());
        let leaf = |n: u32| (!n.is_multiple_of(3)).then(|| Digest::of(&n.to_be_bytes()));
        let changes: Vec<_> = (0..900).map(|n| (key(n % 600), leaf(n))).collect();
        for (key, leaf) in &changes {
            one.set(key, *leaf);
        }
        assert!(many.set_all(changes.iter().map(|(key, leaf)| (key, *leaf))));
        assert_eq!((one.root(), one.len()), (many.root(), many.len()));
        assert!(!many.set_all(changes.iter().skip(300).map(|(key, leaf)| (key, *leaf))));
    }

    /// Computed with `printf 'hanse inventory v1\n'; for i in $(seq 256); do printf '' | sha256sum …`.
    #[test]
    fn the_root_of_nothing_is_what_others_compute() {
        let empty = Digest::of(b"");
        let mut bytes = PREFIX.to_vec();
        for _ in 0..256 {
            bytes.extend(empty.0);
        }
        assert_eq!(Inventory::default().root(), Digest::of(&bytes));
    }
}
