//! What the guard refuses, whatever a ceiling says: only what an object that Hanse renders can have.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{items, named, strings, subject, text};
use crate::names::is_protected_namespace;
use crate::object::Object;

const VERBS: [&str; 5] = ["escalate", "bind", "approve", "sign", "attest"];
/// These may be read and not written.
const READ_ONLY_GROUPS: [&str; 7] = [
    "rbac.authorization.k8s.io",
    "authentication.k8s.io",
    "certificates.k8s.io",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "apiextensions.k8s.io",
    "fence.hanse.dev",
];
const READ_ONLY_RESOURCES: [&str; 2] = ["nodes", "persistentvolumes"];
const RESOURCES: [&str; 3] = ["pods/proxy", "services/proxy", "serviceaccounts/token"];
/// These only in a namespace.
const NOT_CLUSTER_WIDE: [&str; 6] = [
    "secrets",
    "serviceaccounts",
    "pods/exec",
    "pods/attach",
    "pods/portforward",
    "pods/ephemeralcontainers",
];
const CREDENTIALS: [&str; 2] =
    ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];

pub(super) fn refusals(object: &Object) -> Vec<String> {
    let mut found = Vec::new();
    match object.reference.kind.resource().3 {
        "roles" | "clusterroles" => rules(object, &mut found),
        "rolebindings" | "clusterrolebindings" => binding(object, &mut found),
        "secrets" => found = secret_refusals(&object.body),
        _ => {}
    }
    found
}

pub(super) fn secret_refusals(body: &Value) -> Vec<String> {
    let kind = text(body, "type");
    let forbidden = CREDENTIALS.contains(&kind);
    forbidden
        .then(|| format!("F13 no cluster's fence allows a Secret of the type {kind}"))
        .into_iter()
        .collect()
}

fn rules(object: &Object, found: &mut Vec<String>) {
    let wide = object.reference.name.starts_with("hanse:cluster:");
    let mut over = BTreeSet::new();
    for rule in items(&object.body, "rules") {
        let verbs = strings(rule, "verbs").unwrap_or_default();
        let reads = verbs.iter().all(|verb| ["get", "list", "watch"].contains(verb));
        let mut look = |field: &str, forbidden: &dyn Fn(&str) -> bool| {
            let listed = strings(rule, field).unwrap_or_default();
            let bad = listed.into_iter().filter(|text| text.contains('*') || forbidden(text));
            over.extend(bad.map(str::to_owned));
        };
        look("verbs", &|verb| VERBS.contains(&verb) || verb.starts_with("impersonate"));
        look("nonResourceURLs", &|_| !wide);
        look("apiGroups", &|group| !reads && READ_ONLY_GROUPS.contains(&group));
        look("resources", &|resource| {
            resource.starts_with("nodes/")
                || RESOURCES.contains(&resource)
                || (wide && NOT_CLUSTER_WIDE.contains(&resource))
                || (!reads && READ_ONLY_RESOURCES.contains(&resource))
        });
    }
    if !over.is_empty() {
        found.push(format!("F09 no cluster's fence lets a role grant {}", named(over)));
    }
}

fn binding(object: &Object, found: &mut Vec<String>) {
    let forbidden = |subject: &&Value| {
        let name = text(subject, "name");
        name.starts_with("system:")
            || name == "hanse:ceiling"
            || (text(subject, "kind") == "ServiceAccount"
                && is_protected_namespace(text(subject, "namespace")))
    };
    let over: BTreeSet<String> =
        items(&object.body, "subjects").filter(forbidden).map(subject).collect();
    if !over.is_empty() {
        found.push(format!("F10 no cluster's fence allows the subject {}", named(over)));
    }
    let Some(role) = object.body.get("roleRef") else { return };
    let (kind, name) = (text(role, "kind"), text(role, "name"));
    let wide = object.reference.namespace.is_none();
    let allowed = if kind == "Role" {
        !wide && !name.starts_with("hanse:")
    } else {
        let other_class = if wide { "hanse:ns:" } else { "hanse:cluster:" };
        !(["system:", "hanse-", other_class].iter().any(|prefix| name.starts_with(prefix))
            || ["cluster-admin", "admin"].contains(&name)
            || wide && name == "edit")
    };
    if !allowed {
        found.push(format!("F11 no cluster's fence lets this binding refer to the {kind} {name}"));
    }
}
