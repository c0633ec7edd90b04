//! `render`: the documents of one cluster → Kubernetes objects, in a fixed order and the same to the
//! byte wherever it runs. The author's machine runs it for the plan, the agent to apply.

mod access;
mod namespace;
mod secret;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::document::{Document, DocumentRef, DriftPolicy, Placed};
use crate::history::roster::Labels;
use crate::ids::RevisionNumber;
use crate::kinds::Spec;
use crate::kinds::binding::{BindingScope, RoleBindingSpec};
use crate::kinds::role::RoleScope;
use crate::object::{
    MANAGED_LABEL, Object, ObjectKind, ObjectRef, REVISION_ANNOTATION, SOURCE_ANNOTATION,
};

/// An object, why it is there and what to do when it drifts.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// What to apply.
    pub object: Object,
    /// The document that declares it.
    pub source: DocumentRef,
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// When it goes by itself.
    pub expires_at: Option<Timestamp>,
}

/// What one cluster's documents become.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendering {
    /// In the order in which they are applied.
    pub objects: BTreeMap<ObjectRef, Rendered>,
    /// What grants nothing, and why, for people.
    pub problems: Vec<(DocumentRef, String)>,
    /// Documents that cannot be rendered here. What they declared before is to stay: failing is not
    /// the same as declaring nothing.
    pub unrendered: BTreeSet<DocumentRef>,
    /// When the next binding expires, and so the next rendering differs.
    pub next_expiry: Option<Timestamp>,
}

/// Renders all documents of a cluster that has these labels, as of `now`.
pub fn render<'d>(
    documents: impl IntoIterator<Item = (&'d Document, RevisionNumber)>,
    labels: &Labels,
    now: Timestamp,
) -> Rendering {
    let mut rendering = Rendering::default();
    let mut placed: BTreeMap<&DocumentRef, (Placed, RevisionNumber)> = BTreeMap::new();
    for (document, number) in documents {
        match document.placed(labels) {
            Ok(spec) => {
                placed.insert(&document.reference, (spec, number));
            }
            Err(error) => {
                rendering.unrendered.insert(document.reference.clone());
                rendering.problems.push((document.reference.clone(), error.to_string()));
            }
        }
    }
    let cluster = ClusterDocuments::new(&placed);
    for (reference, (placed, number)) in &placed {
        let bodies = match &placed.spec {
            Spec::Namespace(spec) => namespace::objects(&reference.name, spec),
            Spec::Role(spec) => vec![access::role(&reference.name, spec)],
            Spec::Secret(spec) => secret::objects(&reference.name, spec),
            Spec::Invariant(_) => continue,
            Spec::RoleBinding(spec) => {
                match cluster.binding(&mut rendering, reference, spec, now) {
                    Some(objects) => objects,
                    None => continue,
                }
            }
        };
        let expires_at = match &placed.spec {
            Spec::RoleBinding(spec) => spec.expires_at,
            Spec::Namespace(_) | Spec::Role(_) | Spec::Secret(_) | Spec::Invariant(_) => None,
        };
        for object in bodies {
            let object = mark(object, reference, *number);
            rendering.objects.insert(
                object.reference.clone(),
                Rendered { object, source: (*reference).clone(), drift: placed.drift, expires_at },
            );
        }
    }
    rendering
}

/// What a binding needs to know of the documents beside it.
struct ClusterDocuments<'p> {
    namespaces: BTreeMap<&'p str, &'p Labels>,
    roles: BTreeMap<&'p str, RoleScope>,
}

impl<'p> ClusterDocuments<'p> {
    fn new(placed: &'p BTreeMap<&'p DocumentRef, (Placed, RevisionNumber)>) -> Self {
        let mut documents = Self { namespaces: BTreeMap::new(), roles: BTreeMap::new() };
        for (reference, (placed, _)) in placed {
            match &placed.spec {
                Spec::Namespace(spec) => {
                    documents.namespaces.insert(&reference.name, &spec.labels);
                }
                Spec::Role(spec) => {
                    documents.roles.insert(&reference.name, spec.scope);
                }
                Spec::RoleBinding(_) | Spec::Secret(_) | Spec::Invariant(_) => {}
            }
        }
        documents
    }

    /// The binding's objects; nothing when it has expired or its role is not there.
    fn binding(
        &self,
        rendering: &mut Rendering,
        reference: &DocumentRef,
        spec: &RoleBindingSpec,
        now: Timestamp,
    ) -> Option<Vec<Object>> {
        if let Some(expires_at) = spec.expires_at {
            if expires_at <= now {
                return None;
            }
            let next = rendering.next_expiry.map_or(expires_at, |next| next.min(expires_at));
            rendering.next_expiry = Some(next);
        }
        let namespaces = match &spec.scope {
            BindingScope::ClusterWide => Vec::new(),
            BindingScope::Namespaces(names) => names.iter().map(String::as_str).collect(),
            BindingScope::Selector(selector) => {
                let matching = |(name, labels): (&&'p str, &&Labels)| {
                    selector.matches(labels).then_some(*name)
                };
                self.namespaces.iter().filter_map(matching).collect()
            }
        };
        match access::binding(&reference.name, spec, &namespaces, |role| {
            self.roles.get(role).copied()
        }) {
            Ok(objects) => Some(objects),
            Err(problem) => {
                rendering.problems.push((reference.clone(), problem));
                None
            }
        }
    }
}

/// Adds the labels and annotations that everything of ours carries.
fn mark(mut object: Object, source: &DocumentRef, number: RevisionNumber) -> Object {
    if let Some(metadata) = object.body.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        let mut insert = |field: &str, key: &str, value: String| {
            let map = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
            if let Some(map) = map.as_object_mut() {
                map.insert(key.to_owned(), Value::String(value));
            }
        };
        insert("labels", "app.kubernetes.io/managed-by", "hanse-agent".to_owned());
        insert("labels", MANAGED_LABEL, "true".to_owned());
        insert("annotations", SOURCE_ANNOTATION, source.to_string());
        insert("annotations", REVISION_ANNOTATION, number.to_string());
    }
    object
}

/// An object with its type and name; `rest` is merged beside them.
fn object(reference: ObjectRef, mut metadata: Map<String, Value>, rest: Value) -> Object {
    metadata.insert("name".to_owned(), Value::String(reference.name.clone()));
    if let Some(namespace) = &reference.namespace {
        metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
    }
    let mut body = Map::new();
    body.insert("apiVersion".to_owned(), reference.kind.api_version().into());
    body.insert("kind".to_owned(), reference.kind.name().into());
    body.insert("metadata".to_owned(), Value::Object(metadata));
    if let Value::Object(rest) = rest {
        body.extend(rest);
    }
    let body = Value::Object(body);
    Object { reference, body }
}

/// A short way to an object in a namespace without metadata of its own.
fn in_namespace(kind: ObjectKind, namespace: &str, name: &str, rest: Value) -> Object {
    object(ObjectRef::namespaced(kind, namespace, name), Map::new(), rest)
}
