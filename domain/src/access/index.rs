//! The access of many clusters, in memory: what a question goes over.
//!
//! ```text
//! Symbols (fleet)     texts · subjects · sets of subjects · contents of roles · labels, each once
//!    ▲ numbers
//! Cluster             roles → bindings, namespaces, service accounts, workloads: tables of numbers
//! ```
//!
//! Every symbol is counted and goes with its last use, so memory follows what is there, not what came
//! and went. A cluster's bindings take 12 bytes each: see [`cluster`]. One change is made in place;
//! many are sorted in. What decides nothing is not kept: the order of a binding's subjects, subjects
//! that are nobody, bindings to a kind of role that there is not.

mod changes;
mod cluster;
mod columns;
mod interner;
mod objects;
mod rows;
mod symbols;
mod table;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::cluster::{Cluster, Role, Within};
pub use self::objects::{Account, Workload};
pub use self::symbols::RoleContent;
pub(crate) use self::symbols::{NOWHERE, Symbols};

use self::changes::Changes;
use super::object::{AccessContent, AccessKey, AccessKind};
use super::request::Scope;
use super::subject::Subject;
use crate::ids::ClusterId;

/// The access of many clusters.
#[derive(Clone, Debug, Default)]
pub struct Index {
    symbols: Symbols,
    clusters: BTreeMap<ClusterId, Cluster>,
}

/// Bytes of memory that an index takes, without the allocator's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// How many bindings there are.
    pub bindings: usize,
    /// How many roles there are, or are named by bindings, each in its cluster.
    pub roles: usize,
    /// Of the bindings.
    pub binding_bytes: usize,
    /// Of each cluster's roles.
    pub role_bytes: usize,
    /// Of namespaces, service accounts, workloads, and each cluster's own.
    pub other_bytes: usize,
    /// Of what clusters have in common.
    pub symbol_bytes: usize,
    /// How many texts, subjects, sets of subjects, contents of roles and sets of labels these are.
    pub symbols: [usize; 5],
}

impl Footprint {
    /// Of everything.
    pub const fn bytes(&self) -> usize {
        self.binding_bytes + self.role_bytes + self.other_bytes + self.symbol_bytes
    }
}

impl Index {
    /// Puts, or with no content takes away, one object. An object whose content or namespace does not
    /// fit its kind is as if it were not there.
    pub fn apply(&mut self, cluster: ClusterId, key: &AccessKey, content: Option<&AccessContent>) {
        self.update(cluster, [(key, content)]);
    }

    /// Like [`Index::apply`] for many at once; the last of a key counts.
    pub fn update<K: Borrow<AccessKey>, C: Borrow<AccessContent>>(
        &mut self,
        cluster: ClusterId,
        changes: impl IntoIterator<Item = (K, Option<C>)>,
    ) {
        let mut rows = Changes::default();
        for (key, content) in changes {
            rows.add(&mut self.symbols, key.borrow(), content.as_ref().map(C::borrow));
        }
        self.clusters.entry(cluster).or_default().change(&mut self.symbols, rows);
    }

    /// Replaces everything of a cluster.
    pub fn load<K: Borrow<AccessKey>, C: Borrow<AccessContent>>(
        &mut self,
        cluster: ClusterId,
        objects: impl IntoIterator<Item = (K, C)>,
    ) {
        let before = self.clusters.insert(cluster, Cluster::default());
        self.update(cluster, objects.into_iter().map(|(key, content)| (key, Some(content))));
        // Only now, so that what stays the same keeps its numbers.
        if let Some(before) = before {
            before.release(&mut self.symbols);
        }
    }

    /// Forgets a cluster.
    pub fn remove_cluster(&mut self, cluster: ClusterId) {
        if let Some(held) = self.clusters.remove(&cluster) {
            held.release(&mut self.symbols);
        }
    }

    /// An index of a copy of this cluster alone.
    #[must_use]
    pub fn fork(&self, cluster: ClusterId) -> Self {
        let mut copy = Self::default();
        copy.load(cluster, self.objects(cluster));
        copy
    }

    /// The clusters that were loaded or written to, in order.
    pub fn clusters(&self) -> impl Iterator<Item = ClusterId> {
        self.clusters.keys().copied()
    }

    /// What it takes. Goes over all of it.
    pub fn footprint(&self) -> Footprint {
        let mut out = Footprint {
            symbol_bytes: self.symbols.bytes(),
            symbols: self.symbols.counts(),
            ..Footprint::default()
        };
        for held in self.clusters.values() {
            let [bindings, roles, other] = held.bytes();
            out.bindings += held.bindings.len();
            out.roles += held.roles().len();
            out.binding_bytes += bindings;
            out.role_bytes += roles;
            out.other_bytes += other;
        }
        out
    }

    /// A role or a cluster role.
    pub fn role(&self, cluster: ClusterId, key: &AccessKey) -> Option<&RoleContent> {
        let is_role = matches!(key.kind, AccessKind::Role | AccessKind::ClusterRole);
        if !is_role || key.kind.is_namespaced() == key.namespace.is_empty() {
            return None;
        }
        let namespace = self.symbols.find_text(&key.namespace)?;
        let name = self.symbols.find_text(&key.name)?;
        self.symbols.role(self.clusters.get(&cluster)?.role(namespace, name)?.content)
    }

    /// Everybody whom a binding names.
    pub fn subjects(&self, cluster: ClusterId) -> BTreeSet<Subject> {
        let Some(held) = self.clusters.get(&cluster) else { return BTreeSet::new() };
        let sets: BTreeSet<u32> =
            held.bindings.sets(0..held.bindings.len()).iter().copied().collect();
        sets.into_iter().flat_map(|set| self.symbols.subjects_of(set)).cloned().collect()
    }

    pub(crate) const fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub(crate) fn cluster(&self, cluster: ClusterId) -> Option<&Cluster> {
        self.clusters.get(&cluster)
    }

    /// Which bindings count in a scope.
    pub(crate) fn within(&self, scope: &Scope) -> Within {
        match scope {
            Scope::Cluster => Within::Cluster,
            Scope::AllNamespaces => Within::Everywhere,
            Scope::Namespace(namespace) => match self.symbols.find_text(namespace) {
                None | Some(NOWHERE) => Within::Cluster,
                Some(namespace) => Within::Namespace(namespace),
            },
        }
    }
}
