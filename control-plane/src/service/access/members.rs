//! Which clusters the index holds, and that it holds all of each: those of the roster, as the store has
//! them. Several hubs share a store, and each takes over what the others learned.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwap;
use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind};
use hanse_domain::ids::ClusterId;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore, broadcast};

use super::due::{Due, Extent};
use super::held::Held;
use super::source::broke;
use super::{AccessService, EVENTS, Inner, QUESTIONS};
use crate::metrics::Metrics;
use crate::service::ServiceError;
use crate::service::fleet::FleetService;
use crate::service::sessions::Sessions;
use crate::store::{AccessContents, InventoryRow, Store, StoreError};

/// How far hubs' clocks may differ.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// What cannot be read is read again after this time.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Why a cluster cannot be read, and when to try again.
pub(super) struct Damage {
    why: String,
    again: Timestamp,
}

impl AccessService {
    /// With everything that the store has of the fleet's clusters.
    pub async fn load(
        store: Store,
        fleet: FleetService,
        sessions: Sessions,
        metrics: Metrics,
    ) -> Result<Self, ServiceError> {
        let service = Self(Arc::new(Inner {
            store,
            fleet,
            sessions,
            index: RwLock::new(Index::default()),
            held: Mutex::default(),
            damaged: Mutex::default(),
            gates: Mutex::default(),
            spoke: Notify::new(),
            revoked: Mutex::default(),
            directory: ArcSwap::from_pointee(Directory::default()),
            directories: Mutex::default(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            placements: Mutex::default(),
            standing: Mutex::default(),
            due: Due::default(),
            violations: broadcast::Sender::new(EVENTS),
            metrics,
        }));
        let rows = service.0.store.clusters().await?;
        let revoked = rows.iter().filter(|row| row.revoked_at.is_some());
        service.cut_off(revoked.map(|row| row.id));
        service.follow_all().await?;
        Ok(service)
    }

    fn cut_off(&self, clusters: impl IntoIterator<Item = ClusterId>) {
        let mut revoked = self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.extend(clusters);
    }

    /// Brings everything to what the roster and the store say now.
    pub async fn follow_all(&self) -> Result<(), ServiceError> {
        if self.follow_directories().await? {
            let placements = self.0.placements.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.due.later(placements.clusters());
        }
        self.follow().await?;
        self.place();
        Ok(())
    }

    /// Brings the index to what the roster and the store say now.
    async fn follow(&self) -> Result<(), ServiceError> {
        let since = Timestamp::now().checked_sub(WINDOW).unwrap_or_default();
        self.cut_off(self.0.store.revoked_after(since).await?);
        let members: BTreeSet<ClusterId> = {
            let current = self.0.fleet.current();
            let members = current.fleet.members().keys();
            members.filter(|id| !self.0.is_revoked(**id)).copied().collect()
        };
        let indexed: BTreeSet<ClusterId> = self.0.read(|index| index.clusters().collect());
        let mut contents = AccessContents::default();
        for left in indexed.difference(&members) {
            let _gate = self.0.gate(*left).await;
            self.0.write(|index| index.remove_cluster(*left));
            self.0.due.later([*left]);
        }
        let now = Timestamp::now();
        self.ask_accepted(&members, now);
        for row in self.roots(&members, now).await? {
            let (cluster, learned_at) = (row.cluster, row.learned_at);
            if !members.contains(&cluster) {
                self.stands(row);
                continue;
            }
            let done = if self.waits(cluster, now) {
                continue;
            } else if !indexed.contains(&cluster) {
                let done = self.take_over(cluster, &mut contents).await;
                if done.is_err() {
                    // So that a report makes no index of what it changes alone.
                    self.stands(row);
                }
                done
            } else if self.learned_at(cluster) < Some(learned_at) {
                self.catch_up(row, &mut contents).await
            } else {
                Ok(())
            };
            self.damage(cluster, done, now)?;
        }
        self.0.metrics.set_inventories(self.0.read(|index| index.clusters().count()));
        Ok(())
    }

    /// How each inventory stands, but for those that cannot be read.
    async fn roots(
        &self,
        members: &BTreeSet<ClusterId>,
        now: Timestamp,
    ) -> Result<Vec<InventoryRow>, ServiceError> {
        match self.0.store.access_roots().await {
            Err(StoreError::Corrupt { .. }) => {}
            read => return Ok(read?),
        }
        let mut rows = Vec::new();
        for cluster in members {
            if self.waits(*cluster, now) {
                continue;
            }
            match self.0.store.access_root(*cluster).await {
                Ok(row) => rows.extend(row),
                Err(error) => self.damage(*cluster, Err(error.into()), now)?,
            }
        }
        Ok(rows)
    }

    /// Notes whether a cluster can be read; one that cannot is no error for the others.
    fn damage(
        &self,
        cluster: ClusterId,
        done: Result<(), ServiceError>,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let mut damaged = self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(()) => drop(damaged.remove(&cluster)),
            Err(ServiceError::Store(error @ StoreError::Corrupt { .. })) => {
                tracing::error!(
                    cluster.id = %cluster,
                    %error,
                    "the access of cluster {cluster} cannot be read: {error}"
                );
                let again = now.checked_add(AGAIN).unwrap_or(now);
                damaged.insert(cluster, Damage { why: error.to_string(), again });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn waits(&self, cluster: ClusterId, now: Timestamp) -> bool {
        let damaged = self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.get(&cluster).is_some_and(|damage| now < damage.again)
    }

    /// Why what is stored of a cluster cannot be read, if so.
    pub(super) fn damaged(&self, cluster: ClusterId) -> Option<String> {
        let damaged = self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.get(&cluster).map(|damage| damage.why.clone())
    }

    fn learned_at(&self, cluster: ClusterId) -> Option<Timestamp> {
        self.0.held().get(&cluster).and_then(|held| held.learned_at)
    }

    /// What is older than what is known is passed over.
    pub(super) fn stands(&self, row: InventoryRow) {
        let mut held = self.0.held();
        let held = held.entry(row.cluster).or_insert_with(Held::empty);
        if held.learned_at <= Some(row.learned_at) {
            held.stands(row);
        }
    }

    async fn take_over(
        &self,
        cluster: ClusterId,
        contents: &mut AccessContents,
    ) -> Result<(), ServiceError> {
        let _gate = self.0.gate(cluster).await;
        self.load_cluster(cluster, contents).await
    }

    /// Puts all of a cluster into the index. The caller has its gate.
    pub(super) async fn load_cluster(
        &self,
        cluster: ClusterId,
        contents: &mut AccessContents,
    ) -> Result<(), ServiceError> {
        // Before the objects: what comes in between is looked at again.
        let Some(row) = self.0.store.access_root(cluster).await? else { return Ok(()) };
        let objects = self.0.store.current_access(cluster, contents).await?;
        let service = self.clone();
        let loaded = tokio::task::spawn_blocking(move || {
            let objects = objects.into_iter().map(|state| (state.key, state.content));
            service.0.write(|index| index.load(cluster, objects));
        });
        loaded.await.map_err(|e| broke(&e))?;
        self.stands(row);
        self.0.due.later([cluster]);
        Ok(())
    }

    /// Puts into the index what another hub learned.
    async fn catch_up(
        &self,
        row: InventoryRow,
        contents: &mut AccessContents,
    ) -> Result<(), ServiceError> {
        let cluster = row.cluster;
        let _gate = self.0.gate(cluster).await;
        let since = self.learned_at(cluster).filter(|since| *since < row.learned_at);
        let Some(since) = since else { return Ok(()) };
        self.learn(cluster, since, contents).await?;
        self.stands(row);
        Ok(())
    }

    /// Puts into the index everything that any hub learned since a moment. The caller has its gate.
    pub(super) async fn learn(
        &self,
        cluster: ClusterId,
        since: Timestamp,
        contents: &mut AccessContents,
    ) -> Result<(), ServiceError> {
        let changes = self.0.store.access_since(cluster, since, contents).await?;
        let there = changes.there.into_iter().map(|state| (state.key, Some(state.content)));
        let gone = changes.gone.into_iter().map(|key| (key, None));
        self.put(cluster, there.chain(gone).collect()).await
    }

    /// Puts changes of a cluster into the index. The caller has its gate.
    pub(super) async fn put(
        &self,
        cluster: ClusterId,
        changes: Vec<(AccessKey, Option<Arc<AccessContent>>)>,
    ) -> Result<(), ServiceError> {
        let service = self.clone();
        let extent = extent(changes.iter().map(|(key, _)| key.kind));
        let put = tokio::task::spawn_blocking(move || {
            service.0.write(|index| index.update(cluster, changes));
        });
        put.await.map_err(|e| broke(&e))?;
        self.0.due.reported(cluster, extent);
        Ok(())
    }
}

/// What may be violated by changes of these kinds. Without any, what the agent sees has changed.
fn extent(kinds: impl IntoIterator<Item = AccessKind>) -> Extent {
    let mut kinds = kinds.into_iter().peekable();
    if kinds.peek().is_some() && kinds.all(AccessKind::is_workload) {
        Extent::Workloads
    } else {
        Extent::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workloads_change_no_rights() {
        assert_eq!(extent([AccessKind::Pod, AccessKind::Job]), Extent::Workloads);
        assert_eq!(extent([AccessKind::Pod, AccessKind::Role]), Extent::Whole);
        assert_eq!(extent([]), Extent::Whole);
    }
}
