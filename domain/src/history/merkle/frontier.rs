//! A tree that only grows, when nobody asks for proofs: the roots of its full subtrees are enough to
//! add leaves and to know the root.

use super::{fold_peaks, node_hash};
use crate::ids::Digest;

/// A tree that only grows, kept as the roots of its full subtrees: at most 64 hashes, however many
/// leaves there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first; one for each bit set in `size`.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves, from the roots of its full subtrees, largest first.
    /// Nothing when these are not as many as such a tree has.
    pub fn from_peaks(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the full subtrees, largest first: one for each bit set in the size.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
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
        fold_peaks(&self.peaks)
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
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::super::root;
    use super::super::tests::leaves;
    use super::*;

    proptest! {
        #[test]
        fn it_has_the_root_of_the_whole_tree(n in 0usize..200) {
            let leaves = leaves(n);
            let frontier: Frontier = leaves.iter().copied().collect();
            prop_assert_eq!(frontier.root(), root(&leaves));
            prop_assert_eq!(frontier.size(), n as u64);
        }

        #[test]
        fn it_goes_on_from_its_peaks(n in 0usize..200, more in 0usize..20) {
            let (all, start) = (leaves(n + more), leaves(n));
            let before: Frontier = start.into_iter().collect();
            let mut frontier =
                Frontier::from_peaks(before.size(), before.peaks().to_vec()).unwrap();
            prop_assert_eq!(&frontier, &before);
            for leaf in all.iter().skip(n) {
                frontier.push(*leaf);
            }
            prop_assert_eq!(frontier.root(), root(&all));
        }
    }

    #[test]
    fn peaks_must_be_as_many_as_the_size_says() {
        assert_eq!(Frontier::from_peaks(0, Vec::new()), Some(Frontier::default()));
        assert_eq!(Frontier::from_peaks(0, leaves(1)), None);
        assert_eq!(Frontier::from_peaks(5, leaves(1)), None);
        assert!(Frontier::from_peaks(5, leaves(2)).is_some());
        assert_eq!(Frontier::from_peaks(5, leaves(3)), None);
        assert!(Frontier::from_peaks(u64::MAX, leaves(64)).is_some());
    }
}
