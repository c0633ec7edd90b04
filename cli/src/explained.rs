//! What each field of each kind means, in one table. A test walks examples of every field through
//! the parser, in both directions, so that the table cannot go stale.

mod rows;

use hanse_domain::document::Kind;

use rows::{BINDING, COMMON, INVARIANT, NAMESPACE, ROLE, Row, SECRET, SELECTOR};

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// "spec.rules[].verbs"
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) required: bool,
    pub(crate) text: &'static str,
}

/// What a kind is for.
pub(crate) const fn description(kind: Kind) -> &'static str {
    match kind {
        Kind::FederatedNamespace => {
            "A namespace with its guard rails: Pod Security, quota, limits, network policy."
        }
        Kind::FederatedRole => "Kubernetes policy rules that bindings refer to.",
        Kind::FederatedRoleBinding => {
            "Subjects that get a role in namespaces or over whole clusters, until when and why."
        }
        Kind::FederatedSecret => {
            "A Secret, sealed on its author's machine to the clusters where it goes."
        }
        Kind::AccessInvariant => {
            "What nobody may be able to do in the clusters, whoever gave it and however it came about."
        }
    }
}

/// Every field of a kind, parents before their children.
pub(crate) fn fields(kind: Kind) -> Vec<Field> {
    let own = match kind {
        Kind::FederatedNamespace => NAMESPACE,
        Kind::FederatedRole => ROLE,
        Kind::FederatedRoleBinding => BINDING,
        Kind::FederatedSecret => SECRET,
        Kind::AccessInvariant => INVARIANT,
    };
    let mut fields = Vec::new();
    for row in COMMON.iter().chain(own) {
        // A sealed secret is the same wherever it goes.
        if kind == Kind::FederatedSecret && row.0.starts_with("spec.overrides") {
            continue;
        }
        // Nothing of an invariant is in a cluster that could drift.
        if kind == Kind::AccessInvariant && row.0 == "spec.drift" {
            continue;
        }
        fields.push(field("", row));
        if row.1 == "selector" {
            let below = SELECTOR.iter().map(|below| field(&format!("{}.", row.0), below));
            fields.extend(below);
        }
    }
    fields
}

fn field(prefix: &str, (path, kind, required, text): &Row) -> Field {
    Field { path: format!("{prefix}{path}"), kind, required: *required, text }
}

/// Whether `path` is directly below `parent`, and by which name.
pub(crate) fn child_of<'p>(path: &'p str, parent: &str) -> Option<&'p str> {
    let rest = if parent.is_empty() {
        path
    } else {
        let rest = path.strip_prefix(parent)?;
        rest.strip_prefix("[]").unwrap_or(rest).strip_prefix('.')?
    };
    (!rest.is_empty() && !rest.contains('.')).then_some(rest)
}

#[cfg(test)]
#[path = "explained_tests.rs"]
mod tests;
