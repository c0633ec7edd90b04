//! Bodies of objects, as the agent writes them.

use serde_json::{Value, json};

pub(crate) const RBAC: &str = "rbac.authorization.k8s.io";

/// Labels and annotations of everything that the agent writes.
pub(crate) fn meta(name: &str) -> Value {
    json!({
        "name": name,
        "labels": {"hanse.dev/managed": "true", "app.kubernetes.io/managed-by": "hanse-agent"},
        "annotations": {"hanse.dev/source": "FederatedThing/x", "hanse.dev/revision": "1"},
    })
}

pub(crate) fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
}

pub(crate) fn role(name: &str, rules: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": meta(name), "rules": rules})
}

pub(crate) fn user(name: &str) -> Value {
    json!({"apiGroup": RBAC, "kind": "User", "name": name})
}

pub(crate) fn group(name: &str) -> Value {
    json!({"apiGroup": RBAC, "kind": "Group", "name": name})
}

pub(crate) fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
}

/// A `RoleBinding`, or a `ClusterRoleBinding` for the empty namespace.
pub(crate) fn binding(name: &str, namespace: &str, kind: &str, role: &str, who: Value) -> Value {
    let binding = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": binding, "metadata": meta(name),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role}, "subjects": [who],
    })
}

pub(crate) fn namespace(name: &str, level: &str) -> Value {
    let mut body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta(name)});
    if !level.is_empty() {
        body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = level.into();
    }
    body
}

pub(crate) fn secret(name: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": meta(name), "type": kind,
        "stringData": {"key": "value"},
    })
}

pub(crate) fn quota(name: &str, pods: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta(name),
        "spec": {"hard": {"pods": pods}},
    })
}

pub(crate) fn network_policy(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(name),
        "spec": spec,
    })
}

/// The body with one field of its metadata set.
pub(crate) fn with(mut body: Value, field: &str, value: Value) -> Value {
    body["metadata"][field] = value;
    body
}

/// The body with one more label.
pub(crate) fn labelled(mut body: Value, key: &str, value: &str) -> Value {
    body["metadata"]["labels"][key] = value.into();
    body
}

/// The body with one more annotation.
pub(crate) fn annotated(mut body: Value, key: &str, value: &str) -> Value {
    body["metadata"]["annotations"][key] = value.into();
    body
}
