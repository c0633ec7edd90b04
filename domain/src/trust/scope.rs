//! What an author may sign: which kinds, in which namespaces, on which clusters, and whether
//! hazardous documents too.
//!
//! A scope looks at the document alone and not at the clusters that there are: what may be signed today
//! may be verified by a cluster that comes tomorrow, or whose labels have changed.
//!
//! `kinds=FederatedRoleBinding namespaces=payments,shop-* clusters=env=prod hazards=no`; `*` is all.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::document::{Document, Kind};
use crate::history::roster::Labels;
use crate::kinds::Spec;
use crate::kinds::binding::BindingScope;
use crate::kinds::invariant::NamespaceSet;
use crate::names;

/// What an author may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Nothing stands for all.
    pub kinds: Option<BTreeSet<Kind>>,
    /// Names, or beginnings of names as `shop-*`; nothing stands for all, and for what no namespace
    /// bounds.
    pub namespaces: Option<BTreeSet<String>>,
    /// Labels that a cluster must have, for which the placement must ask; none for every cluster.
    pub clusters: Labels,
    /// Whether it may be something hazardous.
    pub hazards: bool,
}

/// Where a document has an effect in a cluster.
#[derive(Debug)]
enum Reach<'d> {
    /// In these namespaces and nowhere else.
    Namespaces(BTreeSet<&'d str>),
    /// In more than can be named: a role may be bound anywhere.
    Anywhere,
}

impl Scope {
    /// Everything.
    pub fn everything() -> Self {
        Self { kinds: None, namespaces: None, clusters: Labels::new(), hazards: true }
    }

    /// Why a document is outside; nothing when it is not.
    pub fn excludes(&self, document: &Document) -> Option<String> {
        let kind = document.reference.kind;
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&kind)) {
            return Some(format!("it may not sign a {}", kind.name()));
        }
        if let Some(allowed) = &self.namespaces {
            for spec in document.variants() {
                let Reach::Namespaces(names) = reach(document, spec) else {
                    return Some("it may sign only what stays in its namespaces".to_owned());
                };
                let outside = names.into_iter().find(|name| !is_one_of(name, allowed));
                if let Some(name) = outside {
                    return Some(format!("namespace {name} is outside of its scope"));
                }
            }
        }
        if self.clusters.is_empty() {
            return None;
        }
        let labels = show(&self.clusters);
        // A name says nothing of labels, which may be others tomorrow: the selector must ask for them.
        if !document.placement.cluster_names.is_empty() {
            return Some(format!(
                "it may not place by `clusterNames`, only by a `clusterSelector` with the \
                 `matchLabels` {labels}"
            ));
        }
        let asks = |labels: &Labels| {
            self.clusters.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        let selector = document.placement.cluster_selector.as_ref();
        selector
            .filter(|selector| !asks(&selector.match_labels))
            .map(|_| format!("its `clusterSelector` must have the `matchLabels` {labels}"))
    }
}

/// Namespaces in which a document has an effect.
fn reach<'d>(document: &'d Document, spec: &'d Spec) -> Reach<'d> {
    match spec {
        Spec::Namespace(_) => Reach::Namespaces([document.reference.name.as_str()].into()),
        Spec::Role(_) => Reach::Anywhere,
        Spec::RoleBinding(binding) => match &binding.scope {
            BindingScope::Namespaces(names) => {
                Reach::Namespaces(names.iter().map(String::as_str).collect())
            }
            BindingScope::Selector(_) | BindingScope::ClusterWide => Reach::Anywhere,
        },
        Spec::Secret(secret) => {
            Reach::Namespaces(secret.namespaces.iter().map(String::as_str).collect())
        }
        Spec::Invariant(invariant) => match &invariant.namespaces {
            NamespaceSet::Names(names) => {
                Reach::Namespaces(names.iter().map(String::as_str).collect())
            }
            NamespaceSet::All | NamespaceSet::Selector(_) => Reach::Anywhere,
        },
    }
}

fn is_one_of(name: &str, allowed: &BTreeSet<String>) -> bool {
    allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    })
}

fn show(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || "*".to_owned();
        let kinds = self.kinds.as_ref().map_or_else(all, |kinds| {
            kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",")
        });
        let namespaces = self.namespaces.as_ref().map_or_else(all, |names| {
            names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
        });
        let clusters = if self.clusters.is_empty() { all() } else { show(&self.clusters) };
        let hazards = if self.hazards { "yes" } else { "no" };
        write!(f, "kinds={kinds} namespaces={namespaces} clusters={clusters} hazards={hazards}")
    }
}

/// A scope that is not written as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a scope: {0}; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all"
)]
pub struct InvalidScope(String);

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let fail = |why: &str| InvalidScope(why.to_owned());
        let mut words = text.split(' ');
        let mut value = |key: &str| {
            let word = words.next().and_then(|word| word.strip_prefix(key)?.strip_prefix('='));
            word.ok_or_else(|| InvalidScope(format!("`{key}=` expected")))
        };
        let (kinds, namespaces) = (value("kinds")?, value("namespaces")?);
        let (clusters, hazards) = (value("clusters")?, value("hazards")?);
        if words.next().is_some() {
            return Err(fail("more words than four"));
        }
        let kind = |name: &str| {
            let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            found.ok_or_else(|| InvalidScope(format!("there is no kind {name}")))
        };
        let kinds = match kinds {
            "*" => None,
            list => Some(list.split(',').map(kind).collect::<Result<_, _>>()?),
        };
        let namespace = |name: &str| {
            let plain = name.strip_suffix('*').map(|start| format!("{start}x"));
            names::check_dns_label(plain.as_deref().unwrap_or(name))
                .map(|()| name.to_owned())
                .map_err(|error| InvalidScope(error.to_string()))
        };
        let namespaces = match namespaces {
            "*" => None,
            list => Some(list.split(',').map(namespace).collect::<Result<_, _>>()?),
        };
        let label = |pair: &str| {
            let (key, value) = pair.split_once('=').ok_or_else(|| fail("a label is KEY=VALUE"))?;
            names::check_label_key(key).map_err(|e| InvalidScope(e.to_string()))?;
            names::check_label_value(value).map_err(|e| InvalidScope(e.to_string()))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        let clusters = match clusters {
            "*" => Labels::new(),
            list => list.split(',').map(label).collect::<Result<_, _>>()?,
        };
        let hazards = match hazards {
            "yes" => true,
            "no" => false,
            _ => return Err(fail("`hazards=` is yes or no")),
        };
        Ok(Self { kinds, namespaces, clusters, hazards })
    }
}
