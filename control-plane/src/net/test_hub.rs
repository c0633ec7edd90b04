//! For tests: a hub that only answers, its credentials, and a client.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use hanse_domain::ids::ClusterId;
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::listener::{Limits, TlsListener};
use super::tls::{Listener, TlsConfig};
use crate::auth::ca::AGENT_LIFETIME;
use crate::auth::csr::ProvenKey;
use crate::auth::{CertificateAuthority, Identity};

/// Long enough for a slow machine; never waited for when all is well.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) type Credentials = (Vec<CertificateDer<'static>>, PrivatePkcs8KeyDer<'static>);

pub(super) struct Hub {
    pub(super) ca: Arc<CertificateAuthority>,
    pub(super) config: Arc<TlsConfig>,
    pub(super) address: SocketAddr,
    pub(super) shutdown: CancellationToken,
    pub(super) server: tokio::task::JoinHandle<()>,
}

pub(super) fn authority() -> CertificateAuthority {
    CertificateAuthority::make(&"fleet.example.com".parse().unwrap(), Timestamp::now()).unwrap()
}

pub(super) fn server_identity(ca: &CertificateAuthority) -> Identity {
    ca.issue_server(&["localhost".to_owned()], Timestamp::now()).unwrap()
}

pub(super) fn agent(ca: &CertificateAuthority, now: Timestamp) -> Credentials {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap();
    let proven = ProvenKey::from_csr(csr.der()).unwrap();
    let issued = ca.issue_agent(ClusterId(Uuid::nil()), &proven, now, AGENT_LIFETIME).unwrap();
    (issued.chain, key.serialize_der().into())
}

/// Answers each connection with one byte: `c` with a client certificate, `-` without.
pub(super) fn serve(listener: Listener, limits: Limits) -> Hub {
    serve_as(listener, limits, Arc::new(authority()))
}

pub(super) fn serve_as(listener: Listener, limits: Limits, ca: Arc<CertificateAuthority>) -> Hub {
    let (config, bound) = bind(listener, limits, &ca);
    run(ca, config, bound)
}

pub(super) fn bind(
    listener: Listener,
    limits: Limits,
    ca: &CertificateAuthority,
) -> (Arc<TlsConfig>, TlsListener) {
    let config = TlsConfig::new(listener, ca.certificate(), &server_identity(ca)).unwrap();
    let config = Arc::new(config);
    let bound = TlsListener::bind(([127, 0, 0, 1], 0).into(), Arc::clone(&config), limits);
    (config, bound.unwrap())
}

pub(super) fn run(
    ca: Arc<CertificateAuthority>,
    config: Arc<TlsConfig>,
    bound: TlsListener,
) -> Hub {
    let (address, shutdown) = (bound.local_addr(), CancellationToken::new());
    let incoming = bound.incoming(shutdown.clone());
    let server = tokio::spawn(async move {
        let mut open = JoinSet::new();
        let mut incoming = std::pin::pin!(incoming);
        while let Some(Ok(mut connection)) = incoming.next().await {
            let known = connection.peer().certificate.is_some();
            open.spawn(async move {
                let _ = connection.write_all(if known { b"c" } else { b"-" }).await;
                let _ = connection.flush().await;
                let _ = connection.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    Hub { ca, config, address, shutdown, server }
}

impl Hub {
    pub(super) fn client(&self, credentials: Option<Credentials>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match credentials {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key.into()).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }

    /// The hub's one byte, and the connection; an error when it refuses.
    pub(super) async fn connect(
        &self,
        client: Arc<ClientConfig>,
    ) -> io::Result<(u8, TlsStream<TcpStream>)> {
        let socket = TcpStream::connect(self.address).await?;
        self.shake_hands(client, socket).await
    }

    pub(super) async fn shake_hands(
        &self,
        client: Arc<ClientConfig>,
        socket: TcpStream,
    ) -> io::Result<(u8, TlsStream<TcpStream>)> {
        let attempt = async {
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = TlsConnector::from(client).connect(name, socket).await?;
            let answer = stream.read_u8().await?;
            Ok((answer, stream))
        };
        timeout(PATIENCE, attempt).await.unwrap_or_else(|_| panic!("no answer at all"))
    }

    pub(super) async fn good_client_gets_in(&self) {
        let client = self.client(Some(agent(&self.ca, Timestamp::now())));
        let (answer, _) = self.connect(client).await.unwrap();
        assert_eq!(answer, b'c');
    }

    /// Refused by the handshake, with the alert that says why.
    pub(super) async fn refuses(&self, credentials: Option<Credentials>, alert: &str) {
        let refused = self.connect(self.client(credentials)).await;
        let error = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(alert), "{error:?} and not {alert}");
        self.good_client_gets_in().await;
    }
}
