//! A hub that does what a test tells it to: real TLS and gRPC, no logic.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test uses a part; it fails by panicking"
)]
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use hanse_agent::enroll::CaHash;
use hanse_agent::identity::{Credentials, Facts, Identity, Request as KeyRequest};
use hanse_domain::ids::{ClusterId, Digest};
use hanse_proto::agent::agent_service_server::{AgentService, AgentServiceServer};
use hanse_proto::agent::session_request::Message as Sent;
use hanse_proto::agent::session_response::Message as Reply;
use hanse_proto::agent::{
    RenewCertificateRequest, RenewCertificateResponse, SessionRequest, SessionResponse, Welcome,
};
use hanse_proto::enroll::enroll_service_server::{EnrollService, EnrollServiceServer};
use hanse_proto::enroll::{EnrollRequest, EnrollResponse};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, PublicKeyData as _, SanType,
};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::server::{TcpIncoming, TlsConnectInfo};
use tonic::transport::{Certificate, Identity as TlsIdentity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

pub(crate) const CLUSTER: &str = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5";
const DOMAIN: &str = "fleet.example";

pub(crate) struct Ca {
    pub(crate) pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    lifetime: Duration,
}

impl Ca {
    fn new(lifetime: Duration) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { pem, der, issuer: Issuer::new(params, key), lifetime }
    }

    pub(crate) fn hash(&self) -> CaHash {
        let key = self.issuer.key().subject_public_key_info();
        format!("sha256:{}", Digest::of(&key)).parse().unwrap()
    }

    fn server(&self) -> TlsIdentity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        TlsIdentity::from_pem(format!("{}{}", leaf.pem(), self.pem), key.serialize_pem())
    }

    /// As the hub does it: valid from five minutes ago.
    fn client(&self, csr: &[u8]) -> Vec<Vec<u8>> {
        let csr = csr.into();
        let mut csr = CertificateSigningRequestParams::from_der(&csr).unwrap();
        let name = format!("spiffe://{DOMAIN}/cluster/{CLUSTER}");
        let now = OffsetDateTime::now_utc();
        csr.params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        csr.params.not_before = now - Duration::from_mins(5);
        csr.params.not_after = now + self.lifetime;
        vec![csr.signed_by(&self.issuer).unwrap().der().to_vec(), self.der.clone()]
    }
}

/// What a test sees of the hub, and how it makes it behave.
pub(crate) struct Control {
    pub(crate) ca: Ca,
    pub(crate) address: String,
    agent_address: Mutex<String>,
    pub(crate) received: Mutex<Vec<Sent>>,
    pub(crate) peers: Mutex<Vec<Vec<u8>>>,
    replies: Mutex<Option<mpsc::Sender<Result<SessionResponse, Status>>>>,
    pub(crate) refuse: AtomicBool,
    pub(crate) deaf: AtomicBool,
    pub(crate) renewals: AtomicUsize,
    pub(crate) tokens: Mutex<Vec<String>>,
}

impl Control {
    /// Sends to the newest stream.
    pub(crate) async fn reply(&self, reply: Reply) {
        let sender = self.replies.lock().unwrap().clone().unwrap();
        sender.send(Ok(SessionResponse { message: Some(reply) })).await.unwrap();
    }

    /// Ends the newest stream.
    pub(crate) fn hang_up(&self) {
        *self.replies.lock().unwrap() = None;
    }

    pub(crate) fn streams(&self) -> usize {
        self.peers.lock().unwrap().len()
    }

    pub(crate) fn identity(&self, cluster_uid: &str) -> Identity {
        let request = KeyRequest::make().unwrap();
        let chain = self.ca.client(&request.csr);
        let facts = Facts {
            cluster_id: CLUSTER.parse::<ClusterId>().unwrap(),
            cluster_name: "east".into(),
            cluster_uid: cluster_uid.into(),
            trust_domain: DOMAIN.into(),
            fleet_id: Digest::of(b"root").to_string(),
            history: None,
            agent_address: self.agent_address.lock().unwrap().clone(),
        };
        let credentials = Credentials::new(&chain, &request, Timestamp::now()).unwrap();
        Identity { facts, credentials, ca_pem: self.ca.pem.clone() }
    }
}

/// Two listeners, as the hub has them. They end with the test's runtime.
pub(crate) async fn start(lifetime: Duration) -> Arc<Control> {
    let (people, agents) = (listener().await, listener().await);
    let control = Arc::new(Control {
        ca: Ca::new(lifetime),
        address: people.local_addr().unwrap().to_string(),
        agent_address: Mutex::new(agents.local_addr().unwrap().to_string()),
        received: Mutex::default(),
        peers: Mutex::default(),
        replies: Mutex::default(),
        refuse: AtomicBool::new(false),
        deaf: AtomicBool::new(false),
        renewals: AtomicUsize::new(0),
        tokens: Mutex::default(),
    });
    let tls = ServerTlsConfig::new().identity(control.ca.server());
    let service = EnrollServiceServer::new(Hub(Arc::clone(&control)));
    let server = Server::builder().tls_config(tls.clone()).unwrap().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(people)));
    let tls = tls.client_ca_root(Certificate::from_pem(&control.ca.pem));
    let service = AgentServiceServer::new(Hub(Arc::clone(&control)));
    let server = Server::builder().tls_config(tls).unwrap().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(agents)));
    control
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

struct Hub(Arc<Control>);

type Replies = Pin<Box<dyn Stream<Item = Result<SessionResponse, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Hub {
    type SessionStream = Replies;

    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Replies>, Status> {
        type Info = TlsConnectInfo<tonic::transport::server::TcpConnectInfo>;
        let certificates = request.extensions().get::<Info>().unwrap().peer_certs().unwrap();
        self.0.peers.lock().unwrap().push(certificates[0].to_vec());
        if self.0.refuse.load(Ordering::SeqCst) {
            return Err(Status::permission_denied("the identity is revoked"));
        }
        let (sender, receiver) = mpsc::channel(16);
        *self.0.replies.lock().unwrap() = Some(sender.clone());
        let mut messages = request.into_inner();
        // As the hub does: nothing is answered before the hello.
        let hello = messages.next().await.unwrap()?;
        self.0.received.lock().unwrap().extend(hello.message);
        let welcome = Welcome { cluster_name: "east".into(), accepted: true, drift_wanted: true };
        let welcome = SessionResponse { message: Some(Reply::Welcome(welcome)) };
        sender.send(Ok(welcome)).await.unwrap();
        drop(sender);
        let control = Arc::clone(&self.0);
        tokio::spawn(async move {
            while !control.deaf.load(Ordering::SeqCst) {
                let Some(Ok(message)) = messages.next().await else { return };
                control.received.lock().unwrap().extend(message.message);
            }
            // Open, and read by nobody.
            std::future::pending::<()>().await;
            drop(messages);
        });
        Ok(Response::new(ReceiverStream::new(receiver).boxed()))
    }

    async fn renew_certificate(
        &self,
        request: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateResponse>, Status> {
        self.0.renewals.fetch_add(1, Ordering::SeqCst);
        let chain = self.0.ca.client(&request.into_inner().csr);
        let chain = chain.into_iter().map(Into::into).collect();
        Ok(Response::new(RenewCertificateResponse { chain, expires_at: None }))
    }
}

#[tonic::async_trait]
impl EnrollService for Hub {
    async fn enroll(
        &self,
        request: Request<EnrollRequest>,
    ) -> Result<Response<EnrollResponse>, Status> {
        let request = request.into_inner();
        self.0.tokens.lock().unwrap().push(request.token.clone());
        if request.cluster_name != "east" {
            return Err(Status::permission_denied("the token is not valid"));
        }
        Ok(Response::new(EnrollResponse {
            cluster_id: CLUSTER.into(),
            chain: self.0.ca.client(&request.csr).into_iter().map(Into::into).collect(),
            expires_at: None,
            trust_domain: DOMAIN.into(),
            fleet_id: Digest::of(b"root").0.to_vec().into(),
            agent_address: self.0.agent_address.lock().unwrap().clone(),
            accepted: false,
        }))
    }
}
