//! Aggregated roles, as their controller makes them.

use hanse_domain::access::aggregate::aggregate;
use hanse_domain::access::index::Index;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind};
use hanse_domain::access::query::paths;
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::access::subject::Identity;

use crate::policy::CLUSTER;

fn put(index: &mut Index, kind: AccessKind, name: &str, json: &str) {
    let content = serde_json::from_str::<AccessContent>(json).unwrap();
    index.apply(CLUSTER, &AccessKey::cluster(kind, name), Some(&content));
}

fn role(index: &mut Index, name: &str, json: &str) {
    put(index, AccessKind::ClusterRole, name, &format!(r#"{{"is":"role",{json}}}"#));
}

fn verbs(index: &Index, name: &str) -> String {
    let role = index.role(CLUSTER, &AccessKey::cluster(AccessKind::ClusterRole, name)).unwrap();
    role.rules.iter().map(|rule| rule.verbs.join("+")).collect::<Vec<_>>().join(" ")
}

const TO_VIEW: &str = r#""aggregates":[{"matchLabels":{"to":"view"}}]"#;

#[test]
fn rules_come_from_the_selected_roles_by_selector_then_name() {
    let mut index = Index::default();
    role(&mut index, "b", r#""rules":[{"verbs":["b"]},{"verbs":["both"]}],"labels":{"to":"view"}"#);
    role(&mut index, "a", r#""rules":[{"verbs":["both"]},{"verbs":["a"]}],"labels":{"to":"view"}"#);
    role(&mut index, "z", r#""rules":[{"verbs":["z"]}],"labels":{"from":"x"}"#);
    role(&mut index, "other", r#""rules":[{"verbs":["other"]}],"labels":{"to":"edit"}"#);
    role(
        &mut index,
        "view",
        r#""rules":[{"verbs":["stale"]}],"labels":{"to":"view"},
           "aggregates":[{"matchExpressions":[{"key":"from","operator":"Exists"}]},{"matchLabels":{"to":"view"}}]"#,
    );
    role(&mut index, "none", r#""rules":[{"verbs":["stale"]}],"aggregates":[]"#);
    role(&mut index, "all", r#""aggregates":[{}]"#);
    role(
        &mut index,
        "refused",
        r#""rules":[{"verbs":["kept"]}],"aggregates":[{"matchExpressions":[{"key":"to","operator":"Like"}]}]"#,
    );
    aggregate(&mut index, CLUSTER);
    assert_eq!(verbs(&index, "view"), "z both a b");
    assert_eq!(verbs(&index, "none"), "");
    assert_eq!(verbs(&index, "all"), "both a b other kept z");
    assert_eq!(verbs(&index, "refused"), "kept");
}

#[test]
fn roles_that_aggregate_aggregated_roles_settle() {
    let mut index = Index::default();
    role(&mut index, "z-base", r#""rules":[{"verbs":["get"]}],"labels":{"to":"view"}"#);
    role(&mut index, "c-view", &format!(r#""labels":{{"to":"edit"}},{TO_VIEW}"#));
    role(
        &mut index,
        "b-edit",
        r#""labels":{"to":"admin"},"aggregates":[{"matchLabels":{"to":"edit"}}]"#,
    );
    role(&mut index, "a-admin", r#""aggregates":[{"matchLabels":{"to":"admin"}}]"#);
    role(&mut index, "self", &format!(r#""labels":{{"to":"view"}},{TO_VIEW}"#));
    aggregate(&mut index, CLUSTER);
    assert_eq!(verbs(&index, "a-admin"), "get");
    assert_eq!(verbs(&index, "self"), "get");
}

#[test]
fn a_grant_says_which_role_brings_the_rule() {
    let mut index = Index::default();
    let reads = r#"{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}"#;
    role(&mut index, "b", &format!(r#""rules":[{reads}],"labels":{{"to":"view"}}"#));
    role(
        &mut index,
        "a",
        &format!(r#""rules":[{{"verbs":["x"]}},{reads}],"labels":{{"to":"view"}}"#),
    );
    role(&mut index, "unlabelled", &format!(r#""rules":[{reads}]"#));
    role(&mut index, "lacks", r#""rules":[{"verbs":["x"]}],"labels":{"to":"view"}"#);
    role(&mut index, "view", &format!(r#""rules":[{reads}],"labels":{{"to":"view"}},{TO_VIEW}"#));
    for name in ["view", "b"] {
        let binding = format!(
            r#"{{"is":"binding","role":{{"kind":"ClusterRole","name":"{name}"}},"subjects":[{{"kind":"User","name":"anna"}}]}}"#
        );
        put(&mut index, AccessKind::ClusterRoleBinding, &format!("to-{name}"), &binding);
    }
    let anna = Identity { username: "anna".to_owned(), ..Identity::default() };
    let request = Request::Resource {
        verb: "get".to_owned(),
        api_group: String::new(),
        resource: "pods".to_owned(),
        subresource: String::new(),
        name: None,
    };
    let paths = paths(&index, CLUSTER, &anna, &request, &Scope::Cluster);
    let from: Vec<_> = paths.iter().map(|grant| grant.aggregated_from.join(" ")).collect();
    assert_eq!(from, ["", "a b"]);
}
