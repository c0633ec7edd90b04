//! Each edge, with what it needs and without.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod edges;
mod limits;
mod paths;
mod scale;
mod table;

use std::collections::BTreeSet;

use crate::access::directory::Directory;
use crate::access::escalation::{Escalation, Filter, escalations};
use crate::access::index::Index;
use crate::access::object::{AccessContent, AccessKey, AccessKind, RawSubject, RoleReference};
use crate::access::subject::Subject;
use crate::history::roster::Labels;
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;

/// A rule as "get,list secrets", "create pods/exec web", "bind clusterroles.rbac view edit"; `rbac`,
/// `admission` and `certificates` are short for their groups.
pub(crate) fn rule(text: &str) -> PolicyRule {
    let mut words = text.split(' ').map(str::to_owned);
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    let verbs = list(&words.next().unwrap());
    let resource = words.next().unwrap();
    let (resource, below) = match resource.split_once('/') {
        Some((resource, below)) => (resource.to_owned(), format!("/{below}")),
        None => (resource, String::new()),
    };
    let (resource, group) = resource.split_once('.').unwrap_or((&resource, ""));
    let group = match group {
        "rbac" => "rbac.authorization.k8s.io",
        "admission" => "admissionregistration.k8s.io",
        "certificates" => "certificates.k8s.io",
        other => other,
    };
    PolicyRule {
        api_groups: vec![group.to_owned()],
        resources: vec![format!("{resource}{below}")],
        verbs,
        resource_names: words.collect(),
        non_resource_urls: Vec::new(),
    }
}

/// A cluster to make paths in.
#[derive(Clone)]
pub(crate) struct Lab {
    pub(crate) index: Index,
    pub(crate) cluster: ClusterId,
    pub(crate) directory: Directory,
    bindings: usize,
}

impl Lab {
    /// Nothing but the role `cluster-admin`.
    pub(crate) fn empty() -> Self {
        let cluster = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap();
        let mut lab =
            Self { index: Index::default(), cluster, directory: Directory::default(), bindings: 0 };
        lab.role("", "cluster-admin", &[rule("* *.*")]);
        lab
    }

    /// With a cluster-admin of each sort: user `root`, group `admins`, and service account `shut/boss`,
    /// as which workloads run. Pod Security is enforced in `shut` and not in `open`.
    pub(crate) fn new() -> Self {
        let mut lab = Self::empty();
        lab.namespace("shut", "restricted");
        lab.namespace("open", "");
        for (namespace, name) in [("shut", "boss"), ("shut", "idle"), ("open", "idle")] {
            lab.account(namespace, name, false);
        }
        lab.workload(AccessKind::Deployment, "shut", "app", "boss");
        lab.workload(AccessKind::StatefulSet, "shut", "db", "boss");
        lab.workload(AccessKind::Pod, "shut", "one", "boss");
        lab.bind("", "ClusterRole/cluster-admin", "user root");
        lab.bind("", "ClusterRole/cluster-admin", "group admins");
        lab.bind("", "ClusterRole/cluster-admin", "account shut/boss");
        lab
    }

    pub(crate) fn put(&mut self, key: &AccessKey, content: &AccessContent) {
        self.index.apply(self.cluster, key, Some(content));
    }

    pub(crate) fn namespace(&mut self, name: &str, level: &str) {
        let mut labels = Labels::new();
        if !level.is_empty() {
            labels.insert("pod-security.kubernetes.io/enforce".into(), level.into());
        }
        let key = AccessKey::cluster(AccessKind::Namespace, name);
        self.put(&key, &AccessContent::Namespace { labels });
    }

    pub(crate) fn account(&mut self, namespace: &str, name: &str, token_secret: bool) {
        let key = AccessKey::namespaced(AccessKind::ServiceAccount, namespace, name);
        self.put(&key, &AccessContent::ServiceAccount { token_secret });
    }

    pub(crate) fn workload(
        &mut self,
        kind: AccessKind,
        namespace: &str,
        name: &str,
        account: &str,
    ) {
        let key = AccessKey::namespaced(kind, namespace, name);
        self.put(&key, &AccessContent::Workload { service_account: account.to_owned() });
    }

    /// A cluster role, or a role with a namespace.
    pub(crate) fn role(&mut self, namespace: &str, name: &str, rules: &[PolicyRule]) {
        let key = if namespace.is_empty() {
            AccessKey::cluster(AccessKind::ClusterRole, name)
        } else {
            AccessKey::namespaced(AccessKind::Role, namespace, name)
        };
        let rules = rules.to_vec();
        let content = AccessContent::Role { rules, labels: Labels::new(), aggregates: None };
        self.put(&key, &content);
    }

    /// Binds "KIND/NAME" to "user NAME", "group NAME" or "account NAMESPACE/NAME".
    pub(crate) fn bind(&mut self, namespace: &str, role: &str, who: &str) {
        self.bindings += 1;
        let name = format!("binding-{}", self.bindings);
        let key = if namespace.is_empty() {
            AccessKey::cluster(AccessKind::ClusterRoleBinding, name)
        } else {
            AccessKey::namespaced(AccessKind::RoleBinding, namespace, name)
        };
        let (kind, name) = role.split_once('/').unwrap();
        let role = RoleReference { kind: kind.into(), name: name.into() };
        let raw = |kind: &str, namespace: &str, name: &str| RawSubject {
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        let subject = match subject(who) {
            Subject::User(name) => raw("User", "", &name),
            Subject::Group(name) => raw("Group", "", &name),
            Subject::ServiceAccount { namespace, name } => raw("ServiceAccount", &namespace, &name),
        };
        self.put(&key, &AccessContent::Binding { role, subjects: vec![subject] });
    }

    /// Gives rights: each is "PLACE: RULE", where the place is a namespace or `*` for the cluster. Each
    /// comes by a role and a binding of its own.
    pub(crate) fn grant(&mut self, who: &str, rights: &[&str]) {
        for right in rights {
            let (place, text) = right.split_once(": ").unwrap();
            let namespace = if place == "*" { "" } else { place };
            let name = format!("role-{}", self.bindings);
            self.role("", &name, &[rule(text)]);
            self.bind(namespace, &format!("ClusterRole/{name}"), who);
        }
    }

    pub(crate) fn paths(&self, filter: &Filter) -> Vec<Escalation> {
        escalations(&self.index, self.cluster, &self.directory, filter)
    }

    /// The paths of one subject.
    pub(crate) fn of(&self, who: &str) -> Vec<Escalation> {
        let subjects = Some(BTreeSet::from([subject(who)]));
        self.paths(&Filter { subjects, ..Filter::default() })
    }

    /// One line a path.
    pub(crate) fn told(&self, who: &str) -> String {
        told(&self.of(who))
    }
}

pub(crate) fn subject(who: &str) -> Subject {
    match who.split_once(' ').unwrap() {
        ("user", name) => Subject::User(name.into()),
        ("group", name) => Subject::Group(name.into()),
        (_, name) => {
            let (namespace, name) = name.split_once('/').unwrap();
            Subject::service_account(namespace, name)
        }
    }
}

pub(crate) fn told(paths: &[Escalation]) -> String {
    let line = |path: &Escalation| {
        let steps: Vec<String> =
            path.steps.iter().map(|s| format!("{} ({})", s.text, s.edge.name())).collect();
        format!("{} → {}: {}", path.subject, path.target, steps.join(", "))
    };
    paths.iter().map(line).collect::<Vec<_>>().join("\n")
}
