//! `plan`: (fleet, edits) → what would change in each cluster, object by object, what deserves a
//! second look (hazards), what has no effect (warnings) and what cannot be (errors). Pure: the
//! command line, the web and the hub show the same plan.

mod hazard;
mod secret;
mod verify;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

pub use hazard::{Hazard, HazardKind, hazards_of, unconfirmed_removals};
pub use secret::pending;
pub use verify::verify;

use crate::document::{Document, DocumentRef};
use crate::fleet::{Edit, Fleet, Member};
use crate::history::roster::Labels;
use crate::kinds::Spec;
use crate::kinds::binding::BindingScope;
use crate::object::{ObjectKind, ObjectRef};
use crate::render::{Rendering, render};
use crate::trust::chain::BrokenChain;

/// What edits would do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The edits that change something.
    pub edits: Vec<Edit>,
    /// Clusters in which objects change, by name.
    pub clusters: BTreeMap<String, Vec<ObjectChange>>,
    /// What deserves a second look.
    pub hazards: Vec<Hazard>,
    /// What has no effect, or another one than may be meant.
    pub warnings: Vec<String>,
}

/// What happens to one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectChange {
    /// The object.
    pub object: ObjectRef,
    /// The document that declares it.
    pub source: DocumentRef,
    /// As declared now; nothing when it is new.
    pub before: Option<Value>,
    /// As declared afterwards; nothing when it goes.
    pub after: Option<Value>,
}

/// Whether an object comes, changes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// `+`
    Add,
    /// `~`
    Change,
    /// `-`
    Remove,
    /// It stays, and the fleet lets go of it: a namespace may hold what is not ours.
    Release,
}

impl ObjectChange {
    /// Whether it comes, changes or goes.
    pub const fn action(&self) -> Action {
        match (&self.before, &self.after) {
            (None, _) => Action::Add,
            (Some(_), Some(_)) => Action::Change,
            (Some(_), None) if matches!(self.object.kind, ObjectKind::Namespace) => Action::Release,
            (Some(_), None) => Action::Remove,
        }
    }
}

/// Why edits cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A binding refers to a role that the fleet does not have.
    #[error("{binding} refers to FederatedRole/{role}, which does not exist{}", hint(.nearest.as_deref()))]
    UnknownRole {
        /// Who refers.
        binding: DocumentRef,
        /// To what.
        role: String,
        /// A role with a similar name.
        nearest: Option<String>,
    },
    /// A role would go that a binding refers to.
    #[error(
        "{binding} still refers to FederatedRole/{role}: remove the binding with it, or before"
    )]
    RoleInUse {
        /// Who refers.
        binding: DocumentRef,
        /// To what.
        role: String,
    },
    /// A document cannot be rendered for a cluster.
    #[error("on cluster {cluster}: {document}: {why}")]
    Invalid {
        /// Where.
        cluster: String,
        /// Which.
        document: DocumentRef,
        /// Why.
        why: String,
    },
    /// A wrapped key that would be of no use.
    #[error("the key of FederatedSecret/{secret} for cluster {cluster} is of no use: {why}")]
    Wrap {
        /// Of which secret.
        secret: String,
        /// For which cluster.
        cluster: String,
        /// Why.
        why: &'static str,
    },
    /// The trust root is not the next one.
    #[error(transparent)]
    TrustRoot(#[from] BrokenChain),
    /// Two clusters would have one name.
    #[error("there is another cluster with the name {0}")]
    ClusterName(String),
    /// There is nothing to remove.
    #[error("{0} does not exist")]
    NotFound(String),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Plans edits. Errors: all of them at once.
pub fn plan(base: &Fleet, edits: Vec<Edit>, now: Timestamp) -> Result<Plan, Vec<PlanError>> {
    let mut plan = Plan::default();
    let missing: Vec<PlanError> = edits.iter().filter_map(|edit| absent(base, edit)).collect();
    plan.edits = base.effective(edits);
    let mut errors = missing;
    let (next, touched) = match base.with(&plan.edits) {
        Ok(next) => next,
        Err(broken) => {
            errors.push(PlanError::TrustRoot(broken));
            return Err(errors);
        }
    };
    errors.extend(verify(&next, &plan.edits));
    for id in &touched {
        let rendering =
            |fleet: &Fleet| fleet.member(*id).map(|member| rendering(fleet, member, now));
        let (before, after) =
            (rendering(base).unwrap_or_default(), rendering(&next).unwrap_or_default());
        let Some(member) = next.member(*id).or_else(|| base.member(*id)) else {
            continue;
        };
        let cluster = &member.entry.name;
        plan.warnings.extend(idle(&plan.edits, member, &after, now));
        for (document, why) in &after.problems {
            if !before.problems.contains(&(document.clone(), why.clone())) {
                plan.warnings
                    .push(format!("on cluster {cluster}: {document} grants nothing: {why}"));
            }
        }
        let changes = changes(before, after);
        hazard::of_cluster(cluster, &changes, &mut plan.hazards);
        if !changes.is_empty() {
            plan.clusters.insert(cluster.clone(), changes);
        }
    }
    for edit in &plan.edits {
        match edit {
            Edit::Put(document) => {
                plan.hazards.extend(hazards_of(document));
                plan.warnings.extend(nowhere(&next, document));
                plan.warnings.extend(expired(document, now));
                plan.warnings.extend(secret::warnings(base, &next, document));
            }
            Edit::PutCluster(entry) => {
                plan.warnings.extend(secret::left_behind(base, &next, entry));
            }
            Edit::RemoveCluster(id) => {
                let name =
                    base.member(*id).map_or_else(|| id.to_string(), |m| m.entry.name.clone());
                plan.warnings.push(format!(
                    "cluster {name} leaves the fleet; what was applied there stays as it is"
                ));
                plan.warnings.extend(base.member(*id).into_iter().flat_map(secret::taken_along));
            }
            Edit::Remove(_) | Edit::PutWrap(_) | Edit::RemoveWrap(_) | Edit::PutRoot(_) => {}
        }
    }
    if errors.is_empty() { Ok(plan) } else { Err(errors) }
}

fn absent(base: &Fleet, edit: &Edit) -> Option<PlanError> {
    let there = match edit {
        Edit::Remove(reference) => base.documents().contains_key(reference),
        Edit::RemoveCluster(id) => base.members().contains_key(id),
        Edit::Put(_)
        | Edit::PutCluster(_)
        | Edit::PutWrap(_)
        | Edit::RemoveWrap(_)
        | Edit::PutRoot(_) => true,
    };
    (!there).then(|| PlanError::NotFound(edit.subject().to_string()))
}

fn rendering(fleet: &Fleet, member: &Member, now: Timestamp) -> Rendering {
    render(fleet.placed_on(member), &member.entry.labels, now)
}

fn changes(mut before: Rendering, after: Rendering) -> Vec<ObjectChange> {
    let mut changes = Vec::new();
    for (reference, rendered) in after.objects {
        let old = before.objects.remove(&reference).map(|old| old.object.body);
        if old.as_ref() == Some(&rendered.object.body) {
            continue;
        }
        changes.push(ObjectChange {
            object: reference,
            source: rendered.source,
            before: old,
            after: Some(rendered.object.body),
        });
    }
    let removed = before.objects.into_iter().map(|(object, rendered)| ObjectChange {
        object,
        source: rendered.source,
        before: Some(rendered.object.body),
        after: None,
    });
    changes.extend(removed);
    changes
}

/// A placement that selects nothing, or names clusters that the fleet does not have.
fn nowhere(fleet: &Fleet, document: &Document) -> Vec<String> {
    let reference = &document.reference;
    let mut warnings: Vec<String> = document
        .placement
        .cluster_names
        .iter()
        .filter(|name| fleet.member_named(name).is_none())
        .map(|name| format!("{reference} names cluster {name}, which is not in the fleet"))
        .collect();
    if fleet.selected(document).is_empty() {
        warnings.push(format!("{reference} is placed on no cluster: its placement selects none"));
    }
    if document.overrides.iter().any(|o| fleet.matching(&o.selector).next().is_none()) {
        warnings.push(format!("an override of {reference} matches no cluster"));
    }
    warnings
}

/// A binding that is put and has expired already.
fn expired(document: &Document, now: Timestamp) -> Option<String> {
    let Spec::RoleBinding(binding) = &document.base.spec else {
        return None;
    };
    let expires_at = binding.expires_at.filter(|at| *at <= now)?;
    let reference = &document.reference;
    Some(format!("{reference} expired at {expires_at}: it grants nothing"))
}

/// Bindings that are put and whose selector matches no namespace of a cluster.
fn idle(edits: &[Edit], member: &Member, after: &Rendering, now: Timestamp) -> Vec<String> {
    let bindings = edits.iter().filter_map(|edit| match edit {
        Edit::Put(document) if member.manifest.documents.contains_key(&document.reference) => {
            let placed = document.placed(&member.entry.labels).ok()?;
            let Spec::RoleBinding(binding) = placed.spec else {
                return None;
            };
            let live = binding.expires_at.is_none_or(|at| at > now);
            (live && matches!(binding.scope, BindingScope::Selector(_)))
                .then_some(&document.reference)
        }
        Edit::Put(_)
        | Edit::Remove(_)
        | Edit::PutCluster(_)
        | Edit::RemoveCluster(_)
        | Edit::PutWrap(_)
        | Edit::RemoveWrap(_)
        | Edit::PutRoot(_) => None,
    });
    let grants = |reference: &DocumentRef| after.objects.values().any(|o| o.source == *reference);
    let failed = |reference: &DocumentRef| after.problems.iter().any(|(of, _)| of == reference);
    bindings
        .filter(|reference| !grants(reference) && !failed(reference))
        .map(|reference| {
            format!(
                "on cluster {}: {reference} grants nothing: its `namespaceSelector` matches no \
                 FederatedNamespace there",
                member.entry.name
            )
        })
        .collect()
}

/// Labels as people write them, "env=prod,region=eu".
pub fn show_labels(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}
