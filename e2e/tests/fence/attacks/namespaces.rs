//! Namespaces and their guard rails.

use serde_json::{Value, json};

use super::{Attack, CORE, both, no_right};
use crate::call::{Call, apply, delete, merge, update};
use crate::objects::{labelled, namespace, network_policy, quota, with};

const NETWORK: &str = "/apis/networking.k8s.io/v1";

fn path(name: &str) -> String {
    format!("{CORE}/namespaces/{name}")
}

fn make(name: &str, level: &str) -> Call {
    apply(&path(name), namespace(name, level))
}

/// Sets labels of a namespace, ours among them.
fn label(name: &str, key: &str, value: Value) -> Call {
    let mut labels = json!({"hanse.dev/managed": "true"});
    labels[key] = value;
    merge(&path(name), json!({"metadata": {"labels": labels}}))
}

fn annotate(key: &str) -> Call {
    merge(&path("team"), json!({"metadata": {"annotations": {key: "x"}}}))
}

fn quota_at(at: &str, name: &str) -> Call {
    apply(&format!("{}/resourcequotas/{name}", path(at)), quota(name, "1"))
}

fn policy(at: &str, name: &str, spec: Value) -> Call {
    let path = format!("{NETWORK}/namespaces/{at}/networkpolicies/{name}");
    apply(&path, network_policy(name, spec))
}

/// A policy for all pods of `team` with these rules for what comes in.
fn ingress(rules: Value) -> Call {
    policy(
        "team",
        "hanse-x",
        json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules}),
    )
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = namespaces();
    all.extend(rails());
    all
}

fn namespaces() -> Vec<Attack> {
    const PSA: &str = "pod-security.kubernetes.io";
    let owner = json!([{"apiVersion": "v1", "kind": "Namespace", "name": "other",
        "uid": "9d2b1a3c-0000-4000-8000-000000000000"}]);
    vec![
        both("a namespace of Kubernetes' kind", make("kube-x", "restricted"), "F02"),
        both("a namespace of OpenShift's kind", make("openshift-x", "restricted"), "F02"),
        both("a namespace that other software expects", make("cert-manager", "restricted"), "C07"),
        both("a namespace for privileged pods", make("x", "privileged"), "C05"),
        both("a namespace without Pod Security", make("x", ""), "C05"),
        both(
            "a namespace with Pod Security of old",
            apply(
                &path("x"),
                labelled(
                    namespace("x", "restricted"),
                    "pod-security.kubernetes.io/enforce-version",
                    "v1.0",
                ),
            ),
            "C05",
        ),
        both(
            "privileged pods in a federated namespace",
            label("team", &format!("{PSA}/enforce"), "privileged".into()),
            "C05",
        ),
        both(
            "no Pod Security in a federated namespace",
            label("team", &format!("{PSA}/enforce"), Value::Null),
            "C05",
        ),
        both(
            "Pod Security of old in a federated namespace",
            label("team", &format!("{PSA}/enforce-version"), "v1.0".into()),
            "C05",
        ),
        both(
            "privileged pods in kube-system",
            label("kube-system", &format!("{PSA}/enforce"), "privileged".into()),
            "F02|C05",
        ),
        both("taking over default", label("default", "team", "x".into()), "F02"),
        both("taking over the agent's namespace", label("hanse-agent", "team", "x".into()), "F02"),
        both("taking over a foreign namespace", label("other", "team", "x".into()), "F03"),
        both("a foreign namespace, by server-side apply", make("other", "restricted"), "F03|C06"),
        both("giving a namespace away", label("team", "hanse.dev/managed", Value::Null), "F03"),
        both(
            "a label that means something to other software",
            label("team", "istio-injection", "disabled".into()),
            "C06",
        ),
        both(
            "a label that switches other policies off",
            label("team", "admission.gatekeeper.sh/ignore", "x".into()),
            "C06",
        ),
        both(
            "a label that begins as one that the ceiling lists",
            label("team", "appmesh.k8s.aws/sidecarInjectorWebhook", "disabled".into()),
            "C06",
        ),
        both("an annotation that begins so", annotate("ownership.example/of"), "C06"),
        both(
            "a label of Kubernetes",
            label("team", "app.kubernetes.io/part-of", "x".into()),
            "F07|C06",
        ),
        both(
            "another managed-by",
            label("team", "app.kubernetes.io/managed-by", "Helm".into()),
            "F07",
        ),
        both(
            "nodes of the thief's choice",
            annotate("scheduler.alpha.kubernetes.io/node-selector"),
            "F07|C06",
        ),
        both("roles in the cloud", annotate("iam.amazonaws.com/permitted"), "C06"),
        both("security contexts of OpenShift", annotate("openshift.io/sa.scc.mcs"), "C06"),
        both(
            "an owner for a namespace",
            apply(&path("x"), with(namespace("x", "restricted"), "ownerReferences", owner)),
            "F08",
        ),
        both(
            "a finalizer for a namespace",
            apply(
                &path("x"),
                with(namespace("x", "restricted"), "finalizers", json!(["a.example/b"])),
            ),
            "F08",
        ),
        no_right("deleting a federated namespace", delete(&path("team"))),
        no_right("deleting a foreign namespace", delete(&path("other"))),
        no_right(
            "finishing a namespace",
            update(&format!("{}/finalize", path("team")), namespace("team", "restricted")),
        ),
        no_right(
            "the status of a namespace",
            merge(&format!("{}/status", path("team")), json!({})),
        ),
    ]
}

fn rails() -> Vec<Attack> {
    let block = json!([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]);
    let foreign = format!("{NETWORK}/namespaces/team/networkpolicies/theirs");
    vec![
        both("a quota in kube-system", quota_at("kube-system", "hanse"), "F02"),
        both("a quota in a foreign namespace", quota_at("other", "hanse"), "F04"),
        both("a quota of another name", quota_at("team", "x"), "F05"),
        both("changing a foreign quota", quota_at("team", "theirs"), "F05"),
        both(
            "deleting a foreign quota",
            delete(&format!("{}/resourcequotas/theirs", path("team"))),
            "F05",
        ),
        both(
            "a quota that hides whose it is",
            apply(
                &format!("{}/resourcequotas/hanse", path("team")),
                with(quota("hanse", "1"), "labels", json!({})),
            ),
            "F03",
        ),
        both(
            "a network policy in kube-system",
            policy("kube-system", "hanse-x", json!({"podSelector": {}})),
            "F02",
        ),
        both("opening a namespace to everybody", ingress(json!([{}])), "F14"),
        both("opening a namespace to the world", ingress(block), "F14"),
        both(
            "opening a namespace to the world outside",
            policy(
                "team",
                "hanse-x",
                json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 443}]}]}),
            ),
            "F14",
        ),
        both(
            "a network policy for some pods",
            policy("team", "hanse-x", json!({"podSelector": {"matchLabels": {"app": "db"}}})),
            "F14",
        ),
        both("deleting a foreign network policy", delete(&foreign), "F05"),
        no_right(
            "the status of a quota",
            merge(&format!("{}/resourcequotas/theirs/status", path("team")), json!({})),
        ),
    ]
}
