//! Merkle trees as RFC 6962, section 2.1 defines them: the hash of a tree, proofs that a leaf is in
//! it (2.1.1) and proofs that one tree extends another (2.1.2).
//!
//! Leaves are given as their leaf hashes, so that a caller keeps 32 bytes a leaf and not the leaf.

use crate::ids::Digest;

/// The hash of a leaf: SHA-256 over `0x00` and its bytes.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of_parts(&[&[0x00], leaf])
}

fn node_hash(left: Digest, right: Digest) -> Digest {
    Digest::of_parts(&[&[0x01], &left.0, &right.0])
}

/// The Merkle tree hash over leaf hashes; the hash of nothing for an empty tree.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(root(left), root(right))
        }
    }
}

/// The largest power of two below `n`, for `n` of 2 or more.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

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

/// A proof that does not show what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Merkle proof does not lead to the root")]
pub struct BadProof;

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
        if self.leaf_index >= self.tree_size {
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

/// A tree that only grows, kept as the roots of its full subtrees: at most 64 hashes, however many
/// leaves there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first; one for each bit set in `size`.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of one more leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        let mut bits = self.size;
        while bits % 2 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(left, hash);
            }
            bits >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The Merkle tree hash over all leaves so far.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        peaks.next().map_or_else(
            || root(&[]),
            |smallest| peaks.fold(*smallest, |right, left| node_hash(*left, right)),
        )
    }
}

impl FromIterator<Digest> for Frontier {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaves: I) -> Self {
        let mut frontier = Self::default();
        for leaf in leaves {
            frontier.push(leaf);
        }
        frontier
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn leaves(n: usize) -> Vec<Digest> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn matches_the_test_vectors_of_certificate_transparency() {
        // The eight inputs and roots that RFC 6962's reference implementation tests with.
        let inputs: [&[u8]; 3] = [&[], &[0x00], &[0x10]];
        let hashes: Vec<Digest> = inputs.iter().map(|i| leaf_hash(i)).collect();
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ];
        for (n, expected) in roots.iter().enumerate() {
            assert_eq!(root(&hashes[..=n]).to_string(), *expected);
        }
        assert_eq!(
            root(&[]).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
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

        #[test]
        fn a_frontier_has_the_root_of_the_whole_tree(n in 0usize..200) {
            let leaves = leaves(n);
            let frontier: Frontier = leaves.iter().copied().collect();
            prop_assert_eq!(frontier.root(), root(&leaves));
            prop_assert_eq!(frontier.size(), n as u64);
        }
    }
}
