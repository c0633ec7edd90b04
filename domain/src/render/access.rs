//! Roles and bindings. The class in the name says how widely a role may be bound: admission policies
//! cannot read the role behind a reference, but they can read its name.

use serde_json::{Map, Value, json};

use super::{in_namespace, object};
use crate::kinds::binding::{BindingScope, RoleBindingSpec, RoleRef, Subject};
use crate::kinds::role::{PolicyRule, RoleScope, RoleSpec};
use crate::object::{Object, ObjectKind, ObjectRef};

const GROUP: &str = "rbac.authorization.k8s.io";

/// A `ClusterRole`, also for use in namespaces: one object a cluster, not one a namespace.
pub(super) fn role(name: &str, spec: &RoleSpec) -> Object {
    let name = format!("{}{name}", spec.scope.prefix());
    let rules: Vec<Value> = spec.rules.iter().map(rule).collect();
    object(ObjectRef::cluster(ObjectKind::ClusterRole, name), Map::new(), json!({ "rules": rules }))
}

fn rule(rule: &PolicyRule) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, values: &[String]| {
        if !values.is_empty() {
            map.insert(name.to_owned(), values.into());
        }
    };
    put("apiGroups", &rule.api_groups);
    put("nonResourceURLs", &rule.non_resource_urls);
    put("resourceNames", &rule.resource_names);
    put("resources", &rule.resources);
    put("verbs", &rule.verbs);
    Value::Object(map)
}

/// One `RoleBinding` a namespace, or one `ClusterRoleBinding`. Error: why it can grant nothing.
pub(super) fn binding(
    name: &str,
    spec: &RoleBindingSpec,
    namespaces: &[&str],
    scope_of: impl Fn(&str) -> Option<RoleScope>,
) -> Result<Vec<Object>, String> {
    let wanted = spec.scope.role_scope();
    let (kind, role) = match &spec.role {
        RoleRef::Federated(role) => match scope_of(role) {
            Some(scope) if scope == wanted => ("ClusterRole", format!("{}{role}", scope.prefix())),
            Some(RoleScope::Namespace) => {
                return Err(format!(
                    "FederatedRole/{role} has `scope: Namespace` and cannot be bound cluster-wide"
                ));
            }
            Some(RoleScope::Cluster) => {
                return Err(format!(
                    "FederatedRole/{role} has `scope: Cluster` and can only be bound cluster-wide"
                ));
            }
            None => {
                return Err(format!("FederatedRole/{role} is not placed on this cluster"));
            }
        },
        RoleRef::ClusterRole(role) => ("ClusterRole", role.clone()),
        RoleRef::Role(role) => ("Role", role.clone()),
    };
    let role = json!({ "apiGroup": GROUP, "kind": kind, "name": role });
    let name = format!("{}{name}", wanted.prefix());
    if spec.scope == BindingScope::ClusterWide {
        let subjects: Vec<Value> =
            spec.subjects.iter().map(|s| subject(s, None)).collect::<Result<_, _>>()?;
        let rest = json!({ "roleRef": role, "subjects": subjects });
        return Ok(vec![object(
            ObjectRef::cluster(ObjectKind::ClusterRoleBinding, name),
            Map::new(),
            rest,
        )]);
    }
    let one = |namespace: &&str| {
        let subjects: Vec<Value> =
            spec.subjects.iter().map(|s| subject(s, Some(namespace))).collect::<Result<_, _>>()?;
        let rest = json!({ "roleRef": role, "subjects": subjects });
        Ok(in_namespace(ObjectKind::RoleBinding, namespace, &name, rest))
    };
    namespaces.iter().map(one).collect()
}

fn subject(subject: &Subject, namespace: Option<&str>) -> Result<Value, String> {
    Ok(match subject {
        Subject::User(name) => json!({ "apiGroup": GROUP, "kind": "User", "name": name }),
        Subject::Group(name) => json!({ "apiGroup": GROUP, "kind": "Group", "name": name }),
        Subject::ServiceAccount { namespace: own, name } => {
            let namespace = own.as_deref().or(namespace).ok_or_else(|| {
                format!("service account {name} needs a namespace in a cluster-wide binding")
            })?;
            json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace })
        }
    })
}
