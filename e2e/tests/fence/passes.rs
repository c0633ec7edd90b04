//! What must pass: all that the agent does. And what still passes for a thief, as docs/fence.md admits.

use serde_json::{Value, json};

use crate::attacks::{CORE, RBAC};
use crate::call::{Call, apply, create, delete, get, merge, update};
use crate::objects::{
    account, binding, group, labelled, namespace, network_policy, quota, role, rule, secret, user,
    with,
};

const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/team/networkpolicies";
const READ: &[&str] = &["get", "list", "watch"];

fn role_path(name: &str) -> String {
    format!("{RBAC}/clusterroles/{name}")
}

fn binding_path(namespace: &str, name: &str) -> String {
    format!("{RBAC}/namespaces/{namespace}/rolebindings/{name}")
}

fn bind(namespace: &str, name: &str, role: &str, who: Value) -> Call {
    let body = binding(name, namespace, "ClusterRole", role, who);
    apply(&binding_path(namespace, name), body)
}

fn bind_wide(name: &str, role: &str, who: Value) -> Call {
    let body = binding(name, "", "ClusterRole", role, who);
    apply(&format!("{RBAC}/clusterrolebindings/{name}"), body)
}

fn own(what: &str) -> String {
    format!("{CORE}/namespaces/hanse-agent/{what}")
}

fn config_map(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"hanse.dev/managed": "true"}}, "data": {"a": "b"}})
}

/// What the agent does in its daily work, in this order: the objects of `examples/` first.
pub(crate) fn legitimate() -> Vec<(&'static str, Call)> {
    let mut all = declared();
    all.extend(changed());
    all.extend(own_things());
    all
}

fn declared() -> Vec<(&'static str, Call)> {
    let payments = |level: &str| {
        let body = labelled(namespace("payments", level), "team", "payments");
        labelled(body, "pod-security.kubernetes.io/warn", level)
    };
    let operator = json!([
        {"apiGroups": ["", "apps"], "verbs": READ,
            "resources": ["pods", "pods/log", "services", "configmaps", "deployments", "replicasets"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"],
            "verbs": ["patch", "update"]},
        rule("", "pods", &["delete"]),
    ]);
    let on_call = json!([
        {"apiGroups": [""], "resources": ["nodes", "namespaces", "pods", "pods/log", "events"],
            "verbs": READ},
        {"apiGroups": ["apps"], "verbs": READ,
            "resources": ["deployments", "daemonsets", "statefulsets", "replicasets"]},
        {"nonResourceURLs": ["/metrics", "/healthz"], "verbs": ["get"]},
    ]);
    let rail = |kind: &str| format!("{CORE}/namespaces/payments/{kind}/hanse");
    let network = "/apis/networking.k8s.io/v1/namespaces/payments/networkpolicies";
    let limits = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": crate::objects::meta("hanse"),
        "spec": {"limits": [{"type": "Container", "default": {"memory": "256Mi"}}]},
    });
    let dns = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{
        "ports": [{"port": 53, "protocol": "UDP"}],
        "to": [{"namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["kube-system"]}]}}]}]});
    let same = json!({"podSelector": {}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}]}]});
    let deny = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    let policy =
        |name: &str, spec: Value| apply(&format!("{network}/{name}"), network_policy(name, spec));
    let space = format!("{CORE}/namespaces/payments");
    vec![
        ("a namespace", apply(&space, payments("restricted"))),
        ("the same namespace again", apply(&space, payments("restricted"))),
        ("another level", apply(&space, payments("baseline"))),
        ("without its label", apply(&space, namespace("payments", "baseline"))),
        (
            "a namespace that was handed over",
            apply(&format!("{CORE}/namespaces/team"), namespace("team", "restricted")),
        ),
        ("a quota", apply(&rail("resourcequotas"), quota("hanse", "50"))),
        ("a limit range", apply(&rail("limitranges"), limits)),
        ("a policy that denies", policy("hanse-deny", deny)),
        ("a policy for the same namespace", policy("hanse-allow-same-namespace", same)),
        ("a policy for DNS", policy("hanse-allow-dns", dns)),
        ("a role", apply(&role_path("hanse:ns:operator"), role("hanse:ns:operator", operator))),
        (
            "a wide role",
            apply(&role_path("hanse:cluster:on-call"), role("hanse:cluster:on-call", on_call)),
        ),
        (
            "a binding",
            bind("payments", "hanse:ns:team", "hanse:ns:operator", group("oidc:payments")),
        ),
        ("a binding of view", bind("payments", "hanse:ns:view", "view", group("oidc:all"))),
        ("a binding of edit", bind("payments", "hanse:ns:edit", "edit", user("alice"))),
        (
            "a wide binding",
            bind_wide("hanse:cluster:readers", "hanse:cluster:on-call", group("oidc:on-call")),
        ),
        (
            "a robot",
            bind_wide("hanse:cluster:bot", "hanse:cluster:on-call", account("monitoring", "bot")),
        ),
        (
            "a robot of the namespace",
            bind("team", "hanse:ns:bot", "hanse:ns:operator", account("team", "robot")),
        ),
    ]
}

fn changed() -> Vec<(&'static str, Call)> {
    let rail = format!("{CORE}/namespaces/payments/resourcequotas/hanse");
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/warn": null}}});
    let secrets = format!("{CORE}/namespaces/payments/secrets");
    vec![
        (
            "other rules",
            apply(
                &role_path("hanse:ns:operator"),
                role("hanse:ns:operator", json!([rule("", "pods", READ)])),
            ),
        ),
        (
            "other subjects",
            bind("payments", "hanse:ns:team", "hanse:ns:operator", group("oidc:others")),
        ),
        ("a stray label of a namespace", merge(&format!("{CORE}/namespaces/payments"), label)),
        ("removing a binding", delete(&binding_path("payments", "hanse:ns:edit"))),
        (
            "removing a wide binding",
            delete(&format!("{RBAC}/clusterrolebindings/hanse:cluster:bot")),
        ),
        ("removing a role", delete(&role_path("hanse:cluster:on-call"))),
        ("removing a quota", delete(&rail)),
        ("a Secret", create(&secrets, secret("db", "Opaque"))),
        ("another value", update(&format!("{secrets}/db"), secret("db", "Opaque"))),
        ("a certificate", create(&secrets, with_certificate(secret("tls", "kubernetes.io/tls")))),
        ("removing a Secret", delete(&format!("{secrets}/db"))),
    ]
}

fn with_certificate(mut body: Value) -> Value {
    body["stringData"] = json!({"tls.crt": "a", "tls.key": "b"});
    body
}

fn own_things() -> Vec<(&'static str, Call)> {
    let maps = own("configmaps");
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "hanse-agent-1"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "action": "a", "reason": "r", "type": "Normal",
        "reportingController": "hanse.dev/agent", "reportingInstance": "hanse-agent",
        "regarding": {"apiVersion": "v1", "kind": "ServiceAccount", "name": "agent",
            "namespace": "hanse-agent"},
    });
    let identity = with(secret("hanse-agent-identity", "Opaque"), "labels", json!({}));
    vec![
        ("the ledger", create(&maps, config_map("hanse-ledger"))),
        ("the ledger again", update(&format!("{maps}/hanse-ledger"), config_map("hanse-ledger"))),
        ("a piece of the ledger", create(&maps, config_map("hanse-ledger-ab-1"))),
        ("removing a piece", delete(&format!("{maps}/hanse-ledger-ab-1"))),
        ("an Event", create("/apis/events.k8s.io/v1/namespaces/hanse-agent/events", event)),
        ("a renewed identity", update(&own("secrets/hanse-agent-identity"), identity)),
        ("looking at access", get(&format!("{RBAC}/clusterrolebindings"))),
        ("looking at whom workloads run as", get(&format!("{CORE}/pods"))),
        (
            "looking at the guard",
            get(
                "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/hanse-fence-guard",
            ),
        ),
        ("looking at the ceiling", get("/apis/fence.hanse.dev/v1alpha1/ceilings/hanse")),
    ]
}

/// What a stolen token can still do: word for word the rows of "What still passes" in docs/fence.md.
pub(crate) fn admitted() -> Vec<(&'static str, Call)> {
    let open = json!({"podSelector": {}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"namespaceSelector": {}}]}]});
    let mine = json!({"podSelector": {}, "policyTypes": ["Egress"]});
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let identity = secret("hanse-agent-identity", "Opaque");
    let everything = json!([rule("", "configmaps", &["get", "update", "delete"])]);
    let runs = json!([rule("apps", "deployments", &["get", "patch"])]);
    let shut = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    let squat = with(namespace("anything", "baseline"), "annotations", json!({"owner": "mallory"}));
    vec![
        (
            "read roles, bindings, namespaces and guard rails of the whole cluster",
            get(&format!("{RBAC}/clusterroles")),
        ),
        (
            "read service accounts and workloads of the whole cluster, with what stands in their environment",
            get("/apis/apps/v1/deployments"),
        ),
        ("read the ledger", get(&own("configmaps/hanse-ledger"))),
        (
            "ask what every account may ask",
            create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review),
        ),
        (
            "make a role up to the ceiling",
            apply(&role_path("hanse:ns:most"), role("hanse:ns:most", everything)),
        ),
        (
            "let anybody the ceiling allows say what the deployments of a federated namespace run",
            apply(&role_path("hanse:ns:run"), role("hanse:ns:run", runs)),
        ),
        (
            "bind `edit` in a federated namespace to anybody the ceiling allows",
            bind("team", "hanse:ns:mallory", "edit", user("mallory")),
        ),
        (
            "let anybody the ceiling allows read over the whole cluster what it lists",
            bind_wide("hanse:cluster:mallory", "hanse:cluster:ours", user("mallory")),
        ),
        (
            "bind an administrator's role that has a name of ours",
            bind("team", "hanse:ns:theirs", "hanse:ns:ours", user("mallory")),
        ),
        ("take access away that the fleet gave", delete(&binding_path("team", "hanse:ns:bot"))),
        (
            "make a Secret in a federated namespace, under any free name",
            create(&format!("{CORE}/namespaces/team/secrets"), secret("free", "Opaque")),
        ),
        (
            "overwrite a Secret of the fleet",
            update(&format!("{CORE}/namespaces/team/secrets/ours"), secret("ours", "Opaque")),
        ),
        ("delete a Secret of the fleet", delete(&format!("{CORE}/namespaces/team/secrets/spare"))),
        (
            "make a namespace with any name that the ceiling allows",
            apply(&format!("{CORE}/namespaces/anything"), squat),
        ),
        (
            "change Pod Security between the levels that the ceiling lists",
            apply(&format!("{CORE}/namespaces/team"), namespace("team", "baseline")),
        ),
        (
            "change the labels of a federated namespace that the ceiling lists",
            apply(
                &format!("{CORE}/namespaces/team"),
                labelled(namespace("team", "baseline"), "team", "mallory"),
            ),
        ),
        (
            "open a federated namespace to other namespaces",
            apply(&format!("{POLICIES}/hanse-open"), network_policy("hanse-open", open)),
        ),
        (
            "take a network policy of the fleet away, which opens the namespace",
            delete(&format!("{POLICIES}/hanse-shut")),
        ),
        (
            "cut the running pods of a federated namespace off with a network policy",
            apply(&format!("{POLICIES}/hanse-cut"), network_policy("hanse-cut", shut)),
        ),
        (
            "keep new pods out of a federated namespace with a quota",
            apply(&format!("{CORE}/namespaces/team/resourcequotas/hanse"), quota("hanse", "0")),
        ),
        (
            "change or delete what somebody else made under a name of ours",
            apply(&format!("{POLICIES}/hanse-theirs"), network_policy("hanse-theirs", mine)),
        ),
        (
            "overwrite the agent's ledger",
            update(&own("configmaps/hanse-ledger"), config_map("hanse-ledger")),
        ),
        ("delete the agent's ledger", delete(&own("configmaps/hanse-ledger"))),
        ("overwrite the agent's identity", update(&own("secrets/hanse-agent-identity"), identity)),
    ]
}
