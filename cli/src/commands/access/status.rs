//! `hanse access status`: how well the access of each cluster is known.

use hanse_proto::admin::{InventoryStatus, ListInventoriesRequest};
use jiff::Timestamp;

use crate::access::answer::{Answer, ask};
use crate::access::question::Question;
use crate::access::scope::Clusters;
use crate::access::sheet::Format;
use crate::app::Session;
use crate::failure::{Exit, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Live: an agent keeps it current. A gap is a time in which nobody looked: an answer about a moment in it
says so. What is NOT SEEN the agent may not read; what is SKIPPED was too large or malformed.")]
pub(crate) struct Args {
    #[command(flatten)]
    clusters: Clusters,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let scope = self.clusters.scope()?;
        let question = Question {
            asks: "What is known of access",
            scope: scope.clone(),
            now: Timestamp::now(),
            ..Question::default()
        };
        let hub = session.hub().await?;
        let mut service = hub.access_service();
        let request = ListInventoriesRequest { scope: Some(scope) };
        let mut stream = ask(&hub, service.list_inventories(request)).await?;
        let mut answer: Answer<InventoryStatus> = Answer::begin(self.output, &question)?;
        while let Some(status) = hub.next(&mut stream).await? {
            answer.row(&status)?;
        }
        answer.end("")?;
        Ok(Exit::OK)
    }
}
