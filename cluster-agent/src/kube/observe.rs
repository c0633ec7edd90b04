//! Watches. Nothing is polled: an agent with nothing to do makes no request but to renew its watches,
//! every [`WATCH_TIMEOUT`].
//!
//! ```text
//! list → Listed    a change → Seen    a deletion → Gone    the watch broke for too long → Listed
//! ```
//!
//! Namespaces, roles and bindings are watched whole, to see what nobody declared; the rest only with
//! our label. There, "deleted" may mean that just the label went, so the object is looked at once.
//!
//! Nothing is kept here. While a kind is listed its objects are in memory together; kinds take turns
//! at that, so that the largest one is the most that is held.

use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use hanse_domain::object::{MANAGED_LABEL, ObjectKind, ObjectRef};
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::apply::Applier;
use super::{live, resource};
use crate::backoff::Backoff;
use crate::core::io::{Failure, Input, Live};

/// How long the API server keeps one watch open: as kube's and client-go's default, below the five
/// minutes after which load balancers like to cut idle connections.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(290);
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The consumer of inputs went away.
#[derive(Debug, thiserror::Error)]
#[error("nobody listens to the watches")]
pub struct NobodyListens;

/// What all watches have in common.
#[derive(Clone)]
pub struct Observer {
    client: Client,
    streaming: bool,
    inputs: mpsc::Sender<Input>,
    turn: Arc<Semaphore>,
    outage: Arc<Outage>,
}

impl Observer {
    /// Sends what it sees to `inputs`, whose capacity bounds what is in flight.
    pub fn new(client: Client, streaming: bool, inputs: mpsc::Sender<Input>) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        Self { client, streaming, inputs, turn, outage: Arc::default() }
    }

    /// Watches one kind for as long as somebody listens.
    pub async fn watch(self, kind: ObjectKind) -> Result<(), NobodyListens> {
        let mut streaming = self.streaming;
        loop {
            let timeout = u32::try_from(WATCH_TIMEOUT.as_secs()).ok();
            let mut config = watcher::Config { timeout, ..watcher::Config::default() };
            if is_labelled(kind) {
                config = config.labels(&format!("{MANAGED_LABEL}=true"));
            }
            if streaming {
                config = config.streaming_lists();
            }
            let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource(kind));
            let events = watcher::watcher(api, config);
            // It returns only when the API server cannot stream a list.
            self.follow(kind, streaming, events).await?;
            tracing::info!("{} cannot be listed as a stream; listing in pages", kind.name());
            streaming = false;
        }
    }

    async fn follow(
        &self,
        kind: ObjectKind,
        streaming: bool,
        events: impl Stream<Item = watcher::Result<Event<DynamicObject>>>,
    ) -> Result<(), NobodyListens> {
        let mut events = pin!(events);
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        let mut listed: Vec<Live> = Vec::new();
        let mut turn = Some(self.take_turn().await);
        let mut failures = 0_u32;
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    turn = None;
                    listed = Vec::new();
                    if streaming && cannot_stream(&error) {
                        return Ok(());
                    }
                    self.outage.warn(kind, &error);
                    // One failure is how a watch ends now and then; a second one is an outage.
                    failures += 1;
                    if failures > 1 {
                        self.send(Input::Blind(kind, error.to_string())).await?;
                    }
                    tokio::time::sleep(backoff.next_delay()).await;
                    continue;
                }
            };
            backoff.reset();
            if failures > 1 {
                self.send(Input::Sighted(kind)).await?;
            }
            failures = 0;
            match event {
                Event::Init => {
                    listed = Vec::new();
                    if turn.is_none() {
                        turn = Some(self.take_turn().await);
                    }
                }
                Event::InitApply(object) => listed.extend(live(kind, slim(kind, object))),
                Event::InitDone => {
                    self.send(Input::Listed(kind, std::mem::take(&mut listed))).await?;
                    self.outage.ended(kind);
                    turn = None;
                }
                Event::Apply(object) => {
                    self.outage.ended(kind);
                    if let Some(object) = live(kind, slim(kind, object)) {
                        self.send(Input::Seen(object)).await?;
                    }
                }
                Event::Delete(object) => {
                    let Some(object) = live(kind, slim(kind, object)) else {
                        continue;
                    };
                    let input = self.gone(object.reference).await;
                    self.send(input).await?;
                }
            }
        }
        Ok(())
    }

    /// What a deletion means.
    async fn gone(&self, reference: ObjectRef) -> Input {
        if !is_labelled(reference.kind) {
            return Input::Gone(reference);
        }
        let applier = Applier::new(self.client.clone());
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        loop {
            match applier.read(&reference).await {
                Ok(Some(object)) => return Input::Seen(object),
                Ok(None) | Err(Failure::Refused(_)) => return Input::Gone(reference),
                Err(Failure::Unavailable(why) | Failure::Conflict(why)) => {
                    tracing::debug!("{reference} cannot be looked at: {why}");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }

    async fn send(&self, input: Input) -> Result<(), NobodyListens> {
        self.inputs.send(input).await.map_err(|_| NobodyListens)
    }

    async fn take_turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.turn).acquire_owned().await.ok()
    }
}

/// Whether only objects with our label are watched.
pub(crate) const fn is_labelled(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::ResourceQuota | ObjectKind::LimitRange | ObjectKind::NetworkPolicy => true,
        ObjectKind::Namespace
        | ObjectKind::Role
        | ObjectKind::ClusterRole
        | ObjectKind::RoleBinding
        | ObjectKind::ClusterRoleBinding
        | ObjectKind::Secret => false,
    }
}

/// Leaves out what is heavy and of no use in access that is not ours: which single fields somebody
/// owns, and kubectl's copy of the object. Who wrote it and when stays.
fn slim(kind: ObjectKind, mut object: DynamicObject) -> DynamicObject {
    let ours = object.metadata.name.as_deref().is_some_and(|name| name.starts_with("hanse:"));
    if kind.is_access() && !ours {
        for entry in object.metadata.managed_fields.iter_mut().flatten() {
            entry.fields_v1 = None;
        }
        if let Some(annotations) = &mut object.metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

fn cannot_stream(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if matches!(status.code, 400 | 422)
    )
}

/// Tells of an outage once, and again each minute, however many watches it breaks.
#[derive(Debug, Default)]
struct Outage(Mutex<OutageState>);

#[derive(Debug, Default)]
struct OutageState {
    broken: Vec<ObjectKind>,
    warned: Option<Instant>,
}

impl Outage {
    fn warn(&self, kind: ObjectKind, error: &watcher::Error) {
        let Ok(mut state) = self.0.lock() else { return };
        if !state.broken.contains(&kind) {
            state.broken.push(kind);
        }
        if state.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            state.warned = Some(Instant::now());
            let why = crate::terminal::chain(error);
            tracing::warn!(kind = kind.name(), "the cluster cannot be watched: {why}");
        }
    }

    fn ended(&self, kind: ObjectKind) {
        let Ok(mut state) = self.0.lock() else { return };
        if state.broken.is_empty() {
            return;
        }
        state.broken.retain(|broken| *broken != kind);
        if state.broken.is_empty() && state.warned.take().is_some() {
            tracing::info!("the cluster can be watched again");
        }
    }
}
