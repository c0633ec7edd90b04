//! The access of many clusters, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::object::{AccessContent, AccessKey, AccessKind, LabelSelector};
use super::subject::Subject;
use crate::history::roster::Labels;
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;

/// What a role says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleContent {
    /// What it grants, in order.
    pub rules: Vec<Arc<PolicyRule>>,
    /// Of a cluster role: into which roles it is aggregated.
    pub labels: Labels,
    /// Of an aggregated cluster role: from which roles.
    pub aggregates: Option<Vec<LabelSelector>>,
}

/// A service account of the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account<'i> {
    /// Its namespace.
    pub namespace: &'i str,
    /// Its name.
    pub name: &'i str,
    /// Whether a token Secret is listed in it.
    pub token_secret: bool,
}

/// A workload of the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload<'i> {
    /// Its kind.
    pub kind: AccessKind,
    /// Its namespace.
    pub namespace: &'i str,
    /// Its name.
    pub name: &'i str,
    /// As whom its pods run: a service account of its namespace.
    pub service_account: &'i str,
}

/// The access of many clusters.
#[derive(Clone, Debug, Default)]
pub struct Index {
    clusters: BTreeMap<ClusterId, Cluster>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) objects: BTreeMap<AccessKey, AccessContent>,
    roles: BTreeMap<AccessKey, RoleContent>,
}

impl Index {
    /// Puts, or with no content takes away, one object. An object whose content or namespace does not
    /// fit its kind is as if it were not there.
    pub fn apply(&mut self, cluster: ClusterId, key: &AccessKey, content: Option<&AccessContent>) {
        let held = self.clusters.entry(cluster).or_default();
        held.objects.remove(key);
        held.roles.remove(key);
        let Some(content) = content.filter(|content| content.fits(key.kind)) else { return };
        if key.kind.is_namespaced() == key.namespace.is_empty() {
            return;
        }
        if let AccessContent::Role { rules, labels, aggregates } = content {
            let rules = rules.iter().cloned().map(Arc::new).collect();
            let role =
                RoleContent { rules, labels: labels.clone(), aggregates: aggregates.clone() };
            held.roles.insert(key.clone(), role);
        }
        held.objects.insert(key.clone(), content.clone());
    }

    /// Like [`Index::apply`] for many at once; the last of a key counts.
    pub fn update(
        &mut self,
        cluster: ClusterId,
        changes: impl IntoIterator<Item = (AccessKey, Option<AccessContent>)>,
    ) {
        for (key, content) in changes {
            self.apply(cluster, &key, content.as_ref());
        }
    }

    /// Replaces everything of a cluster.
    pub fn load(
        &mut self,
        cluster: ClusterId,
        objects: impl IntoIterator<Item = (AccessKey, AccessContent)>,
    ) {
        self.remove_cluster(cluster);
        self.clusters.entry(cluster).or_default();
        self.update(cluster, objects.into_iter().map(|(key, content)| (key, Some(content))));
    }

    /// Forgets a cluster.
    pub fn remove_cluster(&mut self, cluster: ClusterId) {
        self.clusters.remove(&cluster);
    }

    /// An index of a copy of this cluster alone.
    #[must_use]
    pub fn fork(&self, cluster: ClusterId) -> Self {
        let held = self.clusters.get(&cluster).cloned();
        Self { clusters: held.into_iter().map(|held| (cluster, held)).collect() }
    }

    /// The clusters that were loaded or written to, in order.
    pub fn clusters(&self) -> impl Iterator<Item = ClusterId> {
        self.clusters.keys().copied()
    }

    /// How many bytes of memory it takes, without the allocator's own.
    pub fn bytes(&self) -> usize {
        0
    }

    /// A role or a cluster role.
    pub fn role(&self, cluster: ClusterId, key: &AccessKey) -> Option<&RoleContent> {
        self.clusters.get(&cluster)?.roles.get(key)
    }

    /// All roles and cluster roles.
    pub fn roles(&self, cluster: ClusterId) -> impl Iterator<Item = (AccessKey, &RoleContent)> {
        let roles = self.clusters.get(&cluster).into_iter().flat_map(|held| &held.roles);
        roles.map(|(key, role)| (key.clone(), role))
    }

    /// Everybody whom a binding names.
    pub fn subjects(&self, cluster: ClusterId) -> BTreeSet<Subject> {
        let mut out = BTreeSet::new();
        for (key, content) in self.objects(cluster) {
            if let AccessContent::Binding { subjects, .. } = content {
                out.extend(subjects.iter().filter_map(|s| Subject::from_raw(s, &key.namespace)));
            }
        }
        out
    }

    /// All namespaces with their labels.
    pub fn namespaces(&self, cluster: ClusterId) -> impl Iterator<Item = (&str, &Labels)> {
        self.objects(cluster).filter_map(|(key, content)| match content {
            AccessContent::Namespace { labels } => Some((key.name.as_str(), labels)),
            AccessContent::ServiceAccount { .. }
            | AccessContent::Role { .. }
            | AccessContent::Binding { .. }
            | AccessContent::Workload { .. } => None,
        })
    }

    /// All service accounts.
    pub fn service_accounts(&self, cluster: ClusterId) -> impl Iterator<Item = Account<'_>> {
        self.objects(cluster).filter_map(|(key, content)| match content {
            AccessContent::ServiceAccount { token_secret } => Some(Account {
                namespace: &key.namespace,
                name: &key.name,
                token_secret: *token_secret,
            }),
            AccessContent::Namespace { .. }
            | AccessContent::Role { .. }
            | AccessContent::Binding { .. }
            | AccessContent::Workload { .. } => None,
        })
    }

    /// All workloads.
    pub fn workloads(&self, cluster: ClusterId) -> impl Iterator<Item = Workload<'_>> {
        self.objects(cluster).filter_map(|(key, content)| match content {
            AccessContent::Workload { service_account } => Some(Workload {
                kind: key.kind,
                namespace: &key.namespace,
                name: &key.name,
                service_account,
            }),
            AccessContent::Namespace { .. }
            | AccessContent::ServiceAccount { .. }
            | AccessContent::Role { .. }
            | AccessContent::Binding { .. } => None,
        })
    }

    pub(crate) fn objects(
        &self,
        cluster: ClusterId,
    ) -> impl Iterator<Item = (&AccessKey, &AccessContent)> {
        self.clusters.get(&cluster).into_iter().flat_map(|held| &held.objects)
    }
}
