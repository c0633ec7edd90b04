//! From edits to a committed revision: plan, show, ask, propose, sign, commit, and see it arrive.
//!
//! ```text
//! fetch, verify ─ edits(base) ─ plan ─ show, ask ─ propose ─ sign ─ commit ─ settle
//!   ↑                                                               │ stale: somebody was faster
//!   └───────────────────────────────────────────────────────────────┘ same effect: go on once; else ask
//! ```

mod ceilings;
mod commit;
mod dry_run;
mod effect;
pub(crate) mod proposal;
mod report;
mod signed;
pub(crate) mod signing;

use std::path::PathBuf;
use std::time::Duration;

use hanse_domain::authorise::signers_needed;
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::plan::{Plan, plan};
use jiff::Timestamp;

pub(crate) use ceilings::warn as warn_of_ceilings;
pub(crate) use commit::sign_proposal;
use commit::{Sent, commit, request};
use effect::Effect;
pub(crate) use report::subjects;
use report::{Fate, results};
use signed::{Signed, at_large};

use crate::access::preview::{self, Preview};
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::output::{self, TextOrJson};
use crate::plan_file::PlanFile;
use crate::text::count;
use crate::{fleet, plan_view};

/// How often a change is planned anew because somebody else was faster.
const MAX_ATTEMPTS: usize = 5;

/// Options of every command that commits.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CommitArgs {
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,

    /// Do not ask; needed for hazards and removals where nobody can be asked
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Wait until the connected clusters have applied it
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: TextOrJson,
}

/// Reads "90s", "5m", "1h30m".
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|e: jiff::Error| e.to_string())?;
    Duration::try_from(span).map_err(|_| "it must not be negative".to_owned())
}

/// When a person has to say yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirm {
    /// For hazards; for removals where somebody can be asked.
    Risks,
    /// Always: the command is there to take something away.
    Always,
}

/// What is not done in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DryRun {
    /// Commit
    #[default]
    None,
    /// Show the plan and commit nothing
    Client,
    /// Also ask the clusters' API servers what they would say
    Server,
}

/// A change to carry out.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) args: &'a CommitArgs,
    pub(crate) confirm: Confirm,
    pub(crate) dry_run: DryRun,
    /// The command's own data goes to stdout, so what became of the change goes to stderr.
    pub(crate) aside: bool,
    /// Files of keys that sign, too, where one signature is not enough.
    pub(crate) keys: &'a [PathBuf],
}

impl<'a> Order<'a> {
    /// To commit, and to say so on stdout.
    pub(crate) const fn new(args: &'a CommitArgs, confirm: Confirm) -> Self {
        Self { args, confirm, dry_run: DryRun::None, aside: false, keys: &[] }
    }
}

/// Plans edits, or reports every reason why they cannot be made.
pub(crate) fn planned(base: &Fleet, edits: Vec<Edit>) -> Outcome<Plan> {
    plan(base, edits, Timestamp::now()).map_err(|errors| {
        Failure::new("impossible", format!("{} in the plan", count(errors.len(), "error")))
            .details(errors.iter().map(ToString::to_string))
            .hint("nothing was changed; `hanse get all` shows what the fleet has")
    })
}

/// Edits as a statement, which says how many must sign it: with fewer signatures, which have left this
/// machine by then, nobody can take it for a part of the history.
pub(crate) fn written(base: &Fleet, edits: &[Edit], message: &str) -> Outcome<Change> {
    let now = Timestamp::now();
    let propose = |signers| {
        Change::propose_for(base, edits.to_vec(), message, now, signers).map_err(|e| {
            Failure::new("refused", "the change cannot be written down").why(e.to_string())
        })
    };
    let change = propose(1)?;
    match signers_needed(base, &change) {
        1 => Ok(change),
        needed => propose(needed),
    }
}

/// A plan as it was shown.
#[derive(Clone, Debug, Default)]
struct Shown {
    effect: Effect,
    /// For the difference that is shown when the effect differs.
    text: String,
}

/// Makes the edits on the newest fleet and commits them.
pub(crate) async fn make(
    hub: &Hub,
    order: &Order<'_>,
    edits: impl Fn(&Fleet) -> Outcome<Vec<Edit>>,
) -> Outcome {
    let mut left = None;
    let made = attempts(hub, order, edits, &mut left).await;
    at_large(made, left)
}

async fn attempts(
    hub: &Hub,
    order: &Order<'_>,
    edits: impl Fn(&Fleet) -> Outcome<Vec<Edit>>,
    left: &mut Option<Signed>,
) -> Outcome {
    let mut shown: Option<Shown> = None;
    for attempt in 0..MAX_ATTEMPTS {
        let base = fleet::fetch(hub).await?;
        let edits = edits(&base)?;
        let mut plan = planned(&base, edits.clone())?;
        if plan.edits.is_empty() {
            results(order, &base, &edits, Fate::Nothing)?;
            return Ok(Exit::OK);
        }
        ceilings::warn(hub, &mut plan).await;
        let change = written(&base, &plan.edits, &message(order.args, &base, &edits))?;
        let access = preview::of(hub, &change, &mut plan).await;
        let now = Shown {
            effect: Effect::of(&base, &plan, &access),
            text: plan_view::effect(&plan) + &access.text(),
        };
        match &shown {
            None => {
                output::note(plan_view::show(&base, &plan, &access).trim_end());
                if order.dry_run == DryRun::None {
                    confirm(order, &plan, &access, output::can_ask()).await?;
                }
            }
            Some(before) => again(before, &now, attempt, (&base, &plan, &access)).await?,
        }
        match order.dry_run {
            DryRun::None => {}
            DryRun::Client => {
                return results(order, &base, &edits, Fate::Nothing).map(|()| Exit::OK);
            }
            DryRun::Server => {
                dry_run::ask(hub, &change, &plan.clusters, request(&change, Vec::new())).await?;
                return results(order, &base, &edits, Fate::Nothing).map(|()| Exit::OK);
            }
        }
        if commit(hub, order, (&base, &edits, &change), left).await? == Sent::Yes {
            return Ok(Exit::OK);
        }
        shown = Some(now);
    }
    Err(stale())
}

/// Commits a plan that was made before, or nothing.
pub(crate) async fn carry_out(hub: &Hub, order: &Order<'_>, file: &PlanFile) -> Outcome {
    let base = fleet::fetch(hub).await?;
    let change = file.open(&base)?;
    let mut plan = planned(&base, change.edits.clone())?;
    ceilings::warn(hub, &mut plan).await;
    let access = preview::of(hub, &change, &mut plan).await;
    output::note(plan_view::show(&base, &plan, &access).trim_end());
    confirm(order, &plan, &access, output::can_ask()).await?;
    let mut left = None;
    let sent = commit(hub, order, (&base, &change.edits, &change), &mut left).await;
    let done = sent.and_then(|sent| match sent {
        Sent::Yes => Ok(Exit::OK),
        Sent::Stale => Err(stale()),
    });
    at_large(done, left)
}

pub(crate) fn stale() -> Failure {
    Failure::new("stale", "somebody else changed the fleet in the meantime")
        .hint("run the command again: it plans on what the fleet is now")
}

/// Asks where asking is due. `can_ask`: there is a person at a terminal.
pub(crate) async fn confirm(
    order: &Order<'_>,
    plan: &Plan,
    access: &Preview,
    can_ask: bool,
) -> Outcome<()> {
    let hazards = plan.hazards.len() + access.hazards();
    let due = match order.confirm {
        Confirm::Always => true,
        Confirm::Risks => hazards > 0 || (can_ask && plan_view::removes(plan)),
    };
    if order.args.yes || !due {
        return Ok(());
    }
    if can_ask {
        return output::confirm("Commit this?").await;
    }
    let what = if hazards > 0 {
        format!("the plan has {}, and nobody can be asked here", count(hazards, "hazard"))
    } else {
        "somebody has to say yes to this, and nobody can be asked here".to_owned()
    };
    Err(Failure::new("needs-yes", what)
        .why("stdin and stderr are not a terminal")
        .hint("look at the plan above, then add --yes"))
}

/// The base moved after the plan was shown: goes on by itself once if nothing else would happen.
async fn again(
    before: &Shown,
    now: &Shown,
    attempt: usize,
    (base, plan, access): (&Fleet, &Plan, &Preview),
) -> Outcome<()> {
    if before.effect == now.effect && attempt == 1 {
        output::note(&format!(
            "revision {} came in between; the plan does the same on it, so it goes on",
            base.number
        ));
        return Ok(());
    }
    output::warn(&format!("revision {} came in between. {}", base.number, differs(before, now)));
    output::note(plan_view::show(base, plan, access).trim_end());
    if output::can_ask() { output::confirm("Commit this now?").await } else { Err(stale()) }
}

/// What is another than when the plan was shown.
fn differs(before: &Shown, now: &Shown) -> String {
    if before.effect == now.effect {
        return "The plan does the same on it; it is asked for again, since this is not the first time"
            .to_owned();
    }
    let uncoloured = |text: &str| anstream::adapter::strip_str(text).to_string();
    let (before, now) = (uncoloured(&before.text), uncoloured(&now.text));
    if before == now {
        return "The plan differs where its text is cut, or in what the documents were before"
            .to_owned();
    }
    let difference = similar::TextDiff::from_lines(&before, &now).unified_diff().to_string();
    format!("What differs in the plan:\n{difference}")
}

fn message(args: &CommitArgs, base: &Fleet, edits: &[Edit]) -> String {
    args.message.clone().unwrap_or_else(|| subjects(base, edits))
}

#[cfg(test)]
mod tests;
