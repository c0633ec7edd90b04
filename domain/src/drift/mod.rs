//! Drift: how a live object differs from what was declared, and who made it so. Pure; what to do
//! about it is the agent's.
//!
//! | class | meaning |
//! |---|---|
//! | modified | a field of ours has another value |
//! | missing | an object of ours is not there |
//! | conflicting | another field manager *applies* a field of ours: it will come back |
//! | unmanaged | access that nobody declared to the fleet |

mod bootstrap;
mod managers;
mod projection;
mod strays;

use jiff::Timestamp;
use serde_json::Value;

pub use bootstrap::is_bootstrap;
pub use projection::{project, projection_digest};
pub use strays::strays;

use crate::ids::Digest;
use crate::object::{ObjectKind, ObjectRef};
use managers::Managers;

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftClass {
    /// A field of ours has another value.
    Modified,
    /// An object of ours is not there.
    Missing,
    /// Another field manager applies a field of ours.
    Conflicting,
    /// Access that nobody declared to the fleet.
    Unmanaged,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldDifference {
    /// "rules[0].verbs"
    pub path: String,
    /// JSON, at most [`MAX_VALUE_BYTES`]; nothing when nothing is declared.
    pub declared: Option<String>,
    /// JSON, at most [`MAX_VALUE_BYTES`]; nothing when the field is not there.
    pub live: Option<String>,
}

/// Most bytes of a value in a [`FieldDifference`].
pub const MAX_VALUE_BYTES: usize = 1024;
/// Most differences that are told of one object.
pub const MAX_DIFFERENCES: usize = 20;

/// What differs in one object, who made it so and since when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// How it differs.
    pub class: DriftClass,
    /// Where; for unmanaged access, what it grants.
    pub fields: Vec<FieldDifference>,
    /// The field manager, as the API server recorded it; nothing where it cannot be known.
    pub manager: Option<String>,
    /// By the cluster's clock.
    pub since: Option<Timestamp>,
}

impl Finding {
    /// An object of ours that is gone. Who deleted it, the API server does not tell a watch.
    pub const fn missing() -> Self {
        Self { class: DriftClass::Missing, fields: Vec::new(), manager: None, since: None }
    }
}

/// Compares a live object with what is declared. `field_manager` is ours. Nothing when all fields of
/// ours are as declared and nobody else applies one of them.
pub fn compare(declared: &Value, live: &Value, field_manager: &str) -> Option<Finding> {
    let differences = projection::differences(declared, live);
    if differences.is_empty() {
        return contested(declared, live, field_manager);
    }
    let managers = Managers::of(live, field_manager);
    let paths: Vec<&[projection::Step]> = differences.iter().map(|d| d.steps.as_slice()).collect();
    let culprit = managers.writer_of(&paths);
    let conflicting = culprit.is_some_and(|manager| manager.applies);
    Some(Finding {
        class: if conflicting { DriftClass::Conflicting } else { DriftClass::Modified },
        manager: culprit.map(|manager| manager.name.clone()),
        since: culprit.and_then(|manager| manager.time),
        fields: differences.into_iter().take(MAX_DIFFERENCES).map(Into::into).collect(),
    })
}

/// Whether somebody else applies a field of ours, though all values are as declared.
pub fn contested(declared: &Value, live: &Value, field_manager: &str) -> Option<Finding> {
    let managers = Managers::of(live, field_manager);
    let other = managers.applying(declared)?;
    Some(Finding {
        class: DriftClass::Conflicting,
        fields: Vec::new(),
        manager: Some(other.name.clone()),
        since: other.time,
    })
}

/// Looks at access that is not ours. Nothing when it is Kubernetes' own bootstrap policy as
/// Kubernetes wrote it, or the agent's own rights as `join` wrote them.
pub fn unmanaged(reference: &ObjectRef, live: &Value) -> Option<Finding> {
    if !reference.kind.is_access() {
        return None;
    }
    let managers = Managers::of(live, "");
    if is_bootstrap(reference) && managers.only_kubernetes() {
        return None;
    }
    if is_agents_own(reference) && managers.only(&[JOIN_MANAGER]) {
        return None;
    }
    let newest = managers.newest();
    let created = live
        .pointer("/metadata/creationTimestamp")
        .and_then(Value::as_str)
        .and_then(|time| time.parse().ok());
    let fields = ["roleRef", "subjects", "rules", "aggregationRule"]
        .into_iter()
        .filter_map(|field| {
            Some(FieldDifference {
                path: field.to_owned(),
                declared: None,
                live: Some(projection::shorten(live.get(field)?)),
            })
        })
        .collect();
    Some(Finding {
        class: DriftClass::Unmanaged,
        fields,
        manager: newest.map(|manager| manager.name.clone()),
        since: newest.and_then(|manager| manager.time).or(created),
    })
}

/// The field manager with which `hanse-agent join` installs the agent's own rights.
pub const JOIN_MANAGER: &str = "hanse-agent/join";

/// What `hanse-agent join` installs for the agent itself.
fn is_agents_own(reference: &ObjectRef) -> bool {
    match reference.kind {
        ObjectKind::ClusterRole | ObjectKind::ClusterRoleBinding => {
            matches!(
                reference.name.as_str(),
                "hanse-agent" | "hanse-agent-inventory" | "hanse-ceiling"
            )
        }
        ObjectKind::Role | ObjectKind::RoleBinding => {
            reference.namespace.as_deref() == Some("hanse-agent") && reference.name == "hanse-agent"
        }
        ObjectKind::Namespace
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::Secret => false,
    }
}

/// A digest over the ids of the drift that stands, so that an agent and the hub can see whether they
/// know the same. The ids come in the order of kind, namespace and name; over none it is the digest
/// of nothing.
pub fn drift_digest<'i>(ids: impl IntoIterator<Item = &'i str>) -> Digest {
    let mut text = String::new();
    for id in ids {
        text.push_str(id);
        text.push('\n');
    }
    Digest::of(text.as_bytes())
}
