//! A document: one declaration of one kind, valid by construction, with the exact bytes that were
//! written. The bytes are what travels and what a statement's digest covers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;

use crate::history::roster::{ClusterEntry, Labels};
use crate::ids::{Digest, InvalidId};
use crate::kinds::Spec;
use crate::kinds::placement::{Override, Placement};
use crate::kinds::secret::SecretSpec;
use crate::names;

/// The kinds of `hanse.dev/v1alpha1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A namespace with its guard rails.
    FederatedNamespace,
    /// A set of policy rules.
    FederatedRole,
    /// Subjects bound to a role.
    FederatedRoleBinding,
    /// A sealed Secret.
    FederatedSecret,
    /// What nobody may be able to do.
    AccessInvariant,
}

impl Kind {
    /// All kinds, in the order in which their objects are applied.
    pub const ALL: [Self; 5] = [
        Self::FederatedNamespace,
        Self::FederatedRole,
        Self::FederatedRoleBinding,
        Self::FederatedSecret,
        Self::AccessInvariant,
    ];

    /// The name, as `kind:` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FederatedNamespace => "FederatedNamespace",
            Self::FederatedRole => "FederatedRole",
            Self::FederatedRoleBinding => "FederatedRoleBinding",
            Self::FederatedSecret => "FederatedSecret",
            Self::AccessInvariant => "AccessInvariant",
        }
    }
}

/// Which document: its kind and its name. Names are unique within a kind, over the whole fleet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentRef {
    /// The kind.
    pub kind: Kind,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for DocumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.name)
    }
}

impl FromStr for DocumentRef {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId::new("a document reference like FederatedRole/payments");
        let (kind, name) = text.split_once('/').ok_or(invalid)?;
        let kind = Kind::ALL.into_iter().find(|k| k.name() == kind).ok_or(invalid)?;
        names::check_dns_subdomain(name).map_err(|_| invalid)?;
        Ok(Self { kind, name: name.to_owned() })
    }
}

/// What an agent does about drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftPolicy {
    /// Report it and put it right.
    Enforce,
    /// Only report it.
    Report,
}

/// One declaration.
#[derive(Clone, Debug)]
pub struct Document {
    /// Kind and name.
    pub reference: DocumentRef,
    /// Exactly as written.
    pub bytes: Arc<[u8]>,
    /// Of `bytes`.
    pub digest: Digest,
    /// `metadata.labels`, for `-l` on the command line.
    pub labels: Labels,
    /// `metadata.annotations`, for people.
    pub annotations: Labels,
    /// Where it goes.
    pub placement: Placement,
    pub(crate) overrides: Vec<Override>,
    pub(crate) base: Placed,
    /// `spec` without `placement` and `overrides`.
    pub(crate) spec: Value,
}

/// What a document says for one cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// What to do about drift there.
    pub drift: DriftPolicy,
    /// The kind's own part.
    pub spec: Spec,
}

impl Document {
    /// Whether its placement selects a cluster.
    pub fn selects(&self, cluster: &ClusterEntry) -> bool {
        self.placement.selects(&cluster.name, &cluster.labels)
    }

    /// What it says for a cluster with these labels: the spec with every override merged whose
    /// selector matches, in order (RFC 7396). Each override was valid alone when it was parsed;
    /// several can still be invalid together.
    pub fn placed(&self, labels: &Labels) -> Result<Placed, InvalidTogether> {
        let matching: Vec<&Override> =
            self.overrides.iter().filter(|o| o.selector.matches(labels)).collect();
        match matching.as_slice() {
            [] => return Ok(self.base.clone()),
            [only] => return Ok(only.alone.clone()),
            _ => {}
        }
        let mut spec = self.spec.clone();
        for patch in matching {
            json_patch::merge(&mut spec, &patch.patch);
        }
        crate::parse::placed_from_json(self.reference.kind, &spec)
            .map_err(|why| InvalidTogether { document: self.reference.clone(), why })
    }
}

impl Document {
    /// The sealed secret that it is.
    pub fn secret(&self) -> Option<&SecretSpec> {
        match &self.base.spec {
            Spec::Secret(secret) => Some(secret),
            Spec::Namespace(_) | Spec::Role(_) | Spec::RoleBinding(_) | Spec::Invariant(_) => None,
        }
    }

    /// What it says by itself, and with each override alone.
    pub(crate) fn variants(&self) -> impl Iterator<Item = &Spec> {
        let alone = self.overrides.iter().map(|o| &o.alone.spec);
        std::iter::once(&self.base.spec).chain(alone)
    }
}

/// Overrides of one document that make no valid spec together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the overrides of {document} that match this cluster are not valid together: {why}")]
pub struct InvalidTogether {
    /// Whose overrides.
    pub document: DocumentRef,
    /// The first error in what they make.
    pub why: String,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.reference == other.reference && self.digest == other.digest
    }
}
