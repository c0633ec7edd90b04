//! Who made a difference, and access that nobody declared.

use hanse_domain::drift::{DriftClass, compare, contested, unmanaged};
use hanse_domain::object::{ObjectKind, ObjectRef};
use serde_json::{Value, json};

use crate::drift::{OURS, applied, declared, manager, written_by};

const EARLY: &str = "2026-11-02T00:00:00Z";
const LATE: &str = "2026-11-03T00:00:00Z";

/// Class, manager and time of what is found when the rules differ and these also wrote the object.
fn culprit(entries: &[Value]) -> (DriftClass, Option<String>, Option<String>) {
    let declared = declared();
    let mut live = applied(&declared);
    live["rules"] = json!([]);
    for entry in entries {
        written_by(&mut live, entry.clone());
    }
    let finding = compare(&declared, &live, OURS).unwrap();
    (finding.class, finding.manager, finding.since.map(|time| time.to_string()))
}

#[test]
fn who_wrote_a_field_is_told() {
    use DriftClass::{Conflicting, Modified};
    let rules = json!({ "f:rules": {} });
    let label = json!({ "f:metadata": { "f:labels": { "f:other": {} } } });
    let update = |name: &str, time: &str, fields: &Value| manager(name, "Update", time, fields);
    let apply = |name: &str, time: &str, fields: &Value| manager(name, "Apply", time, fields);
    let mut status = update("controller", LATE, &rules);
    status["subresource"] = json!("status");
    let cases = [
        (
            "an edit",
            vec![update("kubectl-edit", EARLY, &rules)],
            (Modified, Some("kubectl-edit"), Some(EARLY)),
        ),
        (
            "the newest edit",
            vec![update("b", LATE, &rules), update("a", EARLY, &rules)],
            (Modified, Some("b"), Some(LATE)),
        ),
        (
            "not who wrote elsewhere, though later",
            vec![update("a", EARLY, &rules), update("b", LATE, &label)],
            (Modified, Some("a"), Some(EARLY)),
        ),
        (
            "another apply",
            vec![apply("argo", EARLY, &rules)],
            (Conflicting, Some("argo"), Some(EARLY)),
        ),
        (
            "a status does not count",
            vec![update("a", EARLY, &rules), status],
            (Modified, Some("a"), Some(EARLY)),
        ),
        (
            "our name without our operation is not us",
            vec![update(OURS, EARLY, &rules)],
            (Modified, Some(OURS), Some(EARLY)),
        ),
        (
            "a field was taken away",
            vec![update("b", LATE, &label)],
            (Modified, Some("b"), Some(LATE)),
        ),
        ("nobody is known", vec![], (Modified, None, None)),
        (
            "no time",
            vec![json!({ "manager": "a", "operation": "Update", "fieldsV1": rules })],
            (Modified, Some("a"), None),
        ),
    ];
    for (what, entries, (class, name, time)) in cases {
        let expected = (class, name.map(str::to_owned), time.map(str::to_owned));
        assert_eq!(culprit(&entries), expected, "{what}");
    }
}

#[test]
fn who_applies_the_same_is_a_conflict_to_come() {
    let found = |operation: &str, fields: Value| {
        let mut live = applied(&declared());
        written_by(&mut live, manager("argo", operation, EARLY, &fields));
        assert_eq!(compare(&declared(), &live, OURS), contested(&declared(), &live, OURS));
        compare(&declared(), &live, OURS).map(|finding| (finding.class, finding.manager))
    };
    let conflict = Some((DriftClass::Conflicting, Some("argo".to_owned())));
    assert_eq!(found("Apply", json!({ "f:rules": {} })), conflict);
    assert_eq!(
        found("Apply", json!({ "f:metadata": { "f:labels": { "f:hanse.dev/managed": {} } } })),
        conflict
    );
    assert_eq!(found("Update", json!({ "f:rules": {} })), None);
    assert_eq!(
        found(
            "Apply",
            json!({ "f:metadata": { "f:labels": { ".": {}, "f:other": {} }, "f:name": {} } })
        ),
        None
    );
    for malformed in [
        Value::Null,
        json!("f:rules"),
        json!([{}]),
        json!({ "f:metadata": [] }),
        json!({ "f:metadata": { "f:labels": 1 } }),
    ] {
        assert_eq!(found("Apply", malformed.clone()), None, "{malformed}");
    }
}

#[test]
fn a_name_of_a_manager_is_short() {
    let (_, name, _) =
        culprit(&[manager(&"é".repeat(500), "Update", EARLY, &json!({ "f:rules": {} }))]);
    assert_eq!(name.unwrap().chars().count(), 128);
}

/// A cluster role that somebody wrote.
fn written(by: &[&str]) -> Value {
    let entries: Vec<Value> =
        by.iter().map(|name| manager(name, "Update", EARLY, &json!({ "f:rules": {} }))).collect();
    json!({ "metadata": { "creationTimestamp": EARLY, "managedFields": entries }, "rules": [{ "verbs": ["*"] }] })
}

fn is_unmanaged(kind: ObjectKind, namespace: Option<&str>, name: &str, live: &Value) -> bool {
    let reference =
        ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() };
    unmanaged(&reference, live).is_some_and(|finding| finding.class == DriftClass::Unmanaged)
}

#[test]
fn kubernetes_own_policy_is_not_reported_while_it_is_kubernetes_own() {
    use ObjectKind::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
    let pristine = written(&["kube-apiserver"]);
    for (kind, namespace, name) in [
        (ClusterRole, None, "cluster-admin"),
        (ClusterRoleBinding, None, "cluster-admin"),
        (ClusterRole, None, "system:node"),
        (Role, Some("kube-system"), "extension-apiserver-authentication-reader"),
        (RoleBinding, Some("kube-public"), "system:controller:bootstrap-signer"),
    ] {
        assert!(!is_unmanaged(kind, namespace, name, &pristine), "{name}");
        assert!(
            is_unmanaged(kind, namespace, name, &written(&["kube-apiserver", "kubectl-edit"])),
            "{name}"
        );
        // Whoever may edit an object may strip who edited it.
        assert!(is_unmanaged(kind, namespace, name, &written(&[])), "{name}");
        assert!(is_unmanaged(kind, namespace, name, &json!({ "metadata": {} })), "{name}");
    }
    assert!(!is_unmanaged(
        ClusterRole,
        None,
        "edit",
        &written(&["kube-apiserver", "clusterrole-aggregation-controller"])
    ));
    // The names count with their namespaces and kinds.
    assert!(is_unmanaged(
        Role,
        Some("payments"),
        "extension-apiserver-authentication-reader",
        &pristine
    ));
    assert!(is_unmanaged(ClusterRoleBinding, None, "edit", &pristine));
    assert!(is_unmanaged(ClusterRole, None, "system:mine", &pristine));
}

#[test]
fn our_own_label_hides_nothing() {
    let mut live = written(&["kubectl-create"]);
    live["metadata"]["labels"] = json!({ "hanse.dev/managed": "true" });
    assert!(is_unmanaged(ObjectKind::ClusterRole, None, "hanse:cluster:x", &live));
    let finding = unmanaged(&ObjectRef::cluster(ObjectKind::ClusterRole, "x"), &live).unwrap();
    assert_eq!(finding.manager.as_deref(), Some("kubectl-create"));
    assert_eq!(finding.since.unwrap().to_string(), EARLY);
    assert_eq!(finding.fields[0].live.as_deref(), Some(r#"[{"verbs":["*"]}]"#));
}

#[test]
fn only_access_is_reported_and_not_the_agents_own() {
    use ObjectKind::{
        ClusterRole, ClusterRoleBinding, Namespace, NetworkPolicy, Role, RoleBinding,
    };
    let live = written(&["hanse-agent/join"]);
    // One more writer, for example of one more subject, and it is not only the agent's own.
    let touched = written(&["hanse-agent/join", "kubectl-edit"]);
    for kind in [ClusterRole, ClusterRoleBinding] {
        assert!(!is_unmanaged(kind, None, "hanse-agent", &live));
        assert!(is_unmanaged(kind, None, "hanse-agent", &touched));
        assert!(is_unmanaged(kind, None, "hanse-agent-2", &live));
    }
    for kind in [Role, RoleBinding] {
        assert!(!is_unmanaged(kind, Some("hanse-agent"), "hanse-agent", &live));
        assert!(is_unmanaged(kind, Some("hanse-agent"), "hanse-agent", &touched));
        assert!(is_unmanaged(kind, Some("payments"), "hanse-agent", &live));
    }
    assert!(!is_unmanaged(Namespace, None, "x", &live));
    assert!(!is_unmanaged(NetworkPolicy, Some("x"), "x", &live));
}
