//! A hub in this process: TLS with client certificates, a fleet in memory, and faults on demand.

mod access;
mod clusters;

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

pub(crate) use access::Access;
use hanse_domain::authorise::authorise;
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::{Subject, Transition};
use hanse_domain::history::merkle::{Frontier, leaf_hash};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::{KeyName, Origin, Quorum, TrustRoot};
use hanse_domain::trust::scope::Scope;
use hanse_domain::trust::signature::append;
use hanse_proto::admin as proto;
use hanse_proto::admin::access_service_server::AccessServiceServer;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::cluster_service_server::ClusterServiceServer;
use hanse_proto::admin::drift_service_server::DriftServiceServer;
use hanse_proto::admin::fleet_service_server::{FleetService, FleetServiceServer};
use hanse_proto::admin::get_history_response::Part;
use hanse_proto::admin::{
    Cluster, CommitRequest, CommitResponse, CommittedStatement, DryRunRequest, DryRunResponse,
    GetHistoryRequest, GetHistoryResponse, GetProposalRequest, GetProposalResponse,
    GetRevisionRequest, GetRevisionResponse, ListProposalsRequest, ListProposalsResponse,
    ListRevisionsRequest, ListRevisionsResponse, Proposal, Revision, SignProposalRequest,
    WatchDriftResponse, WatchHeadRequest, WatchHeadResponse, WithdrawProposalRequest,
    WithdrawProposalResponse,
};
use hanse_signing::{Key, KeyFile, make_key_file};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the hub holds, and what it does wrong.
pub(crate) struct State {
    pub(crate) fleet: Fleet,
    history: Frontier,
    root: Vec<u8>,
    /// The history, as it is shown.
    pub(crate) statements: Vec<CommittedStatement>,
    /// What waits for more signatures.
    pub(crate) proposals: Vec<CommitRequest>,
    /// How many times somebody sent a signature.
    pub(crate) signed: usize,
    /// How many statements were sent to whoever asked for the history.
    pub(crate) sent: usize,
    /// The key with which the hub's own changes are signed.
    author: Key,
    /// A change of somebody else's that comes right before the next commit.
    pub(crate) intruder: Option<Vec<Edit>>,
    /// The answer to the next commit is lost, and the hub has made nothing of it.
    pub(crate) deaf: bool,
    /// What the first cluster's agent makes of every generation, which it holds at once.
    pub(crate) phase: Phase,
    /// A cluster of the first one's name was revoked before.
    pub(crate) revoked: bool,
    /// What it says of its clusters instead of the truth.
    pub(crate) says: fn(&mut Cluster),
    /// The id of whoever is invited.
    pub(crate) invited: String,
    /// The recipient that every agent made, and what vouches for it.
    pub(crate) offered: (String, Vec<u8>),
    /// The ceiling that every agent reports.
    pub(crate) ceiling: String,
    /// How many times somebody asked for the ceilings.
    pub(crate) ceilings: usize,
    /// What the clusters say to a dry run.
    pub(crate) dry_run: Vec<DryRunResponse>,
    /// What each watch of drift is sent before it ends, the next one at the end.
    pub(crate) drift: Vec<Vec<Result<WatchDriftResponse, Status>>>,
    /// What it knows of access.
    pub(crate) access: Access,
}

impl State {
    fn commit(&mut self, change: Change, signatures: &[u8]) -> u64 {
        self.history.push(leaf_hash(&change.bytes));
        self.statements.push(CommittedStatement {
            statement: change.bytes.into(),
            signatures: signatures.to_vec().into(),
            changes: change.changes.encode().into(),
            contents: change.contents.into_iter().map(Into::into).collect(),
            newest: 0,
        });
        self.fleet = change.fleet;
        self.fleet.history = self.history.root();
        self.fleet.number.0
    }

    /// A change by the author.
    pub(crate) fn make(&mut self, edits: Vec<Edit>) {
        let signature = |author: &Key, bytes: &[u8]| author.sign(bytes).unwrap();
        let change = Change::propose(&self.fleet, edits, "", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let signatures = signature(&self.author, &change.bytes);
        self.commit(change, &signatures);
    }

    /// A change that somebody else has signed, or nobody.
    pub(crate) fn make_signed(&mut self, edits: Vec<Edit>, sign: impl Fn(&[u8]) -> Vec<u8>) {
        let change = Change::propose(&self.fleet, edits, "", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let signatures = sign(&change.bytes);
        self.commit(change, &signatures);
    }

    /// Back to what was after some statements, as an old backup has it.
    pub(crate) fn go_back(&mut self, statements: usize) {
        let kept: Vec<CommittedStatement> = self.statements.drain(..).take(statements).collect();
        self.fleet = Fleet::new(RootChain::begin(TrustRoot::decode(&self.root).unwrap()).unwrap());
        self.history = Frontier::default();
        for one in kept {
            let change = checked(&self.fleet, &one.statement, &one.changes, &one.contents).unwrap();
            self.commit(change, &one.signatures);
        }
    }

    /// How many must sign the newest proposal, as it says itself.
    pub(crate) fn waits_for(&self) -> usize {
        Statement::decode(&self.proposals.last().unwrap().statement).unwrap().signers
    }

    fn proposal(&self, request: &CommitRequest) -> Proposal {
        let change =
            checked(&self.fleet, &request.statement, &request.changes, &request.contents).ok();
        Proposal {
            digest: Digest::of(&request.statement).to_string(),
            stale: change.is_none(),
            changes: change.iter().flat_map(|change| &change.changes.0).map(listed).collect(),
            author: "ann".to_owned(),
            missing: "a second key".to_owned(),
            signed_by: vec!["zoe".to_owned()],
            ..Proposal::default()
        }
    }

    fn take(&mut self, request: &CommitRequest) -> Result<CommitResponse, Status> {
        self.signed += 1;
        let change = checked(&self.fleet, &request.statement, &request.changes, &request.contents)
            .map_err(|e| Status::failed_precondition(format!("STALE: at another revision: {e}")))?;
        let digest = Digest::of(&change.bytes);
        self.proposals.retain(|waiting| Digest::of(&waiting.statement) != digest);
        match authorise(&self.fleet, &change, &request.signatures) {
            Ok(_) => {
                let message = change.statement.message.clone();
                let number = self.commit(change, &request.signatures);
                let revision = Revision { number, message, ..Revision::default() };
                Ok(CommitResponse { revision: Some(revision), proposal: None })
            }
            Err(refused) if refused.wants_more() && request.propose => {
                let proposal = Some(self.proposal(request));
                self.proposals.push(request.clone());
                Ok(CommitResponse { revision: None, proposal })
            }
            Err(refused) => Err(Status::failed_precondition(format!("SIGNATURES: {refused}"))),
        }
    }
}

fn listed((subject, _): (&Subject, &Transition)) -> proto::Change {
    proto::Change { subject: subject.to_string(), ..proto::Change::default() }
}

fn checked(
    fleet: &Fleet,
    statement: &[u8],
    changes: &[u8],
    contents: &[impl AsRef<[u8]>],
) -> Result<Change, hanse_domain::change::ChangeError> {
    let contents: Vec<Vec<u8>> = contents.iter().map(|c| c.as_ref().to_vec()).collect();
    Change::check(fleet, statement, changes, &contents)
}

/// The signing key of a person, made in the folder when it is not there.
pub(crate) fn key(folder: &Path, name: &str) -> Key {
    let path = folder.join(name);
    if !path.exists() {
        make_key_file(&path, name, None).unwrap();
    }
    KeyFile::read(&path).unwrap().open(None).unwrap()
}

fn name(name: &str) -> KeyName {
    name.parse().unwrap()
}

/// Ann alone, in every role.
pub(crate) fn ann_alone(folder: &Path) -> TrustRoot {
    TrustRoot::single([1; 32], name("ann"), key(folder, "ann").public_key().clone())
}

/// Ann and bob, two of whom must sign what is dangerous and the trust root; bob may sign only what is
/// in namespace shop.
pub(crate) fn ann_and_bob(folder: &Path) -> TrustRoot {
    let quorum = |threshold, names: &[&str]| Quorum {
        threshold,
        names: names.iter().map(|n| name(n)).collect(),
    };
    let keys = ["ann", "bob"].map(|n| (name(n), key(folder, n).public_key().clone()));
    let shop = "kinds=* namespaces=shop clusters=* hazards=no".parse().unwrap();
    TrustRoot {
        version: 1,
        origin: Origin::Nonce(Digest([2; 32])),
        keys: keys.into(),
        root: quorum(2, &["ann", "bob"]),
        roster: quorum(1, &["ann"]),
        danger: quorum(2, &["ann", "bob"]),
        authors: [(name("ann"), Scope::everything()), (name("bob"), shop)].into(),
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
    /// `folder`: where the people's keys are.
    pub(crate) async fn start(folder: &Path, root: TrustRoot) -> Self {
        let ca = new_ca();
        let (chain, private) = certificate(&ca, false);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            root: root.encode(),
            fleet: Fleet::new(RootChain::begin(root).unwrap()),
            history: Frontier::default(),
            statements: Vec::new(),
            proposals: Vec::new(),
            signed: 0,
            sent: 0,
            author: key(folder, "ann"),
            intruder: None,
            deaf: false,
            phase: Phase::Synced,
            revoked: false,
            says: |_| {},
            invited: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b9".to_owned(),
            offered: (String::new(), Vec::new()),
            ceiling: String::new(),
            ceilings: 0,
            dry_run: Vec::new(),
            drift: Vec::new(),
            access: Access::default(),
        };
        let hub = Hub(Arc::new(Mutex::new(state)));
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(chain, private))
            .client_ca_root(Certificate::from_pem(ca.pem()));
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(FleetServiceServer::new(hub.clone()))
            .add_service(ClusterServiceServer::new(hub.clone()))
            .add_service(DriftServiceServer::new(hub.clone()))
            .add_service(AccessServiceServer::new(hub.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let running = Self { address, hub, ca };
        running.hub.0.lock().unwrap().make(roster());
        running
    }

    /// A configuration with a good context of ann's, two bad ones, one of bob's, one of a stranger's
    /// and one that does not say which fleet is meant.
    pub(crate) fn config(&self) -> String {
        let (good_certificate, good_key) = certificate(&self.ca, false);
        let (expired, expired_key) = certificate(&self.ca, true);
        let fleet = format!("sha256:{}", self.hub.0.lock().unwrap().fleet.id());
        let context = |name: &str, ca: String, certificate: &str, key: &str| {
            serde_json::json!({ "name": name, "server": format!("https://{}", self.address),
                "certificateAuthority": ca, "clientCertificate": certificate, "clientKey": key,
                "signingKey": "ann", "fleet": fleet })
        };
        let named = |name: &str| context(name, self.ca.pem(), &good_certificate, &good_key);
        let signed_by = |key: &str| {
            let mut context = named(key);
            context["signingKey"] = key.into();
            context
        };
        let mut unpinned = named("unpinned");
        unpinned.as_object_mut().unwrap().remove("fleet");
        let contexts = [
            named("good"),
            signed_by("bob"),
            signed_by("stranger"),
            unpinned,
            context("other-ca", new_ca().pem(), &good_certificate, &good_key),
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
    type GetHistoryStream = Streamed<GetHistoryResponse>;
    type DryRunStream = Streamed<DryRunResponse>;
    type WatchHeadStream = Streamed<WatchHeadResponse>;

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<Self::GetHistoryStream>, Status> {
        let after = usize::try_from(request.into_inner().after).unwrap();
        let mut state = self.0.lock().unwrap();
        let mut parts = Vec::new();
        if after == 0 {
            parts.push(Part::TrustRoot(state.root.clone().into()));
        }
        parts.extend(state.statements.iter().skip(after).cloned().map(Part::Statement));
        state.sent += parts.len() - usize::from(after == 0);
        let messages = parts.into_iter().map(|part| Ok(GetHistoryResponse { part: Some(part) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(messages.collect::<Vec<_>>()))))
    }

    async fn commit(
        &self,
        request: Request<CommitRequest>,
    ) -> Result<Response<CommitResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        if std::mem::take(&mut state.deaf) {
            return Err(Status::unavailable("the connection is lost"));
        }
        if let Some(edits) = state.intruder.take() {
            state.make(edits);
        }
        state.take(&request.into_inner()).map(Response::new)
    }

    async fn list_proposals(
        &self,
        _: Request<ListProposalsRequest>,
    ) -> Result<Response<ListProposalsResponse>, Status> {
        let state = self.0.lock().unwrap();
        let proposals = state.proposals.iter().map(|request| state.proposal(request)).collect();
        Ok(Response::new(ListProposalsResponse { proposals }))
    }

    async fn get_proposal(
        &self,
        request: Request<GetProposalRequest>,
    ) -> Result<Response<GetProposalResponse>, Status> {
        let state = self.0.lock().unwrap();
        let request = request.into_inner();
        let found = state.proposals.iter().find(|waiting| {
            Digest::of(&waiting.statement).to_string().starts_with(&request.digest)
        });
        let change = found.cloned().ok_or_else(|| Status::not_found("no such proposal"))?;
        let proposal = Some(state.proposal(&change));
        Ok(Response::new(GetProposalResponse { proposal, change: Some(change) }))
    }

    async fn sign_proposal(
        &self,
        request: Request<SignProposalRequest>,
    ) -> Result<Response<CommitResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.0.lock().unwrap();
        let found = state
            .proposals
            .iter()
            .find(|waiting| Digest::of(&waiting.statement).to_string() == request.digest);
        let mut change = found.cloned().ok_or_else(|| Status::not_found("no such proposal"))?;
        change.signatures = append(&change.signatures, &request.signature).into();
        state.take(&change).map(Response::new)
    }

    async fn withdraw_proposal(
        &self,
        request: Request<WithdrawProposalRequest>,
    ) -> Result<Response<WithdrawProposalResponse>, Status> {
        let digest = request.into_inner().digest;
        let mut state = self.0.lock().unwrap();
        state.proposals.retain(|w| Digest::of(&w.statement).to_string() != digest);
        Ok(Response::new(WithdrawProposalResponse {}))
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
        request: Request<GetRevisionRequest>,
    ) -> Result<Response<GetRevisionResponse>, Status> {
        let number = request.into_inner().number;
        let state = self.0.lock().unwrap();
        let index = usize::try_from(number).unwrap() - 1;
        let found = state.statements.get(index).cloned();
        let one = found.ok_or_else(|| Status::not_found("no such revision"))?;
        Ok(Response::new(GetRevisionResponse {
            revision: Some(Revision { number, author: "ann".to_owned(), ..Revision::default() }),
            statement: one.statement,
            signatures: one.signatures,
            changes: one.changes,
            contents: one.contents,
        }))
    }

    async fn watch_head(
        &self,
        _: Request<WatchHeadRequest>,
    ) -> Result<Response<Self::WatchHeadStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
