//! Who wrote which field, by `metadata.managedFields`
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>).

use jiff::Timestamp;
use serde_json::Value;

use super::projection::Step;

/// One entry of `managedFields`.
#[derive(Clone, Debug)]
pub(super) struct Manager<'l> {
    pub(super) name: String,
    pub(super) applies: bool,
    pub(super) time: Option<Timestamp>,
    ours: bool,
    fields: &'l Value,
}

/// All entries of an object, without those of subresources.
#[derive(Debug)]
pub(super) struct Managers<'l>(Vec<Manager<'l>>);

/// Who writes Kubernetes' bootstrap policy and keeps aggregated roles.
const KUBERNETES: [&str; 3] =
    ["kube-apiserver", "kube-controller-manager", "clusterrole-aggregation-controller"];
const MAX_NAME_CHARS: usize = 128;

impl<'l> Managers<'l> {
    pub(super) fn of(live: &'l Value, ours: &str) -> Self {
        let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
        let manager = |entry: &'l Value| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            if !text("subresource").is_empty() {
                return None;
            }
            Some(Manager {
                name: text("manager").chars().take(MAX_NAME_CHARS).collect(),
                applies: text("operation") == "Apply",
                time: text("time").parse().ok(),
                ours: text("manager") == ours && text("operation") == "Apply",
                fields: entry.get("fieldsV1").unwrap_or(&Value::Null),
            })
        };
        Self(entries.into_iter().flatten().filter_map(manager).collect())
    }

    fn others(&self) -> impl Iterator<Item = &Manager<'l>> {
        self.0.iter().filter(|manager| !manager.ours)
    }

    pub(super) fn newest(&self) -> Option<&Manager<'l>> {
        self.others().max_by_key(|manager| manager.time)
    }

    /// Whether Kubernetes, and nobody else, is known to have written the object. Where nobody is known
    /// it is not: any writer can strip `managedFields`.
    pub(super) fn only_kubernetes(&self) -> bool {
        self.only(&KUBERNETES)
    }

    /// Whether these managers, and nobody else, are known to have written the object.
    pub(super) fn only(&self, names: &[&str]) -> bool {
        !self.0.is_empty() && self.0.iter().all(|manager| names.contains(&manager.name.as_str()))
    }

    /// Another manager that applies a field that is declared.
    pub(super) fn applying(&self, declared: &Value) -> Option<&Manager<'l>> {
        self.others()
            .filter(|manager| manager.applies && overlaps(declared, manager.fields))
            .max_by_key(|manager| manager.time)
    }

    /// The newest other manager that holds one of these paths; where none does, because a field was
    /// taken away, the newest that wrote anything.
    pub(super) fn writer_of(&self, paths: &[&[Step]]) -> Option<&Manager<'l>> {
        self.others()
            .filter(|manager| paths.iter().any(|path| holds(manager.fields, path)))
            .max_by_key(|manager| manager.time)
            .or_else(|| self.newest())
    }
}

/// Whether a field set has a leaf at, above or below a path.
fn holds(fields: &Value, path: &[Step]) -> bool {
    match path {
        [] => true,
        [step, rest @ ..] => match fields.get(format!("f:{step}")) {
            None => false,
            Some(below) if below.as_object().is_some_and(serde_json::Map::is_empty) => true,
            Some(below) => holds(below, rest),
        },
    }
}

/// Whether a field set has a leaf where something is declared. Names and types are everybody's.
fn overlaps(declared: &Value, fields: &Value) -> bool {
    let (Some(declared), Some(fields)) = (declared.as_object(), fields.as_object()) else {
        return false;
    };
    declared.iter().any(|(key, value)| match fields.get(&format!("f:{key}")) {
        None => false,
        Some(below) if below.as_object().is_some_and(serde_json::Map::is_empty) => {
            !(value.is_object() || matches!(key.as_str(), "name" | "namespace"))
        }
        Some(below) => !value.is_object() || overlaps(value, below),
    })
}
