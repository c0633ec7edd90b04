//! The leaves under the fleet root: one a cluster, ordered by id.

use std::collections::BTreeMap;

use imbl::Vector;

use crate::history::merkle::{InclusionProof, Tree};
use crate::ids::{ClusterId, Digest};

/// The tree and the place of each cluster in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaves {
    /// In order: the place here is the place in the tree.
    ids: Vector<ClusterId>,
    tree: Tree,
}

impl Leaves {
    pub(super) fn root(&self) -> Digest {
        self.tree.root()
    }

    pub(super) fn inclusion(&self, id: ClusterId) -> Option<InclusionProof> {
        let place = self.ids.binary_search(&id).ok()?;
        self.tree.inclusion(place as u64, self.tree.len())
    }

    /// Takes new leaves; nothing for a cluster that goes. Those that stay cost what they are; when some
    /// come or go, everything behind the first of them is hashed again, once.
    pub(super) fn update(&mut self, leaves: BTreeMap<ClusterId, Option<Digest>>) {
        let mut moving = BTreeMap::new();
        for (id, leaf) in leaves {
            match (self.ids.binary_search(&id), leaf) {
                (Ok(place), Some(leaf)) => drop(self.tree.set(place as u64, leaf)),
                (Err(_), None) => {}
                (Ok(_), None) | (Err(_), Some(_)) => drop(moving.insert(id, leaf)),
            }
        }
        let Some((first, _)) = moving.first_key_value() else {
            return;
        };
        let start = self.ids.binary_search(first).unwrap_or_else(|place| place);
        let behind = self.ids.split_off(start);
        let mut behind: BTreeMap<ClusterId, Digest> = behind
            .into_iter()
            .zip(start as u64..)
            .filter_map(|(id, place)| Some((id, self.tree.leaf(place)?)))
            .collect();
        for (id, leaf) in moving {
            match leaf {
                Some(leaf) => drop(behind.insert(id, leaf)),
                None => drop(behind.remove(&id)),
            }
        }
        self.ids.extend(behind.keys().copied());
        self.tree.replace_from(start as u64, behind.into_values());
    }
}
