//! `FederatedRole`: policy rules, for use in namespaces or over a whole cluster.

use serde::{Deserialize, Serialize};

/// What a role grants and how widely it may be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSpec {
    /// Decides the name in the cluster, and so how widely it may be bound.
    pub scope: RoleScope,
    /// As in `rbac.authorization.k8s.io/v1`.
    pub rules: Vec<PolicyRule>,
}

/// How widely a role may be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleScope {
    /// In namespaces only.
    Namespace,
    /// Cluster-wide only.
    Cluster,
}

impl RoleScope {
    /// The class in an RBAC object's name, which the fence reads.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Namespace => "hanse:ns:",
            Self::Cluster => "hanse:cluster:",
        }
    }
}

/// `rbac.authorization.k8s.io/v1` `PolicyRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRule {
    /// "" is the core group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// With subresources as "pods/log".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// "get", "list", …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// Only objects of these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths; only in cluster scope and without resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}
