//! `hanse what-can`: what a subject can do: each rule that reaches it.

use hanse_proto::admin::ListWhatCanRequest;
use jiff::Timestamp;

use super::who_can::grants;
use crate::access::answer::{Answer, ask};
use crate::access::question::Question;
use crate::access::scope::{Unnamed, When, Where};
use crate::access::sheet::Format;
use crate::access::subject::{self, Groups};
use crate::app::Session;
use crate::failure::Outcome;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each row is one path to a role; -o wide shows the rules. Without -n it is asked in all namespaces.

Examples:
  hanse what-can user:anna -o wide
  hanse what-can serviceaccount:ci/deployer --clusters prod-1
  hanse what-can group:sre -n payments --at 3d
  hanse what-can anna --as-group sre      as if anna were in group sre, too")]
pub(crate) struct Args {
    /// user:NAME, group:NAME, serviceaccount:NAMESPACE/NAME (sa:), or a user's name
    subject: String,

    #[command(flatten)]
    groups: Groups,

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
        let subject = subject::parse(&self.subject)?;
        let now = Timestamp::now();
        let mut scope = self.place.scope(Unnamed::Everywhere, None)?;
        self.when.put(&mut scope, now)?;
        let question = Question {
            asks: "What {} can do",
            subject: Some(subject.clone()),
            groups: self.groups.as_group.clone(),
            scope: scope.clone(),
            now,
            placed: true,
            ..Question::default()
        };
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let (scope, groups) = (Some(scope), self.groups.as_group);
        let request = ListWhatCanRequest { scope, subject: Some(subject), groups };
        let stream = ask(&hub, service.list_what_can(request)).await?;
        let answer = Answer::begin(self.output, &question)?;
        grants(&hub, stream, answer, "nothing, as far as this answer sees").await
    }
}
