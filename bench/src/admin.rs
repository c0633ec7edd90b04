//! The hub's admin API as the command line uses it, in this process: the fleet is kept here, each
//! change is planned on it and its statement built with the same code as `hanse apply` does.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures::StreamExt as _;
use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::merkle::Frontier;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::parse::parse_document;
use hanse_proto::admin::drift_service_client::DriftServiceClient;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::admin::get_fleet_response::Part;
use hanse_proto::admin::watch_drift_response::Event;
use hanse_proto::admin::{
    CommitRequest, Drift, GetFleetRequest, GetRevisionRequest, WatchDriftRequest,
};
use jiff::Timestamp;
use serde::Deserialize;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::sight::Sights;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connected administrator.
#[derive(Debug)]
pub(crate) struct Admin {
    channel: Channel,
    fleet: Fleet,
    frontier: Frontier,
}

/// The administrator's context file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    contexts: Vec<Context>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    server: String,
    certificate_authority: String,
    client_certificate: String,
    client_key: String,
}

impl Admin {
    /// Connects with the context file that the hub's init wrote, and reads the fleet.
    pub(crate) async fn connect(config: &Path) -> Result<Self> {
        let config: Config = serde_saphyr::from_str(&std::fs::read_to_string(config)?)
            .map_err(|_| anyhow!("the administrator's context file cannot be read"))?;
        let context = config.contexts.into_iter().next().context("no context")?;
        let endpoint = endpoint(
            &context.server,
            &context.certificate_authority,
            &context.client_certificate,
            &context.client_key,
        )?;
        let channel = endpoint.connect().await.context("cannot connect to the hub")?;
        let fleet = fetch(&channel).await?;
        let mut admin = Self { channel, fleet, frontier: Frontier::default() };
        for number in 1..=admin.fleet.number.0 {
            let statement = admin.statement(number).await?;
            admin.frontier.push(Statement::leaf_hash(&statement));
        }
        Ok(admin)
    }

    async fn statement(&self, number: u64) -> Result<Vec<u8>> {
        let mut service = FleetServiceClient::new(self.channel.clone());
        let answer = service.get_revision(GetRevisionRequest { number }).await?;
        Ok(answer.into_inner().statement.into())
    }

    /// Writes the statement that puts one document. Nothing is sent.
    pub(crate) fn propose(&self, document: &str) -> Result<Change> {
        let document: Document = parse_document(document.as_bytes())?;
        let edits = vec![Edit::Put(document.into())];
        let plan = hanse_domain::plan::plan(&self.fleet, edits, Timestamp::now())
            .map_err(|errors| anyhow!("the change is impossible: {errors:?}"))?;
        Ok(Change::propose(&self.fleet, plan.edits, "A change of the benchmark", Timestamp::now())?)
    }

    /// Sends the request; returns when the hub has acknowledged it.
    pub(crate) async fn commit(&self, request: CommitRequest) -> Result<()> {
        FleetServiceClient::new(self.channel.clone()).commit(request).await?;
        Ok(())
    }

    /// Moves the fleet on by a change that was committed.
    pub(crate) fn landed(&mut self, change: Change) {
        self.frontier.push(Statement::leaf_hash(&change.bytes));
        self.fleet = change.fleet;
        self.fleet.history = self.frontier.root();
    }

    /// `WatchDrift`, from after what stands now.
    pub(crate) async fn watch_drift(&self) -> Result<Sights<Drift>> {
        let mut service = DriftServiceClient::new(self.channel.clone());
        let mut stream = service.watch_drift(WatchDriftRequest::default()).await?.into_inner();
        loop {
            let message = stream.message().await?.context("WatchDrift ended")?;
            if matches!(message.event, Some(Event::Synced(_))) {
                break;
            }
        }
        let drift = stream.filter_map(|message| {
            std::future::ready(match message.ok().and_then(|message| message.event) {
                Some(Event::Drift(drift)) => Some(drift),
                Some(Event::Synced(_)) | None => None,
            })
        });
        Ok(Sights::of("drift at the hub", drift))
    }
}

/// What `Commit` takes of a change. Unsigned: the fleet's trust root has no keys yet.
pub(crate) fn request(change: &Change) -> CommitRequest {
    CommitRequest {
        statement: change.bytes.clone().into(),
        signature: Vec::new().into(),
        contents: change.contents.iter().cloned().map(Into::into).collect(),
    }
}

/// A way to connect to a listener of the hub with mutual TLS.
pub(crate) fn endpoint(server: &str, ca: &str, certificate: &str, key: &str) -> Result<Endpoint> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .identity(Identity::from_pem(certificate, key));
    Ok(Endpoint::from_shared(server.to_owned())?
        .tls_config(tls)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true))
}

async fn fetch(channel: &Channel) -> Result<Fleet> {
    let mut service = FleetServiceClient::new(channel.clone());
    let mut stream = service.get_fleet(GetFleetRequest {}).await?.into_inner();
    let (mut head, mut roster, mut documents) = (None, Vec::new(), Vec::new());
    while let Some(message) = stream.message().await? {
        match message.part.context("an empty part")? {
            Part::Head(part) => head = Some(part),
            Part::Cluster(leaf) => {
                roster.push((ClusterEntry::decode(&leaf.content)?, RevisionNumber(leaf.number)));
            }
            Part::Document(leaf) => {
                documents.push((parse_document(&leaf.content)?, RevisionNumber(leaf.number)));
            }
        }
    }
    let head = head.context("the hub sent no head")?;
    let digest = |bytes: &[u8]| Digest::try_from(bytes).map_err(|e| anyhow!("{e}"));
    let (id, history) = (digest(&head.fleet_id)?, digest(&head.history)?);
    Ok(Fleet::assemble(id, RevisionNumber(head.number), history, roster, documents))
}
