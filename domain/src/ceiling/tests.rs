#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;
use crate::object::{ObjectKind, ObjectRef};

fn ceiling() -> Ceiling {
    Ceiling::parse(
        &json!({
            "namespaced": {
                "/pods": ["get", "list", "watch"],
                "/pods/log": ["get"],
                "/configmaps": ["get", "list", "watch", "create", "update", "patch", "delete"],
                "apps/deployments": ["get", "list", "watch", "update", "patch"],
                "apps/deployments/scale": ["update"],
            },
            "cluster": { "/namespaces": ["get", "list", "watch"], "/pods": ["delete"] },
            "clusterRoleRefs": ["view"],
            "subjects": {
                "userPrefixes": ["oidc:"],
                "groupPrefixes": ["oidc:", "ldap:"],
                "serviceAccountNamespaces": ["ci"],
            },
            "podSecurityLevels": ["restricted", "baseline"],
            "secretTypes": ["Opaque"],
            "namespacePrefixes": ["fed-"],
            "allowNamespaceDelete": false,
        })
        .to_string(),
    )
    .unwrap()
}

/// The codes of what is refused.
fn codes(kind: ObjectKind, namespace: Option<&str>, name: &str, body: Value) -> Vec<String> {
    let reference = ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.into() };
    let found = ceiling().refusals(&Object { reference, body });
    found.iter().map(|text| text.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn role(name: &str, group: &str, resource: &str, verb: &str) -> Vec<String> {
    let rule = json!({ "apiGroups": [group], "resources": [resource], "verbs": [verb] });
    codes(ObjectKind::ClusterRole, None, name, json!({ "rules": [rule] }))
}

#[test]
fn rules_are_measured_by_the_class_in_the_name() {
    let none: [&str; 0] = [];
    assert_eq!(role("hanse:ns:a", "", "pods", "get"), none);
    assert_eq!(role("hanse:ns:a", "", "pods", "delete"), ["C01"]);
    assert_eq!(role("hanse:cluster:a", "", "pods", "delete"), none);
    assert_eq!(role("hanse:cluster:a", "", "pods", "get"), ["C01"]);
    assert_eq!(role("hanse:ns:a", "", "deployments", "get"), ["C01"]);
    assert_eq!(role("hanse:ns:a", "apps", "deployments/scale", "update"), none);
    assert_eq!(role("hanse:ns:a", "", "pods", "*"), ["F09", "C01"]);
    assert_eq!(role("hanse:ns:a", "rbac.authorization.k8s.io", "roles", "bind"), ["F09", "C01"]);
    let urls = json!({ "rules": [{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }] });
    assert_eq!(codes(ObjectKind::ClusterRole, None, "hanse:ns:a", urls), ["F09", "C01"]);
    assert_eq!(codes(ObjectKind::ClusterRole, None, "hanse:ns:a", json!({ "rules": [] })), none);
}

fn binding(namespace: Option<&str>, role: (&str, &str), subject: &Value) -> Vec<String> {
    let kind = match namespace {
        Some(_) => ObjectKind::RoleBinding,
        None => ObjectKind::ClusterRoleBinding,
    };
    let body = json!({ "roleRef": { "kind": role.0, "name": role.1 }, "subjects": [subject] });
    codes(kind, namespace, "hanse:ns:b", body)
}

#[test]
fn bindings_are_measured_by_role_and_subject() {
    let none: [&str; 0] = [];
    let alice = json!({ "kind": "User", "name": "oidc:alice" });
    let ours = ("ClusterRole", "hanse:ns:a");
    assert_eq!(binding(Some("fed-a"), ours, &alice), none);
    assert_eq!(binding(Some("fed-a"), ("ClusterRole", "view"), &alice), none);
    assert_eq!(binding(Some("fed-a"), ("Role", "view"), &alice), ["C03"]);
    assert_eq!(binding(Some("fed-a"), ("ClusterRole", "edit"), &alice), ["C03"]);
    assert_eq!(binding(Some("fed-a"), ("ClusterRole", "admin"), &alice), ["F11", "C03"]);
    assert_eq!(binding(None, ("ClusterRole", "hanse:cluster:a"), &alice), none);
    assert_eq!(binding(None, ours, &alice), ["F11"]);
    let subject = |kind: &str, name: &str| json!({ "kind": kind, "name": name });
    assert_eq!(binding(Some("fed-a"), ours, &subject("Group", "ldap:dev")), none);
    assert_eq!(binding(Some("fed-a"), ours, &subject("User", "ldap:bob")), ["C02"]);
    assert_eq!(binding(Some("fed-a"), ours, &subject("Group", "system:masters")), ["F10", "C02"]);
    let account =
        |namespace: &str| json!({ "kind": "ServiceAccount", "name": "x", "namespace": namespace });
    assert_eq!(binding(Some("fed-a"), ours, &account("fed-a")), none);
    assert_eq!(binding(Some("fed-a"), ours, &account("ci")), none);
    assert_eq!(binding(Some("fed-a"), ours, &account("fed-b")), ["C02"]);
    let system = account("kube-system");
    assert_eq!(binding(None, ("ClusterRole", "hanse:cluster:a"), &system), ["F10", "C02"]);
}

#[test]
fn namespaces_need_a_name_and_a_level() {
    let none: [&str; 0] = [];
    let make = |name: &str, labels: Value| {
        codes(ObjectKind::Namespace, None, name, json!({ "metadata": { "labels": labels } }))
    };
    assert_eq!(make("fed-a", json!({ PSA_ENFORCE: "baseline" })), none);
    assert_eq!(make("fed-a", json!({ PSA_ENFORCE: "privileged" })), ["C05"]);
    assert_eq!(make("fed-a", json!({})), ["C05"]);
    assert_eq!(make("fed-a", json!({ PSA_ENFORCE: "baseline", PSA_VERSION: "v1.30" })), ["C05"]);
    assert_eq!(make("team", json!({ PSA_ENFORCE: "baseline" })), ["C07"]);
}

#[test]
fn it_is_told_in_plain_words() {
    insta::assert_snapshot!(ceiling().in_words().join("\n"), @r"
    roles in a namespace may: get pods/log; read pods; read and write configmaps; read, patch and update deployments.apps; update deployments.apps/scale
    roles cluster-wide may: delete pods; read namespaces
    ClusterRoles of others that may be bound: view
    subjects: users oidc:*; groups oidc:*, ldap:*; service accounts of the binding's own namespace and of ci
    new namespaces: fed-*
    namespaces that the fleet made, it may not delete
    Pod Security of namespaces: restricted, baseline
    types of Secrets: Opaque
    ");
}

#[test]
fn many_refusals_are_named_in_part() {
    let resources: Vec<String> = (0..9).map(|n| format!("r{n}")).collect();
    let rule = json!({ "apiGroups": ["x"], "resources": resources, "verbs": ["get"] });
    let reference = ObjectRef::cluster(ObjectKind::ClusterRole, "hanse:ns:many");
    let found = ceiling().refusals(&Object { reference, body: json!({ "rules": [rule] }) });
    insta::assert_snapshot!(found.join("\n"), @"C01 what the role grants in a namespace exceeds the ceiling: get r0.x, get r1.x, get r2.x, get r3.x, get r4.x and 4 more");
}

#[test]
fn what_is_held_is_the_union() {
    let held = ceiling().held();
    let pods: Vec<&str> = held.get("/pods").into_iter().flatten().map(String::as_str).collect();
    assert_eq!(pods, ["delete", "get", "list", "watch"]);
    assert!(held.contains_key("/namespaces") && held.contains_key("apps/deployments/scale"));
}

#[test]
fn what_is_too_large_or_no_ceiling_is_refused() {
    let large = " ".repeat(MAX_CEILING_BYTES + 1);
    assert!(matches!(Ceiling::parse(&large), Err(InvalidCeiling::TooLarge(_))));
    assert!(matches!(Ceiling::parse("{}"), Err(InvalidCeiling::Json(_))));
}
