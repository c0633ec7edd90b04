//! `hanse apply`: makes the fleet as files say, or carries out a plan from a file.

use std::path::PathBuf;

use hanse_domain::fleet::Edit;

use crate::app::Session;
use crate::change::{self, CommitArgs, Confirm, DryRun, Order};
use crate::failure::{Failure, Outcome};
use crate::files::Files;
use crate::plan_file::PlanFile;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Plan that `hanse plan -o` wrote; carried out only if the fleet has not moved on
    #[arg(
        value_name = "PLANFILE",
        conflicts_with = "filename",
        required_unless_present = "filename"
    )]
    plan_file: Option<PathBuf>,

    #[command(flatten)]
    files: Files,

    /// Commit nothing; `server` also asks the clusters' API servers
    #[arg(long, value_enum, default_value_t, value_name = "WHERE", conflicts_with = "plan_file",
          num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: DryRun,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let order = Order { dry_run: self.dry_run, ..Order::new(&self.commit, Confirm::Risks) };
        if let Some(path) = &self.plan_file {
            if self.commit.message.is_some() {
                return Err(Failure::usage("the message of a plan is in it already")
                    .hint("give it to `hanse plan -m`"));
            }
            let file = PlanFile::load(path)?;
            return change::carry_out(&session.hub().await?, &order, &file).await;
        }
        let edits: Vec<Edit> = self
            .files
            .documents()?
            .into_iter()
            .map(|document| Edit::Put(document.into()))
            .collect();
        let hub = session.hub().await?;
        change::make(&hub, &order, |_| Ok(edits.clone())).await
    }
}
