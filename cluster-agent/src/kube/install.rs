//! What `hanse-agent join` puts into a cluster, with the rights of its administrator: the agent's
//! namespace and account, the fence, and the rights of one of two models.

use hanse_domain::ceiling::Ceiling;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::writers::Model;
use super::{CallError, within};
use crate::backoff::Backoff;

const FIELD_MANAGER: &str = "hanse-agent/join";
const NAMESPACE: &str = include_str!("../../../deploy/agent/namespace.yaml");
const BIND: &str = include_str!("../../../deploy/agent/rbac.yaml");
const IMPERSONATE: &str = include_str!("../../../deploy/agent/rbac-impersonate.yaml");
const DEFINITION: &str = include_str!("../../../deploy/agent/fence/crd.yaml");
const CEILING: &str = include_str!("../../../deploy/agent/fence/ceiling.yaml");
const POLICIES: [&str; 2] = [
    include_str!("../../../deploy/agent/fence/guard.yaml"),
    include_str!("../../../deploy/agent/fence/ceiling-policy.yaml"),
];
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
/// What the ceiling user has in the model `impersonate`: a `ClusterRole` and its binding.
const CEILING_ROLE: &str = "hanse-ceiling";
/// Pauses while the API server takes up a new kind: six seconds together.
const KIND_ATTEMPTS: u32 = 20;

/// Manifests that cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The text is wrong.
    #[error("the manifests are not valid: {0}")]
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

/// The agent's namespace and account.
pub fn base() -> Result<Vec<DynamicObject>, InstallError> {
    parse(NAMESPACE)
}

/// The kind `Ceiling`.
pub fn definition() -> Result<Vec<DynamicObject>, InstallError> {
    parse(DEFINITION)
}

/// The fence's policies and their bindings.
pub fn policies() -> Result<Vec<DynamicObject>, InstallError> {
    POLICIES.iter().try_fold(Vec::new(), |mut all, text| {
        all.extend(parse(text)?);
        Ok(all)
    })
}

/// The Ceiling of a cluster whose administrator has not set another.
pub fn default_ceiling() -> Result<DynamicObject, InstallError> {
    ceiling(CEILING)
}

/// Reads a Ceiling that an administrator wrote.
pub fn ceiling(text: &str) -> Result<DynamicObject, InstallError> {
    let mut objects = parse(text)?;
    let ceiling = objects.pop().filter(|object| label(object) == "Ceiling hanse");
    match ceiling {
        Some(ceiling) if objects.is_empty() => Ok(ceiling),
        _ => Err(InstallError::Manifest("there must be one Ceiling, named hanse".to_owned())),
    }
}

/// The spec of a Ceiling.
pub fn ceiling_spec(object: &DynamicObject) -> Result<Ceiling, InstallError> {
    let spec = object.data.get("spec").unwrap_or(&Value::Null).to_string();
    Ceiling::parse(&spec).map_err(|error| InstallError::Manifest(error.to_string()))
}

/// The agent's rights; in the model `impersonate` also those of the ceiling user, made from the
/// Ceiling.
pub fn rights(model: Model, ceiling: &Ceiling) -> Result<Vec<DynamicObject>, InstallError> {
    match model {
        Model::Bind => parse(BIND),
        Model::Impersonate => {
            let own = ceiling_role(ceiling)?;
            let mut objects = parse(IMPERSONATE)?;
            for object in &mut objects {
                if label(object) == label(&own) {
                    object.data = own.data.clone();
                }
            }
            Ok(objects)
        }
    }
}

/// What the ceiling user holds: both classes of the Ceiling together, and what it takes to write roles
/// and bindings. The fence keeps it from granting the latter.
pub fn ceiling_role(ceiling: &Ceiling) -> Result<DynamicObject, InstallError> {
    let mut rules = vec![json!({
        "apiGroups": [RBAC_GROUP],
        "resources": ["clusterroles", "clusterrolebindings", "rolebindings"],
        "verbs": ["create", "patch", "delete"],
    })];
    let wide = ceiling.cluster_wide_role_refs.iter();
    let mut cluster_roles: Vec<&String> = ceiling.cluster_role_refs.iter().chain(wide).collect();
    cluster_roles.sort();
    cluster_roles.dedup();
    for (resource, names) in
        [("clusterroles", cluster_roles), ("roles", ceiling.role_refs.iter().collect())]
    {
        if !names.is_empty() {
            rules.push(json!({ "apiGroups": [RBAC_GROUP], "resources": [resource],
                               "resourceNames": names, "verbs": ["bind"] }));
        }
    }
    if !ceiling.non_resource_urls.is_empty() {
        rules.push(json!({ "nonResourceURLs": ceiling.non_resource_urls, "verbs": ["get"] }));
    }
    for (key, verbs) in ceiling.held() {
        if let Some((group, resource)) = key.split_once('/') {
            rules.push(json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs }));
        }
    }
    let role = json!({
        "apiVersion": format!("{RBAC_GROUP}/v1"), "kind": "ClusterRole",
        "metadata": { "name": CEILING_ROLE }, "rules": rules,
    });
    serde_json::from_value(role).map_err(|error| InstallError::Manifest(error.to_string()))
}

/// Everything as YAML, to be looked through and applied by a person.
pub fn manifests(model: Model, given: Option<&str>) -> Result<String, InstallError> {
    let ceiling_text = given.unwrap_or(CEILING);
    let spec = ceiling_spec(&ceiling(ceiling_text)?)?;
    let mut documents: Vec<String> =
        [NAMESPACE, DEFINITION, ceiling_text].into_iter().map(str::to_owned).collect();
    documents.extend(POLICIES.into_iter().map(str::to_owned));
    match model {
        Model::Bind => documents.push(BIND.to_owned()),
        // One of them is made from the Ceiling, so what is printed is what would be applied.
        Model::Impersonate => {
            for object in rights(model, &spec)? {
                let text = serde_saphyr::to_string(&object)
                    .map_err(|error| InstallError::Manifest(error.to_string()))?;
                documents.push(text);
            }
        }
    }
    let documents: Vec<&str> = documents.iter().map(|text| text.trim_end()).collect();
    Ok(documents.join("\n---\n"))
}

/// Applies an object and says which it was. With `dry_run` nothing is written, and what needs the
/// namespace or the kind counts as fine while that is not there.
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

/// Makes a Ceiling where there is none, and returns the one that is there: it is the administrator's
/// and never overwritten. Waits until the API server has taken up its kind.
pub async fn ensure_ceiling(
    client: &Client,
    ceiling: &DynamicObject,
) -> Result<(DynamicObject, bool), InstallError> {
    let (api, name) = api_of(client, ceiling)?;
    let failed = |source| InstallError::Apply { object: label(ceiling), source };
    let params =
        PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let mut backoff =
        Backoff::new(std::time::Duration::from_millis(50), std::time::Duration::from_millis(500));
    let mut attempts = 0;
    loop {
        match within(api.get_opt(&name)).await {
            Ok(Some(found)) => return Ok((found, false)),
            Ok(None) => {}
            // The path of a kind that was just made is not there at once.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(failed(error)),
        }
        match within(api.create(&params, ceiling)).await {
            Ok(made) => return Ok((made, true)),
            Err(error) if error.is_not_found() && attempts < KIND_ATTEMPTS => {}
            Err(error) if error.status().is_some_and(|s| s.code == 409) => {}
            Err(error) => return Err(failed(error)),
        }
        attempts += 1;
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// The Ceiling that the cluster has, as a manifest.
pub async fn ceiling_text(client: &Client) -> Result<Option<String>, InstallError> {
    let default = default_ceiling()?;
    let (api, name) = api_of(client, &default)?;
    let live = match within(api.get_opt(&name)).await {
        Ok(Some(live)) => live,
        Ok(None) => return Ok(None),
        // Not even the kind is there.
        Err(error) if error.is_not_found() => return Ok(None),
        Err(source) => return Err(InstallError::Apply { object: label(&default), source }),
    };
    let manifest = json!({
        "apiVersion": "fence.hanse.dev/v1alpha1", "kind": "Ceiling",
        "metadata": { "name": name }, "spec": live.data.get("spec"),
    });
    serde_saphyr::to_string(&manifest)
        .map(Some)
        .map_err(|error| InstallError::Manifest(error.to_string()))
}

/// Takes away what only the other model has. Says what went.
pub async fn remove_other(client: &Client, model: Model) -> Result<Vec<String>, InstallError> {
    let mut gone = Vec::new();
    if model == Model::Impersonate {
        // The agent's own role has the same name in both.
        return Ok(gone);
    }
    for object in parse(IMPERSONATE)? {
        if object.metadata.name.as_deref() != Some(CEILING_ROLE) {
            continue;
        }
        let (api, name) = api_of(client, &object)?;
        match within(api.delete(&name, &DeleteParams::default())).await {
            Ok(_) => gone.push(label(&object)),
            Err(error) if error.is_not_found() => {}
            Err(source) => return Err(InstallError::Apply { object: label(&object), source }),
        }
    }
    Ok(gone)
}

fn parse(text: &str) -> Result<Vec<DynamicObject>, InstallError> {
    let bad = |error: &dyn std::fmt::Display| InstallError::Manifest(error.to_string());
    let parsed: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|e| bad(&e))?;
    parsed.into_iter().map(|value| serde_json::from_value(value).map_err(|e| bad(&e))).collect()
}

pub(crate) fn label(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("?", |types| types.kind.as_str());
    let name = object.metadata.name.as_deref().unwrap_or("?");
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The API that an object is written through, and its name.
pub fn api_of(
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

    fn labels(objects: &[DynamicObject]) -> Vec<String> {
        objects.iter().map(label).collect()
    }

    fn default_spec() -> Ceiling {
        ceiling_spec(&default_ceiling().unwrap()).unwrap()
    }

    #[test]
    fn the_embedded_manifests_are_complete() {
        assert_eq!(
            labels(&base().unwrap()),
            ["Namespace hanse-agent", "ServiceAccount hanse-agent/agent"]
        );
        let own = [
            "ClusterRole hanse-agent",
            "ClusterRoleBinding hanse-agent",
            "ClusterRole hanse-agent-inventory",
            "ClusterRoleBinding hanse-agent-inventory",
            "Role hanse-agent/hanse-agent",
            "RoleBinding hanse-agent/hanse-agent",
        ];
        assert_eq!(labels(&rights(Model::Bind, &default_spec()).unwrap()), own);
        let impersonate = labels(&rights(Model::Impersonate, &default_spec()).unwrap());
        let ceiling = ["ClusterRole hanse-ceiling", "ClusterRoleBinding hanse-ceiling"];
        assert_eq!(impersonate, [&own[..], &ceiling[..]].concat());
        assert_eq!(
            labels(&policies().unwrap()),
            [
                "ValidatingAdmissionPolicy hanse-fence-guard",
                "ValidatingAdmissionPolicyBinding hanse-fence-guard",
                "ValidatingAdmissionPolicy hanse-fence-ceiling",
                "ValidatingAdmissionPolicyBinding hanse-fence-ceiling",
            ]
        );
    }

    #[test]
    fn no_rule_has_a_wildcard() {
        for model in [Model::Bind, Model::Impersonate] {
            for object in rights(model, &default_spec()).unwrap() {
                assert!(!object.data.to_string().contains('*'), "{}", label(&object));
            }
        }
    }

    #[test]
    fn the_shipped_ceiling_role_is_made_for_the_shipped_ceiling() {
        let shipped = parse(IMPERSONATE).unwrap();
        let shipped = shipped.iter().find(|o| label(o) == "ClusterRole hanse-ceiling").unwrap();
        let made = ceiling_role(&default_spec()).unwrap();
        let (shipped, made) =
            (crate::fence::grants(&shipped.data), crate::fence::grants(&made.data));
        let lacks: Vec<&String> = made.difference(&shipped).collect();
        assert!(lacks.is_empty(), "{lacks:?}");
        // Of those that it has besides, none is of a resource that exists.
        let extra: Vec<&String> = shipped.difference(&made).collect();
        assert!(extra.is_empty(), "{extra:?}");
    }

    #[test]
    fn what_is_printed_is_what_would_be_applied() {
        for model in [Model::Bind, Model::Impersonate] {
            let printed = parse(&manifests(model, None).unwrap()).unwrap();
            let mut expected = base().unwrap();
            expected.extend(definition().unwrap());
            expected.push(default_ceiling().unwrap());
            expected.extend(policies().unwrap());
            expected.extend(rights(model, &default_spec()).unwrap());
            assert_eq!(printed, expected);
        }
    }

    #[test]
    fn a_ceiling_of_ones_own_is_one_ceiling() {
        assert!(ceiling(CEILING).is_ok());
        for bad in ["", "a: [", BIND, &format!("{CEILING}\n---\n{CEILING}")] {
            assert!(ceiling(bad).is_err());
        }
    }
}
