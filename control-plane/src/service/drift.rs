//! Drift: what agents report is recorded, and whoever watches hears of what changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hanse_domain::drift::drift_digest;
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use tokio::sync::broadcast;

use super::ServiceError;
use super::sessions::Sessions;
use crate::store::{
    DriftCursor, DriftFilter, DriftPage, DriftRow, DriftState, Occurrence, Store, StoreError,
    Writer,
};

/// Changes that a watcher may lag behind by.
const EVENTS: usize = 4_096;
/// What was resolved in one cluster and is kept; the oldest goes first.
pub const MAX_HISTORY: u32 = 10_000;
/// A history may grow by this much before the oldest goes.
const SLACK: u32 = 1_000;
/// Rows that go in one transaction.
const AT_ONCE: usize = 1_000;

/// Records and shows drift. Clones share everything.
#[derive(Clone)]
pub struct DriftService {
    store: Store,
    sessions: Sessions,
    events: broadcast::Sender<DriftRow>,
    /// How much was resolved in a cluster since its history was last trimmed.
    resolved: Arc<Mutex<BTreeMap<ClusterId, u32>>>,
}

impl DriftService {
    /// From the database.
    pub fn new(store: Store, sessions: Sessions) -> Self {
        let events = broadcast::Sender::new(EVENTS);
        Self { store, sessions, events, resolved: Arc::default() }
    }

    /// Over what stands in a cluster as the hub knows it, to be compared with the agent's.
    pub async fn digest(&self, cluster: ClusterId) -> Result<Digest, ServiceError> {
        let ids = self.store.open_drift_ids(cluster).await?;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        Ok(drift_digest(ids.iter().map(String::as_str)))
    }

    /// Records the newest state of some objects.
    pub async fn record(&self, by: Writer, items: &[Occurrence]) -> Result<(), ServiceError> {
        let changed = self.store.record_drift(by, items).await?;
        self.recorded(by.cluster, changed).await
    }

    /// Records all that stands: what is not in it went away.
    pub async fn replace(
        &self,
        by: Writer,
        standing: &[Occurrence],
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let changed = self.store.replace_open_drift(by, standing, now).await?;
        self.recorded(by.cluster, changed).await
    }

    /// Some drift, newest first.
    pub async fn list(
        &self,
        filter: DriftFilter,
        limit: usize,
        after: Option<DriftCursor>,
    ) -> Result<DriftPage, ServiceError> {
        Ok(self.store.list_drift(filter, limit, after).await?)
    }

    /// Each row that changes from now on.
    pub fn watch(&self) -> broadcast::Receiver<DriftRow> {
        self.events.subscribe()
    }

    /// Forgets the oldest of a cluster's history beyond what is kept.
    pub async fn trim(store: &Store, cluster: ClusterId) -> Result<(), StoreError> {
        while store.trim_resolved_drift(cluster, MAX_HISTORY, AT_ONCE).await? == AT_ONCE as u64 {}
        Ok(())
    }

    async fn recorded(
        &self,
        cluster: ClusterId,
        changed: Vec<DriftRow>,
    ) -> Result<(), ServiceError> {
        let ended = |row: &&DriftRow| row.occurrence.state != DriftState::Open;
        let resolved = u32::try_from(changed.iter().filter(ended).count()).unwrap_or(u32::MAX);
        self.tell(cluster, changed);
        // Here and not in the background alone: who makes a long history pays for it.
        if self.is_long(cluster, resolved) {
            Self::trim(&self.store, cluster).await?;
        }
        Ok(())
    }

    fn is_long(&self, cluster: ClusterId, more: u32) -> bool {
        if more == 0 {
            return false;
        }
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let since = resolved.entry(cluster).or_default();
        *since = since.saturating_add(more);
        let long = *since >= SLACK;
        if long {
            resolved.remove(&cluster);
        }
        long
    }

    fn tell(&self, cluster: ClusterId, changed: Vec<DriftRow>) {
        if changed.is_empty() {
            return;
        }
        for row in changed {
            // No watcher is no error.
            let _ = self.events.send(row);
        }
        self.sessions.changed(cluster);
    }
}
