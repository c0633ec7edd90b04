//! Objects of which only what the inventory reads is kept, while they are parsed: the specs of
//! workloads, their environment and their annotations are not kept.

use std::borrow::Cow;
use std::fmt;

use ::kube::Resource;
use ::kube::api::ApiResource;
use ::kube::core::DynamicResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// What is kept of a value.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// All of it.
    All,
    /// These fields of it, or of each of its items.
    Fields(&'static [(&'static str, Kept)]),
}

use Kept::{All, Fields};

const POD: Kept = Fields(&[("serviceAccountName", All), ("serviceAccount", All)]);
const TEMPLATE: Kept = Fields(&[("spec", POD)]);
const METADATA: Kept = Fields(&[
    ("name", All),
    ("namespace", All),
    ("uid", All),
    ("resourceVersion", All),
    ("creationTimestamp", All),
    ("labels", Fields(&[("hanse.dev/managed", All)])),
    ("annotations", Fields(&[("hanse.dev/source", All), ("hanse.dev/revision", All)])),
    ("ownerReferences", Fields(&[("apiVersion", All), ("kind", All), ("controller", All)])),
    ("managedFields", Fields(&[("manager", All), ("time", All), ("subresource", All)])),
]);
/// Of service accounts and of all workloads: see `hanse_domain::access::read`.
const OBJECT: Kept = Fields(&[
    ("metadata", METADATA),
    ("secrets", Fields(&[("name", All)])),
    (
        "spec",
        Fields(&[
            ("serviceAccountName", All),
            ("serviceAccount", All),
            ("template", TEMPLATE),
            ("jobTemplate", Fields(&[("spec", Fields(&[("template", TEMPLATE)]))])),
        ]),
    ),
    ("status", Fields(&[("phase", All)])),
]);

/// An object as far as the inventory reads it.
#[derive(Clone, Debug)]
pub(super) struct Pruned {
    metadata: ObjectMeta,
    /// What was kept.
    pub(super) body: Value,
}

impl<'de> Deserialize<'de> for Pruned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = OBJECT.deserialize(deserializer)?;
        let text = |name: &str| {
            let value = body.get("metadata").and_then(|metadata| metadata.get(name));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        let metadata = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, body })
    }
}

impl Resource for Pruned {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<'de> DeserializeSeed<'de> for Kept {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            All => Value::deserialize(deserializer),
            Fields(fields) => deserializer.deserialize_any(Pruner(fields)),
        }
    }
}

/// What is neither an object nor a list has no fields, and becomes null.
struct Pruner(&'static [(&'static str, Kept)]);

impl<'de> Visitor<'de> for Pruner {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.0.iter().find(|(name, _)| *name == key) {
                Some((name, below)) => {
                    kept.insert((*name).to_owned(), map.next_value_seed(*below)?);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(item) = items.next_element_seed(Fields(self.0))? {
            kept.push(item);
        }
        Ok(Value::Array(kept))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use ::kube::core::{ObjectList, WatchEvent};
    use hanse_domain::access::object::AccessKind;
    use hanse_domain::access::read::read;
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "serviceAccountName": "builder", "serviceAccount": "builder",
            "containers": [{ "image": "canary", "env": [{ "value": "canary" }], "args": ["canary"] }],
        })
    }

    fn object(kind: AccessKind) -> Value {
        let template = json!({ "metadata": { "annotations": { "a": "canary" } }, "spec": pod() });
        let spec = match kind {
            AccessKind::Pod => pod(),
            AccessKind::CronJob => json!({ "jobTemplate": { "spec": { "template": template } } }),
            AccessKind::ServiceAccount => Value::Null,
            AccessKind::Deployment
            | AccessKind::StatefulSet
            | AccessKind::DaemonSet
            | AccessKind::ReplicaSet
            | AccessKind::Job => json!({ "replicas": 3, "template": template, "x": "canary" }),
            AccessKind::Namespace
            | AccessKind::ClusterRole
            | AccessKind::Role
            | AccessKind::ClusterRoleBinding
            | AccessKind::RoleBinding => unreachable!("they are watched whole"),
        };
        json!({
            "apiVersion": "v1", "kind": kind.name(),
            "metadata": {
                "name": "w", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": { "hanse.dev/managed": "true", "secret": "canary" },
                "annotations": {
                    "hanse.dev/source": "FederatedRole/r", "hanse.dev/revision": "7",
                    "kubectl.kubernetes.io/last-applied-configuration": "canary",
                },
                "ownerReferences": [{ "kind": "Robot", "apiVersion": "v1", "controller": true, "name": "canary" }],
                "managedFields": [{
                    "manager": "kubectl", "time": "2026-01-02T00:00:00Z",
                    "fieldsV1": { "f:spec": { "f:canary": {} } },
                }],
            },
            "secrets": [{ "name": "builder-token", "namespace": "canary" }],
            "spec": spec,
            "status": { "phase": "Running", "message": "canary" },
            "data": { "k": "canary" },
        })
    }

    #[test]
    fn what_is_kept_reads_as_the_whole_object() {
        for kind in crate::inventory::watched_apart() {
            let whole = object(kind);
            let pruned: Pruned = serde_json::from_str(&whole.to_string()).unwrap();
            assert_eq!(read(kind, &pruned.body), read(kind, &whole), "{kind}");
            assert!(read(kind, &whole).unwrap().is_some());
            assert!(!format!("{pruned:?}").contains("canary"), "{kind}: {pruned:?}");
            let meta = pruned.meta();
            assert_eq!(
                (meta.name.as_deref(), meta.resource_version.as_deref()),
                (Some("w"), Some("7"))
            );
        }
    }

    #[test]
    fn it_reads_what_watches_and_lists_send() {
        for text in [
            json!({ "type": "ADDED", "object": object(AccessKind::Pod) }).to_string(),
            format!(r#"{{"object":{},"type":"ADDED"}}"#, object(AccessKind::Pod)),
        ] {
            let WatchEvent::Added(pruned) =
                serde_json::from_str::<WatchEvent<Pruned>>(&text).unwrap()
            else {
                unreachable!("it is one")
            };
            assert_eq!(pruned.body.pointer("/status"), Some(&json!({ "phase": "Running" })));
        }
        let list = json!({
            "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "9" },
            "items": [object(AccessKind::Pod), object(AccessKind::Pod)],
        });
        let list: ObjectList<Pruned> = serde_json::from_str(&list.to_string()).unwrap();
        assert_eq!(list.items.len(), 2);
    }

    #[test]
    fn odd_objects_are_no_error() {
        for odd in [
            json!(null),
            json!([1, "a", null, { "metadata": 1 }]),
            json!({ "metadata": [], "spec": 1.5, "status": "x", "secrets": true, "x": -1 }),
            json!({ "metadata": { "name": 3, "labels": 1, "managedFields": {} } }),
        ] {
            let pruned: Pruned = serde_json::from_str(&odd.to_string()).unwrap();
            assert_eq!(pruned.meta().name, None);
        }
    }
}
