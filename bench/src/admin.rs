//! The hub's admin API as the command line uses it, in this process: the fleet is verified and kept
//! here, each change is planned on it, and its statement built and signed with the same code as
//! `hanse apply` does.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures::StreamExt as _;
use hanse_domain::authorise::authorise;
use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::merkle::Frontier;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::Digest;
use hanse_domain::parse::parse_document;
use hanse_domain::trust::walk;
use hanse_proto::admin::drift_service_client::DriftServiceClient;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::admin::get_history_response::Part;
use hanse_proto::admin::watch_drift_response::Event;
use hanse_proto::admin::{CommitRequest, Drift, GetHistoryRequest, WatchDriftRequest};
use hanse_signing::{Key, KeyFile};
use jiff::Timestamp;
use serde::Deserialize;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::sight::Sights;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connected administrator.
#[derive(Debug)]
pub(crate) struct Admin {
    channel: Channel,
    key: Key,
    fleet: Fleet,
    log: Frontier,
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
    fleet: String,
    signing_key: String,
}

impl Admin {
    /// Connects with the context file that the hub's init wrote, and verifies the fleet.
    pub(crate) async fn connect(config: &Path) -> Result<Self> {
        let parsed: Config = serde_saphyr::from_str(&std::fs::read_to_string(config)?)
            .map_err(|_| anyhow!("the administrator's context file cannot be read"))?;
        let context = parsed.contexts.into_iter().next().context("no context")?;
        let endpoint = endpoint(
            &context.server,
            &context.certificate_authority,
            &context.client_certificate,
            &context.client_key,
        )?;
        let key = KeyFile::read(&config.with_file_name(&context.signing_key))?.open(None)?;
        let pin = context.fleet.strip_prefix("sha256:").context("no fleet in the context")?;
        let channel = endpoint.connect().await.context("cannot connect to the hub")?;
        replay(channel, key, pin.parse()?).await
    }

    /// Writes and signs the statement that puts one document. Nothing is sent.
    pub(crate) fn propose(&self, document: &str) -> Result<(Change, CommitRequest)> {
        let document: Document = parse_document(document.as_bytes())?;
        let edits = vec![Edit::Put(document.into())];
        let plan = hanse_domain::plan::plan(&self.fleet, edits, Timestamp::now())
            .map_err(|errors| anyhow!("the change is impossible: {errors:?}"))?;
        let message = "A change of the benchmark";
        let change = Change::propose(&self.fleet, plan.edits, message, Timestamp::now())?;
        let signatures = self.key.sign(&change.bytes)?;
        let request = CommitRequest {
            statement: change.bytes.clone().into(),
            signatures: signatures.into(),
            changes: change.changes.encode().into(),
            contents: change.contents.iter().cloned().map(Into::into).collect(),
            propose: false,
        };
        Ok((change, request))
    }

    /// Sends the request; returns when the hub has acknowledged it.
    pub(crate) async fn commit(&self, request: CommitRequest) -> Result<()> {
        FleetServiceClient::new(self.channel.clone()).commit(request).await?;
        Ok(())
    }

    /// Moves the fleet on by a change that was committed.
    pub(crate) fn landed(&mut self, change: Change) {
        self.log.push(Statement::leaf_hash(&change.bytes));
        self.fleet = change.fleet;
        self.fleet.history = self.log.root();
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

/// Reads the history from the pinned trust root on, and believes what is signed.
async fn replay(channel: Channel, key: Key, pin: Digest) -> Result<Admin> {
    let mut service = FleetServiceClient::new(channel.clone());
    let mut stream = service.get_history(GetHistoryRequest { after: 0 }).await?.into_inner();
    let first = stream.message().await?.and_then(|message| message.part);
    let Some(Part::TrustRoot(root)) = first else {
        bail!("the history does not begin with a trust root");
    };
    let fleet = Fleet::new(walk::begin(pin, &root)?);
    let mut admin = Admin { channel, key, fleet, log: Frontier::default() };
    while let Some(message) = stream.message().await? {
        let Some(Part::Statement(next)) = message.part else {
            bail!("an empty part in the history");
        };
        let contents: Vec<Vec<u8>> = next.contents.iter().map(|content| content.to_vec()).collect();
        let change = Change::check(&admin.fleet, &next.statement, &next.changes, &contents)?;
        authorise(&admin.fleet, &change, &next.signatures)?;
        admin.landed(change);
    }
    Ok(admin)
}
