//! Questions that hit what a policy grants, or just miss it.

use std::collections::{BTreeMap, BTreeSet};

use hanse_domain::access::object::{AccessKey, AccessKind};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::who::{self, Who};
use crate::words::{ASKED, GROUPS, NAMES, NAMESPACES, NO_NAMESPACES, PATHS, VERBS, once_in, one};

/// What somebody wants to do, as a `SubjectAccessReview` says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// Of a resource; no namespace is the whole cluster, no name is a list.
    Resource {
        verb: String,
        group: String,
        resource: String,
        subresource: String,
        name: String,
        namespace: String,
    },
    /// Of a path.
    Path { verb: String, path: String },
}

/// One request, and everybody who makes it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) what: What,
    pub(crate) who: BTreeSet<Who>,
}

/// What the questions of a round are drawn from: each rule that is bound, with where and to whom.
pub(crate) struct Bound<'l> {
    grants: Vec<Grant<'l>>,
    /// What Kubernetes itself brings.
    bootstrap: Vec<Grant<'l>>,
}

struct Grant<'l> {
    rule: &'l Value,
    namespace: &'l str,
    subjects: Vec<&'l Value>,
}

impl<'l> Bound<'l> {
    /// From a listing of a cluster.
    pub(crate) fn of(listing: &'l BTreeMap<AccessKey, Value>) -> Self {
        let (mut grants, mut bootstrap) = (Vec::new(), Vec::new());
        for (key, binding) in listing {
            if !matches!(key.kind, AccessKind::RoleBinding | AccessKind::ClusterRoleBinding) {
                continue;
            }
            let subjects: Vec<&Value> = elements(binding, "subjects").collect();
            let name = binding.pointer("/roleRef/name").and_then(Value::as_str).unwrap_or_default();
            let role = match binding.pointer("/roleRef/kind").and_then(Value::as_str) {
                Some("Role") => AccessKey::namespaced(AccessKind::Role, &key.namespace, name),
                _ => AccessKey::cluster(AccessKind::ClusterRole, name),
            };
            // A rule of the other kind of role with this name is a good near miss.
            let other = AccessKey::cluster(AccessKind::ClusterRole, name);
            let rules = [&role, &other].into_iter().find_map(|role| listing.get(role));
            let rules = rules.into_iter().flat_map(|role| elements(role, "rules"));
            let label = "/metadata/labels/kubernetes.io~1bootstrapping";
            let into = if binding.pointer(label).is_some() { &mut bootstrap } else { &mut grants };
            into.extend(rules.map(|rule| Grant {
                rule,
                namespace: &key.namespace,
                subjects: subjects.clone(),
            }));
        }
        Self { grants, bootstrap }
    }

    /// A question with some seven who ask it.
    pub(crate) fn question(&self, rng: &mut StdRng) -> Question {
        let grants = if once_in(rng, 10) { &self.bootstrap } else { &self.grants };
        let grant = grants.get(rng.random_range(0..grants.len())).unwrap();
        let mut what = grant.what(rng);
        if once_in(rng, 2) {
            miss(rng, &mut what);
        }
        let mut who = BTreeSet::new();
        for subject in &grant.subjects {
            who.extend(who::of_subject(rng, subject, grant.namespace));
        }
        while who.len() < 7 {
            who.insert(who::any(rng));
        }
        Question { what, who }
    }
}

fn elements<'v>(object: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    object.get(field).and_then(Value::as_array).into_iter().flatten()
}

impl Grant<'_> {
    /// Something that the rule allows, as far as its words can be taken as they are.
    fn what(&self, rng: &mut StdRng) -> What {
        let verb = self.word(rng, "verbs", &VERBS);
        if self.rule.get("nonResourceURLs").is_some() {
            let url = self.word(rng, "nonResourceURLs", &PATHS);
            let path = match url.strip_suffix('*') {
                Some(stem) if once_in(rng, 2) => {
                    stem.trim_end_matches('*').to_owned() + one(rng, &["", "x", "/x", "*"])
                }
                _ => url,
            };
            return What::Path { verb, path };
        }
        let written = self.word(rng, "resources", &[]);
        let (resource, subresource) = match written.split_once('/') {
            Some(("*", sub)) => {
                (one(rng, &["deployments", "pods", "*", ""]).to_owned(), sub.into())
            }
            // Whole, as no client would send it, or in two.
            Some(_) if once_in(rng, 8) => (written, String::new()),
            Some((resource, sub)) => (resource.to_owned(), sub.to_owned()),
            None if written.is_empty() || written == "*" => {
                let (resource, sub) = one(rng, &ASKED);
                (resource.to_owned(), sub.to_owned())
            }
            None => (written, String::new()),
        };
        let namespace = match self.namespace {
            "" => one(rng, &["", "", "team", "nowhere"]).to_owned(),
            namespace => namespace.to_owned(),
        };
        let names = if once_in(rng, 3) { &NAMES[..1] } else { &NAMES };
        What::Resource {
            verb,
            group: self.word(rng, "apiGroups", &GROUPS),
            resource,
            subresource,
            name: self.word(rng, "resourceNames", names),
            namespace,
        }
    }

    /// One of the rule's words; for '*' or when there is none, mostly one of these instead.
    fn word(&self, rng: &mut StdRng, field: &str, instead: &[&str]) -> String {
        let words: Vec<&str> = elements(self.rule, field).filter_map(Value::as_str).collect();
        let word = if words.is_empty() { "*" } else { one(rng, &words) };
        if word == "*" && !instead.is_empty() && !once_in(rng, 8) {
            one(rng, instead).to_owned()
        } else {
            word.to_owned()
        }
    }
}

/// Changes one thing about a request, to something near when there is something.
fn miss(rng: &mut StdRng, what: &mut What) {
    match what {
        What::Path { verb, path } => match rng.random_range(0..3) {
            0 => *verb = near(rng, verb, &VERBS),
            _ => *path = near(rng, path, &PATHS),
        },
        What::Resource { verb, group, resource, subresource, name, namespace } => {
            match rng.random_range(0..7) {
                0 => *verb = near(rng, verb, &VERBS),
                1 => *group = near(rng, group, &GROUPS),
                2 => {
                    let (other, sub) = one(rng, &ASKED);
                    (*resource, *subresource) = (other.to_owned(), sub.to_owned());
                }
                3 => *subresource = near(rng, subresource, &["", "log", "scale", "exec", "*", "x"]),
                4 => *name = near(rng, name, &NAMES),
                5 => one(rng, &NAMESPACES).clone_into(namespace),
                _ => one(rng, &[&[""], &NO_NAMESPACES[..]].concat()).clone_into(namespace),
            }
        }
    }
}

/// Another word: with one letter more or less, in another case, or one of these.
fn near(rng: &mut StdRng, word: &str, words: &[&str]) -> String {
    match rng.random_range(0..8) {
        0 => format!("{word}x"),
        1 => word.chars().skip(1).collect(),
        2 => word.to_uppercase(),
        3 => format!("{word}/"),
        _ => one(rng, words).to_owned(),
    }
}
