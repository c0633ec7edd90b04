//! What cannot be after some edits. It looks only at what the edits touch: the rest was verified when
//! it came.

use std::collections::BTreeSet;

use super::{PlanError, secret};
use crate::document::{Document, DocumentRef, Kind};
use crate::fleet::{Edit, Fleet, federated_roles};
use crate::history::roster::ClusterEntry;

/// Everything about a fleet after some edits that cannot be. The hub asks this before it commits.
pub fn verify(next: &Fleet, edits: &[Edit]) -> Vec<PlanError> {
    let mut errors = without_role(next, edits);
    for edit in edits {
        match edit {
            Edit::PutCluster(entry) => {
                if next.members_named(&entry.name).any(|member| member.entry.id != entry.id) {
                    errors.push(PlanError::ClusterName(entry.name.clone()));
                }
                // New labels can bring overrides together that were apart before.
                if let Some(member) = next.member(entry.id) {
                    let placed = next.placed_on(member);
                    errors.extend(placed.filter_map(|(document, _)| invalid(document, entry)));
                }
            }
            Edit::Put(document) => {
                let selected = next.selected(document).into_iter();
                errors.extend(selected.filter_map(|member| invalid(document, &member.entry)));
            }
            Edit::PutWrap(wrap) => errors.extend(secret::misplaced(next, wrap)),
            Edit::Remove(_) | Edit::RemoveCluster(_) | Edit::RemoveWrap(_) | Edit::PutRoot(_) => {}
        }
    }
    errors
}

/// Bindings to roles that are not there: bindings that change, and those whose role goes.
fn without_role(next: &Fleet, edits: &[Edit]) -> Vec<PlanError> {
    let mut bound: BTreeSet<(&DocumentRef, &str)> = BTreeSet::new();
    let mut removed: BTreeSet<&str> = BTreeSet::new();
    for edit in edits {
        match edit {
            Edit::Put(document) => {
                let roles = federated_roles(document).into_iter();
                bound.extend(roles.map(|role| (&document.reference, role)));
            }
            Edit::Remove(reference) if reference.kind == Kind::FederatedRole => {
                let role = reference.name.as_str();
                removed.insert(role);
                bound.extend(next.bindings_of(role).map(|binding| (binding, role)));
            }
            Edit::Remove(_)
            | Edit::PutCluster(_)
            | Edit::RemoveCluster(_)
            | Edit::PutWrap(_)
            | Edit::RemoveWrap(_)
            | Edit::PutRoot(_) => {}
        }
    }
    bound.retain(|(_, role)| !has_role(next, role));
    let error = |(binding, role): (&DocumentRef, &str)| {
        let (binding, in_use, role) = (binding.clone(), removed.contains(role), role.to_owned());
        if in_use {
            return PlanError::RoleInUse { binding, role };
        }
        let nearest = nearest_role(next, &role);
        PlanError::UnknownRole { binding, role, nearest }
    };
    bound.into_iter().map(error).collect()
}

fn has_role(fleet: &Fleet, name: &str) -> bool {
    let reference = DocumentRef { kind: Kind::FederatedRole, name: name.to_owned() };
    fleet.documents().contains_key(&reference)
}

fn nearest_role(fleet: &Fleet, name: &str) -> Option<String> {
    let references = fleet.documents().keys();
    let roles = references.filter(|reference| reference.kind == Kind::FederatedRole);
    let names = roles.map(|reference| reference.name.as_str());
    crate::parse::nearest(name, names).map(str::to_owned)
}

fn invalid(document: &Document, entry: &ClusterEntry) -> Option<PlanError> {
    let error = document.placed(&entry.labels).err()?;
    Some(PlanError::Invalid {
        cluster: entry.name.clone(),
        document: error.document,
        why: error.why,
    })
}
