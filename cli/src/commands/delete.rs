//! `hanse delete`: takes documents away.

use hanse_domain::document::DocumentRef;
use hanse_domain::fleet::Edit;

use crate::app::Session;
use crate::change::{self, CommitArgs, Confirm, DryRun, Order};
use crate::failure::{Failure, Outcome};
use crate::files::Files;
use crate::{fleet, kinds};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// KIND NAME… or KIND/NAME…
    #[arg(
        value_name = "KIND NAME",
        conflicts_with = "filename",
        required_unless_present = "filename"
    )]
    what: Vec<String>,

    #[command(flatten)]
    files: Files,

    /// Leave out what is not there instead of failing
    #[arg(long)]
    ignore_not_found: bool,

    /// Commit nothing
    #[arg(long, value_enum, default_value_t, value_name = "WHERE",
          num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: DryRun,

    #[command(flatten)]
    pub(crate) commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let references: Vec<DocumentRef> = if self.what.is_empty() {
            self.files.documents()?.into_iter().map(|document| document.reference).collect()
        } else {
            kinds::references(&self.what)?
        };
        let hub = session.hub().await?;
        let order = Order { dry_run: self.dry_run, ..Order::new(&self.commit, Confirm::Always) };
        change::make(&hub, &order, |base| {
            let there = |reference: &&DocumentRef| base.documents().contains_key(*reference);
            let missing: Vec<&DocumentRef> = references.iter().filter(|r| !there(r)).collect();
            if let (Some(first), false) = (missing.first(), self.ignore_not_found) {
                return Err(Failure::new("not-found", "nothing was deleted")
                    .details(missing.iter().map(|r| format!("{r} does not exist")))
                    .hint(fleet::near(base, first)));
            }
            Ok(references.iter().filter(there).cloned().map(Edit::Remove).collect())
        })
        .await
    }
}
