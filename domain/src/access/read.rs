//! From a Kubernetes object's JSON to an [`AccessObject`]: what decides who can do what is taken, all
//! the rest is left. It reads what an API server serves, what `kubectl` prints and what Hanse renders.
//!
//! A field that is missing, null or empty means the same, as in Kubernetes; an `aggregationRule` that is
//! there is one, also when it is empty.

use jiff::{Timestamp, Unit};
use serde::Deserialize;
use serde_json::Value;

use super::object::{
    AccessContent, AccessKey, AccessKind, AccessObject, LabelRequirement, LabelSelector,
    MAX_CONTENT_BYTES, Origin, RawSubject, RoleReference,
};
use crate::history::roster::Labels;
use crate::kinds::role::PolicyRule;
use crate::object::{MANAGED_LABEL, REVISION_ANNOTATION, SOURCE_ANNOTATION};

/// Most bytes of an object's name: the API server bounds those of RBAC objects by nothing but their size.
pub const MAX_NAME_BYTES: usize = 1024;
const MAX_NAMESPACE_BYTES: usize = 63;
/// Field managers have at most 128 characters in Kubernetes.
const MAX_MANAGER_CHARS: usize = 128;
const MAX_UID_CHARS: usize = 128;
const MAX_SOURCE_BYTES: usize = 512;

/// Why an object is not in the inventory although it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No API server sends this.
    #[error("it is malformed: {0}")]
    Malformed(String),
    /// Its name has more than [`MAX_NAME_BYTES`] bytes.
    #[error("its name has {0} bytes, more than {MAX_NAME_BYTES}")]
    LongName(usize),
    /// What it says has more than [`MAX_CONTENT_BYTES`].
    #[error("what it says has {0} bytes, more than {MAX_CONTENT_BYTES}")]
    TooLarge(usize),
}

/// Reads one object of a kind. Nothing for what is not in the inventory: a `ReplicaSet`, a Job or a Pod
/// of a controller that is in it itself or that is the node (static pods run as nobody), and a Pod that
/// ended.
pub fn read(kind: AccessKind, object: &Value) -> Result<Option<AccessObject>, Unreadable> {
    let metadata = Metadata::of(object)?;
    let key = metadata.key(kind)?;
    if is_of_a_listed_controller(kind, &metadata) || is_ended(kind, object) {
        return Ok(None);
    }
    let origin = metadata.origin(object);
    let content = content(kind, metadata.labels.unwrap_or_default(), object)?;
    let bytes = content.encode().len();
    if bytes > MAX_CONTENT_BYTES {
        return Err(Unreadable::TooLarge(bytes));
    }
    Ok(Some(AccessObject { key, content, origin }))
}

/// Which object it is, also of one that cannot be read otherwise.
pub fn read_key(kind: AccessKind, object: &Value) -> Result<AccessKey, Unreadable> {
    #[derive(Deserialize)]
    struct Named {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
        #[serde(default)]
        namespace: Option<String>,
    }
    let Named { metadata } = parse(object)?;
    key(kind, metadata.namespace, metadata.name)
}

fn key(kind: AccessKind, namespace: Option<String>, name: String) -> Result<AccessKey, Unreadable> {
    if name.is_empty() {
        return Err(Unreadable::Malformed("it has no name".to_owned()));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Unreadable::LongName(name.len()));
    }
    if name.contains('\0') {
        return Err(Unreadable::Malformed("its name holds NUL, which databases do not".to_owned()));
    }
    if !kind.is_namespaced() {
        return Ok(AccessKey::cluster(kind, name));
    }
    match namespace {
        Some(namespace) if (1..=MAX_NAMESPACE_BYTES).contains(&namespace.len()) => {
            Ok(AccessKey::namespaced(kind, namespace, name))
        }
        Some(_) | None => Err(Unreadable::Malformed("it is in no namespace".to_owned())),
    }
}

fn content(kind: AccessKind, labels: Labels, object: &Value) -> Result<AccessContent, Unreadable> {
    Ok(match kind {
        AccessKind::Namespace => AccessContent::Namespace { labels },
        AccessKind::ServiceAccount => {
            AccessContent::ServiceAccount { token_secret: parse::<RawAccount>(object)?.has_token() }
        }
        AccessKind::ClusterRole => {
            let RawRole { rules, aggregation_rule } = parse(object)?;
            AccessContent::Role {
                rules: all(rules),
                labels,
                aggregates: aggregation_rule.map(|rule| all(rule.cluster_role_selectors)),
            }
        }
        AccessKind::Role => AccessContent::Role {
            rules: all(parse::<RawRole>(object)?.rules),
            labels: Labels::new(),
            aggregates: None,
        },
        AccessKind::ClusterRoleBinding | AccessKind::RoleBinding => {
            let RawBinding { role_ref, subjects } = parse(object)?;
            AccessContent::Binding { role: role_ref.into(), subjects: all(subjects) }
        }
        AccessKind::Deployment
        | AccessKind::StatefulSet
        | AccessKind::DaemonSet
        | AccessKind::ReplicaSet
        | AccessKind::Job => workload(object.pointer("/spec/template/spec")),
        AccessKind::CronJob => workload(object.pointer("/spec/jobTemplate/spec/template/spec")),
        AccessKind::Pod => workload(object.get("spec")),
    })
}

/// `serviceAccount` is the old name of the field, which the API server still fills in.
fn workload(pod: Option<&Value>) -> AccessContent {
    let named = |field| {
        let name = pod.and_then(|pod| pod.get(field)).and_then(Value::as_str);
        name.filter(|name| !name.is_empty())
    };
    let name = named("serviceAccountName").or_else(|| named("serviceAccount"));
    AccessContent::Workload { service_account: name.unwrap_or("default").to_owned() }
}

fn is_of_a_listed_controller(kind: AccessKind, metadata: &Metadata) -> bool {
    let owned = match kind {
        AccessKind::ReplicaSet | AccessKind::Job | AccessKind::Pod => true,
        AccessKind::Namespace
        | AccessKind::ServiceAccount
        | AccessKind::ClusterRole
        | AccessKind::Role
        | AccessKind::ClusterRoleBinding
        | AccessKind::RoleBinding
        | AccessKind::Deployment
        | AccessKind::StatefulSet
        | AccessKind::DaemonSet
        | AccessKind::CronJob => false,
    };
    owned && metadata.owner_references.iter().flatten().any(Owner::is_listed_controller)
}

fn is_ended(kind: AccessKind, object: &Value) -> bool {
    let phase = object.pointer("/status/phase").and_then(Value::as_str);
    kind == AccessKind::Pod && matches!(phase, Some("Succeeded" | "Failed"))
}

fn parse<'v, T: Deserialize<'v>>(object: &'v Value) -> Result<T, Unreadable> {
    T::deserialize(object).map_err(|e| Unreadable::Malformed(e.to_string()))
}

fn all<T, U: From<T>>(items: Option<Vec<T>>) -> Vec<U> {
    items.into_iter().flatten().map(U::from).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    uid: Option<String>,
    #[serde(default)]
    labels: Option<Labels>,
    #[serde(default)]
    owner_references: Option<Vec<Owner>>,
}

impl Metadata {
    fn of(object: &Value) -> Result<Self, Unreadable> {
        let missing = || Unreadable::Malformed("it has no metadata".to_owned());
        parse(object.get("metadata").ok_or_else(missing)?)
    }

    fn key(&self, kind: AccessKind) -> Result<AccessKey, Unreadable> {
        key(kind, self.namespace.clone(), self.name.clone().unwrap_or_default())
    }

    /// Nothing in it decides who can do what, so what cannot be read of it is left out.
    fn origin(&self, object: &Value) -> Origin {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let time = |value: Option<&Value>| {
            let at: Timestamp = value.and_then(Value::as_str)?.parse().ok()?;
            // Before that there was no Kubernetes, and others cannot write it down.
            at.round(Unit::Microsecond).ok().filter(|at| *at >= Timestamp::UNIX_EPOCH)
        };
        let entries = metadata.get("managedFields").and_then(Value::as_array);
        let newest = entries
            .into_iter()
            .flatten()
            .filter(|entry| text(entry, "subresource").is_empty())
            .max_by_key(|entry| time(entry.get("time")));
        let ours =
            self.labels.as_ref().and_then(|labels| labels.get(MANAGED_LABEL)).map(String::as_str);
        let claim = |name: &str| {
            let annotations = metadata.get("annotations").filter(|_| ours == Some("true"));
            annotations.map(|annotations| text(annotations, name)).unwrap_or_default()
        };
        Origin {
            uid: self.uid.iter().flat_map(|uid| uid.chars()).take(MAX_UID_CHARS).collect(),
            created_at: time(metadata.get("creationTimestamp")),
            changed_at: newest.and_then(|entry| time(entry.get("time"))),
            manager: newest
                .map(|entry| text(entry, "manager").chars().take(MAX_MANAGER_CHARS).collect())
                .unwrap_or_default(),
            source: Some(claim(SOURCE_ANNOTATION))
                .filter(|source| source.len() <= MAX_SOURCE_BYTES)
                .unwrap_or_default()
                .to_owned(),
            revision: claim(REVISION_ANNOTATION).parse().ok(),
        }
    }
}

fn text<'v>(object: &'v Value, field: &str) -> &'v str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    controller: Option<bool>,
}

impl Owner {
    /// Pods of controllers that nobody knows here stay in the inventory: they alone say who runs.
    fn is_listed_controller(&self) -> bool {
        let (Some(kind), Some(true)) = (self.kind.as_deref(), self.controller) else {
            return false;
        };
        let version = self.api_version.as_deref().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let is_node = group.is_empty() && kind == "Node";
        let listed = AccessKind::from_name(kind).filter(|kind| kind.is_workload());
        is_node || listed.is_some_and(|kind| kind.resource().0 == group)
    }
}

#[derive(Deserialize)]
struct RawAccount {
    #[serde(default)]
    secrets: Option<Vec<RawSecretReference>>,
}

#[derive(Deserialize)]
struct RawSecretReference {
    #[serde(default)]
    name: Option<String>,
}

impl RawAccount {
    /// Which of the listed Secrets are tokens, their contents alone tell. `OpenShift` lists the password
    /// for its registry as "NAME-dockercfg-…", which is none.
    fn has_token(&self) -> bool {
        let names = self.secrets.iter().flatten().filter_map(|secret| secret.name.as_deref());
        names.filter(|name| !name.is_empty()).any(|name| !name.contains("-dockercfg-"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRole {
    #[serde(default)]
    rules: Option<Vec<RawRule>>,
    #[serde(default)]
    aggregation_rule: Option<RawAggregation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRule {
    #[serde(default)]
    api_groups: Option<Vec<String>>,
    #[serde(default)]
    resources: Option<Vec<String>>,
    #[serde(default)]
    verbs: Option<Vec<String>>,
    #[serde(default)]
    resource_names: Option<Vec<String>>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Option<Vec<String>>,
}

impl From<RawRule> for PolicyRule {
    fn from(raw: RawRule) -> Self {
        Self {
            api_groups: raw.api_groups.unwrap_or_default(),
            resources: raw.resources.unwrap_or_default(),
            verbs: raw.verbs.unwrap_or_default(),
            resource_names: raw.resource_names.unwrap_or_default(),
            non_resource_urls: raw.non_resource_urls.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAggregation {
    #[serde(default)]
    cluster_role_selectors: Option<Vec<RawSelector>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSelector {
    #[serde(default)]
    match_labels: Option<Labels>,
    #[serde(default)]
    match_expressions: Option<Vec<RawRequirement>>,
}

impl From<RawSelector> for LabelSelector {
    fn from(raw: RawSelector) -> Self {
        Self {
            match_labels: raw.match_labels.unwrap_or_default(),
            match_expressions: all(raw.match_expressions),
        }
    }
}

#[derive(Deserialize)]
struct RawRequirement {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    operator: Option<String>,
    #[serde(default)]
    values: Option<Vec<String>>,
}

impl From<RawRequirement> for LabelRequirement {
    fn from(raw: RawRequirement) -> Self {
        Self {
            key: raw.key.unwrap_or_default(),
            operator: raw.operator.unwrap_or_default(),
            values: raw.values.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBinding {
    role_ref: RawReference,
    #[serde(default)]
    subjects: Option<Vec<RawReference>>,
}

/// A role reference, or a subject.
#[derive(Deserialize)]
struct RawReference {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

impl From<RawReference> for RoleReference {
    fn from(raw: RawReference) -> Self {
        Self { kind: raw.kind.unwrap_or_default(), name: raw.name.unwrap_or_default() }
    }
}

impl From<RawReference> for RawSubject {
    fn from(raw: RawReference) -> Self {
        Self {
            kind: raw.kind.unwrap_or_default(),
            namespace: raw.namespace.unwrap_or_default(),
            name: raw.name.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
