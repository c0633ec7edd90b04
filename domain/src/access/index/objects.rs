//! What an index holds of a cluster, as objects again.

use super::rows::{AccountRow, NamespaceRow, WorkloadRow};
use super::{Cluster, Index, RoleContent};
use crate::access::object::{AccessContent, AccessKey, AccessKind, RawSubject, RoleReference};
use crate::access::subject::Subject;
use crate::history::roster::Labels;
use crate::ids::ClusterId;

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

impl Index {
    /// All roles and cluster roles. Like the rest of these, in no order that means something.
    pub fn roles(&self, cluster: ClusterId) -> impl Iterator<Item = (AccessKey, &RoleContent)> {
        self.held(cluster).flat_map(Cluster::roles).filter_map(|role| {
            let content = self.symbols.role(role.content)?;
            Some((self.key_of_role((role.namespace, role.name)), content))
        })
    }

    /// All namespaces with their labels.
    pub fn namespaces(&self, cluster: ClusterId) -> impl Iterator<Item = (&str, &Labels)> {
        let rows = self.held(cluster).flat_map(|held| held.namespaces.rows());
        rows.filter_map(|&NamespaceRow { name, labels }| {
            Some((self.symbols.text(name), self.symbols.labels(labels)?))
        })
    }

    /// All service accounts, those of a namespace together.
    pub fn service_accounts(&self, cluster: ClusterId) -> impl Iterator<Item = Account<'_>> {
        let rows = self.held(cluster).flat_map(|held| held.accounts.rows());
        rows.map(|row| self.account(row))
    }

    /// All workloads, those of a kind and a namespace together.
    pub fn workloads(&self, cluster: ClusterId) -> impl Iterator<Item = Workload<'_>> {
        let rows = self.held(cluster).flat_map(|held| held.workloads.rows());
        rows.map(|&WorkloadRow { kind, namespace, name, account }| Workload {
            kind,
            namespace: self.symbols.text(namespace),
            name: self.symbols.text(name),
            service_account: self.symbols.text(account),
        })
    }

    /// Everything, as objects that decide the same: subjects have one form and one order, and what
    /// decides nothing is left out.
    pub fn objects(
        &self,
        cluster: ClusterId,
    ) -> impl Iterator<Item = (AccessKey, AccessContent)> + '_ {
        let namespaces = self.namespaces(cluster).map(|(name, labels)| {
            let labels = labels.clone();
            (AccessKey::cluster(AccessKind::Namespace, name), AccessContent::Namespace { labels })
        });
        let accounts = self.service_accounts(cluster).map(|account| {
            let Account { namespace, name, token_secret } = account;
            let key = AccessKey::namespaced(AccessKind::ServiceAccount, namespace, name);
            (key, AccessContent::ServiceAccount { token_secret })
        });
        let workloads = self.workloads(cluster).map(|workload| {
            let Workload { kind, namespace, name, service_account } = workload;
            let service_account = service_account.to_owned();
            let key = AccessKey::namespaced(kind, namespace, name);
            (key, AccessContent::Workload { service_account })
        });
        let roles = self.roles(cluster).map(|(key, content)| {
            let RoleContent { rules, labels, aggregates } = content.clone();
            let rules = rules.iter().map(|rule| (**rule).clone()).collect();
            (key, AccessContent::Role { rules, labels, aggregates })
        });
        let bindings = self.bindings(cluster);
        namespaces.chain(accounts).chain(workloads).chain(roles).chain(bindings)
    }

    /// All bindings, likewise.
    pub(crate) fn bindings(
        &self,
        cluster: ClusterId,
    ) -> impl Iterator<Item = (AccessKey, AccessContent)> + '_ {
        self.held(cluster).flat_map(|held| self.bindings_of(held))
    }

    fn bindings_of<'i>(
        &'i self,
        held: &'i Cluster,
    ) -> impl Iterator<Item = (AccessKey, AccessContent)> + 'i {
        let runs = held.bindings.spaces().flat_map(|(namespace, places)| {
            held.by_role(places).map(move |(role, places)| (namespace, role, places))
        });
        runs.flat_map(move |(namespace, role, places)| {
            let AccessKey { kind, name, .. } = self.key_of_role((role.namespace, role.name));
            let role = RoleReference { kind: kind.name().to_owned(), name };
            places.filter_map(|place| held.bindings.get(place)).map(move |(name, set)| {
                let subjects = self.symbols.subjects_of(set).map(raw).collect();
                let key = self.key_of_binding((namespace, name));
                (key, AccessContent::Binding { role: role.clone(), subjects })
            })
        })
    }

    pub(crate) fn account(&self, row: &AccountRow) -> Account<'_> {
        Account {
            namespace: self.symbols.text(row.namespace),
            name: self.symbols.text(row.name),
            token_secret: row.token_secret,
        }
    }

    pub(crate) fn key_of_role(&self, at: (u32, u32)) -> AccessKey {
        self.key(AccessKind::ClusterRole, AccessKind::Role, at)
    }

    pub(crate) fn key_of_binding(&self, at: (u32, u32)) -> AccessKey {
        self.key(AccessKind::ClusterRoleBinding, AccessKind::RoleBinding, at)
    }

    fn key(
        &self,
        wide: AccessKind,
        within: AccessKind,
        (namespace, name): (u32, u32),
    ) -> AccessKey {
        let (namespace, name) = (self.symbols.text(namespace), self.symbols.text(name));
        let kind = if namespace.is_empty() { wide } else { within };
        AccessKey::namespaced(kind, namespace, name)
    }

    fn held(&self, cluster: ClusterId) -> impl Iterator<Item = &Cluster> {
        self.clusters.get(&cluster).into_iter()
    }
}

fn raw(subject: &Subject) -> RawSubject {
    let (kind, namespace, name) = match subject {
        Subject::User(name) => ("User", "", name),
        Subject::Group(name) => ("Group", "", name),
        Subject::ServiceAccount { namespace, name } => ("ServiceAccount", namespace.as_str(), name),
    };
    RawSubject { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.clone() }
}
