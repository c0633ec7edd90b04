//! `hanse access explain`: a decision in sentences.

use hanse_proto::admin::ListDecisionsRequest;
use hanse_proto::admin::decision_response::Part;
use jiff::Timestamp;

use crate::access::answer::{Answer, ask, no_clusters, note_views};
use crate::access::explain::{Asker, cluster};
use crate::access::question::Question;
use crate::access::resource::What;
use crate::access::scope::{Unnamed, When, Where};
use crate::access::sheet::Format;
use crate::access::subject::{self, Groups};
use crate::app::Session;
use crate::commands::can_i::decisions;
use crate::failure::{Exit, Outcome};
use crate::output;
use crate::text::escape;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
For each cluster: yes or no; for a yes every path from the subject to the rule, and who declared it in
which revision; for a no what comes nearest. docs/access.md explains the words.

Examples:
  hanse access explain user:anna get secrets -n payments
  hanse access explain sa:ci/deployer create pods --clusters prod-1 --at 2026-03-03")]
pub(crate) struct Args {
    /// user:NAME, group:NAME, serviceaccount:NAMESPACE/NAME (sa:), or a user's name
    subject: String,

    #[command(flatten)]
    what: What,

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
        let asked = self.what.asked()?;
        let now = Timestamp::now();
        let mut scope = self.place.scope(Unnamed::Everywhere, asked.reach)?;
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
        let everywhere = scope.all_namespaces;
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let request = ListDecisionsRequest {
            scope: Some(scope),
            request: Some(asked.request.clone()),
            subject: Some(subject.clone()),
            groups: self.groups.as_group.clone(),
        };
        let mut stream = ask(&hub, service.list_decisions(request)).await?;
        if !self.output.is_text() {
            decisions(&hub, stream, Answer::begin(self.output, &question)?).await?;
            return Ok(Exit::OK);
        }
        output::note(&escape(&question.line()));
        let who =
            Asker { subject: &subject, request: &asked.request, groups: &self.groups.as_group };
        let (mut views, mut decisions) = (Vec::new(), Vec::new());
        while let Some(message) = hub.next(&mut stream).await? {
            match message.part {
                Some(Part::Decision(one)) => decisions.push(one),
                Some(Part::View(view)) => {
                    let decisions = std::mem::take(&mut decisions);
                    output::data(&format!("\n{}", cluster(who, everywhere, decisions, &view)))?;
                    views.push(view);
                }
                None => {}
            }
        }
        if views.is_empty() {
            return Err(no_clusters());
        }
        note_views(&views);
        Ok(Exit::OK)
    }
}
