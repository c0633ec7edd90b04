//! Watches. Nothing is polled: an agent with nothing to do makes no request but to renew its watches,
//! every [`WATCH_TIMEOUT`].
//!
//! ```text
//! list → Listed    a change → Seen    a deletion → Gone    the watch broke → Listed
//! ```
//!
//! Namespaces, roles and bindings are watched whole, to see what nobody declared; the rest of what Hanse
//! writes only with our label. There, "deleted" may mean that just the label went, so the object is looked
//! at once. Service accounts and workloads are watched for the inventory alone: of them it is kept as whom
//! something runs, and nothing else.
//!
//! Nothing is kept here. While a kind is listed its objects are in memory together; kinds take turns
//! at that, so that the largest one is the most that is held.

mod consumer;
mod outage;
mod pruned;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use hanse_domain::access::object::AccessKind;
use hanse_domain::object::ObjectKind;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::CallError;
use crate::backoff::Backoff;
use crate::core::io::{Failure, Input};
use crate::inventory;
use consumer::{Consumer, ForCore, ForInventory, News};
use outage::Outage;

/// How long the API server keeps one watch open: as kube's and client-go's default, below the five
/// minutes after which load balancers like to cut idle connections.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(290);
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

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
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        Watch::new(self, ForCore { client, kind, inputs }).run().await
    }

    /// Watches one kind for the inventory alone, for as long as somebody listens.
    pub async fn watch_access(
        self,
        kind: AccessKind,
        inputs: mpsc::Sender<inventory::Input>,
    ) -> Result<(), NobodyListens> {
        Watch::new(self, ForInventory { kind, inputs }).run().await
    }
}

/// Why a watch begins anew with a list.
enum Again {
    /// The API server cannot stream it.
    InPages,
    /// It failed. A watch that is taken up where it ended would not say that it works until something
    /// happens, and nothing could be vouched for until then.
    Broken,
}

/// The watch of one kind.
struct Watch<C> {
    observer: Observer,
    consumer: C,
    streaming: bool,
    backoff: Backoff,
    /// In a row.
    failures: u32,
}

impl<C: Consumer> Watch<C> {
    fn new(observer: Observer, consumer: C) -> Self {
        let backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        Self { streaming: observer.streaming, observer, consumer, backoff, failures: 0 }
    }

    async fn run(mut self) -> Result<(), NobodyListens> {
        loop {
            let mut config = consumer::renewed(self.consumer.config(), WATCH_TIMEOUT);
            if self.streaming {
                // Here a page has no size.
                config.page_size = None;
                config = config.streaming_lists();
            }
            let client = self.observer.client.clone();
            let api = Api::<C::Object>::all_with(client, &self.consumer.resource());
            match self.follow(watcher::watcher(api, config)).await? {
                Some(Again::InPages) => {
                    let name = self.consumer.name();
                    tracing::info!("{name} cannot be listed as a stream; listing in pages");
                    self.streaming = false;
                }
                Some(Again::Broken) => {}
                // A watch never ends by itself.
                None => return Ok(()),
            }
        }
    }

    async fn follow(
        &mut self,
        events: impl Stream<Item = watcher::Result<Event<C::Object>>>,
    ) -> Result<Option<Again>, NobodyListens> {
        let mut events = pin!(events);
        let mut listed = Vec::new();
        let mut turn = Some(self.take_turn().await);
        while let Some(event) = events.next().await {
            match event {
                Err(error) => {
                    // Others list while this one waits.
                    drop((turn, listed));
                    if self.streaming && cannot_stream(&error) {
                        return Ok(Some(Again::InPages));
                    }
                    self.failed(failure(error)).await?;
                    return Ok(Some(Again::Broken));
                }
                // A list in pages begins with this before anything was asked.
                Ok(Event::Init) => {
                    listed = Vec::new();
                    if turn.is_none() {
                        turn = Some(self.take_turn().await);
                    }
                }
                Ok(Event::InitApply(object)) => listed.extend(self.consumer.item(object)),
                Ok(Event::InitDone) => {
                    self.works().await?;
                    self.consumer.tell(News::Listed(std::mem::take(&mut listed))).await?;
                    turn = None;
                }
                Ok(Event::Apply(object)) => {
                    self.works().await?;
                    if let Some(item) = self.consumer.item(object) {
                        self.consumer.tell(News::Seen(item)).await?;
                    }
                }
                Ok(Event::Delete(object)) => {
                    self.works().await?;
                    if let Some(item) = self.consumer.item(object) {
                        self.consumer.tell(News::Gone(item)).await?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// One failure is how a watch ends now and then; a second one is an outage. The inventory, which vouches
    /// for what it sees, hears of the first.
    async fn failed(&mut self, failure: Failure) -> Result<(), NobodyListens> {
        if self.consumer.is_outage(&failure) {
            self.observer.outage.warn(self.consumer.name(), &failure);
        }
        self.failures += 1;
        let news = if self.failures > 1 { News::Blind } else { News::Interrupted };
        self.consumer.tell(news(failure)).await?;
        tokio::time::sleep(self.backoff.next_delay()).await;
        Ok(())
    }

    async fn works(&mut self) -> Result<(), NobodyListens> {
        self.backoff.reset();
        self.observer.outage.ended(self.consumer.name());
        if std::mem::take(&mut self.failures) > 1 {
            self.consumer.tell(News::Sighted).await?;
        }
        Ok(())
    }

    async fn take_turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.observer.turn).acquire_owned().await.ok()
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

fn cannot_stream(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if matches!(status.code, 400 | 422)
    )
}

fn failure(error: watcher::Error) -> Failure {
    let error = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        watcher::Error::NoResourceVersion => {
            return Failure::Unavailable("an answer without a resource version".to_owned());
        }
    };
    // The API server forgot where the watch was: it is listed anew.
    let forgot = matches!(&error, kube::Error::Api(status) if status.code == 410);
    match Failure::from(CallError::Kube(error)) {
        Failure::Refused(why) if forgot => Failure::Unavailable(why),
        failure @ (Failure::Refused(_) | Failure::Unavailable(_) | Failure::Conflict(_)) => failure,
    }
}
