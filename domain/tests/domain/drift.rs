//! How a live object differs from what was declared.

use hanse_domain::drift::{
    DriftClass, Finding, MAX_DIFFERENCES, MAX_VALUE_BYTES, compare, project,
};
use hanse_domain::object::Concern;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{binding, namespace, role, three_clusters};

/// Our field manager.
pub(crate) const OURS: &str = Concern::Rbac.field_manager();

/// A role as it is declared.
pub(crate) fn declared() -> Value {
    let rules = "  rules:\n  - {apiGroups: [''], resources: [pods], verbs: [get]}\n";
    crate::render::only_object(&role("r", rules), &three_clusters())
}

/// An entry of `managedFields` for these fields.
pub(crate) fn manager(name: &str, operation: &str, time: &str, fields: &Value) -> Value {
    json!({ "manager": name, "operation": operation, "time": time, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields })
}

/// What the API server makes of what was applied.
pub(crate) fn applied(declared: &Value) -> Value {
    let mut live = declared.clone();
    let fields = json!({ "f:metadata": { "f:labels": { "f:hanse.dev/managed": {} } }, "f:rules": {}, "f:subjects": {}, "f:roleRef": {} });
    let metadata = live["metadata"].as_object_mut().unwrap();
    metadata.insert("uid".to_owned(), json!("0192f0c1"));
    metadata.insert("resourceVersion".to_owned(), json!("42"));
    metadata.insert("creationTimestamp".to_owned(), json!("2026-11-01T00:00:00Z"));
    metadata.insert(
        "managedFields".to_owned(),
        json!([manager(OURS, "Apply", "2026-11-01T00:00:00Z", &fields)]),
    );
    live
}

/// Adds an entry to `managedFields`.
pub(crate) fn written_by(live: &mut Value, entry: Value) {
    live["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
}

fn shown(finding: Option<Finding>) -> String {
    let finding = finding.unwrap();
    let fields: Vec<String> = finding
        .fields
        .iter()
        .map(|f| format!("{}: {:?} → {:?}", f.path, f.declared, f.live))
        .collect();
    fields.join("\n")
}

#[test]
fn a_faithful_copy_does_not_differ() {
    let documents = [
        namespace("n", "  labels: {a: b}\n"),
        role("r", "  rules: []\n"),
        binding(
            "w",
            "  clusterWide: true\n  roleRef: {kind: ClusterRole, name: view}\n  subjects: [{kind: Group, name: ops}]\n",
        ),
    ];
    for document in documents {
        let declared = crate::render::only_object(&document, &three_clusters());
        let mut live = applied(&declared);
        live["spec"] = json!({ "finalizers": ["kubernetes"] });
        live["status"] = json!({ "phase": "Active" });
        live["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!("n");
        live["metadata"]["annotations"]["somebody.else/key"] = json!("x");
        assert_eq!(compare(&declared, &live, OURS), None);
    }
}

#[test]
fn empty_maps_and_lists_may_be_left_out() {
    let declared = json!({ "metadata": { "annotations": {} }, "rules": [] });
    assert_eq!(compare(&declared, &json!({ "metadata": {} }), OURS), None);
    assert!(compare(&json!({ "rules": [1] }), &json!({}), OURS).is_some());
}

#[test]
fn every_difference_is_told_with_its_place() {
    let declared = declared();
    let mut live = applied(&declared);
    live["rules"][0]["verbs"] = json!(["get", "list"]);
    live["metadata"]["labels"].as_object_mut().unwrap().remove("hanse.dev/managed");
    insta::assert_snapshot!(shown(compare(&declared, &live, OURS)), @r#"
    metadata.labels[hanse.dev/managed]: Some("\"true\"") → None
    rules: Some("[{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}]") → Some("[{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\",\"list\"]}]")
    "#);
}

#[test]
fn what_is_added_to_a_list_is_seen() {
    let subjects = "  clusterWide: true\n  roleRef: {kind: ClusterRole, name: view}\n  subjects: [{kind: Group, name: ops}]\n";
    let bound = crate::render::only_object(&binding("w", subjects), &three_clusters());
    let mut live = applied(&bound);
    live["subjects"].as_array_mut().unwrap().push(json!({ "kind": "User", "name": "eve" }));
    insta::assert_snapshot!(compare(&bound, &live, OURS).unwrap().fields[0].path, @"subjects");
    let mut live = applied(&declared());
    live["rules"][0]["resourceNames"] = json!(["x"]);
    assert_eq!(compare(&declared(), &live, OURS).unwrap().class, DriftClass::Modified);
}

#[test]
fn values_are_cut_at_a_character() {
    for length in [MAX_VALUE_BYTES - 4, MAX_VALUE_BYTES - 3, MAX_VALUE_BYTES, 3000] {
        for letter in ["a", "é", "€", "🚢"] {
            // One byte before the letters, so that the limit falls inside one.
            let value = format!("x{}", letter.repeat(length / letter.len()));
            let finding = compare(&json!({ "a": "b" }), &json!({ "a": value }), OURS).unwrap();
            let live = finding.fields[0].live.clone().unwrap();
            assert!(live.len() <= MAX_VALUE_BYTES);
            assert_eq!(live.ends_with('…'), value.len() + 2 > MAX_VALUE_BYTES, "{length} {letter}");
        }
    }
    let many: Map<String, Value> = (0..50).map(|n| (n.to_string(), json!(n))).collect();
    let finding = compare(&Value::Object(many), &json!({}), OURS).unwrap();
    assert_eq!(finding.fields.len(), MAX_DIFFERENCES);
}

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "f:metadata",
            "f:labels",
            "f:rules",
            "manager",
            "operation",
            "time",
            "fieldsV1",
            "subresource",
            "metadata",
            "managedFields",
            "rules",
            "."
        ])
        .prop_map(str::to_owned),
        ".{0,4}"
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
        ]
    })
}

proptest! {
    #[test]
    fn an_object_never_differs_from_itself_or_a_larger_one(declared in any_json(), more in any_json()) {
        prop_assert_eq!(compare(&declared, &declared, OURS), None);
        let mut live = declared.clone();
        if let (Some(live), Value::Object(more)) = (live.as_object_mut(), more) {
            for (key, value) in more {
                // Whoever applies one of our fields as well is another matter.
                if key != "metadata" {
                    live.entry(key).or_insert(value);
                }
            }
            prop_assert_eq!(compare(&declared, &Value::Object(live.clone()), OURS), None);
        }
    }

    #[test]
    fn no_live_object_panics(declared in any_json(), live in any_json(), entries in any_json()) {
        let _ = compare(&declared, &live, OURS);
        let _ = project(&declared, &live);
        let mut live = applied(&crate::drift::declared());
        live["metadata"]["managedFields"] = entries;
        let _ = compare(&declared, &live, OURS);
        let _ = compare(&crate::drift::declared(), &live, OURS);
        let _ = hanse_domain::drift::unmanaged(&hanse_domain::object::ObjectRef::cluster(hanse_domain::object::ObjectKind::ClusterRole, "edit"), &live);
    }

    #[test]
    fn a_projection_has_what_is_declared_and_no_more(declared in any_json(), live in any_json()) {
        let once = project(&declared, &live);
        prop_assert_eq!(project(&declared, &once), once.clone());
        prop_assert_eq!(project(&declared, &declared), declared);
    }
}

#[test]
fn what_changes_the_meaning_of_declared_fields_is_drift_too() {
    use hanse_domain::drift::strays;
    let policy = json!({
        "kind": "NetworkPolicy",
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    });
    let mut opened = policy.clone();
    opened["spec"]["podSelector"] = json!({"matchLabels": {"a": "b"}});
    opened["spec"]["ingress"] = json!([{}]);
    assert_eq!(strays(&policy, &policy), None);
    assert_eq!(
        strays(&policy, &opened),
        Some(json!({"spec": {"podSelector": {"matchLabels": null}, "ingress": null}}))
    );
    let finding = compare(&policy, &opened, "hanse-agent/namespace").unwrap();
    let paths: Vec<&str> = finding.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["spec.podSelector.matchLabels", "spec.ingress"]);
    assert_eq!(finding.fields[1].declared, None);

    let role = json!({"kind": "ClusterRole", "metadata": {"labels": {"a": "b"}}, "rules": []});
    let mut wider = role.clone();
    wider["aggregationRule"] = json!({"clusterRoleSelectors": [{}]});
    wider["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] = json!("true");
    wider["metadata"]["labels"]["theirs"] = json!("stays");
    assert_eq!(
        strays(&role, &wider),
        Some(json!({
            "aggregationRule": null,
            "metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-edit": null}},
        }))
    );

    let version = "pod-security.kubernetes.io/enforce-version";
    let mut namespace = json!({"kind": "Namespace", "metadata": {"labels": {}}});
    let mut older = namespace.clone();
    older["metadata"]["labels"][version] = json!("v1.0");
    assert_eq!(strays(&namespace, &older), None, "no level is declared");
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("restricted");
    assert_eq!(strays(&namespace, &older), Some(json!({"metadata": {"labels": {version: null}}})));
}
