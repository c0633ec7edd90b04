//! What `hanse-agent join` puts into a cluster, with the rights of its administrator.

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};

use super::{CallError, within};

const FIELD_MANAGER: &str = "hanse-agent/join";
const MANIFESTS: [&str; 2] = [
    include_str!("../../../deploy/agent/namespace.yaml"),
    include_str!("../../../deploy/agent/rbac.yaml"),
];

/// Manifests that cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The embedded text is wrong.
    #[error("the embedded manifests are not valid: {0}")]
    Manifest(String),
    /// The API server does not take one of them.
    #[error("{object} cannot be applied")]
    Apply {
        /// Its kind and name.
        object: String,
        /// Why.
        source: CallError,
    },
}

/// The objects, in the order in which they are applied.
pub fn objects() -> Result<Vec<DynamicObject>, InstallError> {
    let mut objects = Vec::new();
    for text in MANIFESTS {
        let parsed: Vec<serde_json::Value> = serde_saphyr::from_multiple(text)
            .map_err(|error| InstallError::Manifest(error.to_string()))?;
        for value in parsed {
            let object = serde_json::from_value(value)
                .map_err(|error| InstallError::Manifest(error.to_string()))?;
            objects.push(object);
        }
    }
    Ok(objects)
}

/// Applies one of them and says which it was. With `dry_run` nothing is written, and what needs the
/// namespace counts as fine while that is not there.
pub async fn apply(
    client: &Client,
    object: &DynamicObject,
    dry_run: bool,
) -> Result<String, InstallError> {
    let (api, name) = api_of(client, object)?;
    let params = PatchParams { dry_run, ..PatchParams::apply(FIELD_MANAGER).force() };
    let label = label(object);
    match within(api.patch(&name, &params, &Patch::Apply(object))).await {
        Err(error) if dry_run && error.is_not_found() => Ok(label),
        Err(source) => Err(InstallError::Apply { object: label, source }),
        Ok(_) => Ok(label),
    }
}

fn label(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("?", |types| types.kind.as_str());
    let name = object.metadata.name.as_deref().unwrap_or("?");
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

fn api_of(
    client: &Client,
    object: &DynamicObject,
) -> Result<(Api<DynamicObject>, String), InstallError> {
    let bad = |what: &str| InstallError::Manifest(format!("{} has no {what}", label(object)));
    let types = object.types.as_ref().ok_or_else(|| bad("type"))?;
    let kind = GroupVersionKind::try_from(types).map_err(|_| bad("apiVersion"))?;
    let name = object.metadata.name.clone().ok_or_else(|| bad("name"))?;
    // All of these kinds have the regular plural.
    let resource = ApiResource::from_gvk(&kind);
    let api = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    Ok((api, name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_embedded_manifests_are_complete() {
        let labels: Vec<String> = objects().unwrap().iter().map(label).collect();
        let expected = [
            "Namespace hanse-agent",
            "ServiceAccount hanse-agent/agent",
            "ClusterRole hanse-agent",
            "ClusterRoleBinding hanse-agent",
            "Role hanse-agent/hanse-agent",
            "RoleBinding hanse-agent/hanse-agent",
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn no_rule_has_a_wildcard() {
        for object in objects().unwrap() {
            assert!(!object.data.to_string().contains('*'), "{}", label(&object));
        }
    }
}
