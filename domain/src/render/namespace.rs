//! A namespace and its guard rails. Fields that the API server would fill in by default are written
//! out, so that what is rendered is what is found.

use serde_json::{Map, Value, json};

use super::{in_namespace, object};
use crate::kinds::namespace::{NamespaceSpec, NetworkPolicy, Quantities};
use crate::object::{Object, ObjectKind, ObjectRef};

/// The name of each guard rail in its namespace.
const NAME: &str = "hanse";

pub(super) fn objects(name: &str, spec: &NamespaceSpec) -> Vec<Object> {
    let mut labels: Map<String, Value> =
        spec.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    if let Some(level) = spec.pod_security {
        for mode in ["enforce", "audit", "warn"] {
            let key = format!("pod-security.kubernetes.io/{mode}");
            labels.insert(key, level.label_value().into());
        }
    }
    let mut metadata = Map::new();
    metadata.insert("labels".to_owned(), labels.into());
    metadata.insert("annotations".to_owned(), json!(spec.annotations));
    let mut objects =
        vec![object(ObjectRef::cluster(ObjectKind::Namespace, name), metadata, json!({}))];
    if let Some(hard) = &spec.resource_quota {
        let rest = json!({ "spec": { "hard": hard } });
        objects.push(in_namespace(ObjectKind::ResourceQuota, name, NAME, rest));
    }
    if !spec.limits.is_empty() {
        let limits: Vec<Value> = spec
            .limits
            .iter()
            .map(|item| {
                let mut map = Map::new();
                map.insert("type".to_owned(), item.kind.into());
                for (field, quantities) in &item.values {
                    map.insert((*field).to_owned(), quantity_map(quantities));
                }
                Value::Object(map)
            })
            .collect();
        let rest = json!({ "spec": { "limits": limits } });
        objects.push(in_namespace(ObjectKind::LimitRange, name, NAME, rest));
    }
    if let Some(policy) = &spec.network_policy {
        network_policies(name, policy, &mut objects);
    }
    objects
}

fn quantity_map(quantities: &Quantities) -> Value {
    quantities.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
}

/// One policy that denies, and one for each allowance: they add up (`NetworkPolicy`,
/// "additive"). An allowance names only directions that are denied: a policy isolates its pods in every
/// direction that it names.
fn network_policies(namespace: &str, policy: &NetworkPolicy, objects: &mut Vec<Object>) {
    let types: Vec<&str> = [(policy.deny_ingress, "Ingress"), (policy.deny_egress, "Egress")]
        .into_iter()
        .filter_map(|(denied, name)| denied.then_some(name))
        .collect();
    let mut push = |name: &str, types: &[&str], rules: Value| {
        let mut spec = json!({ "podSelector": {}, "policyTypes": types });
        if let (Some(spec), Value::Object(rules)) = (spec.as_object_mut(), rules) {
            spec.extend(rules);
        }
        let name = format!("{NAME}-{name}");
        objects.push(in_namespace(
            ObjectKind::NetworkPolicy,
            namespace,
            &name,
            json!({ "spec": spec }),
        ));
    };
    push("deny", &types, json!({}));
    let all_pods = json!([{ "podSelector": {} }]);
    if policy.allow_same_namespace {
        let mut rules = Map::new();
        if policy.deny_ingress {
            rules.insert("ingress".to_owned(), json!([{ "from": all_pods }]));
        }
        if policy.deny_egress {
            rules.insert("egress".to_owned(), json!([{ "to": all_pods }]));
        }
        push("allow-same-namespace", &types, rules.into());
    }
    if policy.allow_dns && policy.deny_egress {
        let ports = json!([{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }]);
        let to = json!([{ "namespaceSelector": namespace_selector(["kube-system"]) }]);
        push("allow-dns", &["Egress"], json!({ "egress": [{ "to": to, "ports": ports }] }));
    }
    if policy.deny_ingress && !policy.allow_from.is_empty() {
        let selector = namespace_selector(policy.allow_from.iter().map(String::as_str));
        let rules = json!({ "ingress": [{ "from": [{ "namespaceSelector": selector }] }] });
        push("allow-from-namespaces", &["Ingress"], rules);
    }
    if policy.deny_egress && !policy.allow_to.is_empty() {
        let selector = namespace_selector(policy.allow_to.iter().map(String::as_str));
        let rules = json!({ "egress": [{ "to": [{ "namespaceSelector": selector }] }] });
        push("allow-to-namespaces", &["Egress"], rules);
    }
}

fn namespace_selector<'n>(names: impl IntoIterator<Item = &'n str>) -> Value {
    let values: Vec<&str> = names.into_iter().collect();
    json!({
        "matchExpressions": [
            { "key": "kubernetes.io/metadata.name", "operator": "In", "values": values }
        ]
    })
}
