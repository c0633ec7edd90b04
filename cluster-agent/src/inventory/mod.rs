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
//! knew better.

mod eyes;
mod feed;
mod held;
pub mod io;
mod report;
mod sight;
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
pub use feed::{access_kind, blind, input_of, watched_apart};
use held::Held;
pub use held::Limits;
pub use io::{Buckets, Change, Effect, Input, Part, State, Stats};
pub use report::{MAX_PART_BYTES, MAX_PART_CHANGES};
use report::{Pending, Report};
pub use sight::{Found, Sight};

/// How often the hub is told that nothing changed.
pub const HEARTBEAT: Duration = Duration::from_mins(1);
/// A hub that asks gets no more than one checkpoint in that time.
const ASKED_PAUSE: Duration = Duration::from_secs(1);
/// What a watch shows within that of its change was seen at once: the API server gives whole seconds.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A report that is not answered by then is lost.
const ANSWER_WITHIN: Duration = Duration::from_mins(5);
/// Between answers to a hub that does not come to the same root.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
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
        let again = self.complete;
        for Sight { key, found } in sights {
            match found {
                Found::Object { content, origin } => {
                    gone.remove(&key);
                    let at = self.moment_of_listed(kind, &origin, now);
                    self.put(key, &content, &origin, at, now);
                }
                Found::Outside => {}
                Found::Skipped => self.held.skip(&key),
            }
        }
        for key in gone {
            self.take(&key, now);
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
        let key = self.held.put(key, content, origin, at);
        self.changed(key, at, now);
    }

    fn take(&mut self, key: &AccessKey, now: Timestamp) {
        if let Some(key) = self.held.take(key) {
            self.changed(key, now, now);
        }
    }

    fn changed(&mut self, key: Arc<AccessKey>, at: Timestamp, now: Timestamp) {
        self.since = self.since.max(at).min(now);
        if !self.complete {
            return;
        }
        self.first_change = Some(self.first_change.map_or(at, |first| first.min(at)));
        self.pending.insert(key, at);
        if self.pending.len() > MAX_PENDING {
            self.pending.clear();
            self.begin_anew();
            self.missed = true;
        }
    }

    /// What a watch shows was seen at once, or it is as old as the cluster says.
    fn moment_of_seen(&self, key: &AccessKey, origin: &Origin, now: Timestamp) -> Timestamp {
        let before = self.held.get(key).and_then(held::Entry::changed_at);
        match origin.changed_at {
            Some(at) if before != Some(at) && is_past(at, AT_ONCE, now) => {
                self.not_before_known(key.kind, at).min(now)
            }
            // There is no newer word of it.
            Some(_) | None => now,
        }
    }

    fn moment_of_listed(&self, kind: AccessKind, origin: &Origin, now: Timestamp) -> Timestamp {
        let at = origin.changed_at.max(origin.created_at).unwrap_or(now);
        self.not_before_known(kind, at).min(now)
    }

    fn not_before_known(&self, kind: AccessKind, at: Timestamp) -> Timestamp {
        self.eyes.known(kind).map_or(at, |known| at.max(known))
    }

    /// What an earlier moment is worth is not known any more.
    fn look_at_clock(&mut self, now: Timestamp) {
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

    /// Kinds that are refused for good are not held: a root covers what is in sight.
    fn look_at_eyes(&mut self, now: Timestamp) {
        for kind in self.eyes.give_up(now) {
            tracing::warn!(
                kind = kind.name(),
                "the agent may not see these; answers about access say so, and it tries again"
            );
            self.held.unskip_kind(kind);
            let gone: Vec<_> = self.held.of_kind(kind).cloned().collect();
            for key in gone {
                self.take(&key, now);
            }
            self.missed = true;
            self.since = now;
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

    fn disconnected(&mut self) {
        self.lose_report();
        self.stream = Stream::Down;
        self.told = None;
        self.asked = false;
        self.wanted = None;
        self.disagreed = 0;
        self.pause = None;
    }

    /// What a report said becomes untold again, where nothing newer is.
    fn lose_report(&mut self) {
        let Some(report) = self.report.take() else { return };
        for (key, at) in report.untold {
            self.pending.entry(key).or_insert(at);
        }
        self.begin_anew();
    }

    fn stored(&mut self, sequence: u64) {
        if self.is_awaited(sequence) {
            self.report = None;
            self.disagreed = 0;
            self.pause = None;
        }
    }

    fn wanted(&mut self, sequence: u64, buckets: Buckets, now: Timestamp) {
        if !self.is_awaited(sequence) {
            return;
        }
        let untold = self.report.take().map(|report| report.untold).unwrap_or_default();
        if self.pause.is_some_and(|pause| pause > now) {
            return;
        }
        // Of what went, the moment is known here alone.
        for (key, at) in untold {
            if self.held.get(&key).is_none() {
                self.pending.entry(key).or_insert(at);
            }
        }
        self.wanted = Some(buckets);
        if self.disagreed > 0 {
            tracing::warn!("the hub does not come to the same root of the inventory");
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.disagreed.min(10)).min(LONGEST_PAUSE);
        self.disagreed = self.disagreed.saturating_add(1);
        self.pause = now.checked_add(pause).ok();
    }

    fn is_awaited(&self, sequence: u64) -> bool {
        self.report.as_ref().is_some_and(|r| r.sequence == sequence && r.sent.is_some())
    }

    /// What is due by now, besides the heartbeat.
    fn look_at_time(&mut self, now: Timestamp) {
        let sent = self.report.as_ref().and_then(|report| report.sent);
        if sent.is_some_and(|sent| is_past(sent, ANSWER_WITHIN, now)) {
            tracing::warn!("the hub does not answer a report of the inventory; it is sent anew");
            self.lose_report();
        }
        if self.report.is_none() && self.pause.is_some_and(|pause| pause <= now) {
            self.pause = None;
            // The hub says again what it has.
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        if self.stream != Stream::Down {
            self.stream = Stream::Anew;
        }
    }

    fn begin_report(&mut self, now: Timestamp) {
        if !self.complete || self.stream == Stream::Down || self.report.is_some() {
            return;
        }
        let mut buckets = Vec::new();
        let mut changes = Vec::new();
        let pending = std::mem::take(&mut self.pending);
        if let Some(theirs) = self.wanted.take() {
            let differing = self.differing(&theirs);
            changes = self.whole(&differing, &pending);
            buckets.extend(differing);
        } else if self.stream == Stream::Anew {
            // It is answered with what the hub lacks.
        } else if !pending.is_empty() || self.is_due(now) {
            changes = pending.iter().map(|(key, at)| self.change(key, *at)).collect();
        } else {
            return;
        }
        let (closed, current) = (self.closed(), self.checkpoint(now));
        self.stream = Stream::Told;
        self.first_change = None;
        self.missed = false;
        self.asked = false;
        self.sequence += 1;
        self.eyes.know_all(current.until);
        self.told = Some(current.clone());
        let report = Report::new(self.sequence, changes, buckets, closed, current, pending);
        self.report = Some(report);
    }

    fn checkpoint(&self, now: Timestamp) -> Checkpoint {
        Checkpoint {
            fleet: self.fleet,
            cluster: self.cluster,
            root: self.held.root(),
            objects: count(self.held.len()),
            from: self.since,
            until: now,
            unseen: self.eyes.unseen(),
            skipped: count(self.held.skipped()),
        }
    }

    /// What the last report said lasted until the first change, if nothing was missed since.
    fn closed(&self) -> Option<Checkpoint> {
        let told = self.told.as_ref().filter(|_| !self.missed)?;
        let until = self.first_change.filter(|first| *first >= told.from)?;
        Some(Checkpoint { until, ..told.clone() })
    }

    /// Whether the hub should hear something although no object changed.
    fn is_due(&self, now: Timestamp) -> bool {
        let Some(told) = &self.told else { return true };
        let in_sight_again = told.unseen.keys().any(|kind| !self.eyes.is_blind(*kind));
        let out_of_sight = self.eyes.long_unseen(now).any(|kind| !told.unseen.contains_key(&kind));
        in_sight_again
            || out_of_sight
            || told.skipped != count(self.held.skipped())
            || is_past(told.until, self.patience(), now)
            || now < told.until
    }

    /// How long after the last checkpoint a new one is due.
    const fn patience(&self) -> Duration {
        if self.asked { ASKED_PAUSE } else { HEARTBEAT }
    }

    fn differing(&self, theirs: &Buckets) -> BTreeSet<u8> {
        let pairs = (0..=u8::MAX).zip(self.held.buckets().iter().zip(theirs.iter()));
        pairs.filter(|(_, (ours, theirs))| ours != theirs).map(|(bucket, _)| bucket).collect()
    }

    /// Everything in some buckets, and what is known to have gone from them.
    fn whole(&self, buckets: &BTreeSet<u8>, pending: &Pending) -> Vec<Change> {
        let there = self.held.of_buckets(buckets).map(|(key, entry)| Change {
            key: key.clone(),
            state: Some(entry.state.clone()),
            at: entry.at,
        });
        let gone = pending.iter().filter(|(key, _)| self.held.get(key).is_none());
        there.chain(gone.map(|(key, at)| self.change(key, *at))).collect()
    }

    fn change(&self, key: &Arc<AccessKey>, at: Timestamp) -> Change {
        let state = self.held.get(key).map(|entry| entry.state.clone());
        Change { key: key.clone(), state, at }
    }

    /// Asks to be woken at the next moment at which something is due.
    fn set_wake(&mut self, now: Timestamp) -> Option<Effect> {
        let after = |at: Timestamp, span: Duration| at.checked_add(span).ok();
        let answer = self.report.as_ref().and_then(|r| after(r.sent?, ANSWER_WITHIN));
        let told =
            self.told.as_ref().filter(|_| self.stream != Stream::Down && self.report.is_none());
        let heartbeat = told.and_then(|told| after(told.until, self.patience()));
        let pause = self.pause.filter(|_| self.report.is_none());
        let due = [answer, heartbeat, pause, self.eyes.due(now)].into_iter().flatten().min();
        if due == self.wake {
            return None;
        }
        self.wake = due;
        due.map(Effect::Wake)
    }
}

fn is_past(at: Timestamp, span: Duration, now: Timestamp) -> bool {
    at.checked_add(span).is_ok_and(|due| due <= now)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
