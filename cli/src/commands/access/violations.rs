//! `hanse access violations`: what violates invariants. Exit 0 when none stands, 1 when some do, 3
//! when none does as far as can be seen, and some clusters cannot be checked.

use hanse_proto::admin::ListViolationsRequest;
use hanse_proto::admin::violation_response::Part;
use jiff::Timestamp;

use super::watch;
use crate::access::answer::{Answer, ask};
use crate::access::moment;
use crate::access::question::Question;
use crate::access::scope::Clusters;
use crate::access::sheet::Format;
use crate::access::views;
use crate::app::Session;
use crate::failure::{Exit, Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Invariants are documents: hanse explain AccessInvariant. Exit codes: 0 none stands, 1 some stand, 3 none
does, but a cluster could not be checked, since its agent does not see what gives rights; other failures
are above 1, too.

Examples:
  hanse access violations
  hanse access violations --history --invariant only-sre-reads-prod-secrets
  hanse access violations --watch -o json")]
pub(crate) struct Args {
    /// Only of this invariant
    #[arg(long, value_name = "NAME")]
    invariant: Option<String>,

    /// Also those that ended, newest first
    #[arg(long, conflicts_with = "watch")]
    history: bool,

    /// Go on and show each as it begins or ends, until Ctrl-C
    #[arg(short, long, conflicts_with = "at")]
    watch: bool,

    #[command(flatten)]
    clusters: Clusters,

    /// Those that were found by then and had not ended: 2026-03-03T14:30:00Z, 2026-03-03 (its start,
    /// UTC), or 2h, 3d ago
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let now = Timestamp::now();
        let mut scope = self.clusters.scope()?;
        let at = self.at.as_deref().map(|at| moment::parse(at, now)).transpose()?;
        scope.at = at.map(moment::wire);
        let invariant = self.invariant.unwrap_or_default();
        if self.watch {
            if self.output == Format::Csv {
                return Err(Failure::usage("CSV has an end, and a watch has none")
                    .hint("-o json writes a line for each"));
            }
            return watch::run(session, &scope, &invariant, self.output).await;
        }
        let question = Question {
            asks: "Violations of invariants",
            scope: scope.clone(),
            now,
            ..Question::default()
        };
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let (scope, history) = (Some(scope), self.history);
        let request = ListViolationsRequest { scope, history, invariant };
        let mut stream = ask(&hub, service.list_violations(request)).await?;
        let mut answer = Answer::begin(self.output, &question)?;
        let (mut standing, mut unchecked) = (false, false);
        while let Some(message) = hub.next(&mut stream).await? {
            match message.part {
                Some(Part::Violation(violation)) => {
                    standing |= violation.resolved_at.is_none();
                    answer.row(&violation)?;
                }
                Some(Part::View(view)) => {
                    unchecked |= views::is_unchecked(&view);
                    answer.view(view);
                }
                None => {}
            }
        }
        answer.end("no violation, as far as this answer sees")?;
        Ok(match (standing, unchecked) {
            (true, _) => Exit::FAILED,
            (false, true) => Exit::COMPARISON_FAILED,
            (false, false) => Exit::OK,
        })
    }
}
