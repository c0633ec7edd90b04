//! The loop that owns the core: one input at a time in, its effects out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::AnotherAgent;
use super::queue::{Queue, Write};
use super::work::{self, Done, Hands};
use crate::core::Core;
use crate::core::io::{Effect, Input, Notice, Report};
use crate::core::ledger::Ledger;
use crate::fence::FenceState;
use crate::fence::running::Poke;
use crate::inventory::{self, Keeper};
use crate::kube::client::ClusterFacts;
use crate::kube::events::Events;
use crate::kube::ledger::LedgerStore;
use crate::link::{Event, Session};
use crate::metrics::Metrics;
use crate::supervisor::TaskError;
use crate::wire::Incoming;

/// Writes at once.
const MAX_WRITES: usize = 16;
/// Dry runs at once; more are answered with nothing tried.
const MAX_DRY_RUNS: usize = 2;
/// How often the folder is looked at for another key.
const KEY_EVERY: Duration = Duration::from_secs(5);
/// Longest sleep before the clock is looked at again: it may be set, or the machine sleep.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// How long begun writes may go on when the process ends.
const DRAIN: Duration = Duration::from_secs(2);

pub(super) struct Agent {
    core: Core,
    inventory: Keeper,
    cluster: ClusterFacts,
    hands: Hands,
    fence: watch::Receiver<FenceState>,
    poke: Poke,
    /// To whom secrets are sealed, as the hub was told.
    recipient: String,
    /// Kinds that were listed once.
    listed: BTreeSet<ObjectKind>,
    metrics: Metrics,
    ledger: Arc<Mutex<LedgerStore>>,
    events: Events,
    queue: Queue,
    work: JoinSet<Done>,
    dry_runs: usize,
    session: Option<Session>,
    wake: Option<Timestamp>,
    inventory_wake: Option<Timestamp>,
}

/// What is around the core.
pub(super) struct Around {
    pub(super) cluster: ClusterFacts,
    pub(super) ledger: LedgerStore,
    pub(super) events: Events,
    pub(super) fence: watch::Receiver<FenceState>,
    pub(super) poke: Poke,
    pub(super) metrics: Metrics,
}

impl Agent {
    pub(super) fn new(core: Core, inventory: Keeper, hands: Hands, around: Around) -> Self {
        Self {
            core,
            inventory,
            recipient: hands.vault.recipient(),
            hands,
            cluster: around.cluster,
            fence: around.fence,
            poke: around.poke,
            listed: BTreeSet::new(),
            metrics: around.metrics,
            ledger: Arc::new(Mutex::new(around.ledger)),
            events: around.events,
            queue: Queue::new(MAX_WRITES),
            work: JoinSet::new(),
            dry_runs: 0,
            session: None,
            wake: None,
            inventory_wake: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut sights: mpsc::Receiver<inventory::Input>,
        mut link: mpsc::Receiver<Event>,
        soft: CancellationToken,
    ) -> Result<(), TaskError> {
        // The core may have something to do before anything has happened.
        self.feed(Input::Tick);
        self.look_at_fence();
        let mut keys = tokio::time::interval(KEY_EVERY);
        loop {
            let (wake, inventory_wake) = (self.wake, self.inventory_wake);
            let waits = self.inventory.has_part();
            tokio::select! {
                () = soft.cancelled() => break,
                Some(done) = self.work.join_next() => self.finish(done)?,
                Some(input) = inputs.recv() => self.feed(input),
                Some(input) = sights.recv() => self.feed_inventory(input),
                Some(event) = link.recv() => self.hear(event),
                Ok(()) = self.fence.changed() => self.look_at_fence(),
                _ = keys.tick() => self.look_at_key(),
                () = sleep_until(wake), if wake.is_some() => {
                    self.wake = None;
                    self.feed(Input::Tick);
                }
                () = sleep_until(inventory_wake), if inventory_wake.is_some() => {
                    self.inventory_wake = None;
                    self.feed_inventory(inventory::Input::Tick);
                }
                () = room(self.session.as_ref()), if waits && self.session.is_some() => {
                    self.feed_inventory(inventory::Input::Room);
                }
                // Every source is gone: the supervisor knows why.
                else => break,
            }
        }
        self.session = None;
        let drained = async { while self.work.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some writes did not end in time");
        }
        Ok(())
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Up(session) => {
                self.session = Some(session);
                self.feed(Input::Connected);
                self.tell_fence();
            }
            Event::Message(incoming) => match *incoming {
                Incoming::Core(input) => self.feed(input),
                Incoming::Inventory(input) => self.feed_inventory(input),
            },
            Event::Down => {
                self.session = None;
                self.feed(Input::Disconnected);
            }
        }
    }

    /// Writes, or does not, as the fence stands; and tells the hub.
    fn look_at_fence(&mut self) {
        let state = self.fence.borrow_and_update().clone();
        self.hands.fenced = matches!(state, FenceState::Standing { .. });
        match &state {
            FenceState::Unknown => {}
            FenceState::Standing { .. } | FenceState::Unfenced(_) => self.feed(Input::Fence(None)),
            FenceState::Broken(why) => self.feed(Input::Fence(Some(why.join("; ")))),
        }
        self.tell_fence();
    }

    /// Tells the hub how the fence stands, once that is known.
    fn tell_fence(&mut self) {
        let state = self.fence.borrow().clone();
        if state != FenceState::Unknown {
            self.send(|session, _| session.fence(&state));
        }
    }

    /// Somebody may have made another key for secrets: the hub is told on a new stream.
    fn look_at_key(&mut self) {
        let recipient = self.hands.vault.recipient();
        if self.recipient != recipient {
            self.recipient = recipient;
            self.session = None;
        }
    }

    fn finish(&mut self, done: Result<Done, JoinError>) -> Result<(), TaskError> {
        match done? {
            Done::Written(reference, input) => {
                self.queue.done(&reference);
                self.feed(*input);
            }
            Done::Ledger(outcome) => {
                if let Some(error) = outcome.as_ref().err().and_then(AnotherAgent::of) {
                    return Err(error.into());
                }
                self.feed(Input::LedgerWritten(outcome));
            }
            Done::DryRun { id, problems, tried } => {
                self.dry_runs -= 1;
                self.send(|session, _| session.dry_run_result(id, Ok((problems, tried))));
            }
        }
        Ok(())
    }

    /// The inventory hears of what the core's watches bring, too.
    fn feed_inventory(&mut self, input: inventory::Input) {
        for effect in self.inventory.handle(input, Timestamp::now()) {
            match effect {
                inventory::Effect::Send(part) => {
                    let (vault, named) = (self.hands.vault.clone(), self.core.recipient());
                    let named = named.map(str::to_owned);
                    self.send(|session, _| {
                        session.inventory(*part, |bytes| vault.sign(named.as_deref(), bytes))
                    });
                }
                inventory::Effect::Wake(at) => self.inventory_wake = Some(at),
            }
        }
        self.metrics.set_inventory(self.inventory.stats());
    }

    fn feed(&mut self, input: Input) {
        self.notice(&input);
        if let Some(input) = inventory::input_of(&input) {
            self.feed_inventory(input);
        }
        for effect in self.core.handle(input, Timestamp::now()) {
            match effect {
                Effect::Apply { object, first } => {
                    self.queue.push(Write::Apply { object, first });
                }
                Effect::WriteSecret { object, sealed, record } => {
                    self.queue.push(Write::Secret { object, sealed, record });
                }
                Effect::ProbeSecret { object, sealed, record, dry_run } => {
                    self.queue.push(Write::Probe { object, sealed, record, dry_run });
                }
                Effect::Remove { object, uid } => self.queue.push(Write::Remove { object, uid }),
                Effect::WriteLedger(ledger) => self.write_ledger(ledger),
                Effect::Send(report) => self.report(report),
                Effect::DryRun { id, objects, problems } => self.dry_run(id, objects, problems),
                Effect::Wake(at) => self.wake = Some(at),
                Effect::Notice(notice) => {
                    self.count(&notice);
                    self.events.tell(notice);
                }
            }
        }
        self.metrics.set_drift_open(self.core.open_drift() as u64);
        while let Some(write) = self.queue.next() {
            self.work.spawn(work::write(self.hands.clone(), write));
        }
    }

    /// What concerns the fence and the metrics, besides the core.
    fn notice(&mut self, input: &Input) {
        match input {
            Input::Seen(live) => self.poke.saw(live),
            // What happened between two lists was not seen.
            Input::Listed(kind, _) => {
                if !self.listed.insert(*kind) && kind.is_access() {
                    self.poke.now();
                }
            }
            Input::Connected => self.metrics.set_connected(true),
            Input::Disconnected => self.metrics.set_connected(false),
            Input::Applied(_, Err(_)) | Input::Removed(_, Err(_)) => self.metrics.write_failed(),
            Input::Gone(_)
            | Input::Interrupted(..)
            | Input::Blind(..)
            | Input::Sighted(_)
            | Input::Welcomed { .. }
            | Input::TrustRoots { .. }
            | Input::Offered(_)
            | Input::Fence(_)
            | Input::Probed(..)
            | Input::DriftStored(_)
            | Input::Applied(..)
            | Input::Removed(..)
            | Input::LedgerWritten(_)
            | Input::DryRunAsked { .. }
            | Input::Tick => {}
        }
    }

    fn count(&self, notice: &Notice) {
        if let Notice::BundleRefused(condition, _) = notice {
            self.metrics.bundle_refused(*condition);
        }
    }

    fn write_ledger(&mut self, ledger: Ledger) {
        self.work.spawn(work::write_ledger(Arc::clone(&self.ledger), ledger));
    }

    fn report(&mut self, report: Report) {
        if let Report::Applied(progress) = &report {
            self.metrics.set_generation(progress.held.map_or(0, |(generation, _)| generation.0));
            self.metrics.set_objects(progress.objects.into());
            self.metrics.set_secrets_pending(progress.secrets_pending.len() as u64);
        }
        let recipient = self.recipient.clone();
        self.send(|session, cluster| session.report(report, cluster, &recipient));
    }

    fn dry_run(
        &mut self,
        id: u64,
        objects: Result<Vec<Object>, String>,
        problems: Vec<(ObjectRef, String)>,
    ) {
        let busy = || Err("the agent has too many dry runs at once; try again".to_owned());
        match objects.and_then(|o| if self.dry_runs < MAX_DRY_RUNS { Ok(o) } else { busy() }) {
            Ok(objects) => {
                self.dry_runs += 1;
                self.work.spawn(work::dry_run(self.hands.applier.clone(), id, objects, problems));
            }
            Err(refused) => self.send(|session, _| session.dry_run_result(id, Err(refused))),
        }
    }

    /// Sends, if the stream is up. One that takes no more is given up: the link begins a new one, and
    /// the core then tells all that the hub lacks.
    fn send(
        &mut self,
        send: impl FnOnce(&Session, &ClusterFacts) -> Result<(), crate::link::Full>,
    ) {
        let Some(session) = &self.session else { return };
        if send(session, &self.cluster).is_err() {
            self.session = None;
        }
    }
}

/// Until a part of the inventory can be sent.
async fn room(session: Option<&Session>) {
    if let Some(session) = session {
        session.bulk_room().await;
    }
}

async fn sleep_until(wake: Option<Timestamp>) {
    let Some(wake) = wake else { return };
    loop {
        let left = wake.duration_since(Timestamp::now());
        let Ok(left) = Duration::try_from(left) else {
            return;
        };
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
    }
}
