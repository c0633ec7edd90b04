//! The loop that owns the core: one input at a time in, its effects out.

use std::sync::Arc;
use std::time::Duration;

use hanse_domain::object::{Object, ObjectRef};
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::AnotherAgent;
use super::queue::{Queue, Write};
use super::work::{self, Done};
use crate::core::Core;
use crate::core::io::{Effect, Input, Report};
use crate::core::ledger::Ledger;
use crate::kube::apply::Applier;
use crate::kube::client::ClusterFacts;
use crate::kube::events::Events;
use crate::kube::ledger::LedgerStore;
use crate::link::{Event, Session};
use crate::supervisor::TaskError;

/// Writes at once.
const MAX_WRITES: usize = 16;
/// Dry runs at once; more are answered with nothing tried.
const MAX_DRY_RUNS: usize = 2;
/// Longest sleep before the clock is looked at again: it may be set, or the machine sleep.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// How long begun writes may go on when the process ends.
const DRAIN: Duration = Duration::from_secs(2);

pub(super) struct Agent {
    core: Core,
    cluster: ClusterFacts,
    applier: Applier,
    ledger: Arc<Mutex<LedgerStore>>,
    events: Events,
    queue: Queue,
    work: JoinSet<Done>,
    dry_runs: usize,
    session: Option<Session>,
    wake: Option<Timestamp>,
}

impl Agent {
    pub(super) fn new(
        core: Core,
        cluster: ClusterFacts,
        applier: Applier,
        ledger: LedgerStore,
        events: Events,
    ) -> Self {
        Self {
            core,
            cluster,
            applier,
            ledger: Arc::new(Mutex::new(ledger)),
            events,
            queue: Queue::new(MAX_WRITES),
            work: JoinSet::new(),
            dry_runs: 0,
            session: None,
            wake: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut link: mpsc::Receiver<Event>,
        soft: CancellationToken,
    ) -> Result<(), TaskError> {
        // The core may have something to do before anything has happened.
        self.feed(Input::Tick);
        loop {
            let wake = self.wake;
            tokio::select! {
                () = soft.cancelled() => break,
                Some(done) = self.work.join_next() => self.finish(done)?,
                Some(input) = inputs.recv() => self.feed(input),
                Some(event) = link.recv() => self.hear(event),
                () = sleep_until(wake), if wake.is_some() => {
                    self.wake = None;
                    self.feed(Input::Tick);
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
            }
            Event::Message(input) => self.feed(*input),
            Event::Down => {
                self.session = None;
                self.feed(Input::Disconnected);
            }
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

    fn feed(&mut self, input: Input) {
        for effect in self.core.handle(input, Timestamp::now()) {
            match effect {
                Effect::Apply { object, first } => {
                    self.queue.push(Write::Apply { object, first });
                }
                Effect::Remove { object, uid } => self.queue.push(Write::Remove { object, uid }),
                Effect::WriteLedger(ledger) => self.write_ledger(ledger),
                Effect::Send(report) => self.report(report),
                Effect::DryRun { id, objects, problems } => self.dry_run(id, objects, problems),
                Effect::Wake(at) => self.wake = Some(at),
                Effect::Notice(notice) => self.events.tell(notice),
            }
        }
        while let Some(write) = self.queue.next() {
            self.work.spawn(work::write(self.applier.clone(), write));
        }
    }

    fn write_ledger(&mut self, ledger: Ledger) {
        self.work.spawn(work::write_ledger(Arc::clone(&self.ledger), ledger));
    }

    fn report(&mut self, report: Report) {
        self.send(|session, cluster| session.report(report, cluster));
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
                self.work.spawn(work::dry_run(self.applier.clone(), id, objects, problems));
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
