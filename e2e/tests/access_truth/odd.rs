//! The first round: each odd case once, by itself, so that no chance leaves it out.

use hanse_domain::access::object::{AccessKey, AccessKind};
use serde_json::{Value, json};

use crate::policy::Round;

/// Everything that the API server must refuse, and everything odd that it takes.
pub(crate) fn round() -> Round {
    let mut round = Round::new();
    for (index, rule) in rules().into_iter().enumerate() {
        let name = format!("odd:{index}");
        let key = AccessKey::cluster(AccessKind::ClusterRole, &name);
        round.insert(key, Some(json!({"metadata": {"name": name}, "rules": [rule]})));
        // To a user of its own in the whole cluster, to a group of its own in one namespace.
        let role = json!({"kind": "ClusterRole", "name": name});
        let user = json!([{"kind": "User", "name": format!("user:{index}")}]);
        let key = AccessKey::cluster(AccessKind::ClusterRoleBinding, &name);
        let body = json!({"metadata": {"name": name}, "roleRef": role, "subjects": user});
        round.insert(key, Some(body));
        let group = json!([{"kind": "Group", "name": format!("group:{index}")}]);
        let key = AccessKey::namespaced(AccessKind::RoleBinding, "team", &name);
        let metadata = json!({"name": name, "namespace": "team"});
        let body = json!({"metadata": metadata, "roleRef": role, "subjects": group});
        round.insert(key, Some(body));
    }
    for (index, subjects) in subjects().into_iter().enumerate() {
        let name = format!("odd subject {index}");
        let mut body = json!({"roleRef": {"kind": "ClusterRole", "name": "odd:0"}});
        if subjects != json!("missing") {
            body["subjects"] = subjects;
        }
        body["metadata"] = json!({"name": name, "namespace": "team-a"});
        let key = AccessKey::namespaced(AccessKind::RoleBinding, "team-a", &name);
        round.insert(key, Some(body.clone()));
        body["metadata"] = json!({"name": name});
        let key = AccessKey::cluster(AccessKind::ClusterRoleBinding, &name);
        round.insert(key, Some(body));
    }
    for name in ["", ".", "..", "a/b", "100%", "Capitals", "a:b:c", "mit Leerzeichen", "größe", "*"]
    {
        let body = json!({
            "metadata": {"name": name},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        });
        round.insert(AccessKey::cluster(AccessKind::ClusterRole, name), Some(body));
    }
    round
}

fn rules() -> Vec<Value> {
    vec![
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}),
        json!({"apiGroups": ["", "*"], "resources": ["pods", "*"], "verbs": ["get", "*"]}),
        json!({"apiGroups": [""], "resources": ["*/log"], "verbs": ["get"]}),
        json!({"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["update"]}),
        json!({"apiGroups": [""], "resources": ["*/*"], "verbs": ["get"]}),
        json!({"apiGroups": [""], "resources": ["*/"], "verbs": ["get"]}),
        json!({"apiGroups": [""], "resources": ["pods/*"], "verbs": ["get"]}),
        json!({"apiGroups": [""], "resources": [""], "verbs": [""]}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": [""]}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["*"]}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["db", "DB"]}),
        json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"], "resourceNames": ["db"]}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": []}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": null}),
        json!({"apiGroups": [""], "resources": ["Pods"], "verbs": ["GET"]}),
        json!({"nonResourceURLs": ["*"], "verbs": ["get"]}),
        json!({"nonResourceURLs": ["/metrics"], "verbs": ["*"]}),
        json!({"nonResourceURLs": ["/metrics/*"], "verbs": ["get"]}),
        json!({"nonResourceURLs": ["/metrics**"], "verbs": ["get"]}),
        json!({"nonResourceURLs": ["/a*b", "/*/x"], "verbs": ["get"]}),
        json!({"nonResourceURLs": [""], "verbs": ["get"]}),
        json!({"nonResourceURLs": ["**"], "verbs": [""], "apiGroups": [], "resources": null}),
        // Refused.
        json!({}),
        json!(null),
        json!({"apiGroups": [""], "resources": ["pods"]}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": []}),
        json!({"apiGroups": [], "resources": ["pods"], "verbs": ["get"]}),
        json!({"apiGroups": [""], "verbs": ["get"]}),
        json!({"verbs": ["*"]}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "nonResourceURLs": ["/"]}),
        json!({"resourceNames": ["db"], "verbs": ["get"], "nonResourceURLs": ["/"]}),
    ]
}

fn subjects() -> Vec<Value> {
    let user = |name: &str| json!({"kind": "User", "name": name});
    let account = |namespace: &str, name: &str| json!({"kind": "ServiceAccount", "namespace": namespace, "name": name});
    vec![
        json!("missing"),
        json!(null),
        json!([]),
        json!([null]),
        json!([{}]),
        json!([user("")]),
        json!([user("system:serviceaccount:ci:odd")]),
        json!([user("system:serviceaccount:ci:odd:more"), user("system:serviceaccount::odd")]),
        json!([account("", "odd")]),
        json!([{"kind": "ServiceAccount", "name": "odd"}]),
        json!([account("a:b", "odd")]),
        json!([account("NOT a namespace", "odd")]),
        json!([account("ci", "Odd")]),
        json!([account("ci", "odd:more")]),
        json!([{"kind": "Group", "name": "system:serviceaccounts:ci"}]),
        json!([{"kind": "Group", "name": "odd", "namespace": "ci"}]),
        json!([{"kind": "user", "name": "odd"}]),
        json!([{"kind": "User", "name": "odd", "apiGroup": "rbac.authorization.k8s.io"}]),
        json!([{"kind": "User", "name": "odd", "apiGroup": "apps"}]),
        json!([{"kind": "ServiceAccount", "name": "odd", "apiGroup": "rbac.authorization.k8s.io"}]),
        json!([user("twice"), user("twice"), {"kind": "Group", "name": "twice"}]),
    ]
}
