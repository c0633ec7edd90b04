//! `hanse access escalations`: who reaches what by which path.

use hanse_proto::admin::ListEscalationsRequest;
use hanse_proto::admin::escalation_response::Part;
use jiff::Timestamp;

use crate::access::answer::{Answer, ask};
use crate::access::question::Question;
use crate::access::scope::{Unnamed, When, Where};
use crate::access::sheet::Format;
use crate::access::{escalations, subject};
use crate::app::Session;
use crate::failure::{Exit, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A path is a way to rights that somebody has or can come to: to start a pod as a stronger service
account, to bind oneself to a role, to act as somebody else. The shortest one of each subject to
each target is shown; docs/escalations.md says why each step is one.

Examples:
  hanse access escalations --clusters env=prod
  hanse access escalations user:anna sa:ci/deployer --to cluster-admin -o wide
  hanse access escalations --to secrets -n payments --at 2026-03-03")]
pub(crate) struct Args {
    /// Only these: user:NAME, group:NAME, serviceaccount:NAMESPACE/NAME (sa:), or a user's name
    #[arg(value_name = "SUBJECT")]
    subjects: Vec<String>,

    /// Only what reaches this: cluster-admin, secrets or node; several with commas
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    to: Vec<String>,

    /// Also the control plane's own identities: system:…, and what runs in kube-system
    #[arg(long)]
    system: bool,

    #[command(flatten)]
    place: Where,

    #[command(flatten)]
    when: When,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let subjects =
            self.subjects.iter().map(|text| subject::parse(text)).collect::<Outcome<Vec<_>>>()?;
        let targets =
            self.to.iter().map(|text| escalations::target(text)).collect::<Outcome<Vec<_>>>()?;
        let now = Timestamp::now();
        let mut scope = self.place.scope(Unnamed::Everywhere, None)?;
        self.when.put(&mut scope, now)?;
        let question = Question {
            asks: "Paths to more rights",
            scope: scope.clone(),
            now,
            placed: true,
            ..Question::default()
        };
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let (scope, system) = (Some(scope), self.system);
        let request = ListEscalationsRequest { scope, subjects, targets, system };
        let mut stream = ask(&hub, service.list_escalations(request)).await?;
        let mut answer = Answer::begin(self.output, &question)?;
        while let Some(message) = hub.next(&mut stream).await? {
            match message.part {
                Some(Part::Escalation(path)) => answer.row(&path)?,
                Some(Part::View(view)) => answer.view(view),
                None => {}
            }
        }
        answer.end("no path, as far as this answer sees")?;
        Ok(Exit::OK)
    }
}
