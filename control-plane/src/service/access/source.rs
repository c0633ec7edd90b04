//! What a question is asked of: the index as it stands, or one that is made of a cluster's past. No
//! lock is held while anything waits for a client.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hanse_domain::access::index::Index;
use hanse_domain::ids::ClusterId;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::{AccessService, Inner};
use crate::service::ServiceError;
use crate::store::{AccessContents, AccessMoment};

/// How long a question waits while others are answered.
const TURN: Duration = Duration::from_secs(10);
/// How long an answer waits for its client to take a page.
const PATIENCE: Duration = Duration::from_mins(1);
/// So much is gathered under the lock; a longer answer is made of a copy of the cluster.
const FEW: usize = 2_000;
/// What goes on together: its provenance is looked up at once.
pub(super) const PAGE: usize = 500;
/// Pages that are ready before they are taken.
const PAGES: usize = 2;

/// Where the access of one cluster is.
#[derive(Clone)]
pub(super) enum Source {
    /// In the index of the fleet.
    Live(AccessService),
    /// In one of its own.
    Made(Arc<Index>),
}

/// Takes what is found, one after another.
pub(super) type Visit<'v, T> = &'v mut dyn FnMut(T) -> ControlFlow<()>;

/// What a walk finds, in pages.
pub(super) struct Pages<T>(mpsc::Receiver<Page<T>>);

enum Page<T> {
    Some(Vec<T>),
    /// There is no more; without it the walk broke.
    End,
}

impl<T> Pages<T> {
    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, ServiceError> {
        match self.0.recv().await {
            Some(Page::Some(page)) => Ok(Some(page)),
            Some(Page::End) => Ok(None),
            None => Err(ServiceError::Aborted("the answer was not taken in time".to_owned())),
        }
    }
}

impl AccessService {
    /// Waits for a turn to answer a question that goes over many objects.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, ServiceError> {
        if let Ok(Ok(turn)) = timeout(TURN, Arc::clone(&self.0.questions).acquire_owned()).await {
            return Ok(turn);
        }
        let why = "the hub answers too many questions at once: try again";
        Err(ServiceError::Exhausted(why.to_owned()))
    }

    /// A cluster at a moment; now for `None`.
    pub(super) async fn source(
        &self,
        cluster: ClusterId,
        moment: Option<AccessMoment>,
        contents: &mut AccessContents,
    ) -> Result<Source, ServiceError> {
        let Some(moment) = moment else { return Ok(Source::Live(self.clone())) };
        let objects = self.0.store.access_at(cluster, moment, contents).await?;
        let made = tokio::task::spawn_blocking(move || {
            let mut index = Index::default();
            let objects = objects.into_iter();
            index.load(cluster, objects.map(|state| (state.key, state.content)));
            index
        });
        Ok(Source::Made(Arc::new(made.await.map_err(|e| broke(&e))?)))
    }
}

impl Inner {
    pub(super) fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    /// An index that holds this cluster and that nobody else changes.
    pub(super) fn own(&self, cluster: ClusterId) -> Arc<Index> {
        match self {
            Self::Live(service) => Arc::new(service.0.read(|index| index.fork(cluster))),
            Self::Made(index) => Arc::clone(index),
        }
    }

    /// Looks once, off the async threads. `look` must be quick: the index waits for it.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Index) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let source = self.clone();
        let looked = tokio::task::spawn_blocking(move || match source {
            Self::Live(service) => service.0.read(look),
            Self::Made(index) => look(&index),
        });
        looked.await.map_err(|e| broke(&e))
    }

    /// Looks at a copy that nobody waits for, off the async threads.
    pub(super) async fn study<T: Send + 'static>(
        &self,
        cluster: ClusterId,
        look: impl FnOnce(&Index) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let source = self.clone();
        let looked = tokio::task::spawn_blocking(move || look(&source.own(cluster)));
        looked.await.map_err(|e| broke(&e))
    }

    /// Everything that `walk` finds in a cluster: in order and each once when it is not much, else in the
    /// order in which it is found. The turn lasts as long as there is something to look for.
    pub(super) fn walk<T: Ord + Send + 'static>(
        &self,
        cluster: ClusterId,
        turn: OwnedSemaphorePermit,
        walk: impl Fn(&Index, Visit<'_, T>) -> ControlFlow<()> + Send + 'static,
    ) -> Pages<T> {
        let (send, receive) = mpsc::channel(PAGES);
        let source = self.clone();
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut sender = Sender { send, handle, page: Vec::new() };
            let few = match &source {
                Self::Live(service) => service.0.read(|index| few(index, &walk)),
                Self::Made(index) => few(index, &walk),
            };
            let done = if let Some(mut all) = few {
                // What is left waits for the client alone.
                drop((turn, source));
                all.sort_unstable();
                all.dedup();
                all.into_iter().try_for_each(|found| sender.add(found))
            } else {
                let _turn = turn;
                walk(&source.own(cluster), &mut |found| sender.add(found))
            };
            if done.is_continue() {
                let _ = sender.end();
            }
        });
        Pages(receive)
    }
}

/// All that is found, unless it is much.
fn few<T>(
    index: &Index,
    walk: &impl Fn(&Index, Visit<'_, T>) -> ControlFlow<()>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    let whole = walk(index, &mut |found| {
        all.push(found);
        if all.len() > FEW { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    whole.is_continue().then_some(all)
}

struct Sender<T> {
    send: mpsc::Sender<Page<T>>,
    handle: Handle,
    page: Vec<T>,
}

impl<T> Sender<T> {
    fn add(&mut self, found: T) -> ControlFlow<()> {
        self.page.push(found);
        if self.page.len() < PAGE {
            return ControlFlow::Continue(());
        }
        let page = std::mem::take(&mut self.page);
        self.put(Page::Some(page))
    }

    fn end(mut self) -> ControlFlow<()> {
        let page = std::mem::take(&mut self.page);
        if !page.is_empty() {
            self.put(Page::Some(page))?;
        }
        self.put(Page::End)
    }

    /// A client that takes nothing for long does not keep a thread.
    fn put(&self, page: Page<T>) -> ControlFlow<()> {
        let sent = self.handle.block_on(timeout(PATIENCE, self.send.send(page)));
        if matches!(sent, Ok(Ok(()))) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

pub(super) fn broke(error: &tokio::task::JoinError) -> ServiceError {
    ServiceError::Internal(format!("looking at access failed: {error}"))
}
