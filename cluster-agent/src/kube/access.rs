//! What the agent's account may and may not do, as the API server sees it.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::{CallError, IDENTITY_SECRET, NAMESPACE, within};

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Plural.
    pub resource: &'static str,
    /// Everywhere when nothing is given.
    pub namespace: Option<&'static str>,
    /// Any when nothing is given.
    pub name: Option<&'static str>,
    /// "get"
    pub verb: &'static str,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(name) = self.name {
            write!(f, " {name}")?;
        }
        if let Some(namespace) = self.namespace {
            write!(f, " in {namespace}")?;
        }
        Ok(())
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const NET: &str = "networking.k8s.io";
const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "patch"];

/// What the agent cannot work without.
pub fn needed() -> Vec<Right> {
    let mut rights = Vec::new();
    let mut add = |group, resource, verbs: &[&[&'static str]]| {
        for verb in verbs.iter().flat_map(|verbs| verbs.iter()) {
            rights.push(Right { group, resource, namespace: None, name: None, verb });
        }
    };
    add(RBAC, "clusterroles", &[READ, WRITE, &["delete", "escalate", "bind"]]);
    add(RBAC, "roles", &[READ, &["bind"]]);
    add(RBAC, "clusterrolebindings", &[READ, WRITE, &["delete"]]);
    add(RBAC, "rolebindings", &[READ, WRITE, &["delete"]]);
    add("", "namespaces", &[READ, WRITE]);
    add("", "resourcequotas", &[READ, WRITE, &["delete"]]);
    add("", "limitranges", &[READ, WRITE, &["delete"]]);
    add(NET, "networkpolicies", &[READ, WRITE, &["delete"]]);
    let own = |group, resource, name, verb| Right {
        group,
        resource,
        namespace: Some(NAMESPACE),
        name,
        verb,
    };
    for verb in ["get", "list", "create", "update", "delete"] {
        rights.push(own("", "configmaps", None, verb));
    }
    rights.push(own("events.k8s.io", "events", None, "create"));
    rights.push(own("", "secrets", Some(IDENTITY_SECRET), "update"));
    rights
}

/// What the agent must not be able to do, because it has no use for it and a thief would.
pub fn forbidden() -> Vec<Right> {
    let everywhere =
        |group, resource, verb| Right { group, resource, namespace: None, name: None, verb };
    let own = |name, verb| Right {
        group: "",
        resource: "secrets",
        namespace: Some(NAMESPACE),
        name,
        verb,
    };
    vec![
        everywhere("*", "*", "*"),
        everywhere("", "secrets", "get"),
        everywhere("", "secrets", "list"),
        everywhere("", "secrets", "watch"),
        everywhere("", "secrets", "patch"),
        everywhere("", "secrets", "update"),
        own(None, "get"),
        own(None, "list"),
        own(None, "create"),
        own(Some(IDENTITY_SECRET), "get"),
        own(Some(IDENTITY_SECRET), "patch"),
        everywhere("", "users", "impersonate"),
        everywhere("", "groups", "impersonate"),
        everywhere("", "serviceaccounts", "impersonate"),
        everywhere("", "serviceaccounts/token", "create"),
        everywhere("", "pods", "create"),
        everywhere("", "pods/exec", "create"),
        everywhere("apps", "deployments", "create"),
        everywhere("", "namespaces", "delete"),
        everywhere("", "configmaps", "get"),
        everywhere(RBAC, "roles", "create"),
        everywhere(RBAC, "roles", "patch"),
        everywhere(RBAC, "roles", "escalate"),
        everywhere("admissionregistration.k8s.io", "validatingadmissionpolicies", "patch"),
        everywhere("certificates.k8s.io", "certificatesigningrequests", "create"),
    ]
}

/// Asks whether the client's own account has a right.
pub async fn has(client: &Client, right: &Right) -> Result<bool, CallError> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub.to_owned())),
        None => (right.resource, None),
    };
    let attributes = ResourceAttributes {
        group: Some(right.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        namespace: right.namespace.map(str::to_owned),
        name: right.name.map(str::to_owned),
        verb: Some(right.verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let answer = within(reviews.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
