//! What a report is about: which clusters and namespaces, which moment or period, and which question.

use hanse_domain::access::request::{Request, Scope};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::selector::LabelSelector;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Outcome;
use crate::selector;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Question {
    /// Names of clusters; when there are none, the selector decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) clusters: Vec<String>,
    /// Of their labels, as kubectl writes it; all when it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) cluster_selector: String,
    /// Where in the clusters.
    pub(crate) place: Place,
    /// To do what; everything when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Asked>,
    /// When.
    pub(crate) when: When,
}

/// Where in the clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Place {
    /// In the cluster as a whole and in every namespace.
    Everywhere,
    /// In the cluster as a whole.
    Cluster,
    /// In these namespaces.
    Namespaces(Vec<String>),
}

/// A moment, or a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum When {
    /// A moment.
    At(Timestamp),
    /// From a moment to another, both included.
    Period {
        /// The first.
        from: Timestamp,
        /// The last.
        to: Timestamp,
    },
}

/// To do what, as `hanse.admin.v1.AccessRequest` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) api_group: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) resource: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) subresource: String,
    /// One object's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    /// Instead of a resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
}

impl When {
    /// The first moment.
    pub(crate) const fn start(self) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Period { from, .. } => from,
        }
    }

    /// The last moment.
    pub(crate) const fn end(self) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Period { to, .. } => to,
        }
    }

    /// "at 2026-03-03T00:00:00Z", "from … to …".
    pub(crate) fn words(self) -> String {
        match self {
            Self::At(at) => format!("at {at}"),
            Self::Period { from, to } => format!("from {from} to {to}"),
        }
    }
}

/// The clusters that are asked about: those that were in the roster at the moment, or at any moment
/// of the period.
#[derive(Debug)]
pub(crate) enum Clusters<'q> {
    /// With these names.
    Named(&'q [String]),
    /// With such labels.
    Labelled(LabelSelector),
}

impl Clusters<'_> {
    /// Whether it is about this one.
    pub(crate) fn have(&self, entry: &ClusterEntry) -> bool {
        match self {
            Self::Named(names) => names.contains(&entry.name),
            Self::Labelled(selector) => selector.matches(&entry.labels),
        }
    }
}

impl Question {
    /// What the engine is asked; one for each namespace.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        match &self.place {
            Place::Everywhere => vec![Scope::AllNamespaces],
            Place::Cluster => vec![Scope::Cluster],
            Place::Namespaces(names) => {
                names.iter().map(|name| Scope::Namespace(name.clone())).collect()
            }
        }
    }

    /// The request; nothing when all rules of everybody are asked for.
    pub(crate) fn request(&self) -> Option<Request> {
        self.request.as_ref().map(Asked::request)
    }

    /// The clusters that are asked about.
    pub(crate) fn clusters(&self) -> Outcome<Clusters<'_>> {
        Ok(match self.clusters.as_slice() {
            [] => Clusters::Labelled(selector::parse(&self.cluster_selector)?),
            names => Clusters::Named(names),
        })
    }

    /// "Who could get secrets named db in namespace payments".
    pub(crate) fn words(&self) -> String {
        let what = self.request.as_ref().map_or_else(
            || "Who could do what".to_owned(),
            |asked| format!("Who could {}", asked.request()),
        );
        match &self.place {
            Place::Everywhere if self.request.is_none() => what,
            Place::Everywhere => format!("{what} in any namespace"),
            Place::Cluster => format!("{what} in the cluster as a whole"),
            Place::Namespaces(names) => match names.as_slice() {
                [one] => format!("{what} in namespace {one}"),
                more => format!("{what} in namespaces {}", more.join(", ")),
            },
        }
    }

    /// "in all clusters", "in clusters a, b", "in clusters with env=prod".
    pub(crate) fn clusters_in_words(&self) -> String {
        match self.clusters.as_slice() {
            [] if self.cluster_selector.is_empty() => "in all clusters".to_owned(),
            [] => format!("in clusters with {}", self.cluster_selector),
            [one] => format!("in cluster {one}"),
            more => format!("in clusters {}", more.join(", ")),
        }
    }
}

impl Asked {
    fn request(&self) -> Request {
        if !self.path.is_empty() {
            return Request::Path { verb: self.verb.clone(), path: self.path.clone() };
        }
        Request::resource(
            self.verb.clone(),
            self.api_group.clone(),
            self.resource.clone(),
            self.subresource.clone(),
            self.name.clone(),
        )
    }
}
