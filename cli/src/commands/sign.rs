//! `hanse sign`: the second signature under a change that somebody else proposed.

use hanse_proto::admin::WithdrawProposalRequest;

use crate::app::Session;
use crate::change::proposal::{self, Proposed};
use crate::change::{self, CommitArgs, Confirm, Order};
use crate::failure::{Exit, Outcome};
use crate::hub::Hub;
use crate::text::escape;
use crate::{fleet, output, plan_view};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing of a proposal is believed before it was checked on the fleet that this machine has verified.

Examples:
  hanse proposals                     what waits
  hanse sign 3f9c01d2aa04             look at the plan, then sign
  hanse sign --rebase 3f9c01d2aa04    when the fleet has moved on since")]
pub(crate) struct Args {
    /// Digest of the proposal, or at least 8 digits of its beginning
    #[arg(value_name = "DIGEST", value_parser = proposal::digest)]
    digest: String,

    /// Make the same edits on the fleet as it is now, and propose them in place of the old ones
    #[arg(long)]
    rebase: bool,

    #[command(flatten)]
    commit: CommitArgs,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        if self.rebase {
            self.rebase(&hub).await
        } else {
            sign(&hub, &self.digest, &self.commit).await
        }
    }

    async fn rebase(&self, hub: &Hub) -> Outcome {
        let proposed = Proposed::fetch(hub, &self.digest).await?;
        let message = self.commit.message.clone().or_else(|| Some(proposed.message()));
        let commit = CommitArgs { message, ..self.commit.clone() };
        let order = Order::new(&commit, Confirm::Always);
        let done = change::make(hub, &order, |base| proposed.edits(base)).await?;
        let mut service = hub.fleet_service();
        let digest = proposed.digest.to_string();
        hub.call(service.withdraw_proposal(WithdrawProposalRequest { digest })).await?;
        output::note(&format!("proposal {} is replaced by this", proposed.digest.short()));
        Ok(done)
    }
}

/// Shows what a proposal does, asks, signs, and sees it arrive.
pub(crate) async fn sign(hub: &Hub, digest: &str, commit: &CommitArgs) -> Outcome {
    let base = fleet::fetch(hub).await?;
    let proposed = Proposed::fetch(hub, digest).await?;
    let change = proposed.open(&base)?;
    let mut plan = change::planned(&base, change.edits.clone())?;
    change::warn_of_ceilings(hub, &mut plan).await;
    output::note(&format!("Message: {}\n", escape(&change.statement.message)));
    output::note(plan_view::show(&base, &plan).trim_end());
    let order = Order::new(commit, Confirm::Always);
    change::confirm(&order, &plan, output::can_ask()).await?;
    change::sign_proposal(hub, &order, &base, &change, &proposed.request.signatures).await?;
    Ok(Exit::OK)
}
