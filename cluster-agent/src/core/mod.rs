//! The agent's decisions, without any IO: `handle(Input, now) -> Vec<Effect>`.
//!
//! ```text
//!            Offered ─verify→ WriteLedger ─written→ render ─┐
//! hub  ──▶                                                  ▼
//!            ◀── progress, drift ───────────  what should be  ◀─compare─▶  what is   ◀── Seen, Gone
//!                                                           │                            cluster
//!                                              Apply, Remove └──────────────────────────▶
//! ```
//!
//! Rules that hold whatever comes in:
//!
//! - Nothing is applied from a bundle before the ledger holds it, and a generation never goes back.
//! - Only what the ledger records with its uid is removed, and only for a bundle that was verified
//!   whole; many removals at once wait for a confirmation that names their number.
//! - Nothing happens before the first full look at the cluster.

mod bundles;
mod drifts;
pub mod io;
pub mod ledger;
mod objects;
mod owned;
mod removals;
mod secrets;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hanse_domain::bundle::{Condition, Offer, VerifiedBundle};
use hanse_domain::history::log::LogHead;
use hanse_domain::ids::{ClusterId, Digest, Generation, RevisionNumber};
use hanse_domain::object::{ObjectKind, ObjectRef};
use jiff::Timestamp;

pub use bundles::not_ours;
use drifts::Drifts;
pub use drifts::MAX_REPORT_ITEMS;
pub use io::{
    DriftRecord, DriftState, Effect, Failure, Input, Live, Notice, Probe, Progress, ProgressPhase,
    Report, Sealed, Written,
};
pub use ledger::{BadLedger, Ledger, Recorded, RecordedLog, RecordedRemoval, RecordedRoot};
pub use objects::is_marked;
use owned::{Owned, Work};
use removals::Removals;
use trust::Trust;

/// Most problems that one progress report names.
const MAX_PROBLEMS: usize = 20;
/// How often Secrets are looked after, if nothing else is said.
const PROBE_EVERY: Duration = Duration::from_mins(1);
const UNCHECKED: &str = "the fence was not checked yet";

/// What an agent was told at its join, and believes whatever the hub says.
#[derive(Clone, Debug)]
pub struct Pins {
    /// The cluster's id, from its certificate.
    pub cluster: ClusterId,
    /// The name under which it joined: a roster entry with another name is another cluster's.
    pub name: String,
    /// Digest of the fleet's first trust root.
    pub fleet: Digest,
    /// A history that every later one must extend.
    pub head: LogHead,
}

/// Everything that an agent knows.
#[derive(Debug)]
pub struct Core {
    cluster: ClusterId,
    name: String,
    /// Whom it believes.
    trust: Trust,
    /// As it was last written.
    ledger: Ledger,
    /// A generation below this one is refused, also when the ledger's bundle could not be read.
    floor: Generation,
    bundle: Option<VerifiedBundle>,
    /// The newest offer, while it cannot be looked at yet.
    waiting_offer: Option<Offer>,
    /// All of this generation was asked for, because the bundle that came lacked something.
    asked_for_all: Option<Generation>,
    /// Why the newest offer was refused; nothing when it was accepted.
    refused: Option<(Condition, String)>,
    /// What was refused on an earlier stream, until something is accepted: whoever runs the hub should
    /// know of it.
    refused_before: Option<String>,
    /// Why nothing may be written; nothing when the fence stands.
    unfenced: Option<String>,
    /// How often Secrets are looked after.
    probe_every: Duration,
    next_probe: Option<Timestamp>,
    writing: Option<Writing>,
    ledger_changed: bool,
    ledger_retry: Option<Timestamp>,
    /// Failures in a row, and what the last one was.
    ledger_failures: (u32, String),
    /// Kinds that cannot be watched, since when and why.
    blind: BTreeMap<ObjectKind, (Timestamp, String)>,
    /// What documents of the bundle declare without effect.
    rendering_problems: Vec<String>,
    next_expiry: Option<Timestamp>,
    listed: BTreeSet<ObjectKind>,
    objects: BTreeMap<ObjectRef, Owned>,
    removals: Removals,
    /// Access and namespaces of others, and whether they carry our label: the cluster's own
    /// administrator sets it to hand an object over.
    foreign: BTreeMap<ObjectRef, bool>,
    drifts: Drifts,
    stream: Stream,
    progress_sent: Option<Progress>,
    /// A bundle was accepted, and that all of it is there was not told yet.
    untold: bool,
    wake: Option<Timestamp>,
    effects: Vec<Effect>,
}

/// How the stream to the hub is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stream {
    Down,
    /// The hub has not answered yet.
    Up,
    Welcomed,
}

/// What is being written into the ledger.
#[derive(Debug)]
enum Writing {
    /// A bundle that takes effect when it is written.
    Bundle(Box<VerifiedBundle>, Ledger),
    /// What became of the objects.
    Record(Ledger),
}

impl Core {
    /// Begins with what the ledger holds. A ledger whose bundle cannot be read keeps its generation
    /// and its record of objects; the bundle is asked for anew.
    pub fn new(pins: Pins, ledger: Ledger) -> Self {
        let Pins { cluster, name, fleet, head } = pins;
        let foreign = ledger.is_foreign(cluster, fleet);
        if foreign {
            tracing::warn!(
                "the ledger is of another fleet or cluster; beginning anew, and leaving alone what \
                 was made for that one"
            );
        }
        let ledger = if foreign { Ledger::default() } else { ledger };
        let bundle = ledger.bundle();
        let floor = match &bundle {
            Ok(Some(bundle)) => bundle.generation,
            Ok(None) | Err(_) => RevisionNumber(ledger.generation),
        };
        Self {
            cluster,
            name,
            trust: Trust::restore(fleet, head, &ledger),
            floor,
            bundle: bundle.ok().flatten(),
            ledger,
            waiting_offer: None,
            asked_for_all: None,
            refused: None,
            refused_before: None,
            unfenced: Some(UNCHECKED.to_owned()),
            probe_every: PROBE_EVERY,
            next_probe: None,
            writing: None,
            ledger_changed: false,
            ledger_retry: None,
            ledger_failures: (0, String::new()),
            blind: BTreeMap::new(),
            rendering_problems: Vec::new(),
            next_expiry: None,
            listed: BTreeSet::new(),
            objects: BTreeMap::new(),
            removals: Removals::default(),
            foreign: BTreeMap::new(),
            drifts: Drifts::default(),
            stream: Stream::Down,
            progress_sent: None,
            untold: false,
            wake: None,
            effects: Vec::new(),
        }
    }

    /// Looks after Secrets as often as that.
    #[must_use]
    pub const fn with_probe_every(mut self, every: Duration) -> Self {
        self.probe_every = every;
        self
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        match input {
            Input::Listed(kind, objects) => self.listed(kind, objects, now),
            Input::Seen(live) => self.seen(live, now),
            Input::Gone(object) => self.gone(&object, now),
            Input::Blind(kind, failure) => {
                let (_, reason) = self.blind.entry(kind).or_insert_with(|| (now, String::new()));
                failure.text().clone_into(reason);
            }
            // That is how a watch ends now and then.
            Input::Interrupted(..) => {}
            Input::Sighted(kind) => {
                self.blind.remove(&kind);
            }
            Input::Connected => self.on_connected(),
            Input::Welcomed { drift_wanted } => {
                self.stream = Stream::Welcomed;
                self.progress_sent = None;
                self.drifts.connected(drift_wanted);
            }
            Input::Disconnected => self.stream = Stream::Down,
            Input::TrustRoots { first, steps } => self.trust_roots(&first, &steps),
            Input::Offered(offer) => self.offered(offer, now),
            Input::Fence(why) => self.fence(why),
            Input::Probed(object, result) => self.probed(&object, result, now),
            Input::DriftStored(sequence) => self.drifts.stored(sequence),
            Input::Applied(object, result) => self.applied(&object, result, now),
            Input::Removed(object, result) => self.removed(&object, result, now),
            Input::LedgerWritten(result) => self.ledger_written(result, now),
            Input::DryRunAsked { id, offer } => self.dry_run(id, &offer, now),
            Input::Tick => self.tick(now),
        }
        if self.is_started() {
            // What the next bundle removes must be known when it is written: nothing new meanwhile.
            let accepting = matches!(self.writing, Some(Writing::Bundle(..)));
            if (!accepting || self.ledger_retry.is_some()) && self.unfenced.is_none() {
                self.issue(now);
                self.probe(now);
            }
            self.write_record();
        }
        self.tell_applied();
        self.report();
        self.set_wake();
        std::mem::take(&mut self.effects)
    }

    /// To whom secrets for this cluster are sealed, as the roster says.
    pub fn recipient(&self) -> Option<&str> {
        self.bundle.as_ref()?.entry.recipient.as_deref()
    }

    /// How much drift stands.
    pub fn open_drift(&self) -> usize {
        self.drifts.len()
    }

    /// Whether everything that is watched has been seen once.
    fn is_started(&self) -> bool {
        ObjectKind::watched().all(|kind| self.listed.contains(&kind))
    }

    fn on_connected(&mut self) {
        self.stream = Stream::Up;
        self.asked_for_all = None;
        // It was said of what came on another stream, perhaps from somebody else.
        if let Some((condition, why)) = self.refused.take() {
            self.refused_before = Some(format!("refused on an earlier stream: {condition}: {why}"));
        }
        let held = self.bundle.as_ref().map(|bundle| (bundle.generation, bundle.digest));
        self.hello(held);
    }

    /// Tells the hub what is held, so that it sends the rest.
    fn hello(&mut self, held: Option<(Generation, Digest)>) {
        self.effects.push(Effect::Send(Report::Hello {
            held,
            drift_digest: self.drifts.digest(),
            root_version: self.trust.version(),
            log_size: self.trust.head.size,
        }));
    }

    /// Nothing is written in the cluster while the fence does not stand.
    fn fence(&mut self, why: Option<String>) {
        if self.unfenced == why {
            return;
        }
        let notice = match &why {
            Some(why) => Notice::FenceBroken(why.clone()),
            None => Notice::FenceStands,
        };
        let first = self.unfenced.as_deref() == Some(UNCHECKED);
        if !(first && why.is_none()) {
            self.effects.push(Effect::Notice(notice));
        }
        self.unfenced = why;
    }

    fn tick(&mut self, now: Timestamp) {
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
        }
        if self.is_started() && self.next_expiry.is_some_and(|expiry| expiry <= now) {
            self.render(now);
        }
        for owned in self.objects.values_mut() {
            if matches!(&owned.work, Work::Later { at, .. } if *at <= now) {
                owned.work = Work::Wanted;
            }
        }
        self.removals.retry(now);
        if self.ledger_retry.is_some_and(|at| at <= now) {
            self.ledger_retry = None;
            self.write_again(now);
        }
    }

    /// Tells people in the cluster when all of a new bundle is there.
    fn tell_applied(&mut self) {
        if !self.untold || self.writing.is_some() {
            return;
        }
        let progress = self.progress();
        if progress.phase == ProgressPhase::Applied
            && let Some((generation, _)) = progress.held
        {
            self.untold = false;
            self.effects.push(Effect::Notice(Notice::BundleApplied(generation)));
        }
    }

    /// Tells the hub what it does not know yet.
    fn report(&mut self) {
        if self.stream != Stream::Welcomed || (!self.is_started() && self.blind.is_empty()) {
            return;
        }
        let progress = self.progress();
        let nothing_yet = progress.held.is_none() && progress.phase == ProgressPhase::Applied;
        if !nothing_yet && self.progress_sent.as_ref() != Some(&progress) {
            self.effects.push(Effect::Send(Report::Applied(progress.clone())));
            self.progress_sent = Some(progress);
        }
        if self.is_started()
            && let Some(report) = self.drifts.next_report()
        {
            self.effects.push(Effect::Send(report));
        }
    }

    fn progress(&self) -> Progress {
        let held = self.bundle.as_ref().map(|bundle| (bundle.generation, bundle.digest));
        let mut problems = BTreeMap::new();
        let mut busy = self.removals.is_busy();
        for (reference, owned) in &self.objects {
            match &owned.work {
                Work::Later { refused: true, why, .. } if problems.len() < MAX_PROBLEMS => {
                    problems.insert(reference.clone(), why.clone());
                }
                Work::Later { .. } | Work::Wanted | Work::InFlight => busy |= !owned.applied,
                Work::Idle => {}
            }
        }
        for (reference, why) in self.removals.problems() {
            if problems.len() < MAX_PROBLEMS {
                problems.insert(reference.clone(), why.to_owned());
            }
        }
        let waiting = self.removals.waiting();
        let mut message = self.rendering_problems.join("; ");
        let phase = if let Some((condition, why)) = &self.refused {
            message = format!("{condition}: {why}");
            ProgressPhase::Refused
        } else if let Some(why) = self.unfenced.as_ref().filter(|why| *why != UNCHECKED) {
            message = format!("nothing is written: {why}");
            ProgressPhase::Failed
        } else if let Some((since, why)) = self.blind.values().min_by_key(|(since, _)| *since) {
            message = format!("the cluster cannot be watched since {since:.0}: {why}");
            ProgressPhase::Failed
        } else if self.ledger_failures.0 > 1 {
            message = format!("the ledger cannot be written: {}", self.ledger_failures.1);
            ProgressPhase::Failed
        } else if !problems.is_empty() {
            ProgressPhase::Failed
        } else if busy {
            ProgressPhase::Applying
        } else if waiting > 0 {
            message = self.removals.waiting_names();
            ProgressPhase::AwaitingConfirmation
        } else {
            if let Some(before) = self.refused_before.as_ref().filter(|_| message.is_empty()) {
                message.clone_from(before);
            }
            ProgressPhase::Applied
        };
        let made = self.objects.values().filter(|owned| owned.uid.is_some()).count();
        Progress {
            held,
            phase,
            problems,
            removals_waiting: waiting,
            message,
            objects: u32::try_from(made).unwrap_or(u32::MAX),
            refused: self.refused.as_ref().map(|(condition, _)| *condition),
            secrets_pending: self
                .bundle
                .iter()
                .flat_map(secrets::pending)
                .map(|r| r.name)
                .take(100)
                .collect(),
        }
    }

    /// Asks to be woken at the next moment at which something is due.
    fn set_wake(&mut self) {
        let later = self.objects.values().filter_map(|owned| match &owned.work {
            Work::Later { at, .. } => Some(*at),
            Work::Idle | Work::Wanted | Work::InFlight => None,
        });
        let due = later
            .chain(self.next_expiry)
            .chain(self.ledger_retry)
            .chain(self.next_probe.filter(|_| self.unfenced.is_none()))
            .chain(self.removals.next_due())
            .min();
        if let Some(due) = due
            && self.wake != Some(due)
        {
            self.wake = Some(due);
            self.effects.push(Effect::Wake(due));
        }
    }
}
