//! `hanse sign`: the second signature under a change that somebody else proposed.

use hanse_proto::admin::WithdrawProposalRequest;

use crate::access::preview;
use crate::app::Session;
use crate::change::proposal::{self, Proposed};
use crate::change::{self, CommitArgs, Confirm, Order};
use crate::commands::proposals;
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::{fleet, output, plan_view};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing of a proposal is believed before it was checked on the fleet that this machine has verified.
Where nobody is asked, with --yes, the whole digest says what was looked at before.

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
            sign(&hub, &self.digest, proposal::is_whole(&self.digest), &self.commit).await
        }
    }

    async fn rebase(&self, hub: &Hub) -> Outcome {
        let base = fleet::fetch(hub).await?;
        let proposed = Proposed::fetch(hub, &self.digest).await?;
        output::note(&proposals::header(&proposed.verified(&base)?));
        if self.commit.yes {
            let digest = proposed.digest;
            all_digits(proposal::is_whole(&self.digest)).map_err(|failure| {
                failure.hint(format!(
                    "look at it: hanse proposals show {digest}; then: hanse sign --rebase {digest} --yes"
                ))
            })?;
        }
        let proposed_message = || proposed.statement.message.clone();
        let message = self.commit.message.clone().or_else(|| Some(proposed_message()));
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

/// Shows what a proposal does, asks, signs, and sees it arrive. `whole`: a person gave the digest, all
/// of it.
pub(crate) async fn sign(hub: &Hub, digest: &str, whole: bool, commit: &CommitArgs) -> Outcome {
    let base = fleet::fetch(hub).await?;
    let proposed = Proposed::fetch(hub, digest).await?;
    let verified = proposed.verified(&base)?;
    let change = proposed.open(&base)?;
    let mut plan = change::planned(&base, change.edits.clone())?;
    change::warn_of_ceilings(hub, &mut plan).await;
    let access = preview::of(hub, &change, &mut plan).await;
    output::note(&proposals::header(&verified));
    output::note(plan_view::show(&base, &plan, &access).trim_end());
    let order = Order::new(commit, Confirm::Always);
    if commit.yes {
        all_digits(whole).map_err(|failure| failure.hint(with_yes(&proposed)))?;
    }
    if !commit.yes && !output::can_ask() {
        let what = "somebody has to say yes to this, and nobody can be asked here";
        return Err(Failure::new("needs-yes", what).hint(with_yes(&proposed)));
    }
    change::confirm(&order, &plan, &access, output::can_ask()).await?;
    change::sign_proposal(hub, &order, &base, &change, &proposed.request.signatures).await?;
    Ok(Exit::OK)
}

fn with_yes(proposed: &Proposed) -> String {
    format!("look at the plan above, then: hanse sign {} --yes", proposed.digest)
}

/// The beginning of a digest is enough where a person is asked, with the whole one before them. Another
/// proposal can be made that begins like it.
fn all_digits(whole: bool) -> Outcome<()> {
    if whole {
        return Ok(());
    }
    Err(Failure::new("needs-digest", "--yes takes all 64 digits of the digest; nothing was signed")
        .why("whoever holds the hub can make another proposal that begins with the same digits"))
}
