//! `spec` of each kind.

mod binding;
mod invariant;
mod namespace;
mod role;
mod secret;

pub(super) use binding::namespace as namespace_name;

use super::common;
use super::cursor::{Cursor, Fields, Report};
use crate::document::{DriftPolicy, Kind, Placed};
use crate::kinds::Spec;
use crate::kinds::placement::{Override, Placement};

/// A whole spec: placement and overrides beside what they place.
pub(super) fn whole(
    report: &mut Report,
    cursor: &Cursor<'_>,
    kind: Kind,
) -> Option<(Placement, Vec<Override>, Placed)> {
    cursor.fields(report, |report, fields| {
        let placement = fields
            .required(report, "placement")
            .and_then(|placement| common::placement(report, &placement));
        let overrides = fields.optional("overrides");
        if let Some(list) = overrides.as_ref().filter(|_| kind == Kind::FederatedSecret) {
            list.error(report, "a sealed secret is the same wherever it goes: it has no overrides");
            return None;
        }
        let errors_before = report.errors.len();
        let placed = placed(report, fields, kind);
        // An override is tried on the base spec; on one that is wrong it would only repeat its errors.
        let overrides = match overrides {
            Some(list) if report.errors.len() == errors_before => {
                common::overrides(report, &list, kind, cursor)
            }
            _ => Some(Vec::new()),
        };
        Some((placement?, overrides?, placed?))
    })
}

/// The part of a spec that overrides can change.
pub(super) fn placed(report: &mut Report, fields: &mut Fields<'_>, kind: Kind) -> Option<Placed> {
    // Nothing of an invariant is in a cluster that could drift.
    let drift = if kind == Kind::AccessInvariant {
        Some(DriftPolicy::Report)
    } else {
        fields.optional("drift").map_or(Some(DriftPolicy::Enforce), |drift| {
            let words = [("Enforce", DriftPolicy::Enforce), ("Report", DriftPolicy::Report)];
            drift.one_of(report, &words)
        })
    };
    let spec = match kind {
        Kind::FederatedNamespace => namespace::spec(report, fields).map(Spec::Namespace),
        Kind::FederatedRole => role::spec(report, fields).map(Spec::Role),
        Kind::FederatedRoleBinding => binding::spec(report, fields).map(Spec::RoleBinding),
        Kind::FederatedSecret => secret::spec(report, fields).map(Spec::Secret),
        Kind::AccessInvariant => invariant::spec(report, fields).map(Spec::Invariant),
    };
    Some(Placed { drift: drift?, spec: spec? })
}
