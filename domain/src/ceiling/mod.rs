//! The ceiling: the most that the fleet may grant and write in one cluster, as the cluster's own
//! administrator set it (`ceilings.fence.hanse.dev`).
//!
//! The cluster enforces it by its admission policies; what is here says beforehand what they will say,
//! so that a plan can warn. Nobody trusts it for more than that. The codes are those of the policies
//! (`deploy/agent/fence`): C for the ceiling, F for what no ceiling can allow.

mod guard;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::object::Object;

/// The largest ceiling that is read, in bytes of JSON.
pub const MAX_CEILING_BYTES: usize = 64 * 1024;
/// How many single refusals of one code are named.
const MAX_NAMED: usize = 5;
const PSA_PREFIX: &str = "pod-security.kubernetes.io/";
const PSA_ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const PSA_VERSION: &str = "pod-security.kubernetes.io/enforce-version";

/// `"<apiGroup>/<resource>"` → verbs; "/pods" for the core group.
pub type Allowed = BTreeMap<String, BTreeSet<String>>;

/// The `spec` of a `Ceiling`. What is left out allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ceiling {
    /// What roles may hold that are bound in a namespace.
    pub namespaced: Allowed,
    /// What roles may hold that are bound cluster-wide.
    pub cluster: Allowed,
    /// Paths that roles bound cluster-wide may get.
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
    /// `ClusterRole`s of others that may be bound in a namespace.
    pub cluster_role_refs: Vec<String>,
    /// `ClusterRole`s of others that may be bound cluster-wide.
    pub cluster_wide_role_refs: Vec<String>,
    /// `Role`s of others that may be bound in their namespace.
    pub role_refs: Vec<String>,
    /// To whom anything may be granted.
    pub subjects: Subjects,
    /// Values that the Pod Security label `enforce` may have; "none" for no label.
    pub pod_security_levels: Vec<String>,
    /// Types of Secrets.
    pub secret_types: Vec<String>,
    /// Whether a new namespace may have any name.
    pub any_namespace: bool,
    /// How the names of new namespaces must begin otherwise.
    pub namespace_prefixes: Vec<String>,
    /// How they must not begin, in either case.
    pub reserved_namespace_prefixes: Vec<String>,
    /// Keys of a namespace's labels; one that ends in `/`, `-` or `.` stands for all that begin so.
    pub namespace_labels: Vec<String>,
    /// The same, for annotations.
    pub namespace_annotations: Vec<String>,
}

/// To whom anything may be granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subjects {
    /// Any user.
    pub any_user: bool,
    /// Any group.
    pub any_group: bool,
    /// How the names of users must begin otherwise.
    pub user_prefixes: Vec<String>,
    /// How the names of groups must begin otherwise.
    pub group_prefixes: Vec<String>,
    /// Namespaces of service accounts; those of a binding's own namespace are always allowed.
    pub service_account_namespaces: Vec<String>,
}

/// A ceiling that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCeiling {
    /// More than [`MAX_CEILING_BYTES`].
    #[error("it has {0} bytes, more than {MAX_CEILING_BYTES}")]
    TooLarge(usize),
    /// Not of this form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Ceiling {
    /// Reads the `spec` of a `Ceiling`, in JSON. Fields of later versions are not looked at.
    pub fn parse(json: &str) -> Result<Self, InvalidCeiling> {
        if json.len() > MAX_CEILING_BYTES {
            return Err(InvalidCeiling::TooLarge(json.len()));
        }
        Ok(serde_json::from_str(json)?)
    }

    /// What the cluster would refuse of an object that is to be made, each with the policy's code.
    pub fn refusals(&self, object: &Object) -> Vec<String> {
        let mut found = guard::refusals(object);
        match object.reference.kind.resource().3 {
            "roles" | "clusterroles" => self.rules(object, &mut found),
            "rolebindings" | "clusterrolebindings" => {
                self.subjects(object, &mut found);
                self.role_reference(object, &mut found);
            }
            "secrets" => self.secret(&object.body, &mut found),
            "namespaces" => self.namespace(object, &mut found),
            _ => {}
        }
        found
    }

    /// The union of what both classes of role may hold: what the user `hanse:ceiling` has to hold, so
    /// that the API server itself lets it grant that much and no more.
    pub fn held(&self) -> Allowed {
        let mut held = self.namespaced.clone();
        for (resource, verbs) in &self.cluster {
            held.entry(resource.clone()).or_default().extend(verbs.iter().cloned());
        }
        held
    }

    fn rules(&self, object: &Object, found: &mut Vec<String>) {
        let name = &object.reference.name;
        let wide = name.starts_with("hanse:cluster:");
        let (allowed, place) = if wide {
            (&self.cluster, "cluster-wide")
        } else {
            (&self.namespaced, "in a namespace")
        };
        let mut over = BTreeSet::new();
        for rule in items(&object.body, "rules") {
            if let Some(urls) = strings(rule, "nonResourceURLs") {
                let verbs = strings(rule, "verbs").unwrap_or_default();
                let get = wide && verbs.iter().all(|verb| *verb == "get");
                let extra = |url: &&str| !get || !contains(&self.non_resource_urls, url);
                over.extend(urls.into_iter().filter(extra).map(str::to_owned));
                continue;
            }
            let (groups, resources) = (strings(rule, "apiGroups"), strings(rule, "resources"));
            let (Some(groups), Some(resources)) = (groups, resources) else {
                over.insert("a rule without resources".to_owned());
                continue;
            };
            let verbs = strings(rule, "verbs").unwrap_or_default();
            for group in &groups {
                for resource in &resources {
                    let key = format!("{group}/{resource}");
                    let may = allowed.get(&key);
                    let shown = words::resource(&key);
                    let extra = |verb: &&str| may.is_none_or(|may| !may.contains(*verb));
                    over.extend(verbs.iter().filter(|v| extra(v)).map(|v| format!("{v} {shown}")));
                    if may.is_none() && verbs.is_empty() {
                        over.insert(shown);
                    }
                }
            }
        }
        if !over.is_empty() {
            let over = named(over);
            found.push(format!("C01 what the role grants {place} exceeds the ceiling: {over}"));
        }
    }

    fn subjects(&self, object: &Object, found: &mut Vec<String>) {
        let own = object.reference.namespace.as_deref();
        let allowed = &self.subjects;
        let over: BTreeSet<String> = items(&object.body, "subjects")
            .filter(|subject| {
                let (kind, name) = (text(subject, "kind"), text(subject, "name"));
                let namespace = text(subject, "namespace");
                !match kind {
                    "User" => allowed.any_user || begins(&allowed.user_prefixes, name),
                    "Group" => allowed.any_group || begins(&allowed.group_prefixes, name),
                    "ServiceAccount" => {
                        own == Some(namespace)
                            || contains(&allowed.service_account_namespaces, namespace)
                    }
                    _ => false,
                }
            })
            .map(subject)
            .collect();
        if !over.is_empty() {
            found.push(format!("C02 the ceiling does not allow the subject {}", named(over)));
        }
    }

    fn role_reference(&self, object: &Object, found: &mut Vec<String>) {
        let Some(role) = object.body.get("roleRef") else { return };
        let (kind, name) = (text(role, "kind"), text(role, "name"));
        let wide = object.reference.namespace.is_none();
        let (allowed, prefix) = match (kind, wide) {
            ("Role", _) => (&self.role_refs, None),
            (_, false) => (&self.cluster_role_refs, Some("hanse:ns:")),
            (_, true) => (&self.cluster_wide_role_refs, Some("hanse:cluster:")),
        };
        if !contains(allowed, name) && !prefix.is_some_and(|prefix| name.starts_with(prefix)) {
            let place = if wide { "cluster-wide" } else { "in a namespace" };
            found.push(format!("C03 the ceiling does not allow to bind the {kind} {name} {place}"));
        }
    }

    fn secret(&self, body: &Value, found: &mut Vec<String>) {
        let kind = match text(body, "type") {
            "" => "Opaque",
            kind => kind,
        };
        if !contains(&self.secret_types, kind) {
            found.push(format!("C04 the ceiling does not allow Secrets of the type {kind}"));
        }
    }

    /// As when the namespace is made: whether it is there already is not known here.
    fn namespace(&self, object: &Object, found: &mut Vec<String>) {
        let keys = |field: &str| -> BTreeMap<&str, &str> {
            let map = object.body.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
            let entries = map.into_iter().flatten();
            entries.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())).collect()
        };
        let (labels, annotations) = (keys("labels"), keys("annotations"));
        let level = labels.get(PSA_ENFORCE).copied().unwrap_or("none");
        let version = labels.get(PSA_VERSION).copied().unwrap_or("latest");
        if version != "latest" || !contains(&self.pod_security_levels, level) {
            found.push(format!(
                "C05 the ceiling does not allow the Pod Security level {level} (version {version})"
            ));
        }
        let free = |key: &&str| {
            !key.starts_with("hanse.dev/")
                && !key.starts_with(PSA_PREFIX)
                && !["app.kubernetes.io/managed-by", "kubernetes.io/metadata.name"].contains(key)
        };
        let labels = labels.into_keys().filter(free);
        let annotations = annotations.into_keys().filter(|key| !key.starts_with("hanse.dev/"));
        let over: BTreeSet<String> = labels
            .filter(|key| !has_key(&self.namespace_labels, key))
            .chain(annotations.filter(|key| !has_key(&self.namespace_annotations, key)))
            .map(str::to_owned)
            .collect();
        if !over.is_empty() {
            found.push(format!(
                "C06 the ceiling does not allow the label or annotation {}",
                named(over)
            ));
        }
        let name = &object.reference.name;
        if !(self.any_namespace || begins(&self.namespace_prefixes, name))
            || begins(&self.reserved_namespace_prefixes, name)
        {
            found.push(format!("C07 the ceiling does not allow to make a namespace named {name}"));
        }
    }
}

fn contains(list: &[String], text: &str) -> bool {
    list.iter().any(|item| item == text)
}

fn begins(prefixes: &[String], text: &str) -> bool {
    prefixes.iter().any(|prefix| text.starts_with(prefix))
}

/// A plain word is one key and no prefix: `app` is not `appmesh.k8s.aws/…`.
fn has_key(entries: &[String], key: &str) -> bool {
    entries.iter().any(|entry| entry == key || (stands_for_many(entry) && key.starts_with(entry)))
}

fn stands_for_many(entry: &str) -> bool {
    entry.ends_with(['/', '-', '.'])
}

fn items<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn strings<'v>(value: &'v Value, field: &str) -> Option<Vec<&'v str>> {
    let list = value.get(field)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).collect())
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn subject(subject: &Value) -> String {
    let (kind, name) = (text(subject, "kind"), text(subject, "name"));
    match text(subject, "namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

/// A few of them, and how many there are besides.
fn named(all: BTreeSet<String>) -> String {
    let rest = all.len().saturating_sub(MAX_NAMED);
    let text = all.into_iter().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    if rest > 0 { format!("{text} and {rest} more") } else { text }
}
