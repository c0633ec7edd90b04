//! The inventories themselves: how each stands, and everything that an auditor needs to compute an
//! answer anew and to verify it offline.

use futures::Stream;
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;

use super::held::told;
use super::{AccessService, Asked, View, answer};
use crate::metrics::Asking;
use crate::service::ServiceError;
use crate::store::{AccessMoment, CheckpointRow, CoverageRow, VersionRow};

/// Versions and checkpoints that are read at once.
const PAGE: usize = 500;
/// Intervals that are shown of one cluster, newest first.
const INTERVALS: usize = 100;

/// How a cluster's inventory stands.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The cluster's name.
    pub cluster: String,
    /// How many objects are in it.
    pub objects: u32,
    /// Of all of them.
    pub root: Digest,
    /// Whether an agent keeps it current here.
    pub live: bool,
    /// When the cluster was seen, in order.
    pub coverage: Vec<CoverageRow>,
    /// "Pod: pods is forbidden"
    pub unseen: Vec<String>,
    /// How many objects are not in it.
    pub skipped: u32,
    /// What ended before this was forgotten.
    pub history_from: Option<Timestamp>,
}

/// A part of what an auditor takes.
#[derive(Clone, Debug)]
pub enum InventoryPart {
    /// Begins a cluster.
    Begin {
        /// Its name.
        cluster: String,
        /// Its id.
        id: ClusterId,
    },
    /// An object that was there, then each version after it.
    Version(VersionRow),
    /// What was signed of that time.
    Checkpoint(CheckpointRow),
    /// Ends a cluster.
    View(View),
}

impl AccessService {
    /// How inventories stand, by cluster.
    pub fn inventories(
        &self,
        asked: Asked,
    ) -> impl Stream<Item = Result<Inventory, ServiceError>> + Send + 'static {
        let service = self.clone();
        answer(move |sink| async move {
            for cluster in &asked.clusters {
                let held = service.0.held().get(&cluster.id).cloned();
                let held = held.unwrap_or_else(super::Held::empty);
                let mut coverage = service.0.store.coverage(cluster.id, None, INTERVALS).await?;
                coverage.reverse();
                if let Some(said) = &held.said {
                    said_lately(&mut coverage, said.covered);
                }
                sink.send(Inventory {
                    cluster: cluster.name.clone(),
                    objects: held.objects,
                    root: held.root,
                    live: held.is_live(asked.now),
                    coverage,
                    unseen: told(&held.unseen),
                    skipped: held.skipped,
                    history_from: asked.history_from,
                })
                .await?;
            }
            Ok(())
        })
    }

    /// All objects of clusters at a moment, and with `until` every version after it, with what agents
    /// signed. One picture: what is learned meanwhile is not in it.
    pub fn inventory(
        &self,
        asked: Asked,
        until: Option<Timestamp>,
    ) -> impl Stream<Item = Result<InventoryPart, ServiceError>> + Send + 'static {
        let service = self.clone();
        answer(move |sink| async move {
            let _asking = service.0.metrics.asking(Asking::Inventory);
            let last = until.map_or(asked.at(), |until| until.max(asked.at())).min(asked.now);
            let clusters = asked.clusters.iter().map(|cluster| cluster.id);
            let deadline = service.ask_agents(clusters, last);
            for cluster in &asked.clusters {
                let (id, at) = (cluster.id, asked.at());
                service.signed_for(id, last, deadline).await;
                // What was signed lately is evidence, too.
                service.write_sighting(id, asked.now).await;
                let cluster_name = cluster.name.clone();
                sink.send(InventoryPart::Begin { cluster: cluster_name, id }).await?;
                let known_at = asked.moment.and_then(|moment| moment.known_at);
                let known_at = Some(known_at.unwrap_or_else(Timestamp::now));
                let mut count = 0;
                let mut after = None;
                loop {
                    let moment = AccessMoment { at, known_at };
                    let page = service.0.store.access_objects_at(id, moment, after, PAGE).await?;
                    after = page.last().map(|row| row.key.hash());
                    let last = page.len() < PAGE;
                    count += page.len() as u64;
                    for row in page {
                        sink.send(InventoryPart::Version(row)).await?;
                    }
                    if last {
                        break;
                    }
                }
                if let Some(until) = until {
                    let moment = AccessMoment { at: until, known_at };
                    let mut after = None;
                    loop {
                        let page =
                            service.0.store.access_versions(id, at, moment, after, PAGE).await?;
                        after = page.last().map(VersionRow::cursor);
                        let last = page.len() < PAGE;
                        count += page.len() as u64;
                        for row in page {
                            sink.send(InventoryPart::Version(row)).await?;
                        }
                        if last {
                            break;
                        }
                    }
                }
                service.checkpoints(id, at, until, &sink).await?;
                let view = service.view(&asked, cluster, count).await?;
                sink.send(InventoryPart::View(view)).await?;
            }
            Ok(())
        })
    }

    async fn checkpoints(
        &self,
        cluster: ClusterId,
        at: Timestamp,
        until: Option<Timestamp>,
        sink: &super::answer::Sink<InventoryPart>,
    ) -> Result<(), ServiceError> {
        let store = &self.0.store;
        let Some(until) = until else {
            if let Some(row) = self.signed_before(cluster, at).await? {
                sink.send(InventoryPart::Checkpoint(row)).await?;
            }
            return Ok(());
        };
        let mut after: Option<CheckpointRow> = None;
        loop {
            let page = store.checkpoints_between(cluster, at, until, after.as_ref(), PAGE).await?;
            let last = page.len() < PAGE;
            after = page.last().cloned();
            for row in page {
                sink.send(InventoryPart::Checkpoint(row)).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// What was signed of a moment; where nothing was, the last before it.
    pub(super) async fn signed_before(
        &self,
        cluster: ClusterId,
        at: Timestamp,
    ) -> Result<Option<CheckpointRow>, ServiceError> {
        if let Some(row) = self.0.store.checkpoint_covering(cluster, at).await? {
            return Ok(Some(row));
        }
        let said = self.0.held().get(&cluster).and_then(|held| held.said.clone());
        let signed = said.and_then(|said| said.signed.ok());
        if let Some(row) = signed.filter(|row| row.from <= at) {
            return Ok(Some(row));
        }
        let Some(seen) = self.0.store.coverage_before(cluster, at, None).await? else {
            return Ok(None);
        };
        Ok(self.0.store.checkpoint_covering(cluster, seen.until.min(at)).await?)
    }
}

/// Adds what an agent said and what is not written yet.
fn said_lately(coverage: &mut Vec<CoverageRow>, said: CoverageRow) {
    match coverage.last_mut() {
        Some(last) if last.until >= said.from => last.until = last.until.max(said.until),
        Some(_) | None => coverage.push(said),
    }
}
