//! Who declared an object, or since when it is there without anybody having declared it.
//!
//! An object with our marker claims a document and a revision, and whoever may write in the cluster
//! can claim anything. The claim is borne out when the history says that this statement changed this
//! document, that it is placed on this cluster, and when it declares this object with just this
//! content.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hanse_domain::access::object::{AccessKey, AccessKind, Origin};
use hanse_domain::access::read::read;
use hanse_domain::document::{Document, DocumentRef};
use hanse_domain::drift::is_bootstrap;
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use hanse_domain::parse;
use hanse_domain::render::render;
use jiff::Timestamp;

use super::{AccessService, Asked, AskedCluster};
use crate::service::ServiceError;
use crate::store::ProvenanceRow;

/// Revisions that one answer looks up in the past of one cluster.
const MOST_REVISIONS: usize = 32;

/// Where an object comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// "FederatedRoleBinding/payments-devs" when it is declared; empty when it is not.
    pub document: String,
    /// The revision that the object names.
    pub revision: u64,
    /// Whether the history bears that out.
    pub verified: bool,
    /// Who committed that revision.
    pub author: String,
    /// As the cluster says.
    pub origin: Origin,
    /// When it became so in the cluster.
    pub at: Timestamp,
    /// When the hub learned of it.
    pub learned_at: Timestamp,
    /// Comes with Kubernetes.
    pub bootstrap: bool,
}

/// What is looked up for one cluster in one answer.
#[derive(Default)]
pub(super) struct Sources {
    /// What the documents of a revision declare; `None` for one that there is not.
    declared: BTreeMap<RevisionNumber, Option<Arc<Declared>>>,
    authors: BTreeMap<RevisionNumber, String>,
}

/// What a cluster's documents declare.
#[derive(Debug, Default)]
struct Declared {
    /// By document, the statement that changed it last.
    pins: BTreeMap<DocumentRef, RevisionNumber>,
    /// By object, the document and the digest of what it says.
    objects: BTreeMap<AccessKey, (DocumentRef, Digest)>,
}

impl AccessService {
    /// Where objects come from that are there at the moment of a question. One look into the store for
    /// all of them, and few for the statements that they name.
    pub(super) async fn provenance(
        &self,
        asked: &Asked,
        cluster: &AskedCluster,
        sources: &mut Sources,
        objects: BTreeSet<&AccessKey>,
    ) -> Result<BTreeMap<AccessKey, Provenance>, ServiceError> {
        let keys: Vec<AccessKey> = objects.into_iter().cloned().collect();
        let rows = self.0.store.provenance(cluster.id, &keys, asked.moment).await?;
        let mut all = BTreeMap::new();
        for (key, row) in rows {
            let made = self.trace(asked, cluster.id, sources, &key, row).await?;
            all.insert(key, made);
        }
        Ok(all)
    }

    async fn trace(
        &self,
        asked: &Asked,
        cluster: ClusterId,
        sources: &mut Sources,
        key: &AccessKey,
        row: ProvenanceRow,
    ) -> Result<Provenance, ServiceError> {
        let ProvenanceRow { origin, at, learned_at, content } = row;
        let document = origin.source.clone();
        let revision = origin.revision.unwrap_or_default();
        let bootstrap = key.object_ref().is_some_and(|reference| is_bootstrap(&reference));
        let (mut verified, mut author) = (false, String::new());
        if let Ok(reference) = document.parse::<DocumentRef>()
            && revision > 0
        {
            let number = RevisionNumber(revision);
            for declared in self.declared(asked, cluster, sources, (&reference, number)).await? {
                verified |= declared.bears_out(&reference, number, key, &content);
            }
            if verified {
                author = self.author(sources, number).await?;
            }
        }
        let bootstrap = bootstrap && document.is_empty();
        Ok(Provenance { document, revision, verified, author, origin, at, learned_at, bootstrap })
    }

    /// What the cluster's documents declare now, and what they declared right after a statement.
    async fn declared(
        &self,
        asked: &Asked,
        cluster: ClusterId,
        sources: &mut Sources,
        (document, number): (&DocumentRef, RevisionNumber),
    ) -> Result<Vec<Arc<Declared>>, ServiceError> {
        let current = self.0.fleet.current();
        let fleet = &current.fleet;
        if number > fleet.number {
            return Ok(Vec::new());
        }
        let now = RevisionNumber::default();
        if let Some(member) = fleet.member(cluster)
            && !sources.declared.contains_key(&now)
        {
            let placed = fleet.placed_on(member);
            let declared = Declared::of(placed, &member.entry.labels, asked.at());
            sources.declared.insert(now, Some(Arc::new(declared)));
        }
        let newest = sources.declared.get(&now).cloned().flatten();
        // What no statement has changed since then is as it is now.
        if let Some(newest) = &newest
            && newest.pins.get(document) == Some(&number)
        {
            return Ok(vec![Arc::clone(newest)]);
        }
        if !sources.declared.contains_key(&number) && sources.declared.len() <= MOST_REVISIONS {
            let declared = self.declared_at(asked, cluster, number).await?;
            sources.declared.insert(number, declared.map(Arc::new));
        }
        let then = sources.declared.get(&number).cloned().flatten();
        Ok(newest.into_iter().chain(then).collect())
    }

    async fn declared_at(
        &self,
        asked: &Asked,
        cluster: ClusterId,
        number: RevisionNumber,
    ) -> Result<Option<Declared>, ServiceError> {
        let store = &self.0.store;
        let Some(row) = store.bundle_at(cluster, number).await? else { return Ok(None) };
        let bytes = store.content(&row.manifest).await?;
        let manifest = bytes.and_then(|bytes| Manifest::decode(&bytes).ok());
        let Some(manifest) = manifest.filter(|manifest| manifest.cluster == cluster) else {
            return Ok(None);
        };
        // Without the statement among its pins, no claim of it can hold.
        if !manifest.documents.values().any(|pin| pin.number == number) {
            return Ok(None);
        }
        let wanted: Vec<_> = manifest.documents.values().map(|pin| pin.digest).collect();
        let contents: BTreeMap<_, _> = store.contents(&wanted).await?.into_iter().collect();
        let entry = store.content(&manifest.entry.digest).await?;
        let entry = entry.and_then(|bytes| ClusterEntry::decode(&bytes).ok());
        let labels = entry.map(|entry| entry.labels).unwrap_or_default();
        let at = asked.at();
        let made = tokio::task::spawn_blocking(move || {
            let documents: Vec<(Document, RevisionNumber)> = manifest
                .documents
                .values()
                .filter_map(|pin| {
                    let bytes = contents.get(&pin.digest)?;
                    Some((parse::parse_document(bytes).ok()?, pin.number))
                })
                .collect();
            let placed = documents.iter().map(|(document, number)| (document, *number));
            Declared::of(placed, &labels, at)
        });
        let made = made.await.map_err(|error| super::source::broke(&error))?;
        Ok(Some(made))
    }

    async fn author(
        &self,
        sources: &mut Sources,
        number: RevisionNumber,
    ) -> Result<String, ServiceError> {
        if let Some(author) = sources.authors.get(&number) {
            return Ok(author.clone());
        }
        let row = self.0.store.statement(number).await?;
        let author = row.map(|row| row.author).unwrap_or_default();
        sources.authors.insert(number, author.clone());
        Ok(author)
    }
}

impl Declared {
    fn of<'d>(
        documents: impl Iterator<Item = (&'d Document, RevisionNumber)>,
        labels: &Labels,
        at: Timestamp,
    ) -> Self {
        let documents: Vec<_> = documents.collect();
        let pins = documents.iter().map(|(document, number)| (document.reference.clone(), *number));
        let pins = pins.collect();
        let mut objects = BTreeMap::new();
        for (reference, rendered) in render(documents, labels, at).objects {
            let kind = AccessKind::of(reference.kind);
            let object = kind.and_then(|kind| read(kind, &rendered.object.body).ok().flatten());
            if let Some(object) = object {
                let content = Digest::of(&object.content.encode());
                objects.insert(object.key, (rendered.source, content));
            }
        }
        Self { pins, objects }
    }

    fn bears_out(
        &self,
        document: &DocumentRef,
        number: RevisionNumber,
        key: &AccessKey,
        content: &Digest,
    ) -> bool {
        self.pins.get(document) == Some(&number)
            && self
                .objects
                .get(key)
                .is_some_and(|(source, declared)| source == document && declared == content)
    }
}
