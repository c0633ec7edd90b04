//! `hanse access matrix`: subjects by clusters or namespaces.

use std::collections::BTreeMap;

use hanse_proto::admin::grant_response::Part;
use hanse_proto::admin::{ClusterView, ListWhoCanRequest};
use jiff::Timestamp;
use serde_json::Value;

use crate::access::answer::{ask, no_clusters, note_views};
use crate::access::matrix::{By, LEGEND, Matrix, rights};
use crate::access::question::Question;
use crate::access::scope::{Unnamed, When, Where};
use crate::access::sheet::Format;
use crate::app::Session;
use crate::failure::{Exit, Outcome};
use crate::output;
use crate::text::escape;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
With RESOURCE a cell has the verbs (read is get, list and watch; write is create, update, patch, delete
and deletecollection; all is both); without, the rights that an auditor asks for first. What is in
parentheses holds in some namespaces of the column only, or for objects of some names.

Examples:
  hanse access matrix secrets --clusters env=prod
  hanse access matrix secrets --by namespace --clusters prod-1 -o csv
  hanse access matrix --direct")]
pub(crate) struct Args {
    /// As rules name it: secrets, pods/log, deployments.apps, or a short name
    resource: Option<String>,

    /// What columns are
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    by: By,

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
        let (rights, reach) = rights(self.resource.as_deref())?;
        let now = Timestamp::now();
        let mut scope = self.place.scope(Unnamed::Everywhere, reach)?;
        self.when.put(&mut scope, now)?;
        let about = self.resource.as_deref().map(|resource| format!("with {resource}"));
        let question = Question {
            asks: "Who can do what",
            about: about.unwrap_or_default(),
            scope: scope.clone(),
            now,
            placed: true,
            ..Question::default()
        };
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let mut matrix = Matrix::new(self.by, &rights);
        let mut views: BTreeMap<String, ClusterView> = BTreeMap::new();
        for (index, right) in rights.iter().enumerate() {
            for request in &right.requests {
                let (scope, request) = (Some(scope.clone()), Some(request.clone()));
                let request = ListWhoCanRequest { scope, request, direct: self.direct };
                let mut stream = ask(&hub, service.list_who_can(request)).await?;
                while let Some(message) = hub.next(&mut stream).await? {
                    match message.part {
                        Some(Part::Grant(grant)) => matrix.add(index, &grant)?,
                        Some(Part::View(view)) => {
                            matrix.cluster(&view.cluster);
                            views.insert(view.cluster.clone(), view);
                        }
                        None => {}
                    }
                }
            }
        }
        let views: Vec<ClusterView> = views.into_values().collect();
        if views.is_empty() {
            return Err(no_clusters());
        }
        if self.output.is_text() {
            output::note(&escape(&question.line()));
        }
        let shown = views.iter().map(output::value).collect::<Outcome<Vec<Value>>>()?;
        matrix.show(self.output, &question.json()?, &shown)?;
        if self.output.is_text() {
            if matrix.is_empty() {
                output::note("nobody, as far as this answer sees");
            } else if self.resource.is_none() {
                output::note(&format!("\n{LEGEND}"));
            }
        }
        if self.output != Format::Json {
            note_views(&views);
        }
        Ok(Exit::OK)
    }
}
