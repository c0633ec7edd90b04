//! How far an agent or an author's machine has followed the history, and how it is shown that
//! something is further on in that history and not in another one.

use super::merkle::{BadProof, ConsistencyProof, Frontier, InclusionProof};
use super::statement::Statement;
use crate::ids::Digest;

/// A point in the history that was verified: everything that is believed later must extend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// How many statements.
    pub size: u64,
    /// Merkle tree hash over them.
    pub root: Digest,
}

/// That a statement belongs to the history that a head is a point of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogProof {
    /// It comes after the head.
    Ahead {
        /// Roots of the full subtrees over all earlier statements, largest first.
        peaks: Vec<Digest>,
        /// From the head to the tree of all earlier statements.
        consistency: ConsistencyProof,
    },
    /// It is one of the head's.
    Within(InclusionProof),
}

impl Default for LogHead {
    fn default() -> Self {
        Self { size: 0, root: Frontier::default().root() }
    }
}

impl LogHead {
    /// The head after a statement was shown to be in the same history: further on, or as it was.
    pub fn admit(
        self,
        statement: &Statement,
        bytes: &[u8],
        proof: &LogProof,
    ) -> Result<Self, BadProof> {
        let leaf = Statement::leaf_hash(bytes);
        let before = statement.number.0.checked_sub(1).ok_or(BadProof)?;
        match proof {
            LogProof::Ahead { peaks, consistency } if before >= self.size => {
                let mut tree = Frontier::from_peaks(before, peaks.clone()).ok_or(BadProof)?;
                if tree.root() != statement.history {
                    return Err(BadProof);
                }
                consistency.verify(self.size, self.root, before, statement.history)?;
                tree.push(leaf);
                Ok(Self { size: tree.size(), root: tree.root() })
            }
            LogProof::Within(inclusion) if before < self.size => {
                if inclusion.leaf_index != before || inclusion.tree_size != self.size {
                    return Err(BadProof);
                }
                inclusion.verify(leaf, self.root)?;
                Ok(self)
            }
            LogProof::Ahead { .. } | LogProof::Within(_) => Err(BadProof),
        }
    }
}
