//! A whole tree: cheap to copy, since copies share what they have in common, and cheap to change.
//!
//! Each level holds the hashes of the full subtrees of one height, leaves at the bottom:
//!
//! ```text
//! levels[2]  0-3
//! levels[1]  0-1     2-3     4-5
//! levels[0]  0   1   2   3   4   5   6
//! ```
//!
//! A full subtree never changes when leaves are added, so the roots and proofs of every earlier size
//! come from the same hashes.

use std::ops::Range;

use imbl::Vector;

use super::{ConsistencyProof, InclusionProof, fold_peaks, node_hash};
use crate::ids::Digest;

/// A Merkle tree over leaf hashes. With n leaves, a copy costs O(log n), and so does each question or
/// change but `insert`, `remove` and `replace_from`, up to another factor of O(log n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// From the leaves up; none is empty.
    levels: Vec<Vector<Digest>>,
}

impl Tree {
    /// How many leaves there are.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// The hash of the leaf at `index`.
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.full(0, index)
    }

    /// The Merkle tree hash over all leaves.
    pub fn root(&self) -> Digest {
        self.root_of(0..self.len())
    }

    /// The Merkle tree hash over the first `size` leaves; nothing when there are fewer.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        (size <= self.len()).then(|| self.root_of(0..size))
    }

    /// The roots of the full subtrees of the first `size` leaves, largest first, as a `Frontier` of
    /// that size has them; empty when there are fewer leaves.
    pub fn peaks(&self, size: u64) -> Vec<Digest> {
        if size > self.len() { Vec::new() } else { self.peaks_of(0..size) }
    }

    /// That the leaf at `index` is among the first `size`; nothing when it is not.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<InclusionProof> {
        if index >= size || size > self.len() {
            return None;
        }
        let mut path = Vec::new();
        let mut around = 0..size;
        while let Some(middle) = middle(&around) {
            let sibling = halve(&mut around, middle, index < middle);
            path.push(self.root_of(sibling));
        }
        path.reverse();
        Some(InclusionProof { leaf_index: index, tree_size: size, path })
    }

    /// That the first `new` leaves begin with the first `old`; nothing when there are no such sizes.
    pub fn consistency(&self, old: u64, new: u64) -> Option<ConsistencyProof> {
        if old > new || new > self.len() {
            return None;
        }
        let mut path = Vec::new();
        let mut around = 0..new;
        // RFC 6962, section 2.1.2: down to the subtree whose end is the old tree's.
        while old > 0 && around.end != old {
            let Some(middle) = middle(&around) else {
                break;
            };
            let sibling = halve(&mut around, middle, old <= middle);
            path.push(self.root_of(sibling));
        }
        if around.start > 0 {
            path.push(self.root_of(around));
        }
        path.reverse();
        Some(ConsistencyProof { path })
    }

    /// Adds a leaf at the end.
    pub fn push(&mut self, leaf: Digest) {
        self.replace_from(self.len(), [leaf]);
    }

    /// Replaces the leaf at `index`, and gives the one that was there; nothing when there is none.
    pub fn set(&mut self, index: u64, leaf: Digest) -> Option<Digest> {
        let before = self.leaf(index)?;
        let mut place = usize::try_from(index).ok()?;
        let mut hash = Some(leaf);
        let mut levels = self.levels.iter_mut();
        while let Some((level, node)) = levels.next().zip(hash) {
            let Some(slot) = level.get_mut(place) else {
                break;
            };
            *slot = node;
            place /= 2;
            hash = parent(level, place);
        }
        Some(before)
    }

    /// Puts a leaf before the one at `index`, or at the end when there is none. Every subtree with a
    /// later leaf is hashed again.
    pub fn insert(&mut self, index: u64, leaf: Digest) {
        let index = index.min(self.len());
        let later = self.leaves_from(index);
        self.replace_from(index, std::iter::once(leaf).chain(later));
    }

    /// Takes away the leaf at `index` and gives it; nothing when there is none. Every subtree with a
    /// later leaf is hashed again.
    pub fn remove(&mut self, index: u64) -> Option<Digest> {
        let leaf = self.leaf(index)?;
        let later = self.leaves_from(index + 1);
        self.replace_from(index, later);
        Some(leaf)
    }

    /// Keeps the first `index` leaves and puts others behind them, in one pass: for many that come
    /// and go at once.
    pub fn replace_from(&mut self, index: u64, leaves: impl IntoIterator<Item = Digest>) {
        let mut start = usize::try_from(index.min(self.len())).unwrap_or(usize::MAX);
        let mut level = 0;
        let mut hashes: Vec<Digest> = leaves.into_iter().collect();
        loop {
            let Some(nodes) = self.levels.get_mut(level) else {
                if hashes.is_empty() {
                    return;
                }
                self.levels.push(Vector::new());
                continue;
            };
            write_from(nodes, start, hashes);
            if nodes.is_empty() {
                self.levels.truncate(level);
                return;
            }
            start /= 2;
            hashes = (start..nodes.len() / 2).filter_map(|place| parent(nodes, place)).collect();
            level += 1;
        }
    }

    fn leaves_from(&self, index: u64) -> Vec<Digest> {
        (index..self.len()).filter_map(|index| self.leaf(index)).collect()
    }

    /// The hash of the `index`th full subtree of 2^`height` leaves.
    fn full(&self, height: u32, index: u64) -> Option<Digest> {
        let level = self.levels.get(usize::try_from(height).ok()?)?;
        level.get(usize::try_from(index).ok()?).copied()
    }

    /// The hash over a range of leaves that begins where a full subtree of at least its size could.
    fn root_of(&self, range: Range<u64>) -> Digest {
        fold_peaks(&self.peaks_of(range))
    }

    fn peaks_of(&self, range: Range<u64>) -> Vec<Digest> {
        let mut peaks = Vec::new();
        let mut start = range.start;
        while let Some(height) = (range.end - start).checked_ilog2() {
            peaks.extend(self.full(height, start >> height));
            start += 1 << height;
        }
        peaks
    }
}

impl FromIterator<Digest> for Tree {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaves: I) -> Self {
        let mut tree = Self::default();
        tree.replace_from(0, leaves);
        tree
    }
}

/// Where a tree over these leaves has its right half; nothing for a single leaf.
fn middle(range: &Range<u64>) -> Option<u64> {
    let below = (range.end - range.start).checked_sub(1)?;
    Some(range.start + (1 << below.checked_ilog2()?))
}

/// Goes into one half of a range and gives the other.
fn halve(range: &mut Range<u64>, middle: u64, left: bool) -> Range<u64> {
    let (into, sibling) = if left {
        (range.start..middle, middle..range.end)
    } else {
        (middle..range.end, range.start..middle)
    };
    *range = into;
    sibling
}

/// The hash of the `place`th pair of a level; nothing when there is only half of it.
fn parent(nodes: &Vector<Digest>, place: usize) -> Option<Digest> {
    Some(node_hash(*nodes.get(place * 2)?, *nodes.get(place * 2 + 1)?))
}

/// Keeps the first `start` nodes of a level and puts others behind them.
fn write_from(nodes: &mut Vector<Digest>, start: usize, hashes: Vec<Digest>) {
    let end = start + hashes.len();
    while nodes.len() > end {
        nodes.pop_back();
    }
    for (place, hash) in (start..).zip(hashes) {
        match nodes.get_mut(place) {
            Some(slot) => *slot = hash,
            None => nodes.push_back(hash),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::super::tests::leaves;
    use super::super::{Frontier, leaf_hash, root};
    use super::*;

    /// One thing that can be done to a tree.
    #[derive(Clone, Debug)]
    enum Op {
        Push,
        Set(usize),
        Insert(usize),
        Remove(usize),
        ReplaceFrom(usize, usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => Just(Op::Push),
            3 => any::<usize>().prop_map(Op::Set),
            2 => any::<usize>().prop_map(Op::Insert),
            2 => any::<usize>().prop_map(Op::Remove),
            1 => (any::<usize>(), 0usize..70).prop_map(|(at, n)| Op::ReplaceFrom(at, n)),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_done_it_is_the_tree_of_its_leaves(
            n in 0usize..70,
            ops in prop::collection::vec(op(), 0..12),
        ) {
            let mut plain = leaves(n);
            let mut tree: Tree = plain.iter().copied().collect();
            for (i, op) in ops.into_iter().enumerate() {
                let leaf = leaf_hash(&[b"new".as_slice(), &i.to_be_bytes()].concat());
                let (copy, before) = (tree.clone(), plain.clone());
                match op {
                    Op::Push => {
                        plain.push(leaf);
                        tree.push(leaf);
                    }
                    Op::Set(at) if !plain.is_empty() => {
                        let at = at % plain.len();
                        let old = std::mem::replace(&mut plain[at], leaf);
                        prop_assert_eq!(tree.set(at as u64, leaf), Some(old));
                    }
                    Op::Insert(at) => {
                        let at = at % (plain.len() + 1);
                        plain.insert(at, leaf);
                        tree.insert(at as u64, leaf);
                    }
                    Op::Remove(at) if !plain.is_empty() => {
                        let at = at % plain.len();
                        let old = plain.remove(at);
                        prop_assert_eq!(tree.remove(at as u64), Some(old));
                    }
                    Op::ReplaceFrom(at, n) => {
                        let at = at % (plain.len() + 1);
                        plain.truncate(at);
                        plain.extend(leaves(n));
                        tree.replace_from(at as u64, leaves(n));
                    }
                    Op::Set(at) | Op::Remove(at) => {
                        prop_assert_eq!(tree.set(at as u64, leaf), None);
                        prop_assert_eq!(tree.remove(at as u64), None);
                    }
                }
                prop_assert_eq!(tree.len(), plain.len() as u64);
                prop_assert_eq!(tree.is_empty(), plain.is_empty());
                prop_assert_eq!(tree.root(), root(&plain));
                prop_assert_eq!(&tree, &plain.iter().copied().collect::<Tree>());
                // The copy has not moved.
                prop_assert_eq!(copy.root(), root(&before));
            }
        }

        #[test]
        fn it_proves_every_size_that_it_ever_had(n in 1usize..150, size in 1usize..150, i in 0usize..150) {
            let leaves = leaves(n);
            let tree: Tree = leaves.iter().copied().collect();
            let size = size.min(n);
            let i = i % size;
            let (at, first) = (size as u64, &leaves[..size]);
            prop_assert_eq!(tree.root_at(at), Some(root(first)));
            prop_assert_eq!(tree.leaf(i as u64), Some(leaves[i]));
            prop_assert_eq!(tree.inclusion(i as u64, at), InclusionProof::derive(first, i));
            let frontier: Frontier = first.iter().copied().collect();
            prop_assert_eq!(Frontier::from_peaks(at, tree.peaks(at)), Some(frontier));
        }
    }

    #[test]
    fn it_knows_nothing_beyond_its_end() {
        let mut tree: Tree = leaves(5).into_iter().collect();
        assert_eq!(tree.leaf(5), None);
        assert_eq!(tree.root_at(6), None);
        assert_eq!(tree.peaks(6), []);
        assert_eq!(tree.inclusion(5, 5), None);
        assert_eq!(tree.inclusion(0, 6), None);
        assert_eq!(tree.inclusion(3, 3), None);
        assert_eq!(tree.set(5, leaf_hash(b"x")), None);
        assert_eq!(tree.remove(5), None);
        tree.insert(u64::MAX, leaf_hash(b"last"));
        assert_eq!(tree.leaf(5), Some(leaf_hash(b"last")));
        assert_eq!(Tree::default().root(), root(&[]));
        assert_eq!(Tree::default().inclusion(0, 0), None);
        assert_eq!(Tree::default().consistency(0, 0).unwrap().path, []);
    }
}
