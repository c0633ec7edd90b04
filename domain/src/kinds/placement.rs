//! Where a document goes, and what it says differently there.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::document::Placed;
use crate::history::roster::Labels;
use crate::selector::LabelSelector;

/// The clusters of a document: those that are named and those that a selector matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// `clusterNames`.
    pub cluster_names: BTreeSet<String>,
    /// `clusterSelector`.
    pub cluster_selector: Option<LabelSelector>,
}

impl Placement {
    /// Whether a cluster of this name and with these labels is one of them.
    pub fn selects(&self, name: &str, labels: &Labels) -> bool {
        self.cluster_names.contains(name)
            || self.cluster_selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }
}

/// What a document says differently in some clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// In which clusters.
    pub selector: LabelSelector,
    /// A JSON merge patch of the spec (RFC 7396). It never has `placement` or `overrides`.
    pub patch: Value,
    /// What the document says where this is the only override that matches.
    pub(crate) alone: Placed,
}
