//! `spec` of `FederatedRoleBinding`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::common;
use super::super::cursor::{Cursor, Fields, Report};
use crate::kinds::binding::{BindingScope, RoleBindingSpec, RoleRef, Subject};
use crate::names;

const MAX_SUBJECTS: usize = 1000;
const MAX_REASON_BYTES: usize = 1024;

pub(super) fn spec(report: &mut Report, fields: &mut Fields<'_>) -> Option<RoleBindingSpec> {
    let subjects = fields.required(report, "subjects").and_then(|cursor| {
        let subjects = cursor.list(report, |report, item| subject(report, &item))?;
        if subjects.is_empty() || subjects.len() > MAX_SUBJECTS {
            cursor.error(report, format!("between 1 and {MAX_SUBJECTS} subjects are needed"));
            return None;
        }
        Some(subjects)
    });
    let role = fields.required(report, "roleRef").and_then(|cursor| role_ref(report, &cursor));
    let scope = scope(report, fields);
    let expires_at = match fields.optional("expiresAt") {
        None => Some(None),
        Some(cursor) => timestamp(report, &cursor).map(Some),
    };
    let reason = match fields.optional("reason") {
        None => Some(None),
        Some(cursor) => reason(report, &cursor).map(Some),
    };
    let (role, scope) = (role?, scope?);
    if matches!((&role, &scope), (RoleRef::Role(_), BindingScope::ClusterWide)) {
        fields.error(report, "a `Role` cannot be bound cluster-wide: refer to a `ClusterRole`");
        return None;
    }
    Some(RoleBindingSpec {
        subjects: subjects?,
        role,
        scope,
        expires_at: expires_at?,
        reason: reason?,
    })
}

/// Why something is so, for auditors.
pub(super) fn reason(report: &mut Report, cursor: &Cursor<'_>) -> Option<String> {
    let reason = cursor.string(report)?;
    if reason.len() > MAX_REASON_BYTES {
        cursor.error(report, format!("longer than {MAX_REASON_BYTES} bytes"));
        return None;
    }
    Some(reason)
}

fn subject(report: &mut Report, cursor: &Cursor<'_>) -> Option<Subject> {
    #[derive(Clone, Copy, PartialEq)]
    enum Type {
        User,
        Group,
        ServiceAccount,
    }
    cursor.fields(report, |report, fields| {
        let types = [
            ("User", Type::User),
            ("Group", Type::Group),
            ("ServiceAccount", Type::ServiceAccount),
        ];
        let kind = fields.required(report, "kind").and_then(|cursor| cursor.one_of(report, &types));
        let name = fields.required(report, "name");
        let namespace = fields.optional("namespace");
        let kind = kind?;
        if kind == Type::ServiceAccount {
            let name = name?.checked(report, names::check_dns_subdomain);
            let namespace = match namespace {
                None => None,
                Some(cursor) => Some(cursor.checked(report, names::check_dns_label)?),
            };
            return Some(Subject::ServiceAccount { namespace, name: name? });
        }
        if let Some(namespace) = namespace {
            namespace.error(report, "only a `ServiceAccount` has a namespace");
        }
        let name = subject_name(report, &name?)?;
        Some(if kind == Type::User { Subject::User(name) } else { Subject::Group(name) })
    })
}

/// The name of a user or a group.
pub(super) fn subject_name(report: &mut Report, cursor: &Cursor<'_>) -> Option<String> {
    let name = cursor.string(report)?;
    if name.is_empty() || name.len() > 512 || names::has_hidden(&name) {
        cursor.error(
            report,
            "a name of 1 to 512 bytes without control and invisible characters is needed",
        );
        return None;
    }
    Some(name)
}

fn role_ref(report: &mut Report, cursor: &Cursor<'_>) -> Option<RoleRef> {
    #[derive(Clone, Copy)]
    enum Type {
        Federated,
        ClusterRole,
        Role,
    }
    cursor.fields(report, |report, fields| {
        let types = [
            ("FederatedRole", Type::Federated),
            ("ClusterRole", Type::ClusterRole),
            ("Role", Type::Role),
        ];
        let kind = fields.required(report, "kind").and_then(|cursor| cursor.one_of(report, &types));
        let name = fields.required(report, "name")?;
        Some(match kind? {
            Type::Federated => {
                RoleRef::Federated(name.checked(report, names::check_dns_subdomain)?)
            }
            Type::ClusterRole => {
                let role = name.checked(report, names::check_path_segment)?;
                if role == "hanse-agent" {
                    name.error(report, "the agent's own role is not handed out");
                    return None;
                }
                RoleRef::ClusterRole(role)
            }
            Type::Role => RoleRef::Role(name.checked(report, names::check_path_segment)?),
        })
    })
}

/// Exactly one of `namespaces`, `namespaceSelector` and `clusterWide`.
fn scope(report: &mut Report, fields: &mut Fields<'_>) -> Option<BindingScope> {
    let namespaces = fields.optional("namespaces");
    let selector = fields.optional("namespaceSelector");
    let cluster_wide = fields.optional("clusterWide");
    match (namespaces, selector, cluster_wide) {
        (Some(cursor), None, None) => {
            let names: BTreeSet<String> =
                cursor.list(report, |report, item| namespace(report, &item))?.into_iter().collect();
            if names.is_empty() {
                cursor.error(report, "at least one namespace is needed");
                return None;
            }
            Some(BindingScope::Namespaces(names))
        }
        (None, Some(cursor), None) => common::selector(report, &cursor).map(BindingScope::Selector),
        (None, None, Some(cursor)) => {
            if cursor.bool(report)? {
                return Some(BindingScope::ClusterWide);
            }
            cursor.error(report, "`clusterWide: false` binds nothing: name `namespaces` instead");
            None
        }
        _ => {
            fields.error(
                report,
                "exactly one of `namespaces`, `namespaceSelector` and `clusterWide: true` is needed",
            );
            None
        }
    }
}

/// A namespace that Hanse may write to.
pub(in super::super) fn namespace(report: &mut Report, cursor: &Cursor<'_>) -> Option<String> {
    let name = cursor.checked(report, names::check_dns_label)?;
    if names::is_protected_namespace(&name) {
        cursor
            .error(report, format!("`{name}` is a protected namespace, which Hanse never touches"));
        return None;
    }
    Some(name)
}

fn timestamp(report: &mut Report, cursor: &Cursor<'_>) -> Option<Timestamp> {
    let text = cursor.string(report)?;
    let parsed = if is_rfc3339_shaped(&text) { text.parse().ok() } else { None };
    if parsed.is_none() {
        cursor.error(
            report,
            format!(
                "expected an RFC 3339 time like 2026-12-31T18:00:00Z, found {}",
                cursor.node.describe()
            ),
        );
    }
    parsed
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`: the parser also takes much that the RFC does not have,
/// time zones in brackets among it.
fn is_rfc3339_shaped(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let digits = |shape: &[u8], text: &[u8]| {
        shape.len() == text.len()
            && shape.iter().zip(text).all(|(shape, byte)| match shape {
                b'0' => byte.is_ascii_digit(),
                other => other == byte,
            })
    };
    let Some((time, rest)) = text.as_bytes().split_at_checked(SHAPE.len()) else {
        return false;
    };
    let zone = match rest {
        [b'.', fraction @ ..] => {
            let count = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            match fraction.split_at_checked(count) {
                Some((_, zone)) if count > 0 => zone,
                _ => return false,
            }
        }
        _ => rest,
    };
    digits(SHAPE, time) && (zone == b"Z" || digits(b"+00:00", zone) || digits(b"-00:00", zone))
}
