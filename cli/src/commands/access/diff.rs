//! `hanse access diff`: which access came and went. Exit 0 for none, 1 for some, as `diff` has it.

use hanse_proto::admin::ListAccessDifferencesRequest;
use hanse_proto::admin::difference_response::Part;
use jiff::Timestamp;

use crate::access::answer::{Answer, ask};
use crate::access::moment;
use crate::access::question::Question;
use crate::access::resource::MaybeWhat;
use crate::access::scope::{Unnamed, Where};
use crate::access::sheet::Format;
use crate::app::Session;
use crate::failure::{Exit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without VERB RESOURCE every rule of every subject is compared. Members of groups count as they were at
each of the moments. Exit codes: 0 no difference, 1 some, above 1 failed.

Examples:
  hanse access diff --from 2026-03-01 --to 2026-03-08 --clusters env=prod
  hanse access diff get secrets -n payments --from 7d")]
pub(crate) struct Args {
    #[command(flatten)]
    what: MaybeWhat,

    /// Before: 2026-03-03T14:30:00Z, 2026-03-03 (its start, UTC), or 2h, 3d ago
    #[arg(long, value_name = "TIME")]
    from: String,

    /// After; now by default
    #[arg(long, value_name = "TIME")]
    to: Option<String>,

    /// As the hub knew it then
    #[arg(long, value_name = "TIME")]
    known_at: Option<String>,

    #[command(flatten)]
    place: Where,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let asked = self.what.asked()?;
        let now = Timestamp::now();
        let from = moment::parse(&self.from, now)?;
        let to = self.to.as_deref().map_or(Ok(now), |text| moment::parse(text, now))?;
        moment::in_order(from, to)?;
        let reach = asked.as_ref().and_then(|asked| asked.reach);
        let mut scope = self.place.scope(Unnamed::Everywhere, reach)?;
        let known = self.known_at.as_deref().map(|text| moment::parse(text, now)).transpose()?;
        scope.known_at = known.map(moment::wire);
        let request = asked.as_ref().map(|asked| asked.request.clone());
        let question = Question {
            asks: if request.is_some() { "Change of who can" } else { "Change of access" },
            request: request.clone(),
            scope: scope.clone(),
            from: Some(from),
            to: Some(to),
            now,
            placed: request.as_ref().is_none_or(|request| request.path.is_empty()),
            ..Question::default()
        };
        asked.iter().flat_map(|asked| &asked.warnings).for_each(|warning| output::warn(warning));
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        // Without --to it is the hub's clock that says when now is.
        let from = Some(moment::wire(from));
        let to = self.to.as_ref().map(|_| moment::wire(to));
        let request = ListAccessDifferencesRequest { scope: Some(scope), from, to, request };
        let mut stream = ask(&hub, service.list_access_differences(request)).await?;
        let mut answer = Answer::begin(self.output, &question)?;
        while let Some(message) = hub.next(&mut stream).await? {
            match message.part {
                Some(Part::Difference(difference)) => answer.row(&difference)?,
                Some(Part::View(view)) => answer.view(view),
                None => {}
            }
        }
        let rows = answer.end("no difference, as far as this answer sees")?;
        Ok(if rows == 0 { Exit::OK } else { Exit::FAILED })
    }
}
