//! What a fleet is searched by, so that an edit finds what it concerns without asking everything
//! else. Copies share what they have in common, as all of a fleet does.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::Member;
use crate::document::{Document, DocumentRef};
use crate::history::changes::WrapRef;
use crate::history::roster::{ClusterEntry, Labels};
use crate::ids::ClusterId;
use crate::kinds::Spec;
use crate::kinds::binding::RoleRef;
use crate::selector::{LabelSelector, Operator};

/// A label's key and value.
type Label = (Arc<str>, Arc<str>);

fn label(key: &str, value: &str) -> Label {
    (key.into(), value.into())
}

fn pairs(labels: &Labels) -> impl Iterator<Item = Label> {
    labels.iter().map(|(key, value)| label(key, value))
}

/// The values that belong to each key. A key without any is not there.
#[derive(Clone, Debug, PartialEq)]
struct Postings<K: Ord, V: Ord>(OrdMap<K, OrdSet<V>>);

impl<K: Ord + Clone, V: Ord + Clone> Postings<K, V> {
    fn insert(&mut self, key: K, value: V) {
        self.0.entry(key).or_default().insert(value);
    }

    fn remove<Q: Ord + ?Sized>(&mut self, key: &Q, value: &V)
    where
        K: Borrow<Q>,
    {
        if let Some(values) = self.0.get_mut(key) {
            values.remove(value);
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }

    fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&OrdSet<V>>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }
}

impl<K: Ord, V: Ord> Default for Postings<K, V> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

/// Clusters by what placements, wrapped keys and people know them by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Clusters {
    names: Postings<Arc<str>, ClusterId>,
    labels: Postings<Label, ClusterId>,
    secrets: Postings<Arc<str>, ClusterId>,
}

impl Clusters {
    /// A cluster comes, changes or goes.
    pub(super) fn replace(&mut self, before: Option<&Member>, after: Option<&Member>) {
        let (old, new) = (before.map(|member| &member.entry), after.map(|member| &member.entry));
        // Most often only the manifest is another one.
        if old.map(Arc::as_ptr) != new.map(Arc::as_ptr) {
            if let Some(entry) = old {
                self.remove(entry);
            }
            if let Some(entry) = new {
                self.insert(entry);
            }
        }
        let lacks = |member: Option<&Member>, secret: &str| {
            member.is_none_or(|member| !member.wraps().contains_key(secret))
        };
        let held = before.iter().flat_map(|member| member.wraps().values());
        for WrapRef { secret, cluster } in held.map(|held| &held.wrap.reference) {
            if lacks(after, secret) {
                self.secrets.remove(secret.as_str(), cluster);
            }
        }
        let holds = after.iter().flat_map(|member| member.wraps().values());
        for WrapRef { secret, cluster } in holds.map(|held| &held.wrap.reference) {
            if lacks(before, secret) {
                self.secrets.insert(secret.as_str().into(), *cluster);
            }
        }
    }

    fn insert(&mut self, entry: &ClusterEntry) {
        self.names.insert(entry.name.as_str().into(), entry.id);
        for label in pairs(&entry.labels) {
            self.labels.insert(label, entry.id);
        }
    }

    fn remove(&mut self, entry: &ClusterEntry) {
        self.names.remove(entry.name.as_str(), &entry.id);
        for label in pairs(&entry.labels) {
            self.labels.remove(&label, &entry.id);
        }
    }

    /// Clusters of this name; a fleet that was verified has one at the most.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = ClusterId> {
        self.names.get(name).into_iter().flatten().copied()
    }

    /// Clusters that have a wrapped key of this secret.
    pub(super) fn with_wrap_of(&self, secret: &str) -> impl Iterator<Item = ClusterId> {
        self.secrets.get(secret).into_iter().flatten().copied()
    }

    /// Clusters among which are all that a selector matches: those with the rarest of the values that
    /// it asks for. Nothing when it asks for none, and every cluster has to be looked at.
    pub(super) fn candidates(&self, selector: &LabelSelector) -> Option<BTreeSet<ClusterId>> {
        let equal = pairs(&selector.match_labels).map(|label| vec![label]);
        let listed = selector.match_expressions.iter().filter_map(|requirement| {
            let values = || requirement.values.iter().map(|value| label(&requirement.key, value));
            (requirement.operator == Operator::In).then(|| values().collect())
        });
        let count = |labels: &Vec<Label>| -> usize {
            labels.iter().filter_map(|label| self.labels.get(label)).map(OrdSet::len).sum()
        };
        let rarest = equal.chain(listed).min_by_key(count)?;
        Some(rarest.iter().filter_map(|label| self.labels.get(label)).flatten().copied().collect())
    }
}

/// Documents by where they go, and bindings by the roles that they refer to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Placements {
    names: Postings<Arc<str>, DocumentRef>,
    /// By one label of `matchLabels`: a cluster that has not got it is not selected.
    labels: Postings<Label, DocumentRef>,
    /// Those whose selector has no `matchLabels`.
    anywhere: OrdSet<DocumentRef>,
    roles: Postings<Arc<str>, DocumentRef>,
}

impl Placements {
    pub(super) fn insert(&mut self, document: &Document) {
        let reference = || document.reference.clone();
        for name in &document.placement.cluster_names {
            self.names.insert(name.as_str().into(), reference());
        }
        if let Some(selector) = &document.placement.cluster_selector {
            // The label that the fewest others are under.
            let taken = |label: &Label| self.labels.get(label).map_or(0, OrdSet::len);
            match pairs(&selector.match_labels).min_by_key(taken) {
                Some(label) => self.labels.insert(label, reference()),
                None => drop(self.anywhere.insert(reference())),
            }
        }
        for role in federated_roles(document) {
            self.roles.insert(role.into(), reference());
        }
    }

    pub(super) fn remove(&mut self, document: &Document) {
        let reference = &document.reference;
        for name in &document.placement.cluster_names {
            self.names.remove(name.as_str(), reference);
        }
        if let Some(selector) = &document.placement.cluster_selector {
            for label in pairs(&selector.match_labels) {
                self.labels.remove(&label, reference);
            }
            self.anywhere.remove(reference);
        }
        for role in federated_roles(document) {
            self.roles.remove(role, reference);
        }
    }

    /// Documents among which are all that select a cluster.
    pub(super) fn candidates(&self, entry: &ClusterEntry) -> BTreeSet<&DocumentRef> {
        let mut found: BTreeSet<&DocumentRef> = self.anywhere.iter().collect();
        found.extend(self.names.get(entry.name.as_str()).into_iter().flatten());
        for label in pairs(&entry.labels) {
            found.extend(self.labels.get(&label).into_iter().flatten());
        }
        found
    }

    /// Bindings that refer to a federated role, by themselves or with an override.
    pub(super) fn bindings_of(&self, role: &str) -> impl Iterator<Item = &DocumentRef> {
        self.roles.get(role).into_iter().flatten()
    }
}

/// The federated roles that a document refers to, by itself or with an override.
pub(crate) fn federated_roles(document: &Document) -> BTreeSet<&str> {
    document.variants().filter_map(federated_role).collect()
}

fn federated_role(spec: &Spec) -> Option<&str> {
    match spec {
        Spec::RoleBinding(binding) => match &binding.role {
            RoleRef::Federated(role) => Some(role),
            RoleRef::ClusterRole(_) | RoleRef::Role(_) => None,
        },
        Spec::Namespace(_) | Spec::Role(_) | Spec::Secret(_) | Spec::Invariant(_) => None,
    }
}
