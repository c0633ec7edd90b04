//! What the agent's account may and may not do, as the API server sees it.

use hanse_domain::access::object::AccessKind;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::writers::{CEILING_USER, Model};
use super::{CallError, IDENTITY_SECRET, NAMESPACE, PINS_SECRET, within};
use crate::identity::age::cluster::AGE_SECRET;

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
const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
/// Constrained impersonation: <https://kep.k8s.io/5284>.
const AS_CEILING: &[&str] = &[
    "impersonate-on:user-info:create",
    "impersonate-on:user-info:patch",
    "impersonate-on:user-info:delete",
];

/// By this an account of the model `impersonate` is known.
pub const fn impersonates() -> Right {
    Right {
        group: AUTHENTICATION,
        resource: "users",
        namespace: None,
        name: Some(CEILING_USER),
        verb: "impersonate:user-info",
    }
}

/// What the agent cannot work without.
pub fn needed(model: Model) -> Vec<Right> {
    let mut rights = Vec::new();
    let mut add = |group, resource, name, verbs: &[&[&'static str]]| {
        for verb in verbs.iter().flat_map(|verbs| verbs.iter()) {
            rights.push(Right { group, resource, namespace: None, name, verb });
        }
    };
    let written = ["clusterroles", "clusterrolebindings", "rolebindings"];
    for resource in written {
        add(RBAC, resource, None, &[READ]);
        match model {
            Model::Bind => add(RBAC, resource, None, &[WRITE, &["delete"]]),
            Model::Impersonate => add(RBAC, resource, None, &[AS_CEILING]),
        }
    }
    add(RBAC, "roles", None, &[READ]);
    if model == Model::Bind {
        add(RBAC, "clusterroles", None, &[&["escalate", "bind"]]);
        add(RBAC, "roles", None, &[&["bind"]]);
    }
    add("", "namespaces", None, &[READ, WRITE]);
    add("", "resourcequotas", None, &[READ, WRITE, &["delete"]]);
    add("", "limitranges", None, &[READ, WRITE, &["delete"]]);
    add(NET, "networkpolicies", None, &[READ, WRITE, &["delete"]]);
    add("", "secrets", None, &[&["create", "update", "delete"]]);
    for policy in ["hanse-fence-guard", "hanse-fence-ceiling"] {
        add(ADMISSION, "validatingadmissionpolicies", Some(policy), &[READ]);
        add(ADMISSION, "validatingadmissionpolicybindings", Some(policy), &[READ]);
    }
    add("fence.hanse.dev", "ceilings", Some("hanse"), &[READ]);
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
    if model == Model::Impersonate {
        rights.push(impersonates());
    }
    rights
}

/// What the agent sees access with beyond what it cannot work without. An administrator may take these
/// away; then answers about access say what they did not see.
pub fn inventory() -> Vec<Right> {
    let right = |kind: AccessKind| {
        let (group, _, _, resource) = kind.resource();
        READ.iter().map(move |verb| Right { group, resource, namespace: None, name: None, verb })
    };
    crate::inventory::watched_apart().flat_map(right).collect()
}

/// What the agent must not be able to do, because it has no use for it and a thief would. Most of it
/// is what no admission policy sees: reading, and what the policies themselves are made of.
pub fn forbidden(model: Model) -> Vec<Right> {
    let mut rights = Vec::new();
    let mut add = |group, resource, name, verbs: &[&'static str]| {
        for verb in verbs {
            rights.push(Right { group, resource, namespace: None, name, verb });
        }
    };
    add("*", "*", None, &["*"]);
    add("", "secrets", None, &["get", "list", "watch", "patch", "deletecollection"]);
    add("", "configmaps", None, &["get"]);
    add("", "namespaces", None, &["delete"]);
    add("", "nodes/proxy", None, &["get", "create"]);
    add("", "pods/exec", None, &["get", "create"]);
    add("", "serviceaccounts/token", None, &["create"]);
    for account in ["users", "groups", "serviceaccounts"] {
        add("", account, None, &["impersonate"]);
    }
    add("", "users", Some(CEILING_USER), &["impersonate"]);
    add(AUTHENTICATION, "users", None, &["impersonate:user-info"]);
    add(AUTHENTICATION, "serviceaccounts", None, &["impersonate:serviceaccount"]);
    add(
        AUTHENTICATION,
        "nodes",
        None,
        &["impersonate:arbitrary-node", "impersonate:associated-node"],
    );
    for read in ["impersonate-on:user-info:get", "impersonate-on:user-info:list"] {
        add("", "secrets", None, &[read]);
    }
    // What it may see it may neither make nor see as the ceiling user.
    for kind in crate::inventory::watched_apart() {
        let (group, _, _, resource) = kind.resource();
        add(group, resource, None, &["create", "impersonate-on:user-info:list"]);
    }
    add(RBAC, "roles", None, &["create", "patch", "update", "delete", "escalate"]);
    add(RBAC, "clusterroles", None, &["update", "deletecollection"]);
    if model == Model::Impersonate {
        for resource in ["clusterroles", "clusterrolebindings", "rolebindings"] {
            add(RBAC, resource, None, &["create", "patch", "update", "delete"]);
        }
        add(RBAC, "clusterroles", None, &["escalate", "bind"]);
        add(RBAC, "roles", None, &["bind"]);
    }
    for resource in [
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ] {
        add(ADMISSION, resource, None, CHANGE);
    }
    for policy in ["hanse-fence-guard", "hanse-fence-ceiling"] {
        add(ADMISSION, "validatingadmissionpolicies", Some(policy), CHANGE);
        add(ADMISSION, "validatingadmissionpolicybindings", Some(policy), CHANGE);
    }
    add("fence.hanse.dev", "ceilings", Some("hanse"), CHANGE);
    add("apiextensions.k8s.io", "customresourcedefinitions", None, CHANGE);
    add("apiregistration.k8s.io", "apiservices", None, CHANGE);
    add("certificates.k8s.io", "certificatesigningrequests", None, &["create"]);
    let own = |name, verb| Right {
        group: "",
        resource: "secrets",
        namespace: Some(NAMESPACE),
        name,
        verb,
    };
    // A right by name is one that a question without a name does not find. That it may `update` some of
    // these is the guard's matter (F02): the right to update Secrets has no names.
    for verb in ["get", "list", "watch", "patch"] {
        rights.push(own(None, verb));
        for name in [IDENTITY_SECRET, PINS_SECRET, AGE_SECRET] {
            rights.push(own(Some(name), verb));
        }
    }
    rights
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
