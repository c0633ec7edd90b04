//! Policies from the whole grammar: objects as JSON, since what is missing, null or empty matters.

use std::collections::BTreeMap;

use hanse_domain::access::object::{AccessKey, AccessKind};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::words::{
    ACCOUNTS, BINDINGS, GROUPS, GROUPS_OF_PEOPLE, NAMES, NAMESPACES, RESOURCES, ROLES, URLS, USERS,
    VERBS, once_in, one, some,
};

const RBAC: &str = "rbac.authorization.k8s.io";
/// Cluster roles with this label, and one of its values, are gathered by aggregated ones.
const GATHER: &str = "test/gather";
/// An aggregated role with this label is gathered by the other one. The other way round it would be a
/// circle, in which what was gathered once never goes.
const CHAIN: &str = "test/chain";
/// Names of aggregated cluster roles.
const SUMS: [&str; 2] = ["sum", "Sum of all"];

/// What to do with one object. No object comes twice in one round.
pub(crate) type Round = BTreeMap<AccessKey, Option<Value>>;

/// Changes for one round: most make or replace something, some remove it. Roles vanish while bindings
/// name them, and return.
pub(crate) fn round(rng: &mut StdRng, size: usize) -> Round {
    (0..size)
        .map(|_| {
            let key = key(rng);
            let gone = once_in(rng, 5);
            let body = (!gone).then(|| body(rng, &key));
            (key, body)
        })
        .collect()
}

fn key(rng: &mut StdRng) -> AccessKey {
    let namespace = one(rng, &NAMESPACES);
    match rng.random_range(0..20) {
        0..4 => AccessKey::cluster(AccessKind::ClusterRole, one(rng, &ROLES)),
        4..6 => AccessKey::cluster(AccessKind::ClusterRole, one(rng, &SUMS)),
        6..9 => AccessKey::namespaced(AccessKind::Role, namespace, one(rng, &ROLES)),
        9..13 => AccessKey::cluster(AccessKind::ClusterRoleBinding, one(rng, &BINDINGS)),
        _ => AccessKey::namespaced(AccessKind::RoleBinding, namespace, one(rng, &BINDINGS)),
    }
}

fn body(rng: &mut StdRng, key: &AccessKey) -> Value {
    let mut metadata = json!({"name": key.name});
    if !key.namespace.is_empty() {
        metadata["namespace"] = key.namespace.clone().into();
    }
    let is_sum = key.kind == AccessKind::ClusterRole && SUMS.contains(&key.name.as_str());
    if is_sum && key.name == "sum" && once_in(rng, 2) {
        metadata["labels"] = json!({CHAIN: "yes"});
    } else if key.kind == AccessKind::ClusterRole && !is_sum && once_in(rng, 3) {
        metadata["labels"] = json!({GATHER: one(rng, &["a", "b"])});
    }
    let mut object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": key.kind.name(), "metadata": metadata,
    });
    match key.kind {
        // Without rules of its own: the controller leaves them when the selectors select nothing, and
        // one could not tell when it is done.
        AccessKind::ClusterRole if is_sum => {
            let mut selectors = selectors(rng);
            if key.name != "sum" {
                selectors.push(json!({"matchLabels": {CHAIN: "yes"}}));
            }
            object["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
        }
        AccessKind::ClusterRole => put(&mut object, "rules", rng, |rng| rules(rng, true)),
        AccessKind::Role => put(&mut object, "rules", rng, |rng| rules(rng, false)),
        AccessKind::ClusterRoleBinding => {
            object["roleRef"] = role_ref(rng, "ClusterRole");
            put(&mut object, "subjects", rng, subjects);
        }
        AccessKind::RoleBinding => {
            let kind = one(rng, &["Role", "ClusterRole"]);
            object["roleRef"] = role_ref(rng, kind);
            put(&mut object, "subjects", rng, subjects);
        }
        other => panic!("no policy is a {other}"),
    }
    object
}

/// A field that is now and then missing, null or empty.
fn put(object: &mut Value, name: &str, rng: &mut StdRng, make: impl Fn(&mut StdRng) -> Value) {
    match rng.random_range(0..30) {
        0 => {}
        1 => object[name] = Value::Null,
        2 => object[name] = json!([]),
        _ => object[name] = make(rng),
    }
}

fn selectors(rng: &mut StdRng) -> Vec<Value> {
    let selectors = match rng.random_range(0..5) {
        0 => json!([{"matchExpressions": [{"key": GATHER, "operator": "Exists"}]}]),
        1 => json!([{"matchLabels": {GATHER: "a"}}, {"matchLabels": {GATHER: "b"}}]),
        2 => json!([{"matchLabels": {GATHER: "a"}, "matchExpressions":
            [{"key": "test/none", "operator": "DoesNotExist"}]}]),
        3 => {
            json!([{"matchExpressions": [{"key": GATHER, "operator": "In", "values": ["b", "c"]}]}])
        }
        _ => json!([{"matchLabels": {GATHER: one(rng, &["a", "b", "c"])}}]),
    };
    selectors.as_array().unwrap().clone()
}

fn rules(rng: &mut StdRng, cluster: bool) -> Value {
    let count = rng.random_range(1..=3);
    (0..count).map(|_| rule(rng, cluster)).collect::<Vec<_>>().into()
}

/// Rare words are as frequent as common ones, and '*' stands beside names. Most rules are narrow: two
/// cluster-wide wildcards would answer every question.
fn rule(rng: &mut StdRng, cluster: bool) -> Value {
    let verbs = narrow(rng, &VERBS, 4);
    if cluster && once_in(rng, 3) {
        return json!({"nonResourceURLs": some(rng, &URLS, 1, 2), "verbs": verbs});
    }
    let mut rule = json!({
        "apiGroups": narrow(rng, &GROUPS, 3), "resources": narrow(rng, &RESOURCES, 4), "verbs": verbs,
    });
    match rng.random_range(0..12) {
        0 => rule["resourceNames"] = json!([]),
        1 => rule["resourceNames"] = Value::Null,
        2..6 => rule["resourceNames"] = json!(some(rng, &NAMES, 1, 2)),
        // The API server refuses what says too little or too much.
        6 if once_in(rng, 4) => rule["nonResourceURLs"] = json!(["/metrics"]),
        7 if once_in(rng, 4) => rule["apiGroups"] = json!([]),
        8 if once_in(rng, 4) => rule["verbs"] = Value::Null,
        _ => {}
    }
    rule
}

/// Some words, in which '*' is rare.
fn narrow<'w>(rng: &mut StdRng, words: &[&'w str], most: usize) -> Vec<&'w str> {
    let mut chosen = some(rng, words, 1, most);
    if once_in(rng, 2) {
        chosen.retain(|word| *word != "*");
    }
    if chosen.is_empty() { vec![one(rng, &["get", "pods", ""])] } else { chosen }
}

fn role_ref(rng: &mut StdRng, kind: &str) -> Value {
    let name = match rng.random_range(0..12) {
        0 => "sum",
        1 => "Sum of all",
        2 => "view",
        _ => one(rng, &ROLES),
    };
    let kind = if once_in(rng, 40) { one(rng, &["role", "clusterrole", ""]) } else { kind };
    let mut reference = json!({"kind": kind, "name": name});
    // The API server fills it in.
    if !once_in(rng, 5) {
        reference["apiGroup"] = RBAC.into();
    }
    reference
}

fn subjects(rng: &mut StdRng) -> Value {
    let count = rng.random_range(1..=3);
    (0..count).map(|_| subject(rng)).collect::<Vec<_>>().into()
}

fn subject(rng: &mut StdRng) -> Value {
    let mut subject = match rng.random_range(0..30) {
        0..10 => json!({"kind": "User", "name": one(rng, &USERS), "apiGroup": RBAC}),
        10..17 => json!({"kind": "Group", "name": one(rng, &GROUPS_OF_PEOPLE), "apiGroup": RBAC}),
        17 => json!({"kind": one(rng, &["user", "Everyone", ""]), "name": "anna"}),
        18 => json!({"kind": one(rng, &["User", "Group"]), "name": "", "apiGroup": RBAC}),
        _ => {
            let (namespace, name) = one(rng, &ACCOUNTS);
            let mut account = json!({"kind": "ServiceAccount", "name": name});
            match (namespace, once_in(rng, 2)) {
                ("", true) => {}
                (namespace, _) => account["namespace"] = namespace.into(),
            }
            account
        }
    };
    match rng.random_range(0..40) {
        0 => subject["apiGroup"] = Value::Null,
        1 => subject["apiGroup"] = "".into(),
        // A namespace of somebody who is in none.
        2 if subject["kind"] != "ServiceAccount" => subject["namespace"] = "team".into(),
        _ => {}
    }
    subject
}
