//! `serve`: runs the hub until SIGTERM or SIGINT, or until something of it fails.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use clap::Args;
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Dir;
use super::failure::Failure;
use super::settings::{Settings, replace};
use super::trust::KEY_FILE;
use crate::supervisor::Supervisor;
use crate::wire::{self, Addresses, Config};

/// A year, and a month to report on it.
pub(super) const ACCESS_HISTORY_DAYS: u32 = 400;

/// Options of `serve`. What is not said is as `init` was told.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    dir: Dir,
    /// Where people connect and clusters join; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", env = "HANSE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where agents connect.
    #[arg(long, value_name = "ADDRESS", env = "HANSE_AGENT_LISTEN")]
    agent_listen: Option<SocketAddr>,
    /// How people and joining clusters reach the hub.
    #[arg(long, value_name = "HOST:PORT", env = "HANSE_ADVERTISE")]
    advertise: Option<String>,
    /// How agents reach the hub.
    #[arg(long, value_name = "HOST:PORT", env = "HANSE_AGENT_ADVERTISE")]
    agent_advertise: Option<String>,
    /// The database.
    #[arg(long, value_name = "URL", env = "HANSE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// How long agents' certificates are valid, in seconds.
    #[arg(long, value_name = "SECONDS", env = "HANSE_AGENT_CERTIFICATE_SECONDS", value_parser = clap::value_parser!(u32).range(10..))]
    agent_certificate_seconds: Option<u32>,
    /// How long what was so in the clusters is kept, in days: questions reach back so far.
    #[arg(long, value_name = "DAYS", env = "HANSE_ACCESS_HISTORY_DAYS", default_value_t = ACCESS_HISTORY_DAYS, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    access_history_days: u32,
    /// Serve metrics and health there, as 127.0.0.1:9464 [default: nowhere]
    #[arg(long, value_name = "ADDRESS", env = "HANSE_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let dir = self.dir.path.clone();
        let settings = Settings::load(&dir)?;
        warn_of_key(&dir);
        let database = self.database.unwrap_or_else(|| settings.database(&dir));
        let fleet = settings.fleet()?;
        let lifetime = self.agent_certificate_seconds;
        let config = Config {
            dir,
            names: settings.names,
            fleet,
            database,
            listen: self.listen.unwrap_or(settings.listen),
            agent_listen: self.agent_listen.unwrap_or(settings.agent_listen),
            advertise: self.advertise.or(settings.advertise),
            agent_advertise: self.agent_advertise.or(settings.agent_advertise),
            access_history: days(self.access_history_days),
            metrics: self.metrics_listen,
            agent_certificate_lifetime: lifetime.map(|s| SignedDuration::from_secs(s.into())),
        };
        serve(&config, |_| {}).await
    }
}

/// So many days.
pub(super) fn days(days: u32) -> SignedDuration {
    SignedDuration::from_hours(i64::from(days) * 24)
}

/// Whoever steals the hub must not get what the clusters believe.
fn warn_of_key(dir: &Path) {
    let key = dir.join(KEY_FILE);
    if key.exists() {
        let key = key.display();
        tracing::warn!(
            file = %key,
            hint = "move it to the machine of whoever signs, and name its new place in `signingKey` of their \
                    file of contexts",
            "a signing key is in the hub's folder ({key}): whoever gets into this machine can sign what \
             the clusters believe"
        );
    }
}

/// Runs a hub; `ready` is called when it serves.
pub(super) async fn serve(config: &Config, ready: impl FnOnce(&Addresses)) -> Result<(), Failure> {
    let path = wire::addresses_file(&config.dir);
    remove(&path)?;
    let supervisor = Supervisor::default();
    let soft = supervisor.soft();
    // Before anything is promised: a signal from here on ends it well.
    let stop = stop_signal(soft.clone())?;
    let started = wire::start(config, &supervisor).await;
    let running = match started {
        Ok(running) => running,
        Err(error) => {
            // The error matters more than how what was begun ends.
            let _ = supervisor.shut_down().await;
            return Err(error.into());
        }
    };
    let addresses = running.addresses.clone();
    replace(&path, &written(&addresses))
        .map_err(|error| Failure::new(format!("cannot write {}", path.display())).why(error))?;
    tracing::info!(
        people = %addresses.people,
        agents = %addresses.agents,
        "serving people on {} (as {}) and agents on {} (as {})",
        addresses.people, addresses.advertise, addresses.agents, addresses.agent_advertise
    );
    ready(&addresses);
    stop.await;
    tracing::info!("stopping");
    let ended = supervisor.shut_down().await;
    running.close().await;
    remove(&path)?;
    ended.map_err(|why| Failure::new("the hub failed").why(why).hint("its log says more"))
}

/// Ends with the first signal to stop, or with `soft`.
fn stop_signal(soft: CancellationToken) -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::new("cannot listen for signals").why(error));
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = soft.cancelled() => {}
        }
    })
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(format!("cannot remove {}", path.display())).why(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn written(addresses: &Addresses) -> String {
    let json = serde_json::json!({
        "people": addresses.people.to_string(),
        "agents": addresses.agents.to_string(),
        "advertise": addresses.advertise,
        "agentAdvertise": addresses.agent_advertise,
    });
    format!("{json:#}\n")
}
