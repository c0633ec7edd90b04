//! What the guard refuses, whatever a ceiling says: only what an object that Hanse renders can have.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{items, named, strings, subject, text};
use crate::names::is_protected_namespace;
use crate::object::Object;

const VERBS: [&str; 5] = ["escalate", "bind", "approve", "sign", "attest"];
const GROUPS: [&str; 7] = [
    "admissionregistration.k8s.io",
    "fence.hanse.dev",
    "authentication.k8s.io",
    "certificates.k8s.io",
    "apiregistration.k8s.io",
    "apiextensions.k8s.io",
    "rbac.authorization.k8s.io",
];
const RESOURCES: [&str; 6] = [
    "nodes",
    "nodes/proxy",
    "pods/proxy",
    "services/proxy",
    "serviceaccounts/token",
    "persistentvolumes",
];
/// These only in a namespace.
const NOT_CLUSTER_WIDE: [&str; 5] =
    ["secrets", "pods/exec", "pods/attach", "pods/ephemeralcontainers", "serviceaccounts"];

pub(super) fn refusals(object: &Object) -> Vec<String> {
    let mut found = Vec::new();
    match object.reference.kind.resource().3 {
        "roles" | "clusterroles" => rules(object, &mut found),
        "rolebindings" | "clusterrolebindings" => binding(object, &mut found),
        _ => {}
    }
    found
}

fn rules(object: &Object, found: &mut Vec<String>) {
    let wide = object.reference.name.starts_with("hanse:cluster:");
    let mut over = BTreeSet::new();
    for rule in items(&object.body, "rules") {
        if rule.get("nonResourceURLs").is_some() {
            over.insert("nonResourceURLs".to_owned());
        }
        let mut look = |field: &str, forbidden: &dyn Fn(&str) -> bool| {
            let listed = strings(rule, field).unwrap_or_default();
            let bad = listed.into_iter().filter(|text| text.contains('*') || forbidden(text));
            over.extend(bad.map(str::to_owned));
        };
        look("verbs", &|verb| VERBS.contains(&verb) || verb.starts_with("impersonate"));
        look("apiGroups", &|group| GROUPS.contains(&group));
        look("resources", &|resource| {
            RESOURCES.contains(&resource) || (wide && NOT_CLUSTER_WIDE.contains(&resource))
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
    let allowed = match object.reference.namespace {
        None => kind == "ClusterRole" && name.starts_with("hanse:cluster:"),
        Some(_) => !name.starts_with("system:") && !["cluster-admin", "admin"].contains(&name),
    };
    if !allowed {
        found.push(format!("F11 no cluster's fence lets this binding refer to the {kind} {name}"));
    }
}
