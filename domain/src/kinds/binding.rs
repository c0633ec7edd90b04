//! `FederatedRoleBinding`: who has which role where, until when and why.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::role::RoleScope;
use crate::selector::LabelSelector;

/// A binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleBindingSpec {
    /// Who; never empty.
    pub subjects: Vec<Subject>,
    /// Which role.
    pub role: RoleRef,
    /// Where in the cluster.
    pub scope: BindingScope,
    /// When the agent takes it away, also while the hub is away.
    pub expires_at: Option<Timestamp>,
    /// Why it was given, for auditors.
    pub reason: Option<String>,
}

/// `rbac.authorization.k8s.io/v1` `Subject`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// As the API server's authenticators name it.
    User(String),
    /// As the API server's authenticators name it.
    Group(String),
    /// A service account of the cluster.
    ServiceAccount {
        /// Its namespace; with none, the namespace of the binding.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name}"),
            Self::Group(name) => write!(f, "Group {name}"),
            Self::ServiceAccount { namespace: Some(namespace), name } => {
                write!(f, "ServiceAccount {namespace}/{name}")
            }
            Self::ServiceAccount { namespace: None, name } => write!(f, "ServiceAccount {name}"),
        }
    }
}

/// What is bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleRef {
    /// A `FederatedRole` of the fleet.
    Federated(String),
    /// A `ClusterRole` that the cluster has by itself.
    ClusterRole(String),
    /// A `Role` that each namespace has by itself.
    Role(String),
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Federated(name) => write!(f, "FederatedRole/{name}"),
            Self::ClusterRole(name) => write!(f, "ClusterRole/{name}"),
            Self::Role(name) => write!(f, "Role/{name}"),
        }
    }
}

/// Where in a cluster a binding holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingScope {
    /// In these namespaces.
    Namespaces(BTreeSet<String>),
    /// In every federated namespace of the cluster whose declared labels match. Labels that somebody
    /// in the cluster sets do not count: they would be a way to widen access.
    Selector(LabelSelector),
    /// Over the whole cluster.
    ClusterWide,
}

impl BindingScope {
    /// The scope that a federated role must have to be bound so.
    pub const fn role_scope(&self) -> RoleScope {
        match self {
            Self::Namespaces(_) | Self::Selector(_) => RoleScope::Namespace,
            Self::ClusterWide => RoleScope::Cluster,
        }
    }
}
