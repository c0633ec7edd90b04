//! Builds the hub from its parts and starts it. The one file that knows every adapter.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hanse_domain::ids::Digest;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::api::server;
use crate::api::{HubInfo, Services};
use crate::auth::ca::IssueError;
use crate::auth::{CaFileError, CertificateAuthority, Identity};
use crate::background;
use crate::metrics::Metrics;
use crate::net::listener::BindError;
use crate::net::tls::TlsError;
use crate::net::{Limits, Listener, TlsConfig, TlsListener};
use crate::service::access::AccessService;
use crate::service::callers::Callers;
use crate::service::clusters::ClusterService;
use crate::service::delivery::DeliveryService;
use crate::service::drift::DriftService;
use crate::service::dry_run::DryRuns;
use crate::service::enrolment::Enrolment;
use crate::service::fleet::FleetService;
use crate::service::sessions::Sessions;
use crate::service::{self, ServiceError};
use crate::store::{FleetRow, Store, StoreError};
use crate::supervisor::Supervisor;

/// Watches of people that may be open at once.
const WATCHES: usize = 1_024;
/// Full pictures of drift in several parts at once.
const PICTURES: usize = 4;
/// The same of access, which are larger.
const INVENTORIES: usize = 4;
/// Connections of people at once.
const PEOPLE: usize = 1_000;
/// And of one address.
const PEOPLE_PER_ADDRESS: usize = 64;
/// Connections of agents at once: a process may hold 20,000 file descriptors.
const AGENTS: usize = 18_000;

/// How long the database has to be let go of.
const CLOSE: Duration = Duration::from_secs(2);

/// How to run the hub.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its files are.
    pub dir: PathBuf,
    /// DNS names and IP addresses in its certificate; the first is advertised.
    pub names: Vec<String>,
    /// The fleet that the database must hold, where `init` wrote it down.
    pub fleet: Option<Digest>,
    /// The database.
    pub database: String,
    /// Where people connect and clusters join.
    pub listen: SocketAddr,
    /// Where agents connect.
    pub agent_listen: SocketAddr,
    /// What clusters that join are told of the first, as "host:port".
    pub advertise: Option<String>,
    /// And of the second.
    pub agent_advertise: Option<String>,
    /// How long agents' certificates are valid; a day when nothing is said.
    pub agent_certificate_lifetime: Option<SignedDuration>,
    /// How long what was so in the clusters is kept.
    pub access_history: SignedDuration,
    /// Where metrics are served; nowhere for `None`.
    pub metrics: Option<SocketAddr>,
}

/// Where a hub that runs can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Bound for people.
    pub people: SocketAddr,
    /// Bound for agents.
    pub agents: SocketAddr,
    /// Told to people.
    pub advertise: String,
    /// Told to agents.
    pub agent_advertise: String,
}

/// A hub that runs.
pub struct Running {
    /// Where it can be reached.
    pub addresses: Addresses,
    store: Store,
}

impl Running {
    /// Lets go of the database, once the supervisor has ended everything.
    pub async fn close(self) {
        if timeout(CLOSE, self.store.close()).await.is_err() {
            tracing::warn!("the database was not let go of in time");
        }
    }
}

/// Why the hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder was never made by `init`.
    #[error("there is no hub in {}", .0.display())]
    NotInitialised(PathBuf),
    /// The database holds no fleet, or another one than the CA is for.
    #[error("the database is not of this hub")]
    OtherFleet {
        /// What the CA's certificate says; the database says something else.
        trust_domain: String,
        /// What the database says, if it holds a fleet.
        database: Option<String>,
    },
    /// The database holds another fleet than the hub was made for.
    #[error("the database holds the fleet {database}, and this hub is of the fleet {ours}")]
    OtherFleetId {
        /// What `init` wrote into the settings.
        ours: Digest,
        /// What the database says.
        database: Digest,
    },
    /// The fleet's first trust root has no keys: nothing in it is signed.
    #[error("the fleet has no trust root that can be used: {0}")]
    NoTrustRoot(String),
    /// The CA's files.
    #[error("cannot use the certificate authority")]
    Ca(#[from] CaFileError),
    /// A server certificate.
    #[error("cannot make the server's certificate")]
    Certificate(#[from] IssueError),
    /// TLS.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// A port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The port of the metrics.
    #[error("cannot serve metrics on {0}")]
    Metrics(SocketAddr, #[source] std::io::Error),
    /// The database.
    #[error("cannot use the database")]
    Store(#[from] StoreError),
    /// The fleet in it.
    #[error("cannot load the fleet")]
    Load(#[from] ServiceError),
}

/// Starts everything under the supervisor; ready to serve when it returns.
pub async fn start(config: &Config, supervisor: &Supervisor) -> Result<Running, StartError> {
    let now = Timestamp::now();
    if !config.dir.join("ca.crt").exists() {
        return Err(StartError::NotInitialised(config.dir.clone()));
    }
    let ca = Arc::new(CertificateAuthority::load(&config.dir)?);
    let store = Store::open(&config.database).await?;
    let fleet_row = check_fleet(&store, &ca, config.fleet).await?;
    if let Err(why) = service::first_root(&fleet_row) {
        return Err(StartError::NoTrustRoot(why));
    }

    let identity = ca.issue_server(&config.names, now)?;
    let people = listen(Listener::People, config.listen, PEOPLE, &ca, &identity)?;
    let agents = listen(Listener::Agents, config.agent_listen, AGENTS, &ca, &identity)?;
    let addresses = addresses(config, people.1.local_addr(), agents.1.local_addr());

    let info = hub_info(config, &ca, &fleet_row, &addresses, now);
    let metrics = serve_metrics(config, supervisor).await?;
    let parts = (store.clone(), Arc::clone(&ca), info, metrics);
    let services = services(parts, config, supervisor).await?;
    run_background(config, &services, ca, vec![people.0, agents.0], supervisor);
    let soft = supervisor.soft();
    let served = server::serve(
        Listener::People,
        services.clone(),
        people.1.incoming(soft.clone()),
        soft.clone(),
    );
    supervisor.spawn("people", served);
    let served = server::serve(Listener::Agents, services, agents.1.incoming(soft.clone()), soft);
    supervisor.spawn("agents", served);
    Ok(Running { addresses, store })
}

/// The database's fleet, if it is this hub's: of the CA's trust domain, which many hubs may have
/// chosen, and the one that `init` made.
pub async fn check_fleet(
    store: &Store,
    ca: &CertificateAuthority,
    fleet: Option<Digest>,
) -> Result<FleetRow, StartError> {
    let row = store.fleet().await?;
    let ours = ca.trust_domain().as_str();
    match row {
        Some(row) if row.trust_domain == ours => match fleet {
            Some(ours) if ours != row.id => {
                Err(StartError::OtherFleetId { ours, database: row.id })
            }
            Some(_) | None => Ok(row),
        },
        other => Err(StartError::OtherFleet {
            trust_domain: ours.to_owned(),
            database: other.map(|row| row.trust_domain),
        }),
    }
}

fn listen(
    listener: Listener,
    address: SocketAddr,
    connections: usize,
    ca: &CertificateAuthority,
    identity: &Identity,
) -> Result<(Arc<TlsConfig>, TlsListener), StartError> {
    let tls = Arc::new(TlsConfig::new(listener, ca.certificate(), identity)?);
    let per_address = match listener {
        Listener::People => PEOPLE_PER_ADDRESS,
        // A whole fleet may be behind one.
        Listener::Agents => connections,
    };
    let limits = Limits { connections, per_address, ..Limits::default() };
    let bound = TlsListener::bind(address, Arc::clone(&tls), limits)?;
    Ok((tls, bound))
}

fn addresses(config: &Config, people: SocketAddr, agents: SocketAddr) -> Addresses {
    let host = config.names.first().map_or("localhost", String::as_str);
    let told =
        |wanted: &Option<String>, port| wanted.clone().unwrap_or_else(|| host_and_port(host, port));
    Addresses {
        people,
        agents,
        advertise: told(&config.advertise, people.port()),
        agent_advertise: told(&config.agent_advertise, agents.port()),
    }
}

/// "host:port", with brackets around an IPv6 address.
pub fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn hub_info(
    config: &Config,
    ca: &CertificateAuthority,
    fleet: &FleetRow,
    addresses: &Addresses,
    now: Timestamp,
) -> HubInfo {
    HubInfo {
        fleet_id: fleet.id,
        trust_domain: ca.trust_domain().clone(),
        database: if is_shared(&config.database) { "postgres" } else { "sqlite" },
        ca_hash: ca.spki_hash(),
        ca_expires_at: ca.not_after(),
        started_at: now,
        people_address: addresses.advertise.clone(),
        agents_address: addresses.agent_advertise.clone(),
    }
}

/// Whether other hubs may use the database at the same time.
fn is_shared(database: &str) -> bool {
    database.starts_with("postgres:") || database.starts_with("postgresql:")
}

async fn services(
    (store, ca, info, metrics): (Store, Arc<CertificateAuthority>, HubInfo, Metrics),
    config: &Config,
    supervisor: &Supervisor,
) -> Result<Services, StartError> {
    let sessions = Sessions::default();
    let fleet = FleetService::load(store.clone(), sessions.clone(), supervisor.tracker()).await?;
    let access =
        AccessService::load(store.clone(), fleet.clone(), sessions.clone(), metrics).await?;
    let lifetime = config.agent_certificate_lifetime;
    Ok(Services {
        delivery: DeliveryService::new(store.clone(), fleet.clone()),
        clusters: ClusterService::new(store.clone(), fleet.clone(), sessions.clone()),
        drift: DriftService::new(store.clone(), sessions.clone()),
        dry_runs: DryRuns::new(fleet.clone(), sessions.clone()),
        enrolment: Enrolment::new(store.clone(), ca, sessions.clone(), lifetime),
        access,
        callers: Callers::new(store.clone()),
        hub: Arc::new(info),
        watches: Arc::new(Semaphore::new(WATCHES)),
        pictures: Arc::new(Semaphore::new(PICTURES)),
        inventories: Arc::new(Semaphore::new(INVENTORIES)),
        soft: supervisor.soft(),
        store,
        fleet,
        sessions,
    })
}

fn run_background(
    config: &Config,
    services: &Services,
    ca: Arc<CertificateAuthority>,
    tls: Vec<Arc<TlsConfig>>,
    supervisor: &Supervisor,
) {
    let (store, sessions) = (&services.store, &services.sessions);
    let shared = is_shared(&config.database);
    let soft = || supervisor.soft();
    let follow = background::follow::run(store.clone(), services.fleet.clone(), shared, soft());
    supervisor.spawn("follow", follow);
    let touch = background::touch::run(store.clone(), sessions.clone(), soft());
    supervisor.spawn("touch", touch);
    if shared {
        let ended = background::revocations::run(store.clone(), sessions.clone(), soft());
        supervisor.spawn("revocations", ended);
    }
    supervisor.spawn("prune-drift", background::prune_drift::run(store.clone(), soft()));
    supervisor.spawn("prune-proposals", background::prune_proposals::run(store.clone(), soft()));
    let access = &services.access;
    let followed =
        background::access::follow(access.clone(), services.fleet.clone(), shared, soft());
    supervisor.spawn("access-follow", followed);
    supervisor.spawn("access-sightings", background::access::sightings(access.clone(), soft()));
    supervisor.spawn("access-invariants", background::access::invariants(access.clone(), soft()));
    let kept = config.access_history;
    supervisor.spawn("access-history", background::access::forget(store.clone(), kept, soft()));
    let renewed = background::server_certificate::run(ca, config.names.clone(), tls, soft());
    supervisor.spawn("server-certificate", renewed);
}

/// The metrics, served where the settings say.
async fn serve_metrics(config: &Config, supervisor: &Supervisor) -> Result<Metrics, StartError> {
    let metrics = Metrics::default();
    if let Some(address) = config.metrics {
        let bound = hanse_metrics_server::bind(address).await;
        let listener = bound.map_err(|error| StartError::Metrics(address, error))?;
        let shown = metrics.clone();
        let registry = move || shown.registry();
        let served = hanse_metrics_server::serve(listener, registry, supervisor.soft());
        supervisor.spawn("metrics", served);
    }
    Ok(metrics)
}

/// Where the addresses of a hub that runs are written.
pub fn addresses_file(dir: &Path) -> PathBuf {
    dir.join("addresses.json")
}
