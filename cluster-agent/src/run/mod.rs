//! `run`: builds the parts, each in a function that fits a screen, and keeps them going.
//!
//! ```text
//! observe × 16 ─┐
//! link ─────────┼──► agent (owns the core) ──► applies, removals, ledger, dry runs
//! timer ────────┘     and the   └──► link, events
//!                     inventory
//! ```

mod agent;
mod queue;
mod vault;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hanse_domain::object::ObjectKind;
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::backoff::Backoff;
use crate::core::io::{Failure, Input};
use crate::core::ledger::Ledger;
use crate::core::{Core, Pins};
use crate::fence::FenceState;
use crate::fence::running::{FenceWatch, Poke};
use crate::identity::age::AgeIdentities;
use crate::identity::store::IdentityStore;
use crate::identity::{Identity, IdentityError};
use crate::inventory::{self, Keeper};
use crate::kube::CallError;
use crate::kube::apply::Applier;
use crate::kube::client::ClusterFacts;
use crate::kube::events::Events;
use crate::kube::ledger::{LedgerKeys, LedgerStore, LoadError};
use crate::kube::observe::{NobodyListens, Observer};
use crate::kube::secret::SecretWriter;
use crate::kube::writers::Writers;
use crate::link::{Link, TlsError};
use crate::metrics::Metrics;
use crate::supervisor::{Supervisor, Unexpected};
use crate::terminal;

use agent::{Agent, Around};
use vault::Vault;
use work::Hands;

/// Inputs from watches and messages from the hub that may wait for the core.
const INPUTS: usize = 64;
const MESSAGES: usize = 16;
const WARN_EVERY: Duration = Duration::from_mins(1);

/// What an agent runs with.
pub struct Settings {
    /// Who it is.
    pub identity: Identity,
    /// Where a renewed certificate goes.
    pub store: IdentityStore,
    /// Its cluster, as whom it writes there.
    pub writers: Writers,
    /// Opens sealed secrets.
    pub age: AgeIdentities,
    /// Where `age` was read, and is read again when it changes.
    pub dir: PathBuf,
    /// Whether the administrator lets it write without a fence.
    pub allow_unfenced: bool,
    /// How often Secrets are looked after.
    pub probe_every: Duration,
    /// Where metrics are served; nowhere when nothing is given.
    pub metrics: Option<SocketAddr>,
}

/// Why an agent ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The API server is of another cluster than the one that joined.
    #[error(
        "this is another cluster than the one that joined as {name}: its kube-system has the uid {found}, not {expected}"
    )]
    OtherCluster {
        /// The cluster's name.
        name: String,
        /// From enrolment.
        expected: String,
        /// In this cluster.
        found: String,
    },
    /// The address for metrics cannot be used.
    #[error("metrics cannot be served at {0}")]
    Metrics(SocketAddr, #[source] std::io::Error),
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The connection to the hub cannot even be tried.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A task ended.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
}

/// Runs until `stop` completes.
pub async fn run(settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let id = settings.identity.facts.cluster_id;
    let name = settings.identity.facts.cluster_name.clone();
    let span = tracing::info_span!("agent", cluster.id = %id, cluster.name = %name);
    run_in_span(settings, stop).instrument(span).await
}

async fn run_in_span(mut settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let facts = settings.identity.facts.clone();
    let (id, fleet) = (facts.cluster_id, facts.fleet()?);
    tracing::info!("agent {} of cluster {} ({id}) starts", crate::VERSION, facts.cluster_name);
    let client = settings.writers.own().clone();
    let begin = prepare(&client, settings.age.ledger_keys());
    let (cluster, store, ledger) = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        begin = begin => begin,
    };
    if cluster.uid != facts.cluster_uid {
        return Err(RunError::OtherCluster {
            name: facts.cluster_name.clone(),
            expected: facts.cluster_uid.clone(),
            found: cluster.uid,
        });
    }
    // What cannot work is said now, and not by a task that ends.
    crate::link::endpoint(&settings.identity)?;

    tidy(&mut settings, &ledger);
    let mut supervisor = Supervisor::default();
    let soft = supervisor.soft();
    let metrics = Metrics::default();
    start_metrics(&mut supervisor, settings.metrics, &metrics).await?;
    let poke = Poke::default();
    let state = start_fence(&mut supervisor, &settings, &poke, &metrics);
    let (inputs, sights) = start_watches(&mut supervisor, &client, cluster.streaming_lists);
    let (events, write_events) = Events::new(client.clone(), soft.clone());
    supervisor.spawn("the writer of Events", write_events.in_current_span());
    let (sender, link) = mpsc::channel(MESSAGES);
    let pins = Pins { cluster: id, name: facts.cluster_name.clone(), fleet, head: facts.head()? };
    let inventory = Keeper::new(fleet, id);
    let core = Core::new(pins, ledger).with_probe_every(settings.probe_every);
    let hands = Hands {
        applier: Applier::new(settings.writers.clone()),
        secrets: SecretWriter::new(client),
        vault: Vault::new(settings.dir.clone(), settings.age.clone(), fleet),
        fenced: false,
    };
    start_link(&mut supervisor, settings.identity, settings.store, sender);
    let around = Around { cluster, ledger: store, events, fence: state, poke, metrics };
    let agent = Agent::new(core, inventory, hands, around);
    supervisor.spawn("the agent", agent.run(inputs, sights, link, soft).in_current_span());
    supervisor.run(stop.cancelled_owned()).await?;
    tracing::info!("ended");
    Ok(())
}

/// Keys for secrets that are of no use any more go. If that cannot be kept, they go the next time.
fn tidy(settings: &mut Settings, ledger: &Ledger) {
    if !vault::retire(&mut settings.age, ledger) {
        return;
    }
    let kept = match &settings.store {
        IdentityStore::Directory(dir) => settings.age.save(dir).map_err(|e| terminal::chain(&e)),
        // In the cluster only an administrator can change them.
        IdentityStore::Secret(_) => Ok(()),
    };
    if let Err(why) = kept {
        tracing::warn!("old keys for secrets are still there: {why}");
    }
}

/// What must be known before anything is applied. Waits for as long as the API server is away.
async fn prepare(client: &Client, keys: LedgerKeys) -> (ClusterFacts, LedgerStore, Ledger) {
    let mut patience = Patience::new();
    let facts = loop {
        match ClusterFacts::read(client).await {
            Ok(facts) => break facts,
            Err(error) => patience.wait(&error).await,
        }
    };
    let mut store = LedgerStore::new(client.clone(), keys);
    let ledger = loop {
        match store.load().await {
            Ok(ledger) => break ledger.unwrap_or_default(),
            Err(LoadError::Call(error)) => patience.wait(&error).await,
            Err(LoadError::Damaged { why, generation }) => {
                tracing::error!(
                    "the ledger is damaged: {why}. The agent asks the hub for its bundle anew, takes \
                     none older than generation {generation}, and removes nothing that it made before"
                );
                break Ledger { generation, ..Ledger::default() };
            }
        }
    };
    (facts, store, ledger)
}

/// Waiting for the API server, with a warning at first and then each minute.
struct Patience {
    backoff: Backoff,
    warned: Option<tokio::time::Instant>,
}

impl Patience {
    const fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        Self { backoff, warned: None }
    }

    async fn wait(&mut self, error: &CallError) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(tokio::time::Instant::now());
            tracing::warn!("waiting for the API server: {error}");
        }
        tokio::time::sleep(self.backoff.next_delay()).await;
    }
}

fn start_watches(
    supervisor: &mut Supervisor,
    client: &Client,
    streaming: bool,
) -> (mpsc::Receiver<Input>, mpsc::Receiver<inventory::Input>) {
    let (sender, inputs) = mpsc::channel(INPUTS);
    let (sights_sender, sights) = mpsc::channel(INPUTS);
    let observer = Observer::new(client.clone(), streaming, sender);
    for kind in ObjectKind::watched() {
        start_watch(supervisor, observer.clone().watch(kind));
    }
    for kind in inventory::watched_apart() {
        start_watch(supervisor, observer.clone().watch_access(kind, sights_sender.clone()));
    }
    (inputs, sights)
}

fn start_watch(
    supervisor: &mut Supervisor,
    watch: impl Future<Output = Result<(), NobodyListens>> + Send + 'static,
) {
    let soft = supervisor.soft();
    let watch = async move {
        tokio::select! {
            () = soft.cancelled() => Ok(()),
            ended = watch => ended,
        }
    };
    supervisor.spawn("a watch", watch.in_current_span());
}

async fn start_metrics(
    supervisor: &mut Supervisor,
    address: Option<SocketAddr>,
    metrics: &Metrics,
) -> Result<(), RunError> {
    let Some(address) = address else { return Ok(()) };
    let bound = hanse_metrics_server::bind(address).await;
    let listener = bound.map_err(|error| RunError::Metrics(address, error))?;
    let shown = metrics.clone();
    let registry = move || shown.registry();
    let serve = hanse_metrics_server::serve(listener, registry, supervisor.soft());
    supervisor.spawn("the metrics", serve.in_current_span());
    Ok(())
}

fn start_fence(
    supervisor: &mut Supervisor,
    settings: &Settings,
    poke: &Poke,
    metrics: &Metrics,
) -> watch::Receiver<FenceState> {
    let (publish, state) = watch::channel(FenceState::Unknown);
    let check = FenceWatch {
        writers: settings.writers.clone(),
        allow_unfenced: settings.allow_unfenced,
        poke: poke.clone(),
        publish,
        metrics: metrics.clone(),
    };
    let check = check.run(supervisor.soft());
    supervisor.spawn("the check of the fence", check.in_current_span());
    state
}

fn start_link(
    supervisor: &mut Supervisor,
    identity: Identity,
    store: IdentityStore,
    events: mpsc::Sender<crate::link::Event>,
) {
    let link = Link { identity, store, events };
    let soft = supervisor.soft();
    supervisor.spawn("the link to the hub", link.run(soft).in_current_span());
}

/// Two agents for one cluster.
#[derive(Debug, thiserror::Error)]
#[error("another agent runs for this cluster, or somebody changed the ledger: {0}")]
pub struct AnotherAgent(String);

impl AnotherAgent {
    fn of(failure: &Failure) -> Option<Self> {
        match failure {
            Failure::Conflict(why) => Some(Self(why.clone())),
            Failure::Refused(_) | Failure::Unavailable(_) => None,
        }
    }
}
