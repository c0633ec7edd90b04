//! What a cluster's access is made of: one [`AccessObject`] for each role, binding, service account,
//! namespace and workload, reduced to what decides who can do what. The contents of Secrets, the specs
//! of workloads and everything else stay in the cluster.
//!
//! The canonical encoding is JSON without spaces, fields in the order in which they are declared
//! here, nothing that is empty: `sha256sum` and any JSON parser can check a digest.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::roster::Labels;
use crate::ids::Digest;
use crate::kinds::role::PolicyRule;
use crate::object::{ObjectKind, ObjectRef};

/// Most bytes of one object's canonical content; what is larger is skipped and counted.
pub const MAX_CONTENT_BYTES: usize = 256 * 1024;
/// Most objects in one cluster's inventory; what is beyond is skipped and counted.
pub const MAX_OBJECTS: usize = 200_000;

/// The kinds of object that decide who can do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccessKind {
    /// `v1`; its labels decide where Pod Security is enforced and where selectors bind.
    Namespace,
    /// `v1`
    ServiceAccount,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRole,
    /// `rbac.authorization.k8s.io/v1`
    Role,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRoleBinding,
    /// `rbac.authorization.k8s.io/v1`
    RoleBinding,
    /// `apps/v1`
    Deployment,
    /// `apps/v1`
    StatefulSet,
    /// `apps/v1`
    DaemonSet,
    /// `apps/v1`, without an owner.
    ReplicaSet,
    /// `batch/v1`, without an owner.
    Job,
    /// `batch/v1`
    CronJob,
    /// `v1`, without an owner.
    Pod,
}

impl AccessKind {
    /// All of them, in order.
    pub const ALL: [Self; 13] = [
        Self::Namespace,
        Self::ServiceAccount,
        Self::ClusterRole,
        Self::Role,
        Self::ClusterRoleBinding,
        Self::RoleBinding,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Job,
        Self::CronJob,
        Self::Pod,
    ];

    /// API group, version, kind and plural resource.
    pub const fn resource(self) -> (&'static str, &'static str, &'static str, &'static str) {
        const RBAC: &str = "rbac.authorization.k8s.io";
        match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::ClusterRole => (RBAC, "v1", "ClusterRole", "clusterroles"),
            Self::Role => (RBAC, "v1", "Role", "roles"),
            Self::ClusterRoleBinding => (RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings"),
            Self::RoleBinding => (RBAC, "v1", "RoleBinding", "rolebindings"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Self::DaemonSet => ("apps", "v1", "DaemonSet", "daemonsets"),
            Self::ReplicaSet => ("apps", "v1", "ReplicaSet", "replicasets"),
            Self::Job => ("batch", "v1", "Job", "jobs"),
            Self::CronJob => ("batch", "v1", "CronJob", "cronjobs"),
            Self::Pod => ("", "v1", "Pod", "pods"),
        }
    }

    /// `Namespace`, `ClusterRole`, …
    pub const fn name(self) -> &'static str {
        self.resource().2
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The same kind of object, if it decides who can do what.
    pub const fn of(kind: ObjectKind) -> Option<Self> {
        match kind {
            ObjectKind::Namespace => Some(Self::Namespace),
            ObjectKind::ClusterRole => Some(Self::ClusterRole),
            ObjectKind::Role => Some(Self::Role),
            ObjectKind::ClusterRoleBinding => Some(Self::ClusterRoleBinding),
            ObjectKind::RoleBinding => Some(Self::RoleBinding),
            ObjectKind::ResourceQuota
            | ObjectKind::LimitRange
            | ObjectKind::NetworkPolicy
            | ObjectKind::Secret => None,
        }
    }

    /// Whether it runs pods.
    pub const fn is_workload(self) -> bool {
        match self {
            Self::Namespace
            | Self::ServiceAccount
            | Self::ClusterRole
            | Self::Role
            | Self::ClusterRoleBinding
            | Self::RoleBinding => false,
            Self::Deployment
            | Self::StatefulSet
            | Self::DaemonSet
            | Self::ReplicaSet
            | Self::Job
            | Self::CronJob
            | Self::Pod => true,
        }
    }

    /// Whether its objects are in namespaces.
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::ClusterRole | Self::ClusterRoleBinding)
    }
}

impl fmt::Display for AccessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// Its kind.
    pub kind: AccessKind,
    /// Empty for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl AccessKey {
    /// A cluster-scoped object.
    pub fn cluster(kind: AccessKind, name: impl Into<String>) -> Self {
        Self { kind, namespace: String::new(), name: name.into() }
    }

    /// An object in a namespace.
    pub fn namespaced(
        kind: AccessKind,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The same object, if it is of a kind that Hanse writes or compares.
    pub fn object_ref(&self) -> Option<ObjectRef> {
        let kind = ObjectKind::ALL.into_iter().find(|it| AccessKind::of(*it) == Some(self.kind))?;
        let namespace = (!self.namespace.is_empty()).then(|| self.namespace.clone());
        Some(ObjectRef { kind, namespace, name: self.name.clone() })
    }

    /// Of the canonical encoding. Its first byte is the bucket.
    pub fn hash(&self) -> Digest {
        Digest::of(&json(self))
    }
}

impl fmt::Display for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// What an object says, without who wrote it and when. Many objects say the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum AccessContent {
    /// Of a namespace.
    Namespace {
        /// `metadata.labels`
        #[serde(default, skip_serializing_if = "Labels::is_empty")]
        labels: Labels,
    },
    /// Of a service account.
    ServiceAccount {
        /// Whether a token Secret of it is listed in `secrets`: a legacy token that does not expire.
        #[serde(default, skip_serializing_if = "is_false")]
        token_secret: bool,
    },
    /// Of a role or a cluster role. The rules are what the API server has: for an aggregated role,
    /// what its controller gathered.
    Role {
        /// What it grants, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<PolicyRule>,
        /// `metadata.labels`, which decide into which roles it is aggregated; cluster roles only.
        #[serde(default, skip_serializing_if = "Labels::is_empty")]
        labels: Labels,
        /// `aggregationRule.clusterRoleSelectors`; nothing when there is no aggregation rule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        aggregates: Option<Vec<LabelSelector>>,
    },
    /// Of a role binding or a cluster role binding.
    Binding {
        /// To what.
        role: RoleReference,
        /// Whom, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        subjects: Vec<RawSubject>,
    },
    /// Of a workload.
    Workload {
        /// As whom its pods run: a service account of its namespace.
        service_account: String,
    },
}

/// `roleRef`, as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleReference {
    /// "ClusterRole" or "Role"; anything else grants nothing.
    pub kind: String,
    /// Of the role.
    pub name: String,
}

/// `rbac.authorization.k8s.io/v1` `Subject`, as written. The API group decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSubject {
    /// "User", "Group" or "ServiceAccount"; anything else is nobody.
    pub kind: String,
    /// Of a service account; that of the binding when it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Of the subject.
    pub name: String,
}

/// `metav1.LabelSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// All must be there with these values.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub match_labels: Labels,
    /// All must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
}

/// `metav1.LabelSelectorRequirement`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// "In", `"NotIn"`, "Exists" or `"DoesNotExist"`.
    pub operator: String,
    /// For "In" and `"NotIn"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Since when an object is as it is, and through whom, as the cluster says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Origin {
    /// `metadata.uid`: an object that was deleted and made again is another one.
    pub uid: String,
    /// `metadata.creationTimestamp`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The newest time in `metadata.managedFields`, subresources aside; the API server gives whole
    /// seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// The field manager of that entry. Whoever may write can choose its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manager: String,
    /// `hanse.dev/source` of an object with our marker: "FederatedRole/payments". A claim until it is
    /// compared with the statements.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// `hanse.dev/revision` of an object with our marker, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// One object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessObject {
    /// Which one.
    pub key: AccessKey,
    /// What it says.
    pub content: AccessContent,
    /// Since when and through whom.
    pub origin: Origin,
}

/// Bytes that are not the canonical encoding of what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the canonical encoding of access: {0}")]
pub struct NotCanonical(pub String);

impl AccessContent {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        json(self)
    }

    /// Reads a content. Errors: not canonical, or larger than [`MAX_CONTENT_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotCanonical> {
        decode(bytes)
    }

    /// Whether it is what objects of a kind say.
    pub const fn fits(&self, kind: AccessKind) -> bool {
        match self {
            Self::Namespace { .. } => matches!(kind, AccessKind::Namespace),
            Self::ServiceAccount { .. } => matches!(kind, AccessKind::ServiceAccount),
            Self::Role { .. } => matches!(kind, AccessKind::Role | AccessKind::ClusterRole),
            Self::Binding { .. } => {
                matches!(kind, AccessKind::RoleBinding | AccessKind::ClusterRoleBinding)
            }
            Self::Workload { .. } => kind.is_workload(),
        }
    }
}

impl Origin {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        json(self)
    }

    /// Reads an origin. Errors: not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotCanonical> {
        decode(bytes)
    }
}

impl AccessObject {
    /// What an inventory's root covers: see [`leaf`].
    pub fn leaf(&self) -> Digest {
        leaf(&self.key, &Digest::of(&self.content.encode()), &self.origin)
    }
}

/// SHA-256 over the canonical key, the digest of the canonical content in hexadecimal and the
/// canonical origin, each ended by a line break (JSON has none).
pub fn leaf(key: &AccessKey, content: &Digest, origin: &Origin) -> Digest {
    let content = content.to_string();
    Digest::of_parts(&[&json(key), b"\n", content.as_bytes(), b"\n", &json(origin), b"\n"])
}

/// Values of these types have no maps with keys that are not text, so this cannot fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn decode<T: Serialize + for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, NotCanonical> {
    if bytes.len() > MAX_CONTENT_BYTES {
        return Err(NotCanonical(format!("more than {MAX_CONTENT_BYTES} bytes")));
    }
    let value: T = serde_json::from_slice(bytes).map_err(|e| NotCanonical(e.to_string()))?;
    if json(&value) == bytes {
        Ok(value)
    } else {
        Err(NotCanonical("another order or form".to_owned()))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
