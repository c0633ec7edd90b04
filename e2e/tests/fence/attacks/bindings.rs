//! Bindings: which role, whom, where.

use serde_json::{Value, json};

use super::{Attack, RBAC, both, no_right, twice};
use crate::call::{As, Call, apply, delete, merge};
use crate::objects::{account, binding, group, user};

const NS: &str = "hanse:ns:x";
const WIDE: &str = "hanse:cluster:x";

fn wide_path(name: &str) -> String {
    format!("{RBAC}/clusterrolebindings/{name}")
}

fn path(namespace: &str, name: &str) -> String {
    format!("{RBAC}/namespaces/{namespace}/rolebindings/{name}")
}

fn mallory() -> Value {
    user("mallory")
}

/// Binds a `ClusterRole` over the whole cluster.
fn wide(role: &str) -> Call {
    apply(&wide_path(WIDE), binding(WIDE, "", "ClusterRole", role, mallory()))
}

/// Binds a role in the namespace `team`.
fn team(kind: &str, role: &str) -> Call {
    apply(&path("team", NS), binding(NS, "team", kind, role, mallory()))
}

/// Binds a role of ours somewhere.
fn at(namespace: &str, name: &str) -> Call {
    let body = binding(name, namespace, "ClusterRole", "hanse:ns:ours", mallory());
    apply(&path(namespace, name), body)
}

/// Binds a role of ours to somebody, in `team`.
fn to(who: Value) -> Call {
    let body = binding(NS, "team", "ClusterRole", "hanse:ns:ours", who);
    apply(&path("team", NS), body)
}

/// The same, over the whole cluster.
fn wide_to(who: Value) -> Call {
    let body = binding(WIDE, "", "ClusterRole", "hanse:cluster:ours", who);
    apply(&wide_path(WIDE), body)
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = roles();
    all.extend(subjects());
    all.extend(places());
    all
}

fn roles() -> Vec<Attack> {
    vec![
        twice("cluster-admin over the cluster", wide("cluster-admin"), "F11|C03"),
        both("edit over the cluster", wide("edit"), "F11|C03"),
        both("view over the cluster", wide("view"), "C03"),
        both("a role for namespaces over the cluster", wide("hanse:ns:ours"), "F11|C03"),
        both("the ceiling over the cluster", wide("hanse-ceiling"), "F11|C03"),
        twice("the agent's rights over the cluster", wide("hanse-agent"), "F11|C03"),
        twice("a foreign role over the cluster", wide("system:node"), "F11|C03"),
        twice("cluster-admin in a namespace", team("ClusterRole", "cluster-admin"), "F11|C03"),
        twice("admin in a namespace", team("ClusterRole", "admin"), "F11|C03"),
        twice("a system role in a namespace", team("ClusterRole", "system:node"), "F11|C03"),
        twice("the agent's rights in a namespace", team("ClusterRole", "hanse-agent"), "F11|C03"),
        both("a foreign role in a namespace", team("ClusterRole", "theirs"), "C03"),
        both(
            "a role for the cluster in a namespace",
            team("ClusterRole", "hanse:cluster:ours"),
            "F11|C03",
        ),
        twice("a Role of the namespace", team("Role", "secret-reader"), "C03"),
        twice("a Role that looks like one of ours", team("Role", "hanse:ns:fake"), "F11|C03"),
    ]
}

fn subjects() -> Vec<Attack> {
    vec![
        both("everybody", to(group("system:authenticated")), "F10"),
        both("everybody over the cluster", wide_to(group("system:authenticated")), "F10"),
        both("nobody in particular", to(user("system:anonymous")), "F10"),
        both("every service account as subject", wide_to(group("system:serviceaccounts")), "F10"),
        both(
            "the agent, spelt as a user",
            to(user("system:serviceaccount:hanse-agent:agent")),
            "F10",
        ),
        both("the agent itself as subject", to(account("hanse-agent", "agent")), "F10|C02"),
        both("the ceiling's user", wide_to(user("hanse:ceiling")), "F10"),
        both(
            "a service account of kube-system",
            wide_to(account("kube-system", "namespace-controller")),
            "F10|C02",
        ),
        both("a service account of default", to(account("default", "default")), "F10|C02"),
        both("a service account of another namespace", to(account("other", "default")), "C02"),
        both(
            "a service account of the namespace, over the cluster",
            wide_to(account("team", "robot")),
            "C02",
        ),
    ]
}

fn places() -> Vec<Attack> {
    let more = json!({
        "metadata": {"labels": {"hanse.dev/managed": "true"}},
        "subjects": [mallory()],
    });
    vec![
        both("a binding in kube-system", at("kube-system", NS), "F02"),
        both("a binding in default", at("default", NS), "F02"),
        both("a binding in the agent's namespace", at("hanse-agent", NS), "F02"),
        both("a binding in a namespace that was not handed over", at("other", NS), "F04"),
        both("a binding without our prefix", at("team", "backdoor"), "F05"),
        both("a binding with the prefix of the other class", at("team", WIDE), "F05"),
        both(
            "a binding over the cluster with the prefix for namespaces",
            apply(&wide_path(NS), binding(NS, "", "ClusterRole", "hanse:cluster:ours", mallory())),
            "F05",
        ),
        twice(
            "one more subject for cluster-admin",
            merge(&wide_path("cluster-admin"), more.clone()),
            "F05|C03",
        ),
        both(
            "one more subject for a foreign binding",
            merge(&path("team", "theirs"), more),
            "F05|C03",
        ),
        both("deleting a foreign binding", delete(&path("team", "theirs")), "F05"),
        both("deleting a binding of Kubernetes", delete(&wide_path("system:node")), "F05"),
        both("deleting the agent's own binding", delete(&wide_path("hanse-agent")), "F05"),
        no_right(
            "deleting all bindings of a namespace",
            delete(&format!("{RBAC}/namespaces/team/rolebindings")),
        ),
        Attack {
            name: "a binding within the ceiling, as itself",
            call: at("team", NS).by(As::Itself),
            bind: "",
            impersonate: "RBAC",
        },
    ]
}
