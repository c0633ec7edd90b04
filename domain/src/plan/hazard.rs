//! Hazards: what a plan points at before anyone says yes.

use std::fmt;

use super::{Action, ObjectChange};
use crate::document::Document;
use crate::kinds::Spec;
use crate::kinds::binding::{BindingScope, RoleBindingSpec, RoleRef, Subject};
use crate::kinds::namespace::PodSecurity;
use crate::kinds::role::{PolicyRule, RoleScope, RoleSpec};
use crate::names;

/// Something that deserves a second look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hazard {
    /// What sort of thing it is.
    pub kind: HazardKind,
    /// One sentence.
    pub text: String,
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.kind.code())
    }
}

/// Sorts of hazard. Each has a code that the documentation explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HazardKind {
    /// Everything in a cluster, or as good as.
    GrantsClusterAdmin,
    /// A rule with `*`.
    GrantsWildcard,
    /// Rights with which one gets more rights.
    GrantsEscalation,
    /// Reading Secrets over a whole cluster.
    GrantsAllSecrets,
    /// A subject that is everybody, or that Kubernetes itself uses.
    BroadSubject,
    /// Pods without restrictions.
    PrivilegedPods,
    /// More removals in a cluster than an agent makes unasked.
    ManyRemovals,
}

impl HazardKind {
    /// For `grep` and for the documentation.
    pub const fn code(self) -> &'static str {
        match self {
            Self::GrantsClusterAdmin => "grants-cluster-admin",
            Self::GrantsWildcard => "grants-wildcard",
            Self::GrantsEscalation => "grants-escalation",
            Self::GrantsAllSecrets => "grants-all-secrets",
            Self::BroadSubject => "broad-subject",
            Self::PrivilegedPods => "privileged-pods",
            Self::ManyRemovals => "many-removals",
        }
    }
}

/// How many objects an agent removes at once without being asked to: a tenth of them, and 5 at least.
pub const fn unconfirmed_removals(objects: usize) -> usize {
    let tenth = objects / 10;
    if tenth > 5 { tenth } else { 5 }
}

/// Hazards of what a document says: by itself, with each override, and with overrides that come
/// together. It does not matter which clusters there are and what others declare, so that whoever
/// looks, today or when labels have changed, finds the same.
pub fn hazards_of(document: &Document) -> Vec<Hazard> {
    let mut found = Vec::new();
    for spec in document.variants() {
        of_spec(document, spec, &mut found);
    }
    if document.overrides.len() > 1 {
        for spec in together(document) {
            of_spec(document, &spec, &mut found);
        }
    }
    found
}

/// What several overrides can make together that none makes alone. A patch replaces scalars and lists
/// as a whole, so all that is hazardous comes together from these: the rules of one and the scope of
/// another; the role's kind of one, its name of another and the scope of a third.
fn together(document: &Document) -> Vec<Spec> {
    let variants = || document.variants();
    let cluster_wide =
        variants().any(|v| matches!(v, Spec::Role(role) if role.scope == RoleScope::Cluster));
    let cluster_role = variants()
        .any(|v| matches!(v, Spec::RoleBinding(b) if matches!(b.role, RoleRef::ClusterRole(_))));
    let widest = variants().find_map(|v| match v {
        Spec::RoleBinding(b) if matches!(b.scope, BindingScope::ClusterWide) => Some(&b.scope),
        Spec::RoleBinding(_)
        | Spec::Role(_)
        | Spec::Namespace(_)
        | Spec::Secret(_)
        | Spec::Invariant(_) => None,
    });
    let mixed = |spec: &Spec| match spec {
        Spec::Role(role) if cluster_wide => {
            Some(Spec::Role(RoleSpec { scope: RoleScope::Cluster, ..role.clone() }))
        }
        Spec::RoleBinding(binding) if cluster_role => {
            let (RoleRef::Federated(name) | RoleRef::ClusterRole(name) | RoleRef::Role(name)) =
                &binding.role;
            let role = RoleRef::ClusterRole(name.clone());
            let scope = widest.unwrap_or(&binding.scope).clone();
            Some(Spec::RoleBinding(RoleBindingSpec { role, scope, ..binding.clone() }))
        }
        Spec::Role(_)
        | Spec::RoleBinding(_)
        | Spec::Namespace(_)
        | Spec::Secret(_)
        | Spec::Invariant(_) => None,
    };
    variants().filter_map(mixed).collect()
}

fn of_spec(document: &Document, spec: &Spec, hazards: &mut Vec<Hazard>) {
    let mut add = |kind, text: String| {
        let text = format!("{} {text}", document.reference);
        let hazard = Hazard { kind, text };
        if !hazards.contains(&hazard) {
            hazards.push(hazard);
        }
    };
    match spec {
        Spec::Namespace(spec) => {
            if spec.pod_security == Some(PodSecurity::Privileged) {
                add(HazardKind::PrivilegedPods, "lets pods run privileged".to_owned());
            }
        }
        Spec::Role(role) => of_role(role, &mut add),
        Spec::RoleBinding(binding) => of_binding(binding, &mut add),
        Spec::Secret(_) | Spec::Invariant(_) => {}
    }
}

const RBAC_RESOURCES: [&str; 4] = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"];
const WRITE: [&str; 6] = ["create", "update", "patch", "delete", "deletecollection", "*"];
const READ: [&str; 4] = ["get", "list", "watch", "*"];

/// What decides about everything in a cluster: its fence, its APIs, what it admits and whom it trusts.
const GUARDING_GROUPS: [&str; 5] = [
    "fence.hanse.dev",
    "apiregistration.k8s.io",
    "apiextensions.k8s.io",
    "admissionregistration.k8s.io",
    "certificates.k8s.io",
];

/// With these in every namespace, and so in those of the cluster itself, one gets further: by group.
const POWERFUL: [(&str, &[&str]); 3] = [
    (
        "",
        &[
            "secrets",
            "configmaps",
            "namespaces",
            "nodes",
            "persistentvolumes",
            "pods",
            "pods/exec",
            "pods/attach",
            "pods/ephemeralcontainers",
            "serviceaccounts",
            "replicationcontrollers",
        ],
    ),
    ("apps", &["deployments", "daemonsets", "statefulsets", "replicasets"]),
    ("batch", &["jobs", "cronjobs"]),
];

fn has(list: &[String], wanted: &[&str]) -> bool {
    list.iter().any(|value| wanted.contains(&value.as_str()))
}

fn of_role(role: &RoleSpec, add: &mut impl FnMut(HazardKind, String)) {
    let any = |test: fn(&PolicyRule) -> bool| role.rules.iter().any(test);
    if any(|r| [&r.verbs, &r.resources, &r.api_groups].iter().all(|l| l.iter().any(|v| v == "*"))) {
        add(HazardKind::GrantsClusterAdmin, "grants every verb on every resource".to_owned());
    } else if any(|r| {
        [&r.verbs, &r.resources, &r.api_groups, &r.non_resource_urls]
            .iter()
            .any(|l| l.iter().any(|v| v.contains('*')))
    }) {
        add(HazardKind::GrantsWildcard, "has a rule with a wildcard".to_owned());
    }
    if any(is_escalating) {
        add(
            HazardKind::GrantsEscalation,
            "grants rights with which one gets more rights".to_owned(),
        );
    }
    if role.scope != RoleScope::Cluster {
        return;
    }
    if let Some(resource) = role.rules.iter().find_map(powerful) {
        add(HazardKind::GrantsEscalation, format!("writes {resource} in every namespace"));
    }
    let secrets = role.rules.iter().filter(|rule| {
        has(&rule.api_groups, &["", "*"])
            && has(&rule.resources, &["secrets", "*"])
            && has(&rule.verbs, &READ)
    });
    for rule in secrets {
        let which = if rule.resource_names.is_empty() {
            "reads every Secret of a cluster"
        } else {
            "reads Secrets of some names in every namespace"
        };
        add(HazardKind::GrantsAllSecrets, which.to_owned());
    }
}

/// Whether a rule is a way to more rights, in whatever scope.
fn is_escalating(rule: &PolicyRule) -> bool {
    has(&rule.verbs, &["escalate", "bind", "impersonate", "approve", "sign", "attest"])
        || rule.verbs.iter().any(|verb| verb.starts_with("impersonate"))
        || has(&rule.api_groups, &["admissionregistration.k8s.io", "certificates.k8s.io"])
        || (has(&rule.api_groups, &GUARDING_GROUPS) && has(&rule.verbs, &WRITE))
        || has(&rule.resources, &["serviceaccounts/token", "nodes/proxy"])
        || (has(&rule.resources, &["securitycontextconstraints", "podsecuritypolicies"])
            && has(&rule.verbs, &["use", "*"]))
        || (has(&rule.api_groups, &["rbac.authorization.k8s.io"])
            && has(&rule.verbs, &["create", "update", "patch", "*"]))
        || (has(&rule.api_groups, &["*"])
            && has(&rule.resources, &RBAC_RESOURCES)
            && has(&rule.verbs, &["create", "update", "patch", "*"]))
        || (has(&rule.resources, &["users", "groups", "serviceaccounts"])
            && has(&rule.verbs, &["*"]))
}

/// What a rule lets one write that must not be written in every namespace.
fn powerful(rule: &PolicyRule) -> Option<&'static str> {
    let groups = POWERFUL.iter().filter(|(group, _)| has(&rule.api_groups, &[group, "*"]));
    let mut resources = groups.flat_map(|(_, resources)| resources.iter().copied());
    let writes = has(&rule.verbs, &WRITE);
    // A client may run a command by `get`, too.
    let runs = has(&rule.verbs, &["get"]);
    resources.find(|resource| {
        (writes && has(&rule.resources, &[resource, "*"]))
            || (runs
                && ["pods/exec", "pods/attach"].contains(resource)
                && has(&rule.resources, &[resource]))
    })
}

fn of_binding(binding: &RoleBindingSpec, add: &mut impl FnMut(HazardKind, String)) {
    let cluster_wide = matches!(binding.scope, BindingScope::ClusterWide);
    match &binding.role {
        RoleRef::ClusterRole(role) if role == "cluster-admin" => {
            let place = if cluster_wide { "over whole clusters" } else { "in namespaces" };
            add(HazardKind::GrantsClusterAdmin, format!("grants cluster-admin {place}"));
        }
        RoleRef::ClusterRole(role) if role.starts_with("system:") => {
            let text = format!("grants ClusterRole/{role}, which Kubernetes itself uses");
            add(HazardKind::GrantsEscalation, text);
        }
        // Nobody here knows what is in the others; of those that every cluster has, only `view` reads
        // no Secrets and writes nothing.
        RoleRef::ClusterRole(role) if cluster_wide && role != "view" => {
            let text = format!("grants ClusterRole/{role} over whole clusters");
            add(HazardKind::GrantsEscalation, text);
        }
        RoleRef::ClusterRole(_) | RoleRef::Federated(_) | RoleRef::Role(_) => {}
    }
    for subject in &binding.subjects {
        match subject {
            Subject::User(name) | Subject::Group(name) if name.starts_with("system:") => {
                let text = format!("binds `{name}`, which Kubernetes itself uses");
                add(HazardKind::BroadSubject, text);
            }
            Subject::ServiceAccount { namespace: Some(namespace), name }
                if names::is_protected_namespace(namespace) =>
            {
                let text = format!("binds ServiceAccount {namespace}/{name} of the cluster itself");
                add(HazardKind::BroadSubject, text);
            }
            Subject::User(_) | Subject::Group(_) | Subject::ServiceAccount { .. } => {}
        }
    }
}

/// Hazards of what happens in one cluster.
pub(super) fn of_cluster(cluster: &str, changes: &[ObjectChange], hazards: &mut Vec<Hazard>) {
    let removals = changes.iter().filter(|change| change.action() == Action::Remove).count();
    if removals > unconfirmed_removals(0) {
        hazards.push(Hazard {
            kind: HazardKind::ManyRemovals,
            text: format!(
                "{removals} objects go from cluster {cluster}; if that is more than a tenth of what is \
                 there, its agent waits for `hanse cluster confirm-removals {cluster} {removals}`"
            ),
        });
    }
}
