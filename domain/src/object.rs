//! Kubernetes objects as values: what `render` makes, what an agent applies and what it compares.

use std::fmt;

use serde_json::Value;

/// Marks everything that Hanse wrote; the fence relies on it.
pub const MANAGED_LABEL: &str = "hanse.dev/managed";
/// The document that declares an object.
pub const SOURCE_ANNOTATION: &str = "hanse.dev/source";
/// The version of a sealed secret.
pub const VERSION_ANNOTATION: &str = "hanse.dev/secret-version";
/// The number of the revision that last changed that document.
pub const REVISION_ANNOTATION: &str = "hanse.dev/revision";

/// The kinds of object that Hanse writes, in the order in which they are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// `v1`
    Namespace,
    /// `v1`
    ResourceQuota,
    /// `v1`
    LimitRange,
    /// `networking.k8s.io/v1`
    NetworkPolicy,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRole,
    /// `rbac.authorization.k8s.io/v1`; only seen, never written.
    Role,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRoleBinding,
    /// `rbac.authorization.k8s.io/v1`
    RoleBinding,
    /// `v1`; written and never read.
    Secret,
}

/// Who owns the fields of an object: one field manager a concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// Roles and bindings.
    Rbac,
    /// Namespaces and their guard rails.
    Namespace,
    /// Secrets.
    Secret,
}

impl Concern {
    /// The field manager's name in `managedFields`.
    pub const fn field_manager(self) -> &'static str {
        match self {
            Self::Rbac => "hanse-agent/rbac",
            Self::Namespace => "hanse-agent/namespace",
            Self::Secret => "hanse-agent/secret",
        }
    }
}

impl ObjectKind {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::ClusterRole,
        Self::Role,
        Self::ClusterRoleBinding,
        Self::RoleBinding,
        Self::Secret,
    ];

    /// Those that an agent looks at: all but Secrets, which it has no right to read.
    pub fn watched() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| kind.is_watched())
    }

    /// Whether an agent may look at objects of this kind.
    pub const fn is_watched(self) -> bool {
        !matches!(self, Self::Secret)
    }

    /// API group, version, kind and plural resource.
    pub const fn resource(self) -> (&'static str, &'static str, &'static str, &'static str) {
        const RBAC: &str = "rbac.authorization.k8s.io";
        match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::ResourceQuota => ("", "v1", "ResourceQuota", "resourcequotas"),
            Self::LimitRange => ("", "v1", "LimitRange", "limitranges"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::ClusterRole => (RBAC, "v1", "ClusterRole", "clusterroles"),
            Self::Role => (RBAC, "v1", "Role", "roles"),
            Self::ClusterRoleBinding => (RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings"),
            Self::RoleBinding => (RBAC, "v1", "RoleBinding", "rolebindings"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
        }
    }

    /// `Namespace`, `ClusterRole`, …
    pub const fn name(self) -> &'static str {
        self.resource().2
    }

    /// "v1" or "group/v1".
    pub fn api_version(self) -> String {
        let (group, version, _, _) = self.resource();
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
    }

    /// Who owns its fields.
    pub const fn concern(self) -> Concern {
        match self {
            Self::Namespace | Self::ResourceQuota | Self::LimitRange | Self::NetworkPolicy => {
                Concern::Namespace
            }
            Self::ClusterRole | Self::Role | Self::ClusterRoleBinding | Self::RoleBinding => {
                Concern::Rbac
            }
            Self::Secret => Concern::Secret,
        }
    }

    /// Whether it gives access: what the agent watches whole, to see what nobody declared.
    pub const fn is_access(self) -> bool {
        matches!(self.concern(), Concern::Rbac)
    }
}

/// Which object in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: ObjectKind,
    /// Nothing for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// A cluster-scoped object.
    pub fn cluster(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }

    /// An object in a namespace.
    pub fn namespaced(
        kind: ObjectKind,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { kind, namespace: Some(namespace.into()), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.name(), self.name),
            None => write!(f, "{} {}", self.kind.name(), self.name),
        }
    }
}

/// An object as it is to be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Which one.
    pub reference: ObjectRef,
    /// The whole apply configuration, `apiVersion` and `kind` included.
    pub body: Value,
}
