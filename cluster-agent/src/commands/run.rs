//! `hanse-agent run`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::quote;
use super::settings::AgentSettings;
use crate::identity::age::AgeIdentities;
use crate::identity::store::IdentityStore;
use crate::identity::{CREDENTIALS_FILE, Identity, IdentityError, KUBECONFIG_FILE, is_private};
use crate::kube::client::Access;
use crate::kube::writers::Writers;
use crate::run::{RunError, Settings};
use crate::supervisor;
use crate::terminal::Failed;

/// How `run` is called.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The directory that `join` wrote
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// A kubeconfig with the agent's rights [default: the one in the directory]
    #[arg(long, value_name = "FILE", conflicts_with = "in_cluster")]
    kubeconfig: Option<PathBuf>,
    /// Use the pod's service account, and keep renewed certificates in the Secret
    #[arg(long)]
    in_cluster: bool,
    /// Write also while the cluster has no fence, or a broken one
    #[arg(long)]
    allow_unfenced: bool,
    /// How often Secrets are looked after: they are not watched, since the agent may not read them
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    secret_check: Duration,
    /// Serve metrics and health there, as 127.0.0.1:9464 [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
}

/// Reads "90s", "5m"; a second at least.
fn duration(text: &str) -> Result<Duration, String> {
    let read: jiff::SignedDuration = text.parse().map_err(|e: jiff::Error| e.to_string())?;
    let read = Duration::try_from(read).map_err(|_| "it must not be negative".to_owned())?;
    if read < Duration::from_secs(1) { Err("a second at least".to_owned()) } else { Ok(read) }
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<()> {
    let identity = load(&args.dir)?;
    let credentials = args.dir.join(CREDENTIALS_FILE);
    if !args.in_cluster && !is_private(&credentials)? {
        let hint = format!("chmod 600 {}", quote(&credentials));
        tracing::warn!(hint, "others can read {}", credentials.display());
    }
    let config = access(&args.dir, args.kubeconfig, args.in_cluster).config().await?;
    let writers = Writers::new(config)?;
    let age = AgeIdentities::load(&args.dir).map_err(|error| {
        Failed::new("the agent cannot open secrets", crate::terminal::chain(&error))
            .hint("join anew: hanse-agent join --force")
    })?;
    let allowed = AgentSettings::of(&args.dir, args.in_cluster)?.allow_unfenced;
    let store = if args.in_cluster {
        IdentityStore::Secret(writers.own().clone())
    } else {
        IdentityStore::Directory(args.dir.clone())
    };
    let stop = CancellationToken::new();
    let settings = Settings {
        identity,
        store,
        writers,
        age,
        dir: args.dir.clone(),
        allow_unfenced: args.allow_unfenced || allowed,
        probe_every: args.secret_check,
        metrics: args.metrics_listen,
    };
    let mut running = std::pin::pin!(crate::run::run(settings, stop.clone()));
    let ran = tokio::select! {
        ran = &mut running => ran,
        signal = supervisor::signal() => {
            signal.context("cannot wait for signals")?;
            stop.cancel();
            running.await
        }
    };
    ran.map_err(|error| explain(&error, &args.dir))
}

pub(super) fn access(dir: &std::path::Path, file: Option<PathBuf>, in_cluster: bool) -> Access {
    if in_cluster {
        return Access::InCluster;
    }
    let file = file.unwrap_or_else(|| dir.join(KUBECONFIG_FILE));
    Access::Kubeconfig { file: Some(file), context: None }
}

pub(super) fn load(dir: &std::path::Path) -> anyhow::Result<Identity> {
    Identity::load(dir).map_err(|error| {
        let what = format!("there is no identity to use in {}", dir.display());
        let why = crate::terminal::chain(&error);
        let hint = match error {
            IdentityError::NotJoined(_) => "hanse-agent join --help".to_owned(),
            IdentityError::Read(..)
            | IdentityError::Write(..)
            | IdentityError::Content(..)
            | IdentityError::Certificate(_) => {
                format!("hanse-agent check --dir {}", quote(dir))
            }
        };
        Failed::new(what, why).hint(hint).into()
    })
}

fn explain(error: &RunError, dir: &std::path::Path) -> anyhow::Error {
    let why = crate::terminal::chain(error);
    let failed = Failed::new("the agent ends", why);
    match error {
        RunError::OtherCluster { .. } => {
            failed.hint("use the kubeconfig of that cluster, or let this one join by itself")
        }
        RunError::Unexpected(_) => {
            failed.hint("one agent may run for a cluster; look for a second one, then run again")
        }
        RunError::Metrics(..) => failed.hint("name another address with --metrics-listen"),
        RunError::Identity(_) | RunError::Tls(_) => {
            failed.hint(format!("hanse-agent check --dir {}", quote(dir)))
        }
    }
    .into()
}
