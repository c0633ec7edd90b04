//! Holds the clusters' access against the invariants that are placed on them: soon after each report,
//! and when an invariant, a label or a directory changes.
//!
//! ```text
//! report, roster, directory ─▶ Due ─▶ evaluate one cluster ─▶ settle ─▶ watchers, metrics
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hanse_domain::access::invariant::{self, violations};
use hanse_domain::access::object::AccessKey;
use hanse_domain::document::{Kind, Placed as PlacedDocument};
use hanse_domain::fleet::{Fleet, Member};
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use hanse_domain::kinds::Spec;
use hanse_domain::kinds::invariant::{Denied, InvariantSpec};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::AccessService;
use super::due::Extent;
use super::held::Held;
use super::source::Source;
use super::violations::{detail, identity};
use crate::service::ServiceError;
use crate::store::{NewViolation, Standing, StoreError, ViolationFilter, ViolationRow};

/// Reports of one cluster that come within this time are looked at once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// What could not be looked at is looked at again after this time.
const AGAIN: Duration = Duration::from_secs(5);
/// What another hub has learned more of is looked at again after this time.
const SOON: Duration = Duration::from_secs(1);
/// How often what stands is counted while clusters are due one after another: that goes over all.
const COUNTED: Duration = Duration::from_secs(1);
/// Most violations of one invariant in one cluster that are kept: what is beyond is found when some of
/// these end.
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

    /// Whether an invariant is about paths, and so about more than bindings and roles.
    const fn leads(spec: &InvariantSpec) -> bool {
        match spec.deny {
            Denied::Access(_) => false,
            Denied::Reach(_) => true,
        }
    }
}

/// The invariants of each cluster.
#[derive(Default)]
pub(super) struct Placements {
    /// The statement that they are of, and how many clusters were cut off then: none ever comes back.
    of: Option<(RevisionNumber, usize)>,
    by_cluster: BTreeMap<ClusterId, Arc<Placed>>,
}

impl Placements {
    /// Clusters with invariants.
    pub(super) fn clusters(&self) -> impl Iterator<Item = ClusterId> {
        let placed = self.by_cluster.iter().filter(|(_, placed)| !placed.0.is_empty());
        placed.map(|(cluster, _)| *cluster)
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

/// Up to where a cluster's inventory is known here.
struct Known {
    learned_at: Option<Timestamp>,
    /// Whether its agent speaks to this hub: then no other learns of it first.
    live: bool,
    is_checkable: bool,
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
        let mut counted = Instant::now();
        while soft.run_until_cancelled(self.0.due.wait()).await.is_some() {
            sleep(DEBOUNCE).await;
            while let Some((cluster, extent)) = self.0.due.next(Instant::now()) {
                if soft.is_cancelled() {
                    return Ok(());
                }
                if counted.elapsed() >= COUNTED {
                    self.count();
                    counted = Instant::now();
                }
                let pause = match self.evaluate(cluster, extent, Timestamp::now()).await {
                    Ok(true) => continue,
                    Ok(false) => SOON,
                    Err(error) => {
                        tracing::warn!(
                            cluster.id = %cluster,
                            %error,
                            "cannot hold the access of cluster {cluster} against its invariants"
                        );
                        AGAIN
                    }
                };
                self.0.due.again(cluster, extent, Instant::now() + pause);
            }
            self.count();
            counted = Instant::now();
        }
        Ok(())
    }

    /// Notes what is placed on clusters; those where that is something else are due.
    pub(super) fn place(&self) {
        let current = self.0.fleet.current();
        let fleet = &current.fleet;
        let is_here = |id: &ClusterId| fleet.member(*id).is_some() && !self.0.is_revoked(*id);
        let revoked = self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner).len();
        let mut placements = self.0.placements.lock().unwrap_or_else(PoisonError::into_inner);
        if placements.of == Some((fleet.number, revoked)) {
            return;
        }
        placements.of = Some((fleet.number, revoked));
        let by_cluster = &mut placements.by_cluster;
        let mut due: Vec<ClusterId> =
            by_cluster.keys().filter(|id| !is_here(id)).copied().collect();
        by_cluster.retain(|id, _| is_here(id));
        for (id, member) in fleet.members().iter().filter(|(id, _)| is_here(id)) {
            let placed = Arc::new(placed(fleet, member));
            if by_cluster.get(id) != Some(&placed) {
                by_cluster.insert(*id, placed);
                due.push(*id);
            }
        }
        drop(placements);
        self.0.due.later(due);
    }

    /// Reads what stood when the hub ended, in clusters that have left as well.
    async fn stand(&self) -> Result<(), ServiceError> {
        let rows = match self.open(None).await {
            Err(ServiceError::Store(StoreError::Corrupt { .. })) => self.readable().await?,
            read => read?,
        };
        self.0.due.later(rows.iter().map(|row| row.cluster));
        for row in rows {
            self.stands_here(row.cluster, |standing| {
                standing.insert(row.identity, row);
            });
        }
        Ok(())
    }

    /// What stands, but for clusters of which that cannot be read: no others wait for them.
    async fn readable(&self) -> Result<Vec<ViolationRow>, ServiceError> {
        let mut rows = Vec::new();
        for cluster in self.0.store.clusters().await? {
            let cluster = cluster.id;
            match self.open(Some(cluster)).await {
                Ok(open) => rows.extend(open),
                Err(ServiceError::Store(error @ StoreError::Corrupt { .. })) => tracing::error!(
                    cluster.id = %cluster,
                    %error,
                    "the violations of cluster {cluster} cannot be read: {error}"
                ),
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// Whether this could be recorded: not when another hub knows the cluster better.
    async fn evaluate(
        &self,
        cluster: ClusterId,
        extent: Extent,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let placed = {
            let placements = self.0.placements.lock().unwrap_or_else(PoisonError::into_inner);
            placements.by_cluster.get(&cluster).map(Arc::clone).unwrap_or_default()
        };
        let known = self.stands_here(cluster, |standing| standing.clone());
        if placed.0.is_empty() && known.is_empty() {
            return Ok(true);
        }
        let before = self.known(cluster).await;
        let found = self.find(cluster, &placed, extent).await?;
        let after = self.known(cluster).await;
        // What a report took away while this was looked at, its agent may not see any more.
        let is_checkable = before.is_checkable && after.is_checkable;
        let is_kept = |spec: &InvariantSpec| {
            !is_checkable || (extent == Extent::Workloads && !Placed::leads(spec))
        };
        let kept = placed.named().filter(|(_, spec)| is_kept(spec));
        let kept: BTreeSet<String> = kept.map(|(name, _)| name.to_owned()).collect();
        let found = bounded(found, MOST, |identity| known.contains_key(identity));
        let standing = self.dated(cluster, &known, found, now).await?;
        let learned_at = if after.live { after.learned_at } else { before.learned_at };
        let settling = Standing {
            violations: &standing,
            kept: &kept,
            // Where nothing is placed, nothing stands, whatever the cluster has.
            learned_at: learned_at.filter(|_| !placed.0.is_empty()),
        };
        let settled = self.0.store.settle_violations(cluster, settling, now).await?;
        let Some(settled) = settled else { return Ok(false) };
        let stands: BTreeSet<Digest> = standing.iter().map(|new| new.identity).collect();
        let ended: BTreeMap<Digest, ViolationRow> =
            settled.ended.into_iter().map(|row| (row.identity, row)).collect();
        let mut events = settled.began;
        // What another hub has ended, it has ended about now.
        let is_gone = |identity: &Digest, row: &ViolationRow| {
            !stands.contains(identity) && !kept.contains(&row.invariant)
        };
        let gone = known.iter().filter(|(identity, row)| is_gone(identity, row));
        events.extend(gone.map(|(identity, row)| {
            let ended = ended.get(identity).cloned();
            ended.unwrap_or_else(|| ViolationRow { resolved_at: Some(now), ..row.clone() })
        }));
        let told: BTreeSet<Digest> = events.iter().map(|row| row.identity).collect();
        let unknown = |identity: &Digest| !known.contains_key(identity) && !told.contains(identity);
        if stands.iter().any(unknown) {
            // Another hub has found it first.
            let rows = self.open(Some(cluster)).await?;
            events.extend(rows.into_iter().filter(|row| unknown(&row.identity)));
        }
        self.announce(cluster, events);
        Ok(true)
    }

    /// What violates the invariants that may be violated by what changed.
    async fn find(
        &self,
        cluster: ClusterId,
        placed: &Arc<Placed>,
        extent: Extent,
    ) -> Result<Vec<invariant::Violation>, ServiceError> {
        let source = Source::Live(self.clone());
        let mut found = Vec::new();
        if extent == Extent::Whole && placed.named().any(|(_, spec)| !Placed::leads(spec)) {
            let (placed, directory) = (Arc::clone(placed), self.directory());
            // One pass over the bindings: less than a copy of them.
            let direct = source.look(move |index| {
                let named = placed.named().filter(|(_, spec)| !Placed::leads(spec));
                violations(index, cluster, &named.collect::<Vec<_>>(), &directory)
            });
            found.extend(direct.await?);
        }
        if placed.named().any(|(_, spec)| Placed::leads(spec)) {
            let (placed, directory) = (Arc::clone(placed), self.directory());
            let by_paths = source.study(cluster, move |index| {
                let named = placed.named().filter(|(_, spec)| Placed::leads(spec));
                violations(index, cluster, &named.collect::<Vec<_>>(), &directory)
            });
            found.extend(by_paths.await?);
        }
        Ok(found)
    }

    /// After the report that is being taken, if there is one.
    async fn known(&self, cluster: ClusterId) -> Known {
        let _gate = self.0.gate(cluster).await;
        let held = self.0.held();
        let held = held.get(&cluster);
        Known {
            learned_at: held.and_then(|held| held.learned_at),
            live: held.and_then(|held| held.said.as_ref()).is_some_and(|said| said.live),
            is_checkable: held.is_some_and(is_checkable) && self.damaged(cluster).is_none(),
        }
    }

    /// Whether what violates invariants in a cluster can be seen.
    pub(super) fn is_checkable(&self, cluster: ClusterId) -> bool {
        self.damaged(cluster).is_none() && self.0.held().get(&cluster).is_some_and(is_checkable)
    }

    /// New violations with when what brought them was seen.
    async fn dated(
        &self,
        cluster: ClusterId,
        known: &BTreeMap<Digest, ViolationRow>,
        found: Vec<(Digest, invariant::Violation)>,
        now: Timestamp,
    ) -> Result<Vec<NewViolation>, ServiceError> {
        let mut standing = Vec::new();
        let mut objects: BTreeMap<Digest, BTreeSet<AccessKey>> = BTreeMap::new();
        for (identity, violation) in found {
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

    /// What stands in a cluster, or in all.
    async fn open(&self, cluster: Option<ClusterId>) -> Result<Vec<ViolationRow>, ServiceError> {
        let filter = ViolationFilter { cluster, ..ViolationFilter::default() };
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
        let placed: Vec<ClusterId> = {
            let placements = self.0.placements.lock().unwrap_or_else(PoisonError::into_inner);
            placements.clusters().collect()
        };
        let unchecked = placed.into_iter().filter(|cluster| !self.is_checkable(*cluster));
        self.0.metrics.set_unchecked_clusters(unchecked.count());
    }
}

/// Whether its agent sees what gives rights: what it does not see, it takes away from its inventory,
/// and nothing is better for that.
fn is_checkable(held: &Held) -> bool {
    let is_blind = held.unseen.keys().any(|kind| !kind.is_workload());
    held.learned_at.is_some() && held.objects > 0 && !is_blind
}

/// At most so many of each invariant, so that none hides another: first those that stand already.
fn bounded(
    found: Vec<invariant::Violation>,
    most: usize,
    stands: impl Fn(&Digest) -> bool,
) -> Vec<(Digest, invariant::Violation)> {
    let identified = found.into_iter().map(|violation| (identity(&violation), violation));
    let mut found: Vec<_> = identified.collect();
    found.sort_by_key(|(identity, _)| !stands(identity));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    found.retain(|(_, violation)| {
        let count = counts.entry(violation.invariant.clone()).or_default();
        *count += 1;
        *count <= most
    });
    for (invariant, count) in counts.iter().filter(|(_, count)| **count > most) {
        tracing::warn!(
            invariant,
            "a cluster violates the invariant {invariant} in {count} ways; {most} of them are kept"
        );
    }
    found
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

#[cfg(test)]
mod tests {
    use hanse_domain::access::object::AccessKind;
    use hanse_domain::access::query::Grant;
    use hanse_domain::access::subject::Subject;
    use hanse_domain::kinds::role::PolicyRule;

    use super::*;

    fn violation(invariant: &str, who: usize) -> invariant::Violation {
        let subject = Subject::User(format!("u{who}"));
        let grant = Grant {
            subject: subject.clone(),
            via_group: None,
            binding: None,
            role: None,
            rule: Arc::new(PolicyRule::default()),
            namespace: None,
            limited_to: Vec::new(),
            aggregated_from: Vec::default(),
        };
        let cause = invariant::Cause::Direct(grant);
        invariant::Violation { invariant: invariant.to_owned(), subject, what: "x".into(), cause }
    }

    #[test]
    fn one_invariant_does_not_hide_another() {
        let all = (0..5).map(|who| violation("loud", who));
        let found = all.chain([violation("quiet", 9)]).collect();
        let stands = identity(&violation("loud", 4));
        let kept = bounded(found, 2, |identity| *identity == stands);
        let kept: Vec<String> =
            kept.iter().map(|(_, violation)| violation.subject.to_string()).collect();
        assert_eq!(kept, ["user u4", "user u0", "user u9"]);
    }

    #[test]
    fn what_an_agent_does_not_see_is_not_checkable() {
        let held = Held { objects: 1, learned_at: Some(Timestamp::UNIX_EPOCH), ..Held::empty() };
        assert!(is_checkable(&held));
        let blind = |kind| {
            let unseen = BTreeMap::from([(kind, "forbidden".to_owned())]);
            !is_checkable(&Held { unseen, ..held.clone() })
        };
        let kinds: Vec<&str> =
            AccessKind::ALL.into_iter().filter(|kind| blind(*kind)).map(AccessKind::name).collect();
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        assert!(!is_checkable(&Held { objects: 0, ..held.clone() }));
        assert!(!is_checkable(&Held { learned_at: None, ..held }));
    }
}
