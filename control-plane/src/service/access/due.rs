//! Clusters whose access is to be held against their invariants: first those of which something was
//! reported. One that cannot be looked at waits, and keeps no other waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hanse_domain::ids::ClusterId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What may have changed since a cluster was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What runs in it, and so the paths that lead through that.
    Workloads,
    /// Anything.
    Whole,
}

#[derive(Default)]
pub(super) struct Due {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    reported: BTreeSet<ClusterId>,
    later: BTreeSet<ClusterId>,
    waiting: BTreeMap<ClusterId, Instant>,
    /// Those where more than workloads changed.
    whole: BTreeSet<ClusterId>,
}

impl Queue {
    fn note(&mut self, cluster: ClusterId, extent: Extent) {
        if extent == Extent::Whole {
            self.whole.insert(cluster);
        }
    }
}

impl Due {
    /// Something was reported of a cluster.
    pub(super) fn reported(&self, cluster: ClusterId, extent: Extent) {
        let mut queue = self.queue();
        queue.note(cluster, extent);
        queue.reported.insert(cluster);
        drop(queue);
        self.wake.notify_one();
    }

    /// What clusters are held against may have changed.
    pub(super) fn later(&self, clusters: impl IntoIterator<Item = ClusterId>) {
        let mut queue = self.queue();
        for cluster in clusters {
            queue.note(cluster, Extent::Whole);
            queue.later.insert(cluster);
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// A cluster could not be looked at, and is to be at that moment, unless something comes before.
    pub(super) fn again(&self, cluster: ClusterId, extent: Extent, at: Instant) {
        let mut queue = self.queue();
        queue.note(cluster, extent);
        queue.waiting.insert(cluster, at);
    }

    /// The next cluster, and what may have changed in it.
    pub(super) fn next(&self, now: Instant) -> Option<(ClusterId, Extent)> {
        let mut queue = self.queue();
        let Queue { reported, later, waiting, .. } = &mut *queue;
        let first = reported.pop_first().or_else(|| later.pop_first());
        let next = first
            .or_else(|| waiting.iter().find(|(_, at)| **at <= now).map(|(cluster, _)| *cluster))?;
        reported.remove(&next);
        later.remove(&next);
        waiting.remove(&next);
        let whole = queue.whole.remove(&next);
        Some((next, if whole { Extent::Whole } else { Extent::Workloads }))
    }

    /// Until something may be next.
    pub(super) async fn wait(&self) {
        let first = self.queue().waiting.values().min().copied();
        match first {
            None => self.wake.notified().await,
            Some(at) => tokio::select! {
                () = self.wake.notified() => {}
                () = sleep_until(at) => {}
            },
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> ClusterId {
        ClusterId(Uuid::from_u128(number))
    }

    #[test]
    fn one_that_waits_keeps_no_other_waiting() {
        let (due, now) = (Due::default(), Instant::now());
        let then = now + Duration::from_secs(5);
        due.again(id(1), Extent::Workloads, then);
        due.later([id(2)]);
        due.reported(id(3), Extent::Workloads);
        assert_eq!(due.next(now), Some((id(3), Extent::Workloads)));
        assert_eq!(due.next(now), Some((id(2), Extent::Whole)));
        assert_eq!(due.next(now), None);
        assert_eq!(due.next(then), Some((id(1), Extent::Workloads)));
        assert_eq!(due.next(then), None);
    }

    #[test]
    fn what_changed_is_not_forgotten_while_it_waits() {
        let (due, now) = (Due::default(), Instant::now());
        due.again(id(1), Extent::Whole, now + Duration::from_secs(5));
        due.reported(id(1), Extent::Workloads);
        assert_eq!(due.next(now), Some((id(1), Extent::Whole)));
        due.reported(id(1), Extent::Workloads);
        assert_eq!(due.next(now), Some((id(1), Extent::Workloads)));
    }
}
