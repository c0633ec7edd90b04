//! What somebody shows about a tree to one who knows only its root, and how that is checked.

use super::{node_hash, root, split};
use crate::ids::Digest;

/// Most hashes in an inclusion proof: a tree of 2^64 leaves has no longer one.
pub const MAX_INCLUSION_PATH: usize = 64;

/// Most hashes in a consistency proof: well above what a tree of 2^64 leaves needs.
pub const MAX_CONSISTENCY_PATH: usize = 128;

/// A proof that does not show what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Merkle proof does not lead to the root")]
pub struct BadProof;

/// That a leaf is in a tree of a certain size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Place of the leaf, from 0.
    pub leaf_index: u64,
    /// How many leaves the tree has.
    pub tree_size: u64,
    /// Sibling hashes, from the leaf up.
    pub path: Vec<Digest>,
}

impl InclusionProof {
    /// The proof for the leaf at `index`, or nothing when there is no such leaf.
    pub fn derive(leaves: &[Digest], index: usize) -> Option<Self> {
        leaves.get(index)?;
        let mut path = Vec::new();
        audit_path(leaves, index, &mut path);
        Some(Self { leaf_index: index as u64, tree_size: leaves.len() as u64, path })
    }

    /// Checks that `leaf` is under `expected_root`, by the algorithm of RFC 9162, section 2.1.3.2.
    pub fn verify(&self, leaf: Digest, expected_root: Digest) -> Result<(), BadProof> {
        if self.leaf_index >= self.tree_size || self.path.len() > MAX_INCLUSION_PATH {
            return Err(BadProof);
        }
        let (mut index, mut last) = (self.leaf_index, self.tree_size - 1);
        let mut hash = leaf;
        for sibling in &self.path {
            if last == 0 {
                return Err(BadProof);
            }
            if index % 2 == 1 || index == last {
                hash = node_hash(*sibling, hash);
                while index.is_multiple_of(2) && index != 0 {
                    index >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node_hash(hash, *sibling);
            }
            index >>= 1;
            last >>= 1;
        }
        if last == 0 && hash == expected_root { Ok(()) } else { Err(BadProof) }
    }
}

fn audit_path(leaves: &[Digest], index: usize, path: &mut Vec<Digest>) {
    if leaves.len() < 2 {
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if index < left.len() {
        audit_path(left, index, path);
        path.push(root(right));
    } else {
        audit_path(right, index - left.len(), path);
        path.push(root(left));
    }
}

/// That a tree begins with all the leaves of an older one. The sizes are not in it: whoever checks
/// knows them from where the roots are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Subtree hashes, from the old tree's last one up.
    pub path: Vec<Digest>,
}

impl ConsistencyProof {
    /// Checks that the tree of `new_size` leaves under `new_root` begins with the `old_size` leaves
    /// under `old_root`, by the algorithm of RFC 9162, section 2.1.4.2. The RFC leaves out the two
    /// cases that need no proof, an empty old tree and equal sizes: their path must be empty.
    pub fn verify(
        &self,
        old_size: u64,
        old_root: Digest,
        new_size: u64,
        new_root: Digest,
    ) -> Result<(), BadProof> {
        let holds = if old_size == new_size {
            self.path.is_empty() && old_root == new_root && (old_size != 0 || old_root == root(&[]))
        } else if old_size == 0 {
            self.path.is_empty() && old_root == root(&[])
        } else {
            old_size < new_size
                && self.path.len() <= MAX_CONSISTENCY_PATH
                && self.roots(old_size, old_root, new_size) == Some((old_root, new_root))
        };
        if holds { Ok(()) } else { Err(BadProof) }
    }

    /// The roots of the old and the new tree that the path leads to, for 0 < `old_size` <
    /// `new_size`; nothing when it is too short or too long for these sizes.
    fn roots(&self, old_size: u64, old_root: Digest, new_size: u64) -> Option<(Digest, Digest)> {
        // An old tree that is one full subtree is where the path starts, and is not in it.
        let full = old_size.is_power_of_two().then_some(old_root);
        let mut path = full.into_iter().chain(self.path.iter().copied());
        let (mut old_last, mut new_last) = (old_size - 1, new_size - 1);
        let shared = old_last.trailing_ones();
        (old_last, new_last) = (old_last.checked_shr(shared)?, new_last.checked_shr(shared)?);
        let first = path.next()?;
        let (mut old, mut new) = (first, first);
        for sibling in path {
            if new_last == 0 {
                return None;
            }
            if old_last % 2 == 1 || old_last == new_last {
                old = node_hash(sibling, old);
                new = node_hash(sibling, new);
                while old_last.is_multiple_of(2) && old_last != 0 {
                    old_last >>= 1;
                    new_last >>= 1;
                }
            } else {
                new = node_hash(new, sibling);
            }
            old_last >>= 1;
            new_last >>= 1;
        }
        (new_last == 0).then_some((old, new))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::super::tests::{REFERENCE_ROOTS, leaves, reference_leaves};
    use super::super::{Tree, leaf_hash};
    use super::*;

    /// `PROOF(m, D[n])` of RFC 6962, section 2.1.2, word for word.
    fn naive_consistency(leaves: &[Digest], old: usize) -> ConsistencyProof {
        fn subproof(m: usize, leaves: &[Digest], whole: bool, path: &mut Vec<Digest>) {
            if m == leaves.len() {
                path.extend((!whole).then(|| root(leaves)));
                return;
            }
            let (left, right) = leaves.split_at(split(leaves.len()));
            if m <= left.len() {
                subproof(m, left, whole, path);
                path.push(root(right));
            } else {
                subproof(m - left.len(), right, false, path);
                path.push(root(left));
            }
        }
        let mut path = Vec::new();
        if old > 0 {
            subproof(old, leaves, true, &mut path);
        }
        ConsistencyProof { path }
    }

    fn digests(hex: &[&str]) -> Vec<Digest> {
        hex.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn inclusion_is_as_in_the_reference_implementation() {
        let leaves = reference_leaves();
        let vectors: [(usize, usize, &[&str]); 5] = [
            (0, 1, &[]),
            (
                0,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                5,
                8,
                &[
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
            (
                1,
                5,
                &[
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (index, size, path) in vectors {
            let proof = InclusionProof::derive(&leaves[..size], index).unwrap();
            assert_eq!(proof.path, digests(path));
            let expected = REFERENCE_ROOTS[size - 1].parse().unwrap();
            assert_eq!(proof.verify(leaves[index], expected), Ok(()));
        }
    }

    #[test]
    fn consistency_is_as_in_the_reference_implementation() {
        let leaves = reference_leaves();
        let vectors: [(usize, usize, &[&str]); 4] = [
            (1, 1, &[]),
            (
                1,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                6,
                8,
                &[
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                5,
                &[
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        let tree: Tree = leaves.into_iter().collect();
        for (old, new, path) in vectors {
            let proof = ConsistencyProof { path: digests(path) };
            let (old, new) = (old as u64, new as u64);
            assert_eq!(tree.consistency(old, new).as_ref(), Some(&proof));
            let expected = |size: u64| {
                REFERENCE_ROOTS[usize::try_from(size).unwrap() - 1].parse::<Digest>().unwrap()
            };
            assert_eq!(proof.verify(old, expected(old), new, expected(new)), Ok(()));
        }
    }

    #[test]
    fn consistency_holds_for_the_trees_it_is_of_and_for_nothing_else() {
        let leaves = leaves(40);
        let tree: Tree = leaves.iter().copied().collect();
        let roots: Vec<Digest> = (0..=leaves.len()).map(|n| root(&leaves[..n])).collect();
        let alien = leaf_hash(b"alien");
        for n in 0..=leaves.len() {
            for m in 0..=n {
                let (old, new) = (m as u64, n as u64);
                let proof = naive_consistency(&leaves[..n], m);
                assert_eq!(tree.consistency(old, new).as_ref(), Some(&proof), "{m} of {n}");
                assert_eq!(proof.verify(old, roots[m], new, roots[n]), Ok(()), "{m} of {n}");
                let refused = |proof: &ConsistencyProof, old_root, new_root| {
                    let answer = proof.verify(old, old_root, new, new_root);
                    assert_eq!(answer, Err(BadProof), "{m} of {n}: {proof:?}");
                };
                refused(&proof, alien, roots[n]);
                if m > 0 {
                    refused(&proof, roots[m], alien);
                }
                for i in 0..proof.path.len() {
                    let mut other = proof.clone();
                    other.path[i] = alien;
                    refused(&other, roots[m], roots[n]);
                    other.path.remove(i);
                    refused(&other, roots[m], roots[n]);
                }
                for i in 0..=proof.path.len() {
                    for extra in [alien, roots[m], roots[n]] {
                        let mut other = proof.clone();
                        other.path.insert(i, extra);
                        refused(&other, roots[m], roots[n]);
                    }
                }
            }
        }
    }

    #[test]
    fn consistency_is_of_these_sizes_only() {
        let leaves = leaves(40);
        let tree: Tree = leaves.iter().copied().collect();
        for (old, new) in [(3, 7), (4, 8), (6, 8), (7, 8), (1, 40), (32, 40), (33, 39)] {
            let proof = tree.consistency(old, new).unwrap();
            let (old_root, new_root) = (tree.root_at(old).unwrap(), tree.root_at(new).unwrap());
            assert_eq!(proof.verify(old, old_root, new, new_root), Ok(()));
            assert_eq!(proof.verify(new, new_root, old, old_root), Err(BadProof));
            assert_eq!(proof.verify(0, old_root, new, new_root), Err(BadProof));
            assert_eq!(proof.verify(old, old_root, u64::MAX, new_root), Err(BadProof));
            assert_eq!(proof.verify(u64::MAX, old_root, u64::MAX, new_root), Err(BadProof));
        }
        let nothing = ConsistencyProof::default();
        assert_eq!(nothing.verify(0, root(&[]), 0, root(&[])), Ok(()));
        assert_eq!(nothing.verify(0, leaves[0], 0, leaves[0]), Err(BadProof));
        assert_eq!(tree.consistency(7, 3), None);
        assert_eq!(tree.consistency(3, 41), None);
    }

    #[test]
    fn no_path_is_longer_than_the_highest_tree_has() {
        let leaf = leaf_hash(b"leaf");
        let path = |length| vec![leaf; length];
        // 64 hashes are right for the first leaf of 2^64 - 1; one more cannot be.
        let mut hash = leaf;
        for _ in 0..64 {
            hash = node_hash(hash, leaf);
        }
        let mut proof = InclusionProof { leaf_index: 0, tree_size: u64::MAX, path: path(64) };
        assert_eq!(proof.verify(leaf, hash), Ok(()));
        proof.path.push(leaf);
        assert_eq!(proof.verify(leaf, node_hash(hash, leaf)), Err(BadProof));
        let longest = ConsistencyProof { path: path(64) };
        assert_eq!(longest.verify(1, leaf, u64::MAX, hash), Ok(()));
        let endless = ConsistencyProof { path: path(MAX_CONSISTENCY_PATH + 1) };
        assert_eq!(endless.verify(1, leaf, u64::MAX, hash), Err(BadProof));
    }

    proptest! {
        #[test]
        fn every_leaf_has_a_proof_and_no_other_leaf_passes_with_it(n in 1usize..70, i in 0usize..70) {
            let leaves = leaves(n);
            let expected = root(&leaves);
            let i = i % n;
            let proof = InclusionProof::derive(&leaves, i).unwrap();
            prop_assert!(proof.verify(leaves[i], expected).is_ok());
            for (other, leaf) in leaves.iter().enumerate() {
                prop_assert_eq!(proof.verify(*leaf, expected).is_ok(), other == i);
            }
            let moved = InclusionProof { leaf_index: (proof.leaf_index + 1) % n as u64, ..proof.clone() };
            prop_assert!(n == 1 || moved.verify(leaves[i], expected).is_err());
            let mut longer = proof.clone();
            longer.path.push(expected);
            prop_assert!(longer.verify(leaves[i], expected).is_err());
        }
    }
}
