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
                "/deployments": ["get"],
                "/configmaps": ["get", "list", "watch", "create", "update", "patch", "delete"],
                "apps/deployments": ["get", "list", "watch", "update", "patch"],
                "apps/deployments/scale": ["update"],
            },
            "cluster": { "/namespaces": ["get", "list", "watch"], "/pods": ["delete"] },
            "nonResourceURLs": ["/metrics"],
            "clusterRoleRefs": ["view"],
            "clusterWideRoleRefs": [],
            "roleRefs": ["local"],
            "subjects": {
                "userPrefixes": ["oidc:"],
                "groupPrefixes": ["oidc:", "ldap:"],
                "serviceAccountNamespaces": ["ci"],
            },
            "podSecurityLevels": ["restricted", "baseline"],
            "secretTypes": ["Opaque"],
            "namespacePrefixes": ["fed-"],
            "reservedNamespacePrefixes": ["fed-up"],
            "namespaceLabels": ["team", "acme.example/", "x-", "y."],
            "namespaceAnnotations": [],
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
    assert_eq!(role("hanse:ns:a", "", "replicasets", "get"), ["C01"]);
    assert_eq!(role("hanse:ns:a", "apps", "deployments/scale", "update"), none);
    assert_eq!(role("hanse:ns:a", "", "pods", "*"), ["F09", "C01"]);
    assert_eq!(role("hanse:ns:a", "rbac.authorization.k8s.io", "roles", "bind"), ["F09", "C01"]);
    assert_eq!(role("hanse:cluster:a", "", "secrets", "get"), ["F09", "C01"]);
    assert_eq!(
        role("hanse:cluster:a", "", "nodes", "get"),
        ["C01"],
        "reading is the ceiling's matter"
    );
    assert_eq!(role("hanse:cluster:a", "", "nodes", "patch"), ["F09", "C01"]);
    let urls = |name: &str, url: &str| {
        let urls = json!({ "rules": [{ "nonResourceURLs": [url], "verbs": ["get"] }] });
        codes(ObjectKind::ClusterRole, None, name, urls)
    };
    assert_eq!(urls("hanse:ns:a", "/metrics"), ["F09", "C01"]);
    assert_eq!(urls("hanse:cluster:a", "/metrics"), none);
    assert_eq!(urls("hanse:cluster:a", "/logs"), ["C01"]);
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
    assert_eq!(binding(Some("fed-a"), ("Role", "local"), &alice), none);
    assert_eq!(binding(None, ("ClusterRole", "view"), &alice), ["C03"]);
    assert_eq!(binding(Some("fed-a"), ("ClusterRole", "hanse:cluster:a"), &alice), ["F11", "C03"]);
    assert_eq!(binding(Some("fed-a"), ("ClusterRole", "edit"), &alice), ["C03"]);
    assert_eq!(binding(Some("fed-a"), ("ClusterRole", "admin"), &alice), ["F11", "C03"]);
    assert_eq!(binding(None, ("ClusterRole", "hanse:cluster:a"), &alice), none);
    assert_eq!(binding(None, ours, &alice), ["F11", "C03"]);
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
    assert_eq!(make("fed-up", json!({ PSA_ENFORCE: "baseline" })), ["C07"]);
    let labels = |key: &str| make("fed-a", json!({ PSA_ENFORCE: "baseline", key: "x" }));
    assert_eq!(labels("team"), none);
    assert_eq!(labels("hanse.dev/managed"), none);
    assert_eq!(labels("istio-injection"), ["C06"]);
    assert_eq!(labels("teamcity.example/agent"), ["C06"], "a plain word is one key");
    assert_eq!(labels("team-a"), ["C06"]);
    for key in ["acme.example/", "acme.example/a", "x-a", "y.a"] {
        assert_eq!(labels(key), none, "{key}");
    }
    assert_eq!(labels("acme.example"), ["C06"]);
}

#[test]
fn secrets_have_a_type() {
    let none: [&str; 0] = [];
    let secret = |body: Value| {
        // The kind does not matter here: the resource does.
        let mut found = guard::secret_refusals(&body);
        ceiling().secret(&body, &mut found);
        found.iter().map(|text| text.chars().take(3).collect::<String>()).collect::<Vec<_>>()
    };
    assert_eq!(secret(json!({})), none);
    assert_eq!(secret(json!({ "type": "kubernetes.io/tls" })), ["C04"]);
    let token = json!({ "type": "kubernetes.io/service-account-token" });
    assert_eq!(secret(token), ["F13", "C04"]);
}

#[test]
fn it_is_told_in_plain_words() {
    insta::assert_snapshot!(ceiling().in_words().join("\n"), @r"
    roles in a namespace may: get pods/log; read pods; read and write configmaps; read, patch and update deployments.apps; update deployments.apps/scale
    roles cluster-wide may: delete pods; read namespaces; get /metrics
    others' roles that may be bound in a namespace: ClusterRoles view; Roles local
    others' ClusterRoles that may be bound cluster-wide: none
    subjects: users oidc:*; groups oidc:*, ldap:*; service accounts of the binding's own namespace and of ci
    new namespaces: fed-*, but not fed-up*
    Pod Security of namespaces: restricted, baseline
    types of Secrets: Opaque
    labels of namespaces: team, acme.example/*, x-*, y.*; annotations: none
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
    assert!(matches!(Ceiling::parse("[1]"), Err(InvalidCeiling::Json(_))));
    assert_eq!(
        Ceiling::parse("{}").unwrap(),
        Ceiling::default(),
        "what is left out allows nothing"
    );
}
