//! `AccessInvariant`: what nobody may be able to do, whoever gave it and however it came about. It
//! makes no objects: agents and the hub compare it with the access that is really in the clusters.

use std::collections::BTreeSet;

use super::role::PolicyRule;
use crate::selector::LabelSelector;

/// An invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantSpec {
    /// What is denied.
    pub deny: Denied,
    /// In which namespaces.
    pub namespaces: NamespaceSet,
    /// Who may all the same.
    pub except: Exceptions,
    /// Whether it is held against the control plane's own identities as well.
    pub includes_system: bool,
    /// Why, for auditors.
    pub reason: Option<String>,
}

/// What an invariant denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// To have a right that one of these rules has too; never empty. A `*` in them is anything.
    Access(Vec<PolicyRule>),
    /// To get there by any path; never empty.
    Reach(BTreeSet<Goal>),
}

/// What a path of escalations can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Goal {
    /// Everything in a cluster.
    ClusterAdmin,
    /// Reading Secrets.
    Secrets,
    /// Code on a node, outside of its containers.
    Node,
}

impl Goal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ClusterAdmin, Self::Secrets, Self::Node];

    /// As documents have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClusterAdmin => "cluster-admin",
            Self::Secrets => "secrets",
            Self::Node => "node",
        }
    }

    /// The goal of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|goal| goal.name() == name)
    }
}

/// The namespaces of a cluster that an invariant is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamespaceSet {
    /// Every one, and what is in none.
    #[default]
    All,
    /// These; never empty.
    Names(BTreeSet<String>),
    /// Those whose labels in the cluster match.
    Selector(LabelSelector),
}

/// Who may do all the same what an invariant denies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    /// As the API servers' authenticators name them.
    pub users: BTreeSet<String>,
    /// With their members, as far as the fleet knows them.
    pub groups: BTreeSet<String>,
    /// Namespace and name.
    pub service_accounts: BTreeSet<(String, String)>,
    /// All service accounts of these.
    pub namespaces: BTreeSet<String>,
}
