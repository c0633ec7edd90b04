//! When the hub is told something, what, and what follows from its answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::object::AccessKey;
use jiff::Timestamp;

use super::report::{Pending, Report};
use super::{Buckets, Change, Effect, HEARTBEAT, Keeper, Stream, is_past};

/// A hub that asks gets no more than one checkpoint in that time.
const ASKED_PAUSE: Duration = Duration::from_secs(1);
/// A report that is not answered by then is lost.
const ANSWER_WITHIN: Duration = Duration::from_mins(5);
/// Between answers to a hub that does not come to the same root.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

impl Keeper {
    pub(super) fn disconnected(&mut self) {
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

    pub(super) fn stored(&mut self, sequence: u64) {
        if self.is_awaited(sequence) {
            self.report = None;
            self.agreed = Some(sequence);
            self.disagreed = 0;
            self.pause = None;
        }
    }

    pub(super) fn wanted(&mut self, sequence: u64, buckets: Buckets, now: Timestamp) {
        if !self.is_awaited(sequence) {
            return;
        }
        // Of what went, the moment is known here alone, and a root alone does not tell it.
        let silent = self.report.take().filter(Report::is_silent);
        for (key, at) in silent.map(|report| report.untold).into_iter().flatten() {
            if self.held.get(&key).is_none() {
                self.pending.entry(key).or_insert(at);
            }
        }
        if self.pause.is_some_and(|pause| pause > now) {
            return;
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
    pub(super) fn look_at_time(&mut self, now: Timestamp) {
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

    pub(super) fn begin_anew(&mut self) {
        if self.stream != Stream::Down {
            self.stream = Stream::Anew;
        }
    }

    pub(super) fn begin_report(&mut self, now: Timestamp) {
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

    /// What the last report said lasted until the first change, and no longer than until a kind went out
    /// of sight; if nothing was missed since, and the hub has it: a state that it never had is no use.
    fn closed(&self) -> Option<Checkpoint> {
        let agreed = self.agreed == Some(self.sequence);
        let told = self.told.as_ref().filter(|_| agreed && !self.missed)?;
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
    pub(super) fn set_wake(&mut self, now: Timestamp) -> Option<Effect> {
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

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
