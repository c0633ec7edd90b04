//! What can be changed in a fleet.

use std::sync::Arc;

use crate::document::{Document, DocumentRef};
use crate::history::changes::{Subject, WrapRef};
use crate::history::roster::ClusterEntry;
use crate::history::wrap::Wrap;
use crate::ids::ClusterId;
use crate::trust::root::TrustRoot;

/// One thing that changes.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Adds or replaces a document.
    Put(Arc<Document>),
    /// Takes a document away.
    Remove(DocumentRef),
    /// Accepts a cluster, or changes its entry.
    PutCluster(ClusterEntry),
    /// Takes a cluster out of the fleet. What its agent applied stays.
    RemoveCluster(ClusterId),
    /// Adds or replaces a wrapped key.
    PutWrap(Arc<Wrap>),
    /// Takes a wrapped key away.
    RemoveWrap(WrapRef),
    /// Puts the next version of the trust root in place, for the statements that follow.
    PutRoot(Arc<TrustRoot>),
}

impl Edit {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Put(document) => Subject::Document(document.reference.clone()),
            Self::Remove(reference) => Subject::Document(reference.clone()),
            Self::PutCluster(entry) => Subject::Cluster(entry.id),
            Self::RemoveCluster(id) => Subject::Cluster(*id),
            Self::PutWrap(wrap) => Subject::Wrap(wrap.reference.clone()),
            Self::RemoveWrap(reference) => Subject::Wrap(reference.clone()),
            Self::PutRoot(_) => Subject::TrustRoot,
        }
    }

    /// The bytes that it brings; nothing for a removal.
    pub fn content(&self) -> Option<Vec<u8>> {
        match self {
            Self::Put(document) => Some(document.bytes.to_vec()),
            Self::PutCluster(entry) => Some(entry.encode()),
            Self::PutWrap(wrap) => Some(wrap.encode()),
            Self::PutRoot(root) => Some(root.encode()),
            Self::Remove(_) | Self::RemoveCluster(_) | Self::RemoveWrap(_) => None,
        }
    }
}
