//! A hub in this process: TLS with client certificates, a fleet in memory, and faults on demand.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::merkle::{Frontier, leaf_hash};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::cluster_service_server::{ClusterService, ClusterServiceServer};
use hanse_proto::admin::drift_service_server::{DriftService, DriftServiceServer};
use hanse_proto::admin::fleet_service_server::{FleetService, FleetServiceServer};
use hanse_proto::admin::get_fleet_response::Part;
use hanse_proto::admin::{
    Cluster, CommitRequest, CommitResponse, CreateJoinTokenRequest, CreateJoinTokenResponse,
    DryRunRequest, DryRunResponse, GetFleetRequest, GetFleetResponse, GetRevisionRequest,
    GetRevisionResponse, Head, Leaf, ListClustersRequest, ListClustersResponse, ListDriftRequest,
    ListDriftResponse, ListRevisionsRequest, ListRevisionsResponse, Revision, RevokeClusterRequest,
    RevokeClusterResponse, WatchClustersRequest, WatchClustersResponse, WatchDriftRequest,
    WatchDriftResponse, WatchHeadRequest, WatchHeadResponse,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the hub holds, and what it does wrong.
pub(crate) struct State {
    pub(crate) fleet: Fleet,
    history: Frontier,
    /// A change of somebody else's that comes right before the next commit.
    pub(crate) intruder: Option<Vec<Edit>>,
    /// What the first cluster's agent makes of every generation, which it holds at once.
    pub(crate) phase: Phase,
    /// A cluster of the first one's name was revoked before.
    pub(crate) revoked: bool,
    /// What the clusters say to a dry run.
    pub(crate) dry_run: Vec<DryRunResponse>,
    /// What each watch of drift is sent before it ends, the next one at the end.
    pub(crate) drift: Vec<Vec<Result<WatchDriftResponse, Status>>>,
}

impl State {
    fn commit(&mut self, change: Change) -> u64 {
        self.history.push(leaf_hash(&change.bytes));
        self.fleet = change.fleet;
        self.fleet.history = self.history.root();
        self.fleet.number.0
    }

    pub(crate) fn make(&mut self, edits: Vec<Edit>) {
        let change = Change::propose(&self.fleet, edits, "", jiff::Timestamp::UNIX_EPOCH).unwrap();
        self.commit(change);
    }
}

#[derive(Clone)]
pub(crate) struct Hub(pub(crate) Arc<Mutex<State>>);

/// A running hub with the CA that everything here is signed by.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) hub: Hub,
    ca: CertifiedIssuer<'static, KeyPair>,
}

pub(crate) fn new_ca() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
fn certificate(ca: &CertifiedIssuer<'static, KeyPair>, expired: bool) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    if expired {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    (params.signed_by(&key, ca).unwrap().pem(), key.serialize_pem())
}

impl Running {
    pub(crate) async fn start() -> Self {
        let ca = new_ca();
        let (certificate, key) = certificate(&ca, false);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut fleet = Fleet::new(Digest::of(b"root"));
        fleet.history = Frontier::default().root();
        let state = State {
            fleet,
            history: Frontier::default(),
            intruder: None,
            phase: Phase::Synced,
            revoked: false,
            dry_run: Vec::new(),
            drift: Vec::new(),
        };
        let hub = Hub(Arc::new(Mutex::new(state)));
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(ca.pem()));
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(FleetServiceServer::new(hub.clone()))
            .add_service(ClusterServiceServer::new(hub.clone()))
            .add_service(DriftServiceServer::new(hub.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let running = Self { address, hub, ca };
        running.hub.0.lock().unwrap().make(roster());
        running
    }

    /// A configuration with a good context and two bad ones.
    pub(crate) fn config(&self) -> String {
        let (good, good_key) = certificate(&self.ca, false);
        let (expired, expired_key) = certificate(&self.ca, true);
        let context = |name: &str, ca: String, certificate: &str, key: &str| {
            serde_json::json!({ "name": name, "server": format!("https://{}", self.address),
                "certificateAuthority": ca, "clientCertificate": certificate, "clientKey": key })
        };
        let contexts = [
            context("good", self.ca.pem(), &good, &good_key),
            context("other-ca", new_ca().pem(), &good, &good_key),
            context("expired", self.ca.pem(), &expired, &expired_key),
        ];
        serde_json::json!({ "currentContext": "good", "contexts": contexts }).to_string()
    }
}

fn roster() -> Vec<Edit> {
    let entry = |number: u8| {
        let id: ClusterId =
            format!("0192f0c1-2a3b-7c4d-8e5f-60718293a4{number:02}").parse().unwrap();
        let labels = [("env".to_owned(), "prod".to_owned())].into();
        Edit::PutCluster(ClusterEntry::new(id, format!("cluster-{number}"), labels))
    };
    vec![entry(1), entry(2)]
}

#[tonic::async_trait]
impl FleetService for Hub {
    type GetFleetStream = Streamed<GetFleetResponse>;
    type DryRunStream = Streamed<DryRunResponse>;
    type WatchHeadStream = Streamed<WatchHeadResponse>;

    async fn get_fleet(
        &self,
        _: Request<GetFleetRequest>,
    ) -> Result<Response<Self::GetFleetStream>, Status> {
        let state = self.0.lock().unwrap();
        let fleet = &state.fleet;
        let head = Head {
            fleet_id: fleet.id.0.to_vec().into(),
            number: fleet.number.0,
            history: fleet.history.0.to_vec().into(),
        };
        let mut parts = vec![Part::Head(head)];
        parts.extend(fleet.members().values().map(|member| {
            let number = member.manifest.entry.number.0;
            Part::Cluster(Leaf { content: member.entry.encode().into(), number })
        }));
        parts.extend(fleet.documents().values().map(|held| {
            let content = held.document.bytes.to_vec().into();
            Part::Document(Leaf { content, number: held.number.0 })
        }));
        let messages = parts.into_iter().map(|part| Ok(GetFleetResponse { part: Some(part) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(messages.collect::<Vec<_>>()))))
    }

    async fn commit(
        &self,
        request: Request<CommitRequest>,
    ) -> Result<Response<CommitResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.0.lock().unwrap();
        if let Some(edits) = state.intruder.take() {
            state.make(edits);
        }
        let contents: Vec<Vec<u8>> = request.contents.iter().map(|c| c.to_vec()).collect();
        let change = Change::check(&state.fleet, &request.statement, &contents).map_err(|e| {
            Status::failed_precondition(format!("STALE: the fleet is at another revision: {e}"))
        })?;
        let message = change.statement.message.clone();
        let number = state.commit(change);
        let revision = Revision { number, message, ..Revision::default() };
        Ok(Response::new(CommitResponse { revision: Some(revision) }))
    }

    async fn dry_run(
        &self,
        _: Request<DryRunRequest>,
    ) -> Result<Response<Self::DryRunStream>, Status> {
        let answers = self.0.lock().unwrap().dry_run.clone();
        Ok(Response::new(Box::pin(tokio_stream::iter(answers.into_iter().map(Ok)))))
    }

    async fn list_revisions(
        &self,
        _: Request<ListRevisionsRequest>,
    ) -> Result<Response<ListRevisionsResponse>, Status> {
        Err(Status::permission_denied("viewers only"))
    }

    async fn get_revision(
        &self,
        _: Request<GetRevisionRequest>,
    ) -> Result<Response<GetRevisionResponse>, Status> {
        Err(Status::not_found("no such revision"))
    }

    async fn watch_head(
        &self,
        _: Request<WatchHeadRequest>,
    ) -> Result<Response<Self::WatchHeadStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

impl Hub {
    /// The first cluster's agent holds everything at once; the second is away.
    fn clusters(&self) -> Vec<Cluster> {
        let state = self.0.lock().unwrap();
        let cluster = |(index, member): (usize, &hanse_domain::fleet::Member)| Cluster {
            id: member.entry.id.to_string(),
            name: member.entry.name.clone(),
            accepted: true,
            connected: index == 0,
            phase: if index == 0 { state.phase } else { Phase::Syncing }.into(),
            message: if state.phase == Phase::Failed { "denied by policy" } else { "" }.to_owned(),
            removals_waiting: 7,
            generation_desired: member.generation.0,
            generation_applied: if index == 0 { member.generation.0 } else { 0 },
            labels: member.entry.labels.clone().into_iter().collect(),
            ..Cluster::default()
        };
        let revoked = state.revoked.then(|| Cluster {
            id: "0192f0c1-2a3b-7c4d-8e5f-607182930000".to_owned(),
            name: "cluster-1".to_owned(),
            phase: Phase::Revoked.into(),
            ..Cluster::default()
        });
        let members = state.fleet.members().values().enumerate().map(cluster);
        revoked.into_iter().chain(members).collect()
    }
}

#[tonic::async_trait]
impl ClusterService for Hub {
    type WatchClustersStream = Streamed<WatchClustersResponse>;

    async fn list_clusters(
        &self,
        _: Request<ListClustersRequest>,
    ) -> Result<Response<ListClustersResponse>, Status> {
        Ok(Response::new(ListClustersResponse { clusters: self.clusters() }))
    }

    async fn create_join_token(
        &self,
        _: Request<CreateJoinTokenRequest>,
    ) -> Result<Response<CreateJoinTokenResponse>, Status> {
        Ok(Response::new(CreateJoinTokenResponse {
            cluster_id: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b9".to_owned(),
            token: "the-token".to_owned(),
            ca_hash: "sha256:00".to_owned(),
            hub_address: "127.0.0.1:1".to_owned(),
            expires_at: None,
        }))
    }

    async fn revoke_cluster(
        &self,
        _: Request<RevokeClusterRequest>,
    ) -> Result<Response<RevokeClusterResponse>, Status> {
        Ok(Response::new(RevokeClusterResponse {}))
    }

    async fn watch_clusters(
        &self,
        _: Request<WatchClustersRequest>,
    ) -> Result<Response<Self::WatchClustersStream>, Status> {
        let now = self.clusters().into_iter();
        let now = now.map(|cluster| Ok(WatchClustersResponse { cluster: Some(cluster) }));
        let stream = tokio_stream::iter(now.collect::<Vec<_>>()).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }
}

#[tonic::async_trait]
impl DriftService for Hub {
    type WatchDriftStream = Streamed<WatchDriftResponse>;

    async fn list_drift(
        &self,
        _: Request<ListDriftRequest>,
    ) -> Result<Response<ListDriftResponse>, Status> {
        Ok(Response::new(ListDriftResponse::default()))
    }

    async fn watch_drift(
        &self,
        _: Request<WatchDriftRequest>,
    ) -> Result<Response<Self::WatchDriftStream>, Status> {
        let sent = self.0.lock().unwrap().drift.pop();
        let sent = sent.ok_or_else(|| Status::permission_denied("the right has ended"))?;
        Ok(Response::new(Box::pin(tokio_stream::iter(sent))))
    }
}
