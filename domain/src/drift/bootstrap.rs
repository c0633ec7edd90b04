//! Kubernetes' own bootstrap policy, by name. A name that is missing here is reported as unmanaged,
//! which is the safe side; a test compares the list with a fresh cluster.
//! Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy` of Kubernetes.

use crate::object::{ObjectKind, ObjectRef};

const CLUSTER_ROLES: &str = include_str!("bootstrap/cluster-roles.txt");
const CLUSTER_ROLE_BINDINGS: &str = include_str!("bootstrap/cluster-role-bindings.txt");
const ROLES: &str = include_str!("bootstrap/roles.txt");
const ROLE_BINDINGS: &str = include_str!("bootstrap/role-bindings.txt");

/// Whether an API server makes an object of this name by itself.
pub fn is_bootstrap(reference: &ObjectRef) -> bool {
    let names = match reference.kind {
        ObjectKind::ClusterRole => CLUSTER_ROLES,
        ObjectKind::ClusterRoleBinding => CLUSTER_ROLE_BINDINGS,
        ObjectKind::Role => ROLES,
        ObjectKind::RoleBinding => ROLE_BINDINGS,
        ObjectKind::Namespace
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::Secret => return false,
    };
    let name = match &reference.namespace {
        Some(namespace) => format!("{namespace}/{}", reference.name),
        None => reference.name.clone(),
    };
    names.lines().any(|known| known == name)
}
