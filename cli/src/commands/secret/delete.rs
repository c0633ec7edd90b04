//! `hanse secret delete`.

use hanse_domain::fleet::Edit;

use crate::app::Session;
use crate::change::{self, CommitArgs, Confirm, Order};
use crate::failure::{Exit, Outcome};
use crate::{output, secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The Secrets go in every cluster. What was read there stays known: change the values where they are
used. The history keeps what was sealed; its keys are with those who could open it.")]
pub(crate) struct Args {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    pub(super) names: Vec<String>,

    /// Leave out what is not there instead of failing
    #[arg(long)]
    ignore_not_found: bool,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        let order = Order::new(&self.commit, Confirm::Always);
        let done = change::make(&hub, &order, |base| {
            let mut edits = Vec::new();
            for name in &self.names {
                match secrets::held(base, name) {
                    Ok(held) => edits.push(Edit::Remove(held.document.reference.clone())),
                    Err(_) if self.ignore_not_found => {}
                    Err(failure) => return Err(failure),
                }
            }
            Ok(edits)
        })
        .await?;
        if done == Exit::OK {
            output::note(
                "what was readable in a cluster stays known there: change it where it is used",
            );
        }
        Ok(done)
    }
}
