//! Roles: what they grant, what they are called, whose they are.

use serde_json::{Value, json};

use super::{Attack, RBAC, both, no_right, twice};
use crate::call::{As, Call, apply, create, delete, merge, update};
use crate::objects::{annotated, labelled, role, rule, with};

const READ: &[&str] = &["get", "list", "watch"];

fn path(name: &str) -> String {
    format!("{RBAC}/clusterroles/{name}")
}

fn put(name: &str, rules: Value) -> Call {
    apply(&path(name), role(name, rules))
}

/// A role for namespaces with one rule.
fn ns(group: &str, resource: &str, verbs: &[&str]) -> Call {
    put("hanse:ns:x", json!([rule(group, resource, verbs)]))
}

/// A role for the whole cluster with one rule.
fn wide(group: &str, resource: &str, verbs: &[&str]) -> Call {
    put("hanse:cluster:x", json!([rule(group, resource, verbs)]))
}

fn urls(name: &str, url: &str) -> Call {
    put(name, json!([{"nonResourceURLs": [url], "verbs": ["get"]}]))
}

/// A harmless role with something else wrong.
fn pods(name: &str) -> Value {
    role(name, json!([rule("", "pods", READ)]))
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = grants();
    all.extend(objects());
    all
}

fn grants() -> Vec<Attack> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    vec![
        twice("a role with every right", wide("*", "*", &["*"]), "F09|C01"),
        twice("a wildcard for verbs", ns("", "pods", &["*"]), "F09|C01"),
        twice("a wildcard for groups", ns("*", "pods", &["get"]), "F09|C01"),
        twice("a wildcard for resources", ns("", "*", &["get"]), "F09|C01"),
        twice("a wildcard for a subresource", ns("apps", "*/scale", &["update"]), "F09|C01"),
        twice("the right to escalate", wide(RBAC, "clusterroles", &["escalate"]), "F09|C01"),
        twice("the right to bind anything", wide(RBAC, "clusterroles", &["bind"]), "F09|C01"),
        both(
            "the right to bind what the ceiling's user may bind",
            put(
                "hanse:cluster:x",
                json!([{"apiGroups": [RBAC], "resources": ["clusterroles"],
                    "resourceNames": ["edit"], "verbs": ["bind"]}]),
            ),
            "F09|C01",
        ),
        both("the right to write roles", wide(RBAC, "clusterroles", &["patch"]), "F09|C01"),
        twice("the right to update roles", ns(RBAC, "roles", &["update"]), "F09|C01"),
        twice("the right to impersonate", wide("", "users", &["impersonate"]), "F09|C01"),
        twice(
            "the right to impersonate with constraints",
            wide("authentication.k8s.io", "users", &["impersonate:user-info"]),
            "F09|C01",
        ),
        twice(
            "tokens of service accounts",
            ns("", "serviceaccounts/token", &["create"]),
            "F09|C01",
        ),
        twice("the kubelet's API", wide("", "nodes/proxy", &["get"]), "F09|C01"),
        twice("logs and metrics of nodes", wide("", "nodes/log", &["get"]), "F09|C01"),
        twice("writing nodes", wide("", "nodes", &["patch"]), "F09|C01"),
        twice("volumes of the host", wide("", "persistentvolumes", &["create"]), "F09|C01"),
        twice("a way into pods by proxy", ns("", "pods/proxy", &["get"]), "F09|C01"),
        twice("a way into services by proxy", ns("", "services/proxy", &["get"]), "F09|C01"),
        twice("every Secret of the cluster", wide("", "secrets", READ), "F09|C01"),
        twice("exec in every pod", wide("", "pods/exec", &["get"]), "F09|C01"),
        twice("every service account", wide("", "serviceaccounts", READ), "F09|C01"),
        twice(
            "approving certificates",
            wide("certificates.k8s.io", "certificatesigningrequests/approval", &["update"]),
            "F09|C01",
        ),
        twice("signing certificates", wide("certificates.k8s.io", "signers", &["sign"]), "F09|C01"),
        twice(
            "webhooks and policies",
            wide("admissionregistration.k8s.io", "mutatingwebhookconfigurations", &["create"]),
            "F09|C01",
        ),
        twice("the ceiling", wide("fence.hanse.dev", "ceilings", &["update"]), "F09|C01"),
        twice(
            "aggregated API servers",
            wide("apiregistration.k8s.io", "apiservices", &["create"]),
            "F09|C01",
        ),
        twice(
            "custom resource definitions",
            wide("apiextensions.k8s.io", "customresourcedefinitions", &["patch"]),
            "F09|C01",
        ),
        twice("a resource above the ceiling", ns("", "secrets", &["get"]), "C01"),
        twice("a verb above the ceiling", ns("", "pods", &["get", "create"]), "C01"),
        twice("a group above the ceiling", ns("example.org", "pods", &["get"]), "C01"),
        both("for the whole cluster what is for namespaces", wide("", "configmaps", READ), "C01"),
        both("scaling in the whole cluster", wide("apps", "deployments", &["get", "patch"]), "C01"),
        both("for namespaces what is for the whole cluster", ns("", "nodes", READ), "C01"),
        both("a path in a role for namespaces", urls("hanse:ns:x", "/metrics"), "F09|C01"),
        twice("every path", urls("hanse:cluster:x", "*"), "F09|C01"),
        twice("a path above the ceiling", urls("hanse:cluster:x", "/logs/"), "C01"),
    ]
}

fn objects() -> Vec<Attack> {
    let aggregated = json!({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]});
    let mut aggregating = pods("hanse:ns:x");
    aggregating["aggregationRule"] = aggregated;
    let feed = "rbac.authorization.k8s.io/aggregate-to-edit";
    let feed_admin = json!({"metadata": {"labels": {
        "rbac.authorization.k8s.io/aggregate-to-admin": "true"}}});
    let owner = json!([{"apiVersion": "v1", "kind": "Namespace", "name": "other",
        "uid": "9d2b1a3c-0000-4000-8000-000000000000"}]);
    let more = {
        let rules = json!([rule("", "pods", READ), rule("", "secrets", READ)]);
        json!({"metadata": {"labels": {"hanse.dev/managed": "true"}}, "rules": rules})
    };
    let label = json!({"metadata": {"labels": {"hanse.dev/managed": "true"}}});
    let x = path("hanse:ns:x");
    vec![
        twice("a role that aggregates others", apply(&x, aggregating), "F06"),
        both(
            "a role that others aggregate",
            apply(&x, labelled(pods("hanse:ns:x"), feed, "true")),
            "F07",
        ),
        both(
            "a label that feeds a role of ours into admin",
            merge(&path("hanse:ns:ours"), feed_admin),
            "F07",
        ),
        both("a role without our prefix", apply(&path("backdoor"), pods("backdoor")), "F05"),
        both(
            "a role with nearly our prefix",
            apply(&path("hanse:NS:x"), pods("hanse:NS:x")),
            "F05",
        ),
        both(
            "a role with a name that the server makes up",
            create(
                &format!("{RBAC}/clusterroles"),
                with(with(pods(""), "name", Value::Null), "generateName", "backdoor-".into()),
            ),
            "F05",
        ),
        both(
            "a role whose labels hide that it is ours",
            apply(&x, with(pods("hanse:ns:x"), "labels", json!({}))),
            "F03",
        ),
        both(
            "taking our label from a role",
            merge(
                &path("hanse:ns:ours"),
                json!({"metadata": {"labels": {"hanse.dev/managed": null}}}),
            ),
            "F03",
        ),
        both(
            "a foreign label on a role",
            apply(&x, labelled(pods("hanse:ns:x"), "app", "x")),
            "F07",
        ),
        both(
            "a foreign annotation on a role",
            apply(&x, annotated(pods("hanse:ns:x"), "rbac.authorization.kubernetes.io/a", "x")),
            "F07",
        ),
        both(
            "an owner for a role",
            apply(&x, with(pods("hanse:ns:x"), "ownerReferences", owner)),
            "F08",
        ),
        both(
            "a finalizer for a role",
            apply(&x, with(pods("hanse:ns:x"), "finalizers", json!(["a.example/b"]))),
            "F08",
        ),
        twice("more rights for the agent", merge(&path("hanse-agent"), more), "F05|C01"),
        twice(
            "more rights for the ceiling",
            apply(
                &path("hanse-ceiling"),
                role("hanse-ceiling", json!([rule("", "secrets", READ)])),
            ),
            "F05|C01",
        ),
        twice("a grip on view", merge(&path("view"), label), "F05|C01"),
        both("deleting a foreign role", delete(&path("theirs")), "F05"),
        both("deleting a role of Kubernetes", delete(&path("view")), "F05"),
        both("deleting the agent's own role", delete(&path("hanse-agent")), "F05"),
        no_right("deleting all roles", delete(&format!("{RBAC}/clusterroles"))),
        no_right("replacing a role", update(&path("hanse:ns:ours"), pods("hanse:ns:ours"))),
        no_right(
            "a Role in a namespace",
            create(
                &format!("{RBAC}/namespaces/team/roles"),
                json!({"metadata": {"name": "hanse:ns:x"}, "rules": [rule("", "pods", READ)]}),
            ),
        ),
        no_right(
            "deleting a Role in a namespace",
            delete(&format!("{RBAC}/namespaces/team/roles/secret-reader")),
        ),
        Attack {
            name: "a role within the ceiling, as itself",
            call: apply(&x, pods("hanse:ns:x")).by(As::Itself),
            bind: "",
            impersonate: "RBAC",
        },
    ]
}
