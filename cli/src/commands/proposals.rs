//! `hanse proposals`: changes that wait for the signatures of others.

use clap::Subcommand;
use hanse_proto::admin::change::Action;
use hanse_proto::admin::{
    ListProposalsRequest, ListProposalsResponse, Proposal, WithdrawProposalRequest,
};
use jiff::Timestamp;

use crate::access::preview;
use crate::app::Session;
use crate::change;
use crate::change::proposal::{self, Proposed};
use crate::failure::{Exit, Outcome};
use crate::hub::Hub;
use crate::output::{self, TextOrJson};
use crate::table::Table;
use crate::text::{age_of, escape, or_dash, shorten};
use crate::{fleet, plan_view};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOrJson,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a proposal would do
    Show {
        /// Digest, or at least 8 digits of its beginning
        #[arg(value_parser = proposal::digest)]
        digest: String,
        /// Output format
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: TextOrJson,
    },
    /// Take a proposal back; anyone who may commit can
    Withdraw {
        /// Digest, or at least 8 digits of its beginning
        #[arg(value_parser = proposal::digest)]
        digest: String,
    },
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        match self.command {
            None => list(&hub, self.output).await?,
            Some(Command::Show { digest, output }) => show(&hub, &digest, output).await?,
            Some(Command::Withdraw { digest }) => withdraw(&hub, &digest).await?,
        }
        Ok(Exit::OK)
    }
}

/// What waits, newest first.
pub(crate) async fn waiting(hub: &Hub) -> Outcome<ListProposalsResponse> {
    let mut service = hub.fleet_service();
    hub.call(service.list_proposals(ListProposalsRequest {})).await
}

async fn list(hub: &Hub, format: TextOrJson) -> Outcome<()> {
    let answer = waiting(hub).await?;
    match format {
        TextOrJson::Json => output::json(&answer),
        TextOrJson::Text => show_table(&answer.proposals),
    }
}

/// The table of proposals.
pub(crate) fn show_table(proposals: &[Proposal]) -> Outcome<()> {
    let Some(first) = proposals.first() else {
        output::note("no change waits for a signature");
        return Ok(());
    };
    output::data(&table(proposals, Timestamp::now()).to_string())?;
    let digest = escape(&short(first)).into_owned();
    output::note(&format!(
        "that is what the hub says; what is verified: hanse proposals show {digest}; then: hanse sign \
         {digest}"
    ));
    Ok(())
}

fn short(proposal: &Proposal) -> String {
    proposal.digest.chars().take(12).collect()
}

fn table(proposals: &[Proposal], now: Timestamp) -> Table {
    let mut table =
        Table::new(["DIGEST", "REVISION", "AGE", "AUTHOR", "SIGNED BY", "MESSAGE", "MISSING"]);
    for proposal in proposals {
        let missing = if proposal.stale { "stale: hanse sign --rebase" } else { &proposal.missing };
        table.row([
            short(proposal),
            proposal.number.to_string(),
            age_of(now, proposal.proposed_at.as_ref()),
            or_dash(proposal.author.clone()),
            or_dash(proposal.signed_by.join(", ")),
            or_dash(shorten(proposal.message.lines().next().unwrap_or_default(), 60)),
            or_dash(missing),
        ]);
    }
    table
}

async fn show(hub: &Hub, digest: &str, format: TextOrJson) -> Outcome<()> {
    let base = fleet::fetch(hub).await?;
    let proposed = Proposed::fetch(hub, digest).await?;
    let verified = proposed.verified(&base)?;
    if format == TextOrJson::Json {
        return output::json(&verified);
    }
    output::data(&header(&verified))?;
    match proposed.open(&base) {
        Ok(change) => {
            let mut plan = change::planned(&base, change.edits.clone())?;
            change::warn_of_ceilings(hub, &mut plan).await;
            let access = preview::of(hub, &change, &mut plan).await;
            output::data(&plan_view::show(&base, &plan, &access))
        }
        Err(failure) if failure.code() == "stale" => {
            output::warn(&failure.summary());
            output::note(failure.hint_text().unwrap_or_default());
            output::data(&changes(&verified))
        }
        Err(failure) => Err(failure),
    }
}

/// What was verified of a proposal, above its plan.
pub(crate) fn header(verified: &Proposal) -> String {
    crate::commands::describe::pairs(&[
        ("Digest".to_owned(), verified.digest.clone()),
        ("Revision".to_owned(), verified.number.to_string()),
        ("Sent by".to_owned(), format!("{}, says the hub", or_dash(verified.author.clone()))),
        ("Proposed".to_owned(), age_of(Timestamp::now(), verified.proposed_at.as_ref())),
        ("Signed by".to_owned(), or_dash(verified.signed_by.join(", "))),
        ("Missing".to_owned(), or_dash(verified.missing.clone())),
        ("Message".to_owned(), or_dash(verified.message.clone())),
    ])
}

/// What a proposal changes, where it cannot be planned any more.
fn changes(proposal: &Proposal) -> String {
    let sign = |action| match action {
        Action::Add => "+",
        Action::Change => "~",
        Action::Remove => "-",
        Action::Unspecified => "?",
    };
    let line = |change: &hanse_proto::admin::Change| {
        format!("  {} {}\n", sign(change.action()), escape(&change.subject))
    };
    proposal.changes.iter().map(line).collect()
}

async fn withdraw(hub: &Hub, digest: &str) -> Outcome<()> {
    let proposed = Proposed::fetch(hub, digest).await?;
    let mut service = hub.fleet_service();
    let digest = proposed.digest.to_string();
    hub.call(service.withdraw_proposal(WithdrawProposalRequest { digest })).await?;
    output::line(&format!("proposal {} withdrawn", proposed.digest.short()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_listed_with_what_is_missing() {
        let waiting = Proposal {
            digest: "0123456789abcdef".into(),
            number: 7,
            author: "ann".into(),
            message: "let them in\nlonger".into(),
            signed_by: vec!["ann".into()],
            missing: "FederatedRole/x needs the signatures of 2 of ann, bob\u{1b}".into(),
            ..Proposal::default()
        };
        let stale = Proposal { stale: true, ..waiting.clone() };
        let shown = table(&[waiting, stale], Timestamp::UNIX_EPOCH).to_string();
        insta::assert_snapshot!(shown, @r"
        DIGEST         REVISION   AGE   AUTHOR   SIGNED BY   MESSAGE       MISSING
        0123456789ab   7          -     ann      ann         let them in   FederatedRole/x needs the signatures of 2 of ann, bob\u{1b}
        0123456789ab   7          -     ann      ann         let them in   stale: hanse sign --rebase
        ");
    }
}
