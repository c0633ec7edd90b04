//! `hanse who-can`: who can do something, in which clusters, and by which path.

use hanse_proto::admin::grant_response::Part;
use hanse_proto::admin::{Grant, GrantResponse, ListWhoCanRequest};
use jiff::Timestamp;
use tonic::Streaming;

use crate::access::answer::{Answer, ask};
use crate::access::question::Question;
use crate::access::resource::What;
use crate::access::scope::{Unnamed, When, Where};
use crate::access::sheet::Format;
use crate::app::Session;
use crate::failure::{Exit, Outcome};
use crate::hub::Hub;
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each row is one path: SUBJECT, maybe by a group, by a binding, to a role. Without -n it is asked in
all namespaces; a row with NAMESPACE `all` holds everywhere in its cluster. Members of groups are
listed as far as `hanse groups import` told them. What the answer could not see follows on stderr.

Examples:
  hanse who-can get secrets -n payments --clusters env=prod --at 2026-03-03
  hanse who-can create pods/exec -o csv > exec.csv
  hanse who-can get secrets db-password -n payments
  hanse who-can update deployments.apps/scale
  hanse who-can get /metrics
  hanse who-can '*' '*'")]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,

    /// Only subjects that bindings name, not the members of groups
    #[arg(long)]
    direct: bool,

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
        let now = Timestamp::now();
        let mut scope = self.place.scope(Unnamed::Everywhere, asked.reach)?;
        self.when.put(&mut scope, now)?;
        let question = Question {
            asks: "Who can",
            request: Some(asked.request.clone()),
            scope: scope.clone(),
            now,
            placed: asked.request.path.is_empty(),
            ..Question::default()
        };
        asked.warnings.iter().for_each(|warning| output::warn(warning));
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let (scope, request) = (Some(scope), Some(asked.request));
        let request = ListWhoCanRequest { scope, request, direct: self.direct };
        let stream = ask(&hub, service.list_who_can(request)).await?;
        let answer = Answer::begin(self.output, &question)?;
        grants(&hub, stream, answer, "nobody, as far as this answer sees").await
    }
}

/// Shows grants as they come.
pub(crate) async fn grants(
    hub: &Hub,
    mut stream: Streaming<GrantResponse>,
    mut answer: Answer<Grant>,
    nothing: &str,
) -> Outcome {
    while let Some(message) = hub.next(&mut stream).await? {
        match message.part {
            Some(Part::Grant(grant)) => answer.row(&grant)?,
            Some(Part::View(view)) => answer.view(view),
            None => {}
        }
    }
    answer.end(nothing)?;
    Ok(Exit::OK)
}
