//! `hanse-agent token`.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;
use kube::Client;

use super::{AdminAccess, join_steps, run};
use crate::kube::client::ClusterFacts;
use crate::terminal::Failed;

/// How `token` is called.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The directory that `join` wrote
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    admin: AdminAccess,
    /// How long the token should be valid, in days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    token_ttl: u32,
}

/// Writes a new token into the directory. A running agent takes it up within a minute.
pub(super) async fn token(args: TokenArgs) -> anyhow::Result<()> {
    let identity = run::load(&args.dir)?;
    let client: Client = args.admin.access().client().await?;
    let facts = ClusterFacts::read(&client).await?;
    if facts.uid != identity.facts.cluster_uid {
        let what = format!("this is not the cluster {}", identity.facts.cluster_name);
        return Err(Failed::new(what, "its kube-system has another uid")
            .hint("give --kubeconfig and --context of the cluster that joined")
            .into());
    }
    let ttl = SignedDuration::from_hours(i64::from(args.token_ttl) * 24);
    let until = join_steps::write_token(&client, &args.dir, ttl).await?;
    join_steps::tell_token(&args.dir, until);
    Ok(())
}
