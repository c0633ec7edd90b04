//! A ceiling in plain words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Allowed, Ceiling};

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 4] = ["create", "update", "patch", "delete"];

impl Ceiling {
    /// What it allows, a line for each matter.
    pub fn in_words(&self) -> Vec<String> {
        let quoted = |list: &[String]| {
            list.iter().map(|prefix| format!("{prefix}*")).collect::<Vec<_>>().join(", ")
        };
        let subjects = &self.subjects;
        let mut to = Vec::new();
        if !subjects.user_prefixes.is_empty() {
            to.push(format!("users {}", quoted(&subjects.user_prefixes)));
        }
        if !subjects.group_prefixes.is_empty() {
            to.push(format!("groups {}", quoted(&subjects.group_prefixes)));
        }
        let mut accounts = "service accounts of the binding's own namespace".to_owned();
        if !subjects.service_account_namespaces.is_empty() {
            accounts.push_str(" and of ");
            accounts.push_str(&subjects.service_account_namespaces.join(", "));
        }
        to.push(accounts);
        let deleting = if self.allow_namespace_delete { "may" } else { "may not" };
        vec![
            format!("roles in a namespace may: {}", allowed(&self.namespaced)),
            format!("roles cluster-wide may: {}", allowed(&self.cluster)),
            format!(
                "ClusterRoles of others that may be bound: {}",
                or_none(&self.cluster_role_refs)
            ),
            format!("subjects: {}", to.join("; ")),
            format!("new namespaces: {}", or_nothing(quoted(&self.namespace_prefixes))),
            format!("namespaces that the fleet made, it {deleting} delete"),
            format!("Pod Security of namespaces: {}", or_none(&self.pod_security_levels)),
            format!("types of Secrets: {}", or_none(&self.secret_types)),
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
    for (key, verbs) in allowed.iter().filter(|(_, verbs)| !verbs.is_empty()) {
        by_verbs.entry(self::verbs(verbs)).or_default().push(resource(key));
    }
    let parts = by_verbs.into_iter().map(|(verbs, on)| format!("{verbs} {}", on.join(", ")));
    or_nothing(parts.collect::<Vec<_>>().join("; "))
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
