//! A ceiling in plain words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Allowed, Ceiling, stands_for_many};

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 4] = ["create", "update", "patch", "delete"];

impl Ceiling {
    /// What it allows, a line for each matter.
    pub fn in_words(&self) -> Vec<String> {
        let quoted = |list: &[String]| {
            list.iter().map(|prefix| format!("{prefix}*")).collect::<Vec<_>>().join(", ")
        };
        let keys = |list: &[String]| {
            let shown = |key: &String| {
                if stands_for_many(key) { format!("{key}*") } else { key.clone() }
            };
            or_nothing(list.iter().map(shown).collect::<Vec<_>>().join(", "))
        };
        let subjects = &self.subjects;
        let mut to = Vec::new();
        for (what, any, prefixes) in [
            ("users", subjects.any_user, &subjects.user_prefixes),
            ("groups", subjects.any_group, &subjects.group_prefixes),
        ] {
            if any {
                to.push(format!("any {what}"));
            } else if !prefixes.is_empty() {
                to.push(format!("{what} {}", quoted(prefixes)));
            }
        }
        let mut accounts = "service accounts of the binding's own namespace".to_owned();
        if !subjects.service_account_namespaces.is_empty() {
            accounts.push_str(" and of ");
            accounts.push_str(&subjects.service_account_namespaces.join(", "));
        }
        to.push(accounts);
        let mut names = if self.any_namespace {
            "any name".to_owned()
        } else {
            or_nothing(quoted(&self.namespace_prefixes))
        };
        if !self.reserved_namespace_prefixes.is_empty() {
            names.push_str(", but not ");
            names.push_str(&quoted(&self.reserved_namespace_prefixes));
        }
        let mut wide = allowed(&self.cluster);
        if !self.non_resource_urls.is_empty() {
            wide.push_str("; get ");
            wide.push_str(&self.non_resource_urls.join(", "));
        }
        let mut roles = format!("ClusterRoles {}", or_none(&self.cluster_role_refs));
        if !self.role_refs.is_empty() {
            roles.push_str("; Roles ");
            roles.push_str(&self.role_refs.join(", "));
        }
        vec![
            format!("roles in a namespace may: {}", allowed(&self.namespaced)),
            format!("roles cluster-wide may: {wide}"),
            format!("others' roles that may be bound in a namespace: {roles}"),
            format!(
                "others' ClusterRoles that may be bound cluster-wide: {}",
                or_none(&self.cluster_wide_role_refs)
            ),
            format!("subjects: {}", to.join("; ")),
            format!("new namespaces: {names}"),
            format!("Pod Security of namespaces: {}", or_none(&self.pod_security_levels)),
            format!("types of Secrets: {}", or_none(&self.secret_types)),
            format!(
                "labels of namespaces: {}; annotations: {}",
                keys(&self.namespace_labels),
                keys(&self.namespace_annotations)
            ),
        ]
    }
}

fn or_none(list: &[String]) -> String {
    or_nothing(list.join(", "))
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

/// Resources with the same verbs together: "read pods, services; read and write configmaps".
fn allowed(allowed: &Allowed) -> String {
    let mut by_verbs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, verbs) in allowed.iter().filter(|(key, verbs)| !verbs.is_empty() && exists(key)) {
        by_verbs.entry(self::verbs(verbs)).or_default().push(resource(key));
    }
    let parts = by_verbs.into_iter().map(|(verbs, on)| format!("{verbs} {}", on.join(", ")));
    or_nothing(parts.collect::<Vec<_>>().join("; "))
}

/// Rules with several groups and resources name pairs that do not exist, and a ceiling that lets them
/// pass lists those, too. They are of no use to anyone.
fn exists(key: &str) -> bool {
    const APPS: [&str; 4] = ["deployments", "statefulsets", "daemonsets", "replicasets"];
    const CORE: [&str; 7] =
        ["pods", "services", "events", "configmaps", "secrets", "endpoints", "namespaces"];
    let Some((group, resource)) = key.split_once('/') else { return true };
    let whole = resource.split('/').next().unwrap_or_default();
    !(group.is_empty() && APPS.contains(&whole) || group == "apps" && CORE.contains(&whole))
}

fn verbs(verbs: &BTreeSet<String>) -> String {
    let all = |of: &[&str]| of.iter().all(|verb| verbs.contains(*verb));
    let (read, write) = (all(&READ), all(&WRITE));
    let rest = verbs
        .iter()
        .map(String::as_str)
        .filter(|verb| !(read && READ.contains(verb) || write && WRITE.contains(verb)));
    let words = [read.then_some("read"), write.then_some("write")];
    let words: Vec<&str> = words.into_iter().flatten().chain(rest).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// "/pods/log" → "pods/log", "apps/deployments" → "deployments.apps": as kubectl writes it.
pub(super) fn resource(key: &str) -> String {
    match key.split_once('/') {
        Some(("", resource)) => resource.to_owned(),
        Some((group, resource)) => match resource.split_once('/') {
            Some((resource, sub)) => format!("{resource}.{group}/{sub}"),
            None => format!("{resource}.{group}"),
        },
        None => key.to_owned(),
    }
}
