//! The inventory of what gives access in the cluster, and how the hub's picture of it is kept current,
//! without any IO: `handle(Input, now) -> Vec<Effect>`.
//!
//! ```text
//! watches ─Listed, Seen, Gone→ held objects ─→ pending: the newest change of each object
//!                                   │root            │
//!                                   └─── a report ◀──┘   one at a time, in parts
//!                                           │
//! hub: the root is the same ─Stored─▶ the next report
//!      it is another one ─Wanted──▶ the buckets that differ, whole
//! ```
//!
//! The first report on a stream is the root alone: a hub that has the same costs nothing. Nothing is said
//! before each kind was listed or cannot be. What a report says has a checkpoint, which whoever runs the
//! loop signs; what the agent did not see, no checkpoint claims.
//!
//! When something changed: what a watch shows at once, by the agent's clock; what it shows late, and what
//! is found after a break, by the cluster's clock, but not before the last moment at which the agent
//! knew better, and never within what it signed for.

mod eyes;
mod feed;
mod held;
pub mod io;
mod moments;
mod report;
mod sight;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::object::{AccessKey, AccessKind, Origin};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::{Timestamp, Unit};

use eyes::Eyes;
pub use feed::{blind, input_of, watched_apart};
use held::Held;
pub use held::Limits;
pub use io::{Buckets, Change, Effect, Input, Part, State, Stats};
pub use report::{MAX_PART_BYTES, MAX_PART_CHANGES};
use report::{Pending, Report};
pub use sight::{Found, Sight};

/// How often the hub is told that nothing changed.
pub const HEARTBEAT: Duration = Duration::from_mins(1);
/// Most changes that wait for the hub while it is away; beyond, it finds out by the root. With all that is
/// held they still fit into one report.
const MAX_PENDING: usize = 100_000;

/// How the stream to the hub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Down,
    /// The next report is the root alone, and the answer says what the hub lacks.
    Anew,
    /// The hub was told of all but what is pending.
    Told,
}

/// Keeps the inventory.
#[derive(Debug)]
pub struct Keeper {
    fleet: Digest,
    cluster: ClusterId,
    held: Held,
    eyes: Eyes,
    /// Each kind was listed, or cannot be.
    complete: bool,
    /// Since when the present root has been the root.
    since: Timestamp,
    pending: Pending,
    /// The earliest change that is pending.
    first_change: Option<Timestamp>,
    /// Something was missed since the last report.
    missed: bool,
    /// The hub wants a checkpoint of the present.
    asked: bool,
    stream: Stream,
    report: Option<Report>,
    sequence: u64,
    /// What the last report on this stream said.
    told: Option<Checkpoint>,
    /// The last report after which the hub had the same root.
    agreed: Option<u64>,
    wanted: Option<Buckets>,
    /// Answers in a row that did not bring the hub to the same root, and until when it waits for one.
    disagreed: u32,
    pause: Option<Timestamp>,
    now: Timestamp,
    wake: Option<Timestamp>,
}

impl Keeper {
    /// Begins with nothing.
    pub fn new(fleet: Digest, cluster: ClusterId) -> Self {
        Self::with_limits(fleet, cluster, Limits::default())
    }

    /// Begins with nothing, and holds no more than that.
    pub fn with_limits(fleet: Digest, cluster: ClusterId, limits: Limits) -> Self {
        Self {
            fleet,
            cluster,
            held: Held::new(limits),
            eyes: Eyes::new(),
            complete: false,
            since: Timestamp::MIN,
            pending: Pending::new(),
            first_change: None,
            missed: false,
            asked: false,
            stream: Stream::Down,
            report: None,
            sequence: 0,
            told: None,
            agreed: None,
            wanted: None,
            disagreed: 0,
            pause: None,
            now: Timestamp::MIN,
            wake: None,
        }
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        let now = now.round(Unit::Microsecond).unwrap_or(now);
        self.look_at_clock(now);
        let shortfall = self.shortfall();
        let mut effects = Vec::new();
        match input {
            Input::Listed(kind, sights) => self.listed(kind, sights, now),
            Input::Seen(sight) => self.seen(sight, now),
            Input::Gone(key) => self.gone(&key, now),
            Input::Blind { kind, refused, why } => self.eyes.blind(kind, refused, why, now),
            Input::Welcomed => self.stream = Stream::Anew,
            Input::Disconnected => self.disconnected(),
            Input::Room => {
                let part = self.report.as_mut().and_then(|report| report.next_part(now));
                effects.extend(part.map(Box::new).map(Effect::Send));
            }
            Input::Stored(sequence) => self.stored(sequence),
            Input::Wanted { sequence, buckets } => self.wanted(sequence, buckets, now),
            Input::Asked => self.asked = self.stream != Stream::Down,
            Input::Tick => {}
        }
        self.look_at_eyes(now);
        self.shrink(now);
        self.look_at_shortfall(&shortfall, now);
        self.look_at_time(now);
        self.begin_report(now);
        effects.extend(self.set_wake(now));
        effects
    }

    /// Whether a part waits for room on the stream.
    pub fn has_part(&self) -> bool {
        self.report.as_ref().is_some_and(Report::has_parts)
    }

    /// For metrics.
    pub fn stats(&self) -> Stats {
        Stats {
            objects: self.held.len(),
            skipped: self.held.skipped(),
            unseen: AccessKind::ALL.into_iter().filter(|kind| self.eyes.is_blind(*kind)).count(),
            reports: self.sequence,
        }
    }

    fn listed(&mut self, kind: AccessKind, sights: Vec<Sight>, now: Timestamp) {
        self.held.unskip_kind(kind);
        let mut gone: BTreeSet<_> = self.held.of_kind(kind).cloned().collect();
        for sight in sights.iter().filter(|sight| matches!(sight.found, Found::Object { .. })) {
            gone.remove(&sight.key);
        }
        // What goes makes room for what came.
        for key in gone {
            self.take(&key, now);
        }
        let again = self.complete;
        for Sight { key, found } in sights {
            match found {
                Found::Object { content, origin } => {
                    let at = self.moment_of_listed(kind, &origin, now);
                    self.put(key, &content, &origin, at, now);
                }
                Found::Outside => {}
                Found::Skipped => self.held.skip(&key),
            }
        }
        self.eyes.listed(kind, now);
        if again {
            self.missed = true;
            self.since = now;
        }
    }

    fn seen(&mut self, Sight { key, found }: Sight, now: Timestamp) {
        match found {
            Found::Object { content, origin } => {
                let at = self.moment_of_seen(&key, &origin, now);
                self.eyes.know(key.kind, at);
                self.put(key, &content, &origin, at, now);
            }
            Found::Outside => self.gone(&key, now),
            Found::Skipped => {
                self.gone(&key, now);
                self.held.skip(&key);
            }
        }
    }

    fn gone(&mut self, key: &AccessKey, now: Timestamp) {
        self.held.unskip(key);
        self.eyes.know(key.kind, now);
        self.take(key, now);
    }

    fn put(
        &mut self,
        key: AccessKey,
        content: &[u8],
        origin: &Origin,
        at: Timestamp,
        now: Timestamp,
    ) {
        if self.held.has(&key, content, origin) {
            return;
        }
        if self.held.is_beyond(&key, content, origin) {
            self.held.skip(&key);
            return;
        }
        let key = self.held.put(key, content, origin, at);
        self.changed(key, at, now);
    }

    fn take(&mut self, key: &AccessKey, now: Timestamp) {
        if let Some(key) = self.held.take(key) {
            self.changed(key, now, now);
        }
    }

    fn changed(&mut self, key: Arc<AccessKey>, at: Timestamp, now: Timestamp) {
        self.turn(at, now);
        if !self.complete {
            return;
        }
        self.pending.insert(key, at);
        if self.pending.len() > MAX_PENDING {
            self.pending.clear();
            self.begin_anew();
            self.missed = true;
        }
    }

    /// Workloads that are refused for good are not held any more. What gives access is: whoever takes the
    /// agent's rights away must not make a binding disappear.
    fn look_at_eyes(&mut self, now: Timestamp) {
        for kind in self.eyes.give_up(now) {
            tracing::warn!(
                kind = kind.name(),
                "the agent may not see these; answers about access say so, and it tries again"
            );
            if kind.is_workload() {
                self.held.unskip_kind(kind);
                let gone: Vec<_> = self.held.of_kind(kind).cloned().collect();
                for key in gone {
                    self.take(&key, now);
                }
                self.missed = true;
                self.since = now;
            }
        }
        if !self.complete && self.eyes.is_complete() {
            self.complete = true;
            self.since = now;
        }
    }

    fn shrink(&mut self, now: Timestamp) {
        for key in self.held.shrink() {
            self.changed(key, now, now);
        }
        self.held.settle();
    }
}

fn is_past(at: Timestamp, span: Duration, now: Timestamp) -> bool {
    at.checked_add(span).is_ok_and(|due| due <= now)
}
