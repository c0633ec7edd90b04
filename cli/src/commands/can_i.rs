//! `hanse can-i`: yes or no, by cluster. Exit 0 when each says yes, 1 when one says no.

use hanse_proto::admin::decision_response::Part;
use hanse_proto::admin::{DecisionResponse, ListDecisionsRequest};
use jiff::Timestamp;
use tonic::Streaming;

use crate::access::answer::{Answer, ask};
use crate::access::decisions::{Answered, Pending, Tally};
use crate::access::question::Question;
use crate::access::resource::What;
use crate::access::scope::{Unnamed, When, Where};
use crate::access::sheet::Format;
use crate::access::subject::{self, Groups};
use crate::app::Session;
use crate::failure::Outcome;
use crate::hub::Hub;
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line for each cluster and namespace. Exit codes: 0 every one says yes, 1 one says no, above 1 failed.
Without -n it is asked of the cluster as a whole: a yes holds in every namespace.

Examples:
  hanse can-i get secrets -n payments --as user:anna --clusters prod-1
  hanse can-i create pods -n ci --as serviceaccount:ci/deployer
  hanse can-i delete nodes --as ben --as-group sre && echo yes in each cluster")]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,

    /// Who: user:NAME, group:NAME, serviceaccount:NAMESPACE/NAME (sa:), or a user's name
    #[arg(long = "as", value_name = "SUBJECT")]
    who: String,

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
        let asked = self.what.asked()?;
        let subject = subject::parse(&self.who)?;
        let now = Timestamp::now();
        let mut scope = self.place.scope(Unnamed::WholeCluster, asked.reach)?;
        self.when.put(&mut scope, now)?;
        let question = Question {
            asks: "Whether {} can",
            request: Some(asked.request.clone()),
            subject: Some(subject.clone()),
            groups: self.groups.as_group.clone(),
            scope: scope.clone(),
            now,
            placed: asked.request.path.is_empty(),
            ..Question::default()
        };
        asked.warnings.iter().for_each(|warning| output::warn(warning));
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let request = ListDecisionsRequest {
            scope: Some(scope),
            request: Some(asked.request),
            subject: Some(subject),
            groups: self.groups.as_group,
        };
        let stream = ask(&hub, service.list_decisions(request)).await?;
        let answer = Answer::begin(self.output, &question)?;
        decisions(&hub, stream, answer).await?.outcome()
    }
}

/// Shows decisions as they come.
pub(crate) async fn decisions(
    hub: &Hub,
    mut stream: Streaming<DecisionResponse>,
    mut answer: Answer<Answered>,
) -> Outcome<Tally> {
    let (mut pending, mut tally) = (Pending::default(), Tally::default());
    while let Some(message) = hub.next(&mut stream).await? {
        match message.part {
            Some(Part::Decision(decision)) => pending.push(decision),
            Some(Part::View(view)) => {
                let answers = pending.end(&view);
                tally.cluster(&view.cluster, &answers);
                for one in &answers {
                    answer.row(one)?;
                }
                answer.view(view);
            }
            None => {}
        }
    }
    answer.end("no answer")?;
    Ok(tally)
}
