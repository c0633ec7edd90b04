//! Drift: what agents report is recorded, and whoever watches hears of what changed.

use hanse_domain::drift::drift_digest;
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use tokio::sync::broadcast;

use super::ServiceError;
use super::sessions::Sessions;
use crate::store::{DriftCursor, DriftFilter, DriftPage, DriftRow, Occurrence, Store};

/// Changes that a watcher may lag behind by.
const EVENTS: usize = 4_096;

/// Records and shows drift. Clones share everything.
#[derive(Clone)]
pub struct DriftService {
    store: Store,
    sessions: Sessions,
    events: broadcast::Sender<DriftRow>,
}

impl DriftService {
    /// From the database.
    pub fn new(store: Store, sessions: Sessions) -> Self {
        Self { store, sessions, events: broadcast::Sender::new(EVENTS) }
    }

    /// Over what stands in a cluster as the hub knows it, to be compared with the agent's.
    pub async fn digest(&self, cluster: ClusterId) -> Result<Digest, ServiceError> {
        let mut rows = self.store.open_drift(cluster).await?;
        rows.sort_by(|a, b| key(&a.occurrence).cmp(&key(&b.occurrence)));
        let ids: Vec<String> = rows.iter().map(|r| r.occurrence.id.to_string()).collect();
        Ok(drift_digest(ids.iter().map(String::as_str)))
    }

    /// Records the newest state of some objects.
    pub async fn record(
        &self,
        cluster: ClusterId,
        items: &[Occurrence],
    ) -> Result<(), ServiceError> {
        let changed = self.store.record_drift(cluster, items).await?;
        self.tell(cluster, changed);
        Ok(())
    }

    /// Records all that stands: what is not in it went away.
    pub async fn replace(
        &self,
        cluster: ClusterId,
        standing: &[Occurrence],
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let changed = self.store.replace_open_drift(cluster, standing, now).await?;
        self.tell(cluster, changed);
        Ok(())
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

fn key(occurrence: &Occurrence) -> (&str, &str, &str) {
    let object = &occurrence.object;
    (&object.kind, &object.namespace, &object.name)
}
