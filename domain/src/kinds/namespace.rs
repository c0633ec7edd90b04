//! `FederatedNamespace`: a namespace with its guard rails.

use std::collections::BTreeMap;

use crate::history::roster::Labels;

/// What a namespace has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSpec {
    /// Labels of the namespace itself.
    pub labels: Labels,
    /// Annotations of the namespace itself.
    pub annotations: Labels,
    /// Pod Security Standard that is enforced, with the same level as a warning and in the audit log.
    pub pod_security: Option<PodSecurity>,
    /// Hard limits of its resource quota, as "requests.cpu" → "4".
    pub resource_quota: Option<Quantities>,
    /// Items of its limit range.
    pub limits: Vec<LimitItem>,
    /// What traffic is denied by default, and what is allowed all the same.
    pub network_policy: Option<NetworkPolicy>,
}

/// Resource names and quantities, as written.
pub type Quantities = BTreeMap<String, String>;

/// Levels of the Pod Security Standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodSecurity {
    /// Current hardening practice.
    Restricted,
    /// No known privilege escalations.
    Baseline,
    /// Unrestricted.
    Privileged,
}

impl PodSecurity {
    /// As the namespace's label has it.
    pub const fn label_value(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Baseline => "baseline",
            Self::Privileged => "privileged",
        }
    }
}

/// One item of a `LimitRange`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitItem {
    /// `Container`, `Pod` or `PersistentVolumeClaim`.
    pub kind: &'static str,
    /// The item's maps, in the names of `core/v1` (`max`, `min`, `default`, `defaultRequest`,
    /// `maxLimitRequestRatio`); none is empty.
    pub values: BTreeMap<&'static str, Quantities>,
}

/// The namespace's default network policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the document")]
pub struct NetworkPolicy {
    /// Deny what comes in unless it is allowed.
    pub deny_ingress: bool,
    /// Deny what goes out unless it is allowed.
    pub deny_egress: bool,
    /// Pods of the namespace may talk to each other.
    pub allow_same_namespace: bool,
    /// Pods may ask the cluster's DNS (port 53 of kube-system).
    pub allow_dns: bool,
    /// Namespaces from which traffic may come.
    pub allow_from: Vec<String>,
    /// Namespaces to which traffic may go.
    pub allow_to: Vec<String>,
}
