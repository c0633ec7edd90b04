//! `hanse-agent recipient`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::{AdminAccess, run};
use crate::identity::age::{self, AgeIdentities};
use crate::terminal;

/// How `recipient` is called.
#[derive(Debug, Args)]
pub(super) struct RecipientArgs {
    /// The directory that `join` wrote
    #[arg(long, value_name = "DIR", required_unless_present = "in_cluster")]
    dir: Option<PathBuf>,
    /// The agent runs in the cluster: its keys are in a Secret there
    #[arg(long, conflicts_with = "dir")]
    in_cluster: bool,
    #[command(flatten)]
    admin: AdminAccess,
    /// Make another key; the old ones stay until nothing is sealed to them any more
    #[arg(long)]
    rotate: bool,
}

/// Prints to whom secrets for this cluster are sealed. A running agent takes up a new key by itself.
pub(super) async fn recipient(args: RecipientArgs) -> anyhow::Result<()> {
    let (recipient, name) = match &args.dir {
        Some(dir) => {
            let name = run::load(dir)?.facts.cluster_name;
            let recipient = if args.rotate {
                AgeIdentities::rotate(dir)?
            } else {
                AgeIdentities::load(dir)?.newest()
            };
            (recipient, name)
        }
        None => (in_cluster(&args).await?, "CLUSTER".to_owned()),
    };
    terminal::data(recipient.as_str());
    if args.rotate {
        terminal::note("next, have the roster name it, and seal to it what the cluster must open:");
        terminal::note(&format!("  hanse cluster accept {name} --recipient {recipient}"));
        terminal::note("  hanse secret reseal --all");
    }
    Ok(())
}

async fn in_cluster(args: &RecipientArgs) -> anyhow::Result<hanse_sealing::Recipient> {
    let client = args.admin.access().client().await?;
    let found = age::cluster::make_if_absent(&client, true).await;
    let mut identities = found.context("the agent's keys cannot be read")?;
    if args.rotate {
        identities.add()?;
        age::cluster::save(&client, &identities).await?;
    }
    Ok(identities.newest())
}
