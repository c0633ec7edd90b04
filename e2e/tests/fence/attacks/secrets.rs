//! Secrets, tokens, and being somebody else.

use serde_json::json;

use super::{Attack, CORE, RBAC, both, no_right};
use crate::call::{As, Call, apply, create, delete, get, merge, patch, update};
use crate::objects::{annotated, group, labelled, secret, with};

fn path(namespace: &str, name: &str) -> String {
    format!("{CORE}/namespaces/{namespace}/secrets/{name}")
}

fn make(namespace: &str, kind: &str) -> Call {
    create(&format!("{CORE}/namespaces/{namespace}/secrets"), secret("x", kind))
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = reading();
    all.extend(writing());
    all.extend(tokens());
    all
}

fn reading() -> Vec<Attack> {
    vec![
        no_right("reading every Secret", get(&format!("{CORE}/secrets"))),
        no_right("watching every Secret", get(&format!("{CORE}/secrets")).query("&watch=true")),
        no_right("reading a Secret of kube-system", get(&path("kube-system", "theirs"))),
        no_right("reading a foreign Secret", get(&path("team", "theirs"))),
        no_right("reading a Secret of the fleet", get(&path("team", "ours"))),
        no_right("reading the agent's identity", get(&path("hanse-agent", "hanse-agent-identity"))),
        no_right(
            "reading a Secret through a JSON patch's error",
            patch(
                &path("kube-system", "theirs"),
                json!([{"op": "copy", "from": "/data", "path": "/metadata/labels"}]),
            ),
        ),
        no_right("a merge patch of a Secret", merge(&path("team", "ours"), json!({}))),
        no_right(
            "a server-side apply of a Secret",
            apply(&path("team", "ours"), secret("ours", "Opaque")),
        ),
        no_right("deleting all Secrets", delete(&format!("{CORE}/namespaces/team/secrets"))),
    ]
}

fn writing() -> Vec<Attack> {
    let put = |name: &str, body| update(&path("team", name), body);
    let all = format!("{CORE}/namespaces/team/secrets");
    let token = "kubernetes.io/service-account-token";
    let owner = json!([{"apiVersion": "v1", "kind": "ServiceAccount", "name": "robot",
        "uid": "9d2b1a3c-0000-4000-8000-000000000000"}]);
    vec![
        both("a bootstrap token", make("kube-system", "bootstrap.kubernetes.io/token"), "F02|C04"),
        both("a Secret in default", make("default", "Opaque"), "F02"),
        both("a Secret beside the agent's", make("hanse-agent", "Opaque"), "F02"),
        both("a Secret in a namespace that was not handed over", make("other", "Opaque"), "F04"),
        both(
            "a token of a service account that the fleet took over",
            put(
                "token",
                annotated(secret("token", token), "kubernetes.io/service-account.name", "robot"),
            ),
            "F07|F13|C04",
        ),
        both(
            "a token of a chosen service account",
            create(
                &all,
                annotated(secret("x", token), "kubernetes.io/service-account.name", "robot"),
            ),
            "F07|F13|C04",
        ),
        both(
            "a bootstrap token elsewhere",
            make("team", "bootstrap.kubernetes.io/token"),
            "F13|C04",
        ),
        both("a type that the ceiling lacks", make("team", "helm.sh/release.v1"), "C04"),
        both(
            "a Secret that hides whose it is",
            create(&all, with(secret("x", "Opaque"), "labels", json!({}))),
            "F03",
        ),
        both(
            "a Secret that some controller takes up",
            create(
                &all,
                labelled(secret("x", "Opaque"), "argocd.argoproj.io/secret-type", "cluster"),
            ),
            "F07",
        ),
        both(
            "an owner for a Secret",
            create(&all, with(secret("x", "Opaque"), "ownerReferences", owner)),
            "F08",
        ),
        both(
            "a finalizer for a Secret",
            create(&all, with(secret("x", "Opaque"), "finalizers", json!(["a.example/b"]))),
            "F08",
        ),
        both("overwriting a foreign Secret", put("theirs", secret("theirs", "Opaque")), "F03"),
        both("deleting a foreign Secret", delete(&path("team", "theirs")), "F03"),
        both(
            "giving a Secret of the fleet away",
            put("ours", with(secret("ours", "Opaque"), "labels", json!({}))),
            "F03",
        ),
        both(
            "overwriting a Secret of kube-system",
            update(&path("kube-system", "theirs"), secret("theirs", "Opaque")),
            "F02",
        ),
        both("deleting a Secret of kube-system", delete(&path("kube-system", "theirs")), "F02"),
        both(
            "overwriting another Secret of the agent's namespace",
            update(&path("hanse-agent", "admins"), secret("admins", "Opaque")),
            "F02",
        ),
        both(
            "overwriting whom the agent believes",
            update(&path("hanse-agent", "hanse-agent-pins"), secret("hanse-agent-pins", "Opaque")),
            "F02",
        ),
        both(
            "overwriting the agent's key for secrets",
            update(&path("hanse-agent", "hanse-agent-age"), secret("hanse-agent-age", "Opaque")),
            "F02",
        ),
        both(
            "having the agent's identity copied",
            update(
                &path("hanse-agent", "hanse-agent-identity"),
                annotated(
                    secret("hanse-agent-identity", "Opaque"),
                    "reflector.v1.k8s.emberstack.com/reflection-allowed",
                    "true",
                ),
            ),
            "F07",
        ),
        both(
            "having the agent's identity taken up",
            update(
                &path("hanse-agent", "hanse-agent-identity"),
                labelled(
                    secret("hanse-agent-identity", "Opaque"),
                    "argocd.argoproj.io/secret-type",
                    "cluster",
                ),
            ),
            "F07",
        ),
        both(
            "a ledger that some controller takes up",
            create(
                &format!("{CORE}/namespaces/hanse-agent/configmaps"),
                json!({"metadata": {"name": "hanse-ledger-x", "labels": {"grafana_dashboard": "1"}}}),
            ),
            "F07",
        ),
        both(
            "deleting the agent's identity",
            delete(&path("hanse-agent", "hanse-agent-identity")),
            "F02",
        ),
        both(
            "an owner for the agent's identity",
            update(
                &path("hanse-agent", "hanse-agent-identity"),
                with(
                    secret("hanse-agent-identity", "Opaque"),
                    "finalizers",
                    json!(["a.example/b"]),
                ),
            ),
            "F08",
        ),
    ]
}

fn tokens() -> Vec<Attack> {
    let token = |namespace: &str, name: &str| {
        create(
            &format!("{CORE}/namespaces/{namespace}/serviceaccounts/{name}/token"),
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}),
        )
    };
    let nodes = || get(&format!("{CORE}/nodes"));
    let masters = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "x"}, "subjects": [group("a")],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}});
    let secrets = || get(&format!("{CORE}/secrets"));
    vec![
        no_right("a longer token for itself", token("hanse-agent", "agent")),
        no_right("a token of kube-system", token("kube-system", "namespace-controller")),
        no_right("a token in a federated namespace", token("team", "robot")),
        no_right(
            "a service account beside the agent's",
            create(
                &format!("{CORE}/namespaces/hanse-agent/serviceaccounts"),
                json!({"metadata": {"name": "x"}}),
            ),
        ),
        no_right(
            "being an administrator",
            secrets().by(As::Headers(&[
                ("Impersonate-User", "a"),
                ("Impersonate-Group", "system:masters"),
            ])),
        ),
        no_right(
            "being a controller",
            secrets().by(As::Headers(&[(
                "Impersonate-User",
                "system:serviceaccount:kube-system:namespace-controller",
            )])),
        ),
        no_right("being a user", nodes().by(As::Headers(&[("Impersonate-User", "alice")]))),
        no_right("being a node", nodes().by(As::Headers(&[("Impersonate-User", "system:node:a")]))),
        no_right(
            "reading as the ceiling's user",
            nodes().by(As::Headers(&[("Impersonate-User", "hanse:ceiling")])),
        ),
        no_right(
            "writing ConfigMaps as the ceiling's user",
            create(
                &format!("{CORE}/namespaces/other/configmaps"),
                json!({"metadata": {"name": "x"}}),
            )
            .by(As::Headers(&[("Impersonate-User", "hanse:ceiling")])),
        ),
        no_right(
            "deleting pods as the ceiling's user",
            delete(&format!("{CORE}/namespaces/other/pods/x"))
                .by(As::Headers(&[("Impersonate-User", "hanse:ceiling")])),
        ),
        no_right(
            "the ceiling's user in a group of administrators",
            create(&format!("{RBAC}/clusterrolebindings"), masters).by(As::Headers(&[
                ("Impersonate-User", "hanse:ceiling"),
                ("Impersonate-Group", "system:masters"),
            ])),
        ),
    ]
}
