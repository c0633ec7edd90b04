//! Dry runs: what each connected cluster's API server would say to a change that is not made.
//!
//! ```text
//! ask ─▶ Sessions ─▶ the agent's stream ─▶ API server (server-side dry run)
//!  ▲                                             │
//!  └── answer (by cluster and id) ◀──────────────┘   or nothing within PATIENCE
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use hanse_domain::ids::ClusterId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ServiceError;
use super::delivery::{self, Bundle};
use super::fleet::{FleetService, Submission};
use super::sessions::{DryRunAsk, Sessions};

/// How long the clusters have, all together.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many are asked at once.
const AT_ONCE: usize = 64;

/// Asks for dry runs. Clones share what is under way.
#[derive(Clone)]
pub struct DryRuns {
    fleet: FleetService,
    sessions: Sessions,
    pending: Arc<Pending>,
}

/// Where an answer, or why there is none, goes.
type Reply = oneshot::Sender<Result<Answer, String>>;

#[derive(Default)]
struct Pending {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<(ClusterId, u64), Reply>>,
}

/// An object that the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What the API server says.
    pub message: String,
}

/// What an agent answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What would be refused.
    pub problems: Vec<Problem>,
    /// How many objects were tried.
    pub tried: u32,
}

/// What came of one cluster.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub cluster: String,
    /// Why it could not be asked, or its answer.
    pub answer: Result<Answer, String>,
}

impl DryRuns {
    /// With nothing under way.
    pub fn new(fleet: FleetService, sessions: Sessions) -> Self {
        Self { fleet, sessions, pending: Arc::default() }
    }

    /// Checks the change as a commit would, then asks each cluster that it touches.
    pub async fn run(
        &self,
        submission: Submission,
    ) -> Result<impl Stream<Item = Outcome> + Send + 'static, ServiceError> {
        let change = self.fleet.try_out(&submission).await?;
        let statement = Bytes::copy_from_slice(&change.bytes);
        let mut proofs = change.fleet.inclusions(&change.touched);
        let fleet = Arc::new(change.fleet);
        let this = self.clone();
        let deadline = Instant::now() + PATIENCE;
        let asks = change.touched.into_iter().filter_map(move |id| {
            let name = fleet.member(id)?.entry.name.clone();
            Some((id, name, proofs.remove(&id)?, Arc::clone(&fleet)))
        });
        let outcomes = asks.map(move |(id, cluster, proof, fleet)| {
            let (this, statement) = (this.clone(), statement.clone());
            async move {
                let bundle = delivery::proposed(&fleet, id, statement, proof);
                drop(fleet);
                let answer = match bundle {
                    Ok(Some(bundle)) => this.ask(id, bundle, deadline).await,
                    Ok(None) => Err("it leaves the fleet".to_owned()),
                    Err(error) => {
                        tracing::error!(cluster.id = %id, %error, "no bundle to try");
                        Err("the hub cannot make its bundle".to_owned())
                    }
                };
                Outcome { cluster, answer }
            }
        });
        Ok(stream::iter(outcomes).buffer_unordered(AT_ONCE))
    }

    /// An agent's answer. One that nobody waits for, or of another cluster, is dropped.
    pub fn answered(&self, cluster: ClusterId, id: u64, answer: Result<Answer, String>) {
        if let Some(waiting) = self.pending.take(cluster, id) {
            // Who asked may have gone.
            let _ = waiting.send(answer);
        }
    }

    async fn ask(
        &self,
        cluster: ClusterId,
        bundle: Bundle,
        deadline: Instant,
    ) -> Result<Answer, String> {
        let id = self.pending.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (send, receive) = oneshot::channel();
        self.pending
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((cluster, id), send);
        let _waiting = Waiting { pending: &self.pending, key: (cluster, id) };
        if self.sessions.seen(cluster).is_none() {
            return Err("not connected".to_owned());
        }
        if !self.sessions.ask(cluster, DryRunAsk { id, bundle: Box::new(bundle) }) {
            return Err("busy with other dry runs".to_owned());
        }
        match tokio::time::timeout_at(deadline, receive).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("its connection ended".to_owned()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
}

impl Pending {
    fn take(&self, cluster: ClusterId, id: u64) -> Option<oneshot::Sender<Result<Answer, String>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&(cluster, id))
    }
}

/// Forgets a question when nobody waits for its answer any more.
struct Waiting<'p> {
    pending: &'p Pending,
    key: (ClusterId, u64),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let (cluster, id) = self.key;
        self.pending.take(cluster, id);
    }
}
