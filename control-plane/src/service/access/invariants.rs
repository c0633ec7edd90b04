//! Holds the clusters' access against the invariants that are placed on them: soon after each report,
//! and when an invariant, a label or a directory changes.
//!
//! ```text
//! report, roster, directory ─▶ Due ─▶ evaluate one cluster ─▶ settle ─▶ watchers, metrics
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hanse_domain::access::invariant::{self, violations};
use hanse_domain::access::object::AccessKey;
use hanse_domain::document::{Kind, Placed as PlacedDocument};
use hanse_domain::fleet::{Fleet, Member};
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::kinds::Spec;
use hanse_domain::kinds::invariant::InvariantSpec;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::AccessService;
use super::source::Source;
use super::violations::{detail, identity};
use crate::service::ServiceError;
use crate::store::{NewViolation, ViolationFilter, ViolationRow};

/// Reports of one cluster that come within this time are looked at once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// What could not be looked at is looked at again after this time.
const AGAIN: Duration = Duration::from_secs(5);
/// Most violations of one cluster that are kept: what is beyond is found when some of these end.
const MOST: usize = 10_000;
/// Rows that are read at once.
const PAGE: usize = 1_000;

/// The invariants of one cluster, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placed(BTreeMap<String, InvariantSpec>);

impl Placed {
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &InvariantSpec)> {
        self.0.iter().map(|(name, spec)| (name.as_str(), spec))
    }
}

/// What is placed on a cluster, with its overrides.
pub(super) fn placed(fleet: &Fleet, member: &Member) -> Placed {
    let labels = &member.entry.labels;
    let all = fleet.placed_on(member).filter_map(|(document, _)| {
        if document.reference.kind != Kind::AccessInvariant {
            return None;
        }
        // One that cannot be read with its overrides is refused before it is committed.
        let PlacedDocument { spec, .. } = document.placed(labels).ok()?;
        match spec {
            Spec::Invariant(spec) => Some((document.reference.name.clone(), spec)),
            Spec::Namespace(_) | Spec::Role(_) | Spec::RoleBinding(_) | Spec::Secret(_) => None,
        }
    });
    Placed(all.collect())
}

/// Clusters that are to be looked at.
#[derive(Default)]
pub(super) struct Due {
    /// First those of which something was reported.
    queues: Mutex<[BTreeSet<ClusterId>; 2]>,
    wake: Notify,
}

impl Due {
    /// Something was reported of a cluster.
    pub(super) fn reported(&self, cluster: ClusterId) {
        self.add(0, [cluster]);
    }

    /// What clusters are held against may have changed.
    pub(super) fn later(&self, clusters: impl IntoIterator<Item = ClusterId>) {
        self.add(1, clusters);
    }

    fn add(&self, urgency: usize, clusters: impl IntoIterator<Item = ClusterId>) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get_mut(urgency) {
            queue.extend(clusters);
        }
        drop(queues);
        self.wake.notify_one();
    }

    fn next(&self) -> Option<ClusterId> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let next = queues.iter_mut().find_map(BTreeSet::pop_first)?;
        for queue in queues.iter_mut() {
            queue.remove(&next);
        }
        Some(next)
    }
}

impl AccessService {
    /// Looks at clusters that are due, until `soft`.
    pub async fn hold(&self, soft: CancellationToken) -> Result<(), ServiceError> {
        while let Err(error) = self.stand().await {
            tracing::warn!(%error, "cannot see which violations stand");
            if soft.run_until_cancelled(sleep(AGAIN)).await.is_none() {
                return Ok(());
            }
        }
        self.count();
        while soft.run_until_cancelled(self.0.due.wake.notified()).await.is_some() {
            sleep(DEBOUNCE).await;
            while let Some(cluster) = self.0.due.next() {
                if soft.is_cancelled() {
                    return Ok(());
                }
                if let Err(error) = self.evaluate(cluster, Timestamp::now()).await {
                    tracing::warn!(
                        cluster.id = %cluster,
                        %error,
                        "cannot hold the access of cluster {cluster} against its invariants"
                    );
                    sleep(AGAIN).await;
                    self.0.due.later([cluster]);
                }
            }
        }
        Ok(())
    }

    /// Notes what is placed on clusters; those where that is something else are due.
    pub(super) fn place(&self) {
        let current = self.0.fleet.current();
        let fleet = &current.fleet;
        let is_here = |id: &ClusterId| fleet.member(*id).is_some() && !self.0.is_revoked(*id);
        let mut placements = self.0.placements.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due: Vec<ClusterId> =
            placements.keys().filter(|id| !is_here(id)).copied().collect();
        placements.retain(|id, _| is_here(id));
        for (id, member) in fleet.members().iter().filter(|(id, _)| is_here(id)) {
            let placed = Arc::new(placed(fleet, member));
            if placements.get(id) != Some(&placed) {
                placements.insert(*id, placed);
                due.push(*id);
            }
        }
        drop(placements);
        self.0.due.later(due);
    }

    /// Reads what stood when the hub ended, in clusters that have left as well.
    async fn stand(&self) -> Result<(), ServiceError> {
        let mut after = None;
        loop {
            let filter = ViolationFilter::default();
            let page = self.0.store.list_violations(&filter, PAGE, after).await?;
            self.0.due.later(page.rows.iter().map(|row| row.cluster));
            for row in page.rows {
                self.stands_here(row.cluster, |standing| {
                    standing.insert(row.identity, row);
                });
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn evaluate(&self, cluster: ClusterId, now: Timestamp) -> Result<(), ServiceError> {
        let placed = {
            let placements = self.0.placements.lock().unwrap_or_else(PoisonError::into_inner);
            placements.get(&cluster).map(Arc::clone).unwrap_or_default()
        };
        let known = self.stands_here(cluster, |standing| standing.clone());
        if placed.0.is_empty() && known.is_empty() {
            return Ok(());
        }
        let directory = self.directory();
        let found = Source::Live(self.clone())
            .study(cluster, move |index| {
                let named: Vec<_> = placed.named().collect();
                violations(index, cluster, &named, &directory)
            })
            .await?;
        if found.len() > MOST {
            tracing::warn!(
                cluster.id = %cluster,
                found = found.len(),
                "cluster {cluster} violates invariants in {} ways; {MOST} of them are kept",
                found.len()
            );
        }
        let standing = self.dated(cluster, &known, found, now).await?;
        let settled = self.0.store.settle_violations(cluster, &standing, now).await?;
        let stands: BTreeSet<Digest> = standing.iter().map(|new| new.identity).collect();
        let ended: BTreeMap<Digest, ViolationRow> =
            settled.ended.into_iter().map(|row| (row.identity, row)).collect();
        let mut events = settled.began;
        // What another hub has ended, it has ended about now.
        let gone = known.iter().filter(|(identity, _)| !stands.contains(*identity));
        events.extend(gone.map(|(identity, row)| {
            let ended = ended.get(identity).cloned();
            ended.unwrap_or_else(|| ViolationRow { resolved_at: Some(now), ..row.clone() })
        }));
        let told: BTreeSet<Digest> = events.iter().map(|row| row.identity).collect();
        let unknown = |identity: &Digest| !known.contains_key(identity) && !told.contains(identity);
        if stands.iter().any(unknown) {
            // Another hub has found it first.
            let rows = self.open(cluster).await?;
            events.extend(rows.into_iter().filter(|row| unknown(&row.identity)));
        }
        self.announce(cluster, events);
        Ok(())
    }

    /// New violations with when what brought them was seen.
    async fn dated(
        &self,
        cluster: ClusterId,
        known: &BTreeMap<Digest, ViolationRow>,
        found: Vec<invariant::Violation>,
        now: Timestamp,
    ) -> Result<Vec<NewViolation>, ServiceError> {
        let mut standing = Vec::new();
        let mut objects: BTreeMap<Digest, BTreeSet<AccessKey>> = BTreeMap::new();
        for violation in found.into_iter().take(MOST) {
            let identity = identity(&violation);
            let since = known.get(&identity).map(|row| row.since);
            if since.is_none() {
                objects.insert(identity, keys(&violation));
            }
            standing.push(NewViolation {
                identity,
                detail: detail(&violation)?,
                invariant: violation.invariant,
                since: since.unwrap_or(now),
            });
        }
        if objects.is_empty() {
            return Ok(standing);
        }
        let all: Vec<AccessKey> =
            objects.values().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let dates = self.0.store.provenance(cluster, &all, None).await?;
        for new in &mut standing {
            let keys = objects.get(&new.identity).into_iter().flatten();
            let newest = keys.filter_map(|key| dates.get(key)).map(|row| row.at).max();
            new.since = newest.unwrap_or(new.since);
        }
        Ok(standing)
    }

    async fn open(&self, cluster: ClusterId) -> Result<Vec<ViolationRow>, ServiceError> {
        let filter = ViolationFilter { cluster: Some(cluster), ..ViolationFilter::default() };
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.0.store.list_violations(&filter, PAGE, after).await?;
            all.extend(page.rows);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    fn announce(&self, cluster: ClusterId, events: Vec<ViolationRow>) {
        for row in events {
            let (identity, invariant) = (row.identity, row.invariant.clone());
            self.stands_here(cluster, |standing| match row.resolved_at {
                None => drop(standing.insert(identity, row.clone())),
                Some(_) => drop(standing.remove(&identity)),
            });
            let what = if row.resolved_at.is_none() { "violates" } else { "violates no more" };
            tracing::info!(
                cluster.id = %cluster,
                invariant,
                "somebody in cluster {cluster} {what} the invariant {invariant}"
            );
            // No watcher is no error.
            let _ = self.0.violations.send(row);
        }
        self.count();
    }

    fn stands_here<T>(
        &self,
        cluster: ClusterId,
        with: impl FnOnce(&mut BTreeMap<Digest, ViolationRow>) -> T,
    ) -> T {
        let mut standing = self.0.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let here = standing.entry(cluster).or_default();
        let done = with(here);
        if here.is_empty() {
            standing.remove(&cluster);
        }
        done
    }

    /// Shows how many violations stand; none of an invariant is a number, too.
    fn count(&self) {
        let current = self.0.fleet.current();
        let invariants = current.fleet.documents().keys();
        let invariants = invariants.filter(|reference| reference.kind == Kind::AccessInvariant);
        let mut counts: BTreeMap<String, u32> =
            invariants.map(|reference| (reference.name.clone(), 0)).collect();
        let standing = self.0.standing.lock().unwrap_or_else(PoisonError::into_inner);
        for row in standing.values().flat_map(BTreeMap::values) {
            let count = counts.entry(row.invariant.clone()).or_default();
            *count = count.saturating_add(1);
        }
        drop(standing);
        self.0.metrics.set_violations(counts);
    }
}

/// The objects that bring a violation.
fn keys(violation: &invariant::Violation) -> BTreeSet<AccessKey> {
    let grants: Vec<_> = match &violation.cause {
        invariant::Cause::Direct(grant) => vec![grant],
        invariant::Cause::Path(path) => path.steps.iter().map(|step| &step.grant).collect(),
    };
    let keys = grants.into_iter().flat_map(|grant| [&grant.binding, &grant.role]);
    keys.flatten().cloned().collect()
}
