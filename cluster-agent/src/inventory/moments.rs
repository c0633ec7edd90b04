//! When something changed, and from when on the present is as it is. No moment is within what was signed
//! before: a checkpoint is never contradicted by what is found out later.

use std::time::Duration;

use hanse_domain::access::object::{AccessKey, AccessKind, Origin};
use jiff::Timestamp;

use super::{Keeper, held, is_past};

/// What a watch shows within that of its change was seen at once: the API server gives whole seconds.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What the agent knows that it does not see: how many objects, and which kinds.
pub(super) type Shortfall = (usize, Vec<AccessKind>);

impl Keeper {
    /// What a watch shows was seen at once, or it is as old as the cluster says.
    pub(super) fn moment_of_seen(
        &self,
        key: &AccessKey,
        origin: &Origin,
        now: Timestamp,
    ) -> Timestamp {
        let before = self.held.get(key).and_then(held::Entry::changed_at);
        match origin.changed_at {
            Some(at) if before != Some(at) && is_past(at, AT_ONCE, now) => {
                self.not_before_known(key.kind, at).min(now)
            }
            // There is no newer word of it.
            Some(_) | None => now,
        }
    }

    pub(super) fn moment_of_listed(
        &self,
        kind: AccessKind,
        origin: &Origin,
        now: Timestamp,
    ) -> Timestamp {
        let at = origin.changed_at.max(origin.created_at).unwrap_or(now);
        self.not_before_known(kind, at).min(now)
    }

    fn not_before_known(&self, kind: AccessKind, at: Timestamp) -> Timestamp {
        self.eyes.known(kind).map_or(at, |known| at.max(known))
    }

    /// What an earlier moment is worth is not known any more.
    pub(super) fn look_at_clock(&mut self, now: Timestamp) {
        if now < self.now {
            self.eyes.clock_went_back(now);
            self.since = self.since.min(now);
            self.pause = self.pause.map(|pause| pause.min(now));
            if let Some(report) = &mut self.report {
                report.sent = report.sent.map(|sent| sent.min(now));
            }
            self.missed = true;
        }
        self.now = now;
    }

    /// From then on another thing holds.
    pub(super) fn turn(&mut self, at: Timestamp, now: Timestamp) {
        self.since = self.since.max(at).min(now);
        if self.complete {
            self.first_change = Some(self.first_change.map_or(at, |first| first.min(at)));
        }
    }

    pub(super) fn shortfall(&self) -> Shortfall {
        (self.held.skipped(), self.eyes.blind_kinds().collect())
    }

    /// What is vouched for in full stays so, for as long as it was.
    pub(super) fn look_at_shortfall(&mut self, before: &Shortfall, now: Timestamp) {
        if self.shortfall() != *before {
            self.turn(now, now);
        }
    }
}
