//! From objects to changes of rows: every symbol that a new row names is used from here on.

use super::rows::{AccountRow, BindingRow, NamespaceRow, RoleRow, WorkloadRow};
use super::symbols::Symbols;
use super::table::Change;
use crate::access::object::{AccessContent, AccessKey, AccessKind, RoleReference};

/// Changes of one cluster, by table.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) roles: Vec<Change<RoleRow>>,
    pub(crate) bindings: Vec<Change<BindingRow>>,
    pub(crate) namespaces: Vec<Change<NamespaceRow>>,
    pub(crate) accounts: Vec<Change<AccountRow>>,
    pub(crate) workloads: Vec<Change<WorkloadRow>>,
}

impl Changes {
    /// Adds the change of one object. One whose content does not fit its kind is as if it were not there;
    /// a key that no object can have is none.
    pub(crate) fn add(
        &mut self,
        symbols: &mut Symbols,
        key: &AccessKey,
        content: Option<&AccessContent>,
    ) {
        if key.kind.is_namespaced() == key.namespace.is_empty() {
            return;
        }
        match content.filter(|content| content.fits(key.kind)) {
            None => self.take(symbols, key),
            Some(AccessContent::Binding { role, .. }) if !can_grant(role, &key.namespace) => {
                self.take(symbols, key);
            }
            Some(content) => self.put(symbols, key, content),
        }
    }

    fn take(&mut self, symbols: &Symbols, key: &AccessKey) {
        let texts = (symbols.find_text(&key.namespace), symbols.find_text(&key.name));
        let (Some(namespace), Some(name)) = texts else { return };
        match key.kind {
            AccessKind::Namespace => self.namespaces.push((name, None)),
            AccessKind::ServiceAccount => self.accounts.push(((namespace, name), None)),
            AccessKind::ClusterRole | AccessKind::Role => {
                self.roles.push(((namespace, name), None));
            }
            AccessKind::ClusterRoleBinding | AccessKind::RoleBinding => {
                self.bindings.push(((namespace, name), None));
            }
            AccessKind::Deployment
            | AccessKind::StatefulSet
            | AccessKind::DaemonSet
            | AccessKind::ReplicaSet
            | AccessKind::Job
            | AccessKind::CronJob
            | AccessKind::Pod => self.workloads.push(((key.kind, namespace, name), None)),
        }
    }

    fn put(&mut self, symbols: &mut Symbols, key: &AccessKey, content: &AccessContent) {
        let name = symbols.acquire_text(&key.name);
        let namespace = symbols.acquire_text(&key.namespace);
        let at = (namespace, name);
        match content {
            AccessContent::Namespace { labels } => {
                let labels = symbols.acquire_labels(labels);
                self.namespaces.push((name, Some(NamespaceRow { name, labels })));
            }
            AccessContent::ServiceAccount { token_secret } => {
                self.accounts
                    .push((at, Some(AccountRow { namespace, name, token_secret: *token_secret })));
            }
            AccessContent::Role { rules, labels, aggregates } => {
                let content = symbols.acquire_role(rules, labels, aggregates.as_deref());
                self.roles.push((at, Some(RoleRow { namespace, name, content })));
            }
            AccessContent::Binding { role, subjects } => {
                let cluster_wide = role.kind == CLUSTER_ROLE;
                let role_namespace = if cluster_wide { "" } else { &key.namespace };
                let role = (symbols.acquire_text(role_namespace), symbols.acquire_text(&role.name));
                let set = symbols.acquire_set(subjects, &key.namespace);
                self.bindings.push((at, Some(BindingRow { role, namespace, name, set })));
            }
            AccessContent::Workload { service_account } => {
                let account = symbols.acquire_text(service_account);
                let row = WorkloadRow { kind: key.kind, namespace, name, account };
                self.workloads.push(((key.kind, namespace, name), Some(row)));
            }
        }
    }
}

const CLUSTER_ROLE: &str = "ClusterRole";
const ROLE: &str = "Role";

/// Whether there can be such a role: any cluster role, or a role in the binding's namespace.
/// Source: `GetRoleReferenceRules` in `pkg/registry/rbac/validation/rule.go`.
fn can_grant(role: &RoleReference, binding_namespace: &str) -> bool {
    role.kind == CLUSTER_ROLE || (role.kind == ROLE && !binding_namespace.is_empty())
}
