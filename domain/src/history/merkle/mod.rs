//! Merkle trees as RFC 6962, section 2.1 defines them: the hash of a tree, proofs that a leaf is in
//! it (2.1.1) and proofs that one tree extends another (2.1.2).
//!
//! ```text
//! proof     what somebody shows, and how it is checked
//! tree      a whole tree, cheap to copy and to change: roots and proofs of any size up to its own
//! frontier  only what it takes to go on: a tree that grows, in at most 64 hashes
//! ```
//!
//! Leaves are given as their leaf hashes, so that a caller keeps 32 bytes a leaf and not the leaf.

mod frontier;
mod proof;
mod tree;

pub use frontier::Frontier;
pub use proof::{
    BadProof, ConsistencyProof, InclusionProof, MAX_CONSISTENCY_PATH, MAX_INCLUSION_PATH,
};
pub use tree::Tree;

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

/// The hash of a tree from the roots of its full subtrees, largest first.
fn fold_peaks(peaks: &[Digest]) -> Digest {
    let mut peaks = peaks.iter().rev();
    peaks.next().map_or_else(
        || root(&[]),
        |smallest| peaks.fold(*smallest, |right, left| node_hash(*left, right)),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    /// `n` leaves that all differ.
    pub(super) fn leaves(n: usize) -> Vec<Digest> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// The eight inputs that RFC 6962's reference implementation tests with.
    pub(super) fn reference_leaves() -> Vec<Digest> {
        let inputs: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[
                0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
                0x6e, 0x6f,
            ],
        ];
        inputs.iter().map(|input| leaf_hash(input)).collect()
    }

    /// Its roots over the first 1 to 8 of them.
    pub(super) const REFERENCE_ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let leaves = reference_leaves();
        for (n, expected) in REFERENCE_ROOTS.iter().enumerate() {
            assert_eq!(root(&leaves[..=n]).to_string(), *expected);
        }
        assert_eq!(
            root(&[]).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
