//! A Secret without its values: those are put in by who writes it, from the sealed payload.

use serde_json::{Map, json};

use super::object;
use crate::kinds::secret::SecretSpec;
use crate::object::{Object, ObjectKind, ObjectRef, VERSION_ANNOTATION};

pub(super) fn objects(name: &str, spec: &SecretSpec) -> Vec<Object> {
    let one = |namespace: &String| {
        let mut metadata = Map::new();
        let version = json!({ VERSION_ANNOTATION: spec.version.to_string() });
        metadata.insert("annotations".to_owned(), version);
        let reference = ObjectRef::namespaced(ObjectKind::Secret, namespace, name);
        object(reference, metadata, json!({ "type": spec.secret_type }))
    };
    spec.namespaces.iter().map(one).collect()
}
