#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;

fn object(kind: AccessKind, object: &Value) -> AccessObject {
    read(kind, object).unwrap().unwrap()
}

fn role(object_json: &Value) -> (Vec<PolicyRule>, Labels, Option<Vec<LabelSelector>>) {
    match object(AccessKind::ClusterRole, object_json).content {
        AccessContent::Role { rules, labels, aggregates } => (rules, labels, aggregates),
        other @ (AccessContent::Namespace { .. }
        | AccessContent::ServiceAccount { .. }
        | AccessContent::Binding { .. }
        | AccessContent::Workload { .. }) => unreachable!("{other:?}"),
    }
}

fn pod(metadata: &Value, spec: &Value, phase: &str) -> Value {
    let mut all = json!({ "name": "p", "namespace": "shop" });
    for (key, value) in metadata.as_object().unwrap() {
        all.as_object_mut().unwrap().insert(key.clone(), value.clone());
    }
    json!({ "metadata": all, "spec": spec, "status": { "phase": phase } })
}

#[test]
fn missing_null_and_empty_are_the_same() {
    let read = |rules: Value| role(&json!({ "metadata": { "name": "r" }, "rules": rules })).0;
    assert_eq!(role(&json!({ "metadata": { "name": "r" } })).0, []);
    assert_eq!(read(Value::Null), []);
    assert_eq!(read(json!([])), []);
    let none = PolicyRule::default();
    assert_eq!(
        read(json!([
            {},
            { "apiGroups": null, "resources": null, "verbs": null, "resourceNames": null },
            { "apiGroups": [], "resources": [], "verbs": [], "nonResourceURLs": [] },
        ])),
        [none.clone(), none.clone(), none]
    );
    // An empty text is a text: the core group, and a name that nothing has.
    let rule = read(json!([{ "apiGroups": [""], "resourceNames": [""], "verbs": ["Get"] }]));
    let [rule] = rule.as_slice() else { unreachable!("{rule:?}") };
    assert_eq!(
        (rule.api_groups.as_slice(), rule.verbs.as_slice()),
        (&[String::new()][..], &["Get".to_owned()][..])
    );
    assert_eq!(rule.resource_names, [""]);
    let urls = read(json!([{ "nonResourceURLs": ["/metrics"], "verbs": ["get"], "newer": 1 }]));
    assert_eq!(urls.first().unwrap().non_resource_urls, ["/metrics"]);
}

#[test]
fn an_aggregation_rule_that_is_there_is_one() {
    let read = |extra: Value| {
        let mut all = json!({ "metadata": { "name": "r", "labels": { "a": "b" } } });
        if !extra.is_null() {
            all.as_object_mut().unwrap().insert("aggregationRule".to_owned(), extra);
        }
        role(&all).2
    };
    assert_eq!(read(Value::Null), None);
    assert_eq!(role(&json!({ "metadata": { "name": "r" }, "aggregationRule": null })).2, None);
    assert_eq!(read(json!({})), Some(vec![]));
    assert_eq!(read(json!({ "clusterRoleSelectors": null })), Some(vec![]));
    assert_eq!(
        read(json!({ "clusterRoleSelectors": [
            {},
            { "matchLabels": { "to": "view" }, "matchExpressions": null },
            { "matchExpressions": [{ "key": "a", "operator": "Exists", "values": null }] },
        ] })),
        Some(vec![
            LabelSelector::default(),
            LabelSelector {
                match_labels: Labels::from([("to".to_owned(), "view".to_owned())]),
                match_expressions: vec![],
            },
            LabelSelector {
                match_labels: Labels::new(),
                match_expressions: vec![LabelRequirement {
                    key: "a".to_owned(),
                    operator: "Exists".to_owned(),
                    values: vec![],
                }],
            },
        ])
    );
}

#[test]
fn labels_are_read_where_they_decide() {
    let labelled = |kind| {
        let json =
            json!({ "metadata": { "name": "n", "namespace": "shop", "labels": { "a": "b" } } });
        object(kind, &json).content
    };
    let labels = Labels::from([("a".to_owned(), "b".to_owned())]);
    assert_eq!(
        labelled(AccessKind::Namespace),
        AccessContent::Namespace { labels: labels.clone() }
    );
    let role = |labels| AccessContent::Role { rules: vec![], labels, aggregates: None };
    assert_eq!(labelled(AccessKind::ClusterRole), role(labels));
    assert_eq!(labelled(AccessKind::Role), role(Labels::new()));
    assert_eq!(
        labelled(AccessKind::ServiceAccount),
        AccessContent::ServiceAccount { token_secret: false }
    );
}

#[test]
fn subjects_stay_as_written() {
    let json = json!({
        "metadata": { "name": "b", "namespace": "shop" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "View" },
        "subjects": [
            { "kind": "ServiceAccount", "name": "builder" },
            { "kind": "ServiceAccount", "name": "builder", "namespace": null },
            { "kind": "ServiceAccount", "name": "builder", "namespace": "ci", "apiGroup": "" },
            { "kind": "User", "name": "Anna", "apiGroup": "rbac.authorization.k8s.io" },
            { "kind": "Robot", "name": "" },
        ],
    });
    let subject = |kind: &str, namespace: &str, name: &str| RawSubject {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let read = object(AccessKind::RoleBinding, &json);
    assert_eq!(read.key, AccessKey::namespaced(AccessKind::RoleBinding, "shop", "b"));
    assert_eq!(
        read.content,
        AccessContent::Binding {
            role: RoleReference { kind: "ClusterRole".to_owned(), name: "View".to_owned() },
            subjects: vec![
                subject("ServiceAccount", "", "builder"),
                subject("ServiceAccount", "", "builder"),
                subject("ServiceAccount", "ci", "builder"),
                subject("User", "", "Anna"),
                subject("Robot", "", ""),
            ],
        }
    );
    for subjects in [json!(null), json!([])] {
        let json = json!({ "metadata": { "name": "b" }, "roleRef": {}, "subjects": subjects });
        let nothing = RoleReference { kind: String::new(), name: String::new() };
        assert_eq!(
            object(AccessKind::ClusterRoleBinding, &json).content,
            AccessContent::Binding { role: nothing, subjects: vec![] }
        );
    }
}

#[test]
fn a_listed_token_secret_is_seen() {
    let read = |secrets: Value| {
        let json = json!({ "metadata": { "name": "a", "namespace": "shop" }, "secrets": secrets });
        object(AccessKind::ServiceAccount, &json).content
    };
    let account = |token_secret| AccessContent::ServiceAccount { token_secret };
    assert_eq!(read(json!([{ "name": "a-token-x7f2k" }])), account(true));
    assert_eq!(read(json!([{ "name": "a-dockercfg-x7f2k" }])), account(false));
    assert_eq!(read(json!([{ "name": "a-dockercfg-x" }, { "name": "mine" }])), account(true));
    assert_eq!(read(json!([{ "name": null }, {}, { "name": "" }])), account(false));
    assert_eq!(read(Value::Null), account(false));
}

#[test]
fn a_workload_is_whom_it_runs_as_and_nothing_else() {
    let spec = json!({
        "serviceAccountName": "builder",
        "containers": [{ "name": "c", "image": "i", "env": [{ "name": "K", "value": "canary" }], "args": ["canary"] }],
    });
    let template = json!({ "spec": { "template": { "metadata": { "annotations": { "a": "canary" } }, "spec": spec } } });
    for kind in AccessKind::ALL.into_iter().filter(|kind| kind.is_workload()) {
        let mut json = match kind {
            AccessKind::Pod => json!({ "spec": spec }),
            AccessKind::CronJob => json!({ "spec": { "jobTemplate": template } }),
            AccessKind::Namespace
            | AccessKind::ServiceAccount
            | AccessKind::ClusterRole
            | AccessKind::Role
            | AccessKind::ClusterRoleBinding
            | AccessKind::RoleBinding
            | AccessKind::Deployment
            | AccessKind::StatefulSet
            | AccessKind::DaemonSet
            | AccessKind::ReplicaSet
            | AccessKind::Job => template.clone(),
        };
        let metadata = json!({ "name": "w", "namespace": "shop", "labels": { "l": "canary" }, "annotations": { "hanse.dev/source": "canary" } });
        json.as_object_mut().unwrap().insert("metadata".to_owned(), metadata);
        let read = object(kind, &json);
        assert_eq!(
            read.content,
            AccessContent::Workload { service_account: "builder".to_owned() },
            "{kind}"
        );
        let travels = [read.content.encode(), read.origin.encode()].concat();
        assert!(!String::from_utf8(travels).unwrap().contains("canary"), "{kind}");
    }
    for (spec, expected) in [
        (json!({}), "default"),
        (json!(null), "default"),
        (json!({ "serviceAccountName": "" }), "default"),
        (json!({ "serviceAccountName": null, "serviceAccount": "old" }), "old"),
        (json!({ "serviceAccountName": "new", "serviceAccount": "old" }), "new"),
    ] {
        let read = object(AccessKind::Pod, &pod(&json!({}), &spec, "Running"));
        assert_eq!(read.content, AccessContent::Workload { service_account: expected.to_owned() });
    }
}

#[test]
fn what_a_listed_controller_runs_is_said_by_the_controller() {
    let owned = |version: &str, kind: &str, controller: Value| {
        let owner = json!([{ "apiVersion": version, "kind": kind, "name": "o", "uid": "u", "controller": controller }]);
        pod(&json!({ "ownerReferences": owner }), &json!({}), "Running")
    };
    let yes = json!(true);
    for (json, kept) in [
        (owned("apps/v1", "ReplicaSet", yes.clone()), false),
        (owned("apps/v1beta2", "ReplicaSet", yes.clone()), false),
        (owned("batch/v1", "Job", yes.clone()), false),
        (owned("v1", "Node", yes.clone()), false),
        (owned("apps/v1", "ReplicaSet", json!(false)), true),
        (owned("apps/v1", "ReplicaSet", Value::Null), true),
        (owned("v1", "ReplicationController", yes.clone()), true),
        (owned("argoproj.io/v1alpha1", "Workflow", yes.clone()), true),
        (owned("other.dev/v1", "ReplicaSet", yes.clone()), true),
        (owned("apps/v1", "Namespace", yes.clone()), true),
    ] {
        assert_eq!(read(AccessKind::Pod, &json).unwrap().is_some(), kept, "{json}");
        assert_eq!(read(AccessKind::Job, &json).unwrap().is_some(), kept, "{json}");
    }
    // A Deployment is always said, whoever made it.
    assert!(read(AccessKind::Deployment, &owned("apps/v1", "ReplicaSet", yes)).unwrap().is_some());
}

#[test]
fn a_pod_that_ended_runs_as_nobody() {
    for (phase, kept) in [
        ("Pending", true),
        ("Running", true),
        ("Unknown", true),
        ("Succeeded", false),
        ("Failed", false),
    ] {
        let json = pod(&json!({}), &json!({}), phase);
        assert_eq!(read(AccessKind::Pod, &json).unwrap().is_some(), kept, "{phase}");
    }
    let job = json!({ "metadata": { "name": "j", "namespace": "shop" }, "status": { "phase": "Failed" } });
    assert!(read(AccessKind::Job, &job).unwrap().is_some());
}

#[test]
fn the_newest_manager_of_the_object_itself_counts() {
    let json = json!({ "metadata": {
        "name": "r", "uid": "0192", "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": { "hanse.dev/managed": "true" },
        "annotations": { "hanse.dev/source": "FederatedRole/r", "hanse.dev/revision": "7" },
        "managedFields": [
            { "manager": "kubectl", "operation": "Update", "time": "2026-01-02T00:00:00Z" },
            { "manager": "hanse-agent/rbac", "operation": "Apply", "time": "2026-01-03T00:00:00Z", "subresource": "" },
            { "manager": "kubelet", "operation": "Update", "time": "2026-01-09T00:00:00Z", "subresource": "status" },
            { "manager": "nobody", "operation": "Update", "time": null },
            { "manager": "odd", "operation": "Update", "time": "yesterday" },
        ],
    } });
    assert_eq!(
        object(AccessKind::ClusterRole, &json).origin,
        Origin {
            uid: "0192".to_owned(),
            created_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            changed_at: Some("2026-01-03T00:00:00Z".parse().unwrap()),
            manager: "hanse-agent/rbac".to_owned(),
            source: "FederatedRole/r".to_owned(),
            revision: Some(7),
        }
    );
}

#[test]
fn what_others_wrote_into_the_origin_is_bounded_or_left_out() {
    let nothing = Origin {
        uid: String::new(),
        created_at: None,
        changed_at: None,
        manager: String::new(),
        source: String::new(),
        revision: None,
    };
    let read = |metadata: Value| {
        let mut metadata = metadata;
        metadata.as_object_mut().unwrap().insert("name".to_owned(), json!("r"));
        object(AccessKind::ClusterRole, &json!({ "metadata": metadata })).origin
    };
    assert_eq!(read(json!({})), nothing);
    assert_eq!(
        read(json!({ "creationTimestamp": null, "managedFields": null, "uid": null })),
        nothing
    );
    assert_eq!(read(json!({ "managedFields": {}, "creationTimestamp": 3 })), nothing);
    assert_eq!(read(json!({ "creationTimestamp": "-005000-01-01T00:00:00Z" })), nothing);
    // Without the marker an annotation is anybody's.
    let annotations = json!({ "hanse.dev/source": "FederatedRole/r", "hanse.dev/revision": "7" });
    assert_eq!(read(json!({ "annotations": annotations })), nothing);
    let marked = |source: &str, revision: &str| {
        read(json!({
            "labels": { "hanse.dev/managed": "true" },
            "annotations": { "hanse.dev/source": source, "hanse.dev/revision": revision },
        }))
    };
    assert_eq!(marked(&"x".repeat(513), "-1"), nothing);
    let manager = "é".repeat(1000);
    let long = read(
        json!({ "managedFields": [{ "manager": manager, "time": "2026-01-02T00:00:00Z" }], "uid": manager }),
    );
    assert_eq!((long.manager.chars().count(), long.uid.chars().count()), (128, 128));
}

#[test]
fn keys_are_checked() {
    for kind in AccessKind::ALL {
        let read = |namespace: Value, name: Value| {
            read_key(kind, &json!({ "metadata": { "namespace": namespace, "name": name } }))
        };
        let found = read(json!("shop"), json!("system:A")).unwrap();
        assert_eq!(found.namespace, if kind.is_namespaced() { "shop" } else { "" });
        assert_eq!(read(json!(null), json!("a")).is_err(), kind.is_namespaced(), "{kind}");
        assert_eq!(read(json!("n".repeat(64)), json!("a")).is_err(), kind.is_namespaced());
        assert!(
            read(json!("shop"), json!(null)).is_err() && read(json!("shop"), json!("")).is_err()
        );
        assert_eq!(read(json!("shop"), json!("a".repeat(1025))), Err(Unreadable::LongName(1025)));
        assert!(read(json!("shop"), json!("a\0b")).is_err());
        assert!(read_key(kind, &json!({})).is_err() && read_key(kind, &json!([1])).is_err());
        assert!(super::read(kind, &json!({ "metadata": 3 })).is_err());
        assert!(super::read(kind, &json!(null)).is_err());
    }
}

#[test]
fn what_is_malformed_or_too_large_is_said_and_keeps_its_name() {
    let with = |rules: Value| json!({ "metadata": { "name": "r" }, "rules": rules });
    for bad in [
        with(json!({})),
        with(json!([{ "verbs": "get" }])),
        with(json!([{ "verbs": [1] }])),
        with(json!([3])),
        json!({ "metadata": { "name": "r", "labels": { "a": 1 } } }),
        json!({ "metadata": { "name": "r" }, "aggregationRule": 1 }),
    ] {
        assert!(
            matches!(read(AccessKind::ClusterRole, &bad), Err(Unreadable::Malformed(_))),
            "{bad}"
        );
        assert_eq!(
            read_key(AccessKind::ClusterRole, &bad),
            Ok(AccessKey::cluster(AccessKind::ClusterRole, "r"))
        );
    }
    let unbound = json!({ "metadata": { "name": "b" }, "roleRef": null });
    assert!(read(AccessKind::ClusterRoleBinding, &unbound).is_err());

    let huge: Vec<Value> = (0..20_000).map(|n| json!({ "verbs": [format!("verb-{n}")] })).collect();
    let huge = read(AccessKind::ClusterRole, &with(json!(huge)));
    assert!(
        matches!(huge, Err(Unreadable::TooLarge(bytes)) if bytes > MAX_CONTENT_BYTES),
        "{huge:?}"
    );
    // Just what fits can be read back.
    let name = "n".repeat(MAX_CONTENT_BYTES - 80);
    let fits = object(AccessKind::ClusterRole, &with(json!([{ "verbs": [name] }])));
    let bytes = fits.content.encode();
    assert!(bytes.len() > MAX_CONTENT_BYTES - 80 && bytes.len() <= MAX_CONTENT_BYTES);
    assert_eq!(AccessContent::decode(&bytes), Ok(fits.content));
}

#[test]
fn whatever_is_read_fits_and_has_a_canonical_encoding() {
    for kind in AccessKind::ALL {
        let json =
            json!({ "metadata": { "name": "n", "namespace": "shop" }, "roleRef": { "name": "x" } });
        let read = object(kind, &json);
        assert!(read.content.fits(kind), "{kind}");
        assert_eq!(AccessContent::decode(&read.content.encode()), Ok(read.content));
        assert_eq!(Origin::decode(&read.origin.encode()), Ok(read.origin));
    }
}
