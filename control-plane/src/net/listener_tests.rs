//! Both listeners over loopback, with good clients and bad ones.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use futures::StreamExt as _;
use hanse_domain::ids::ClusterId;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use uuid::Uuid;

use super::*;
use crate::auth::ca::AGENT_LIFETIME;
use crate::auth::csr::ProvenKey;
use crate::auth::{CertificateAuthority, Identity};

/// Long enough for a slow machine; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

type Credentials = (Vec<CertificateDer<'static>>, PrivatePkcs8KeyDer<'static>);

struct Hub {
    ca: Arc<CertificateAuthority>,
    config: Arc<TlsConfig>,
    address: SocketAddr,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::make(&"fleet.example.com".parse().unwrap(), Timestamp::now()).unwrap()
}

fn server_identity(ca: &CertificateAuthority) -> Identity {
    ca.issue_server(&["localhost".to_owned()], Timestamp::now())
        .unwrap()
}

fn agent(ca: &CertificateAuthority, now: Timestamp) -> Credentials {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let proven = ProvenKey::from_csr(csr.der()).unwrap();
    let issued = ca
        .issue_agent(ClusterId(Uuid::nil()), &proven, now, AGENT_LIFETIME)
        .unwrap();
    (issued.chain, key.serialize_der().into())
}

/// Answers each connection with one byte: `c` with a client certificate, `-` without.
fn serve(listener: Listener, limits: Limits) -> Hub {
    serve_as(listener, limits, Arc::new(authority()))
}

fn serve_as(listener: Listener, limits: Limits, ca: Arc<CertificateAuthority>) -> Hub {
    let config = TlsConfig::new(listener, ca.certificate(), &server_identity(&ca)).unwrap();
    let config = Arc::new(config);
    let bound = TlsListener::bind(([127, 0, 0, 1], 0).into(), Arc::clone(&config), limits).unwrap();
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
    Hub {
        ca,
        config,
        address,
        shutdown,
        server,
    }
}

impl Hub {
    fn client(&self, credentials: Option<Credentials>) -> Arc<ClientConfig> {
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
    async fn connect(&self, client: Arc<ClientConfig>) -> io::Result<(u8, TlsStream<TcpStream>)> {
        let attempt = async {
            let socket = TcpStream::connect(self.address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = TlsConnector::from(client).connect(name, socket).await?;
            let answer = stream.read_u8().await?;
            Ok((answer, stream))
        };
        timeout(PATIENCE, attempt)
            .await
            .unwrap_or_else(|_| panic!("no answer at all"))
    }

    async fn good_client_gets_in(&self) {
        let client = self.client(Some(agent(&self.ca, Timestamp::now())));
        let (answer, _) = self.connect(client).await.unwrap();
        assert_eq!(answer, b'c');
    }

    async fn refuses(&self, credentials: Option<Credentials>) {
        let refused = self.connect(self.client(credentials)).await;
        assert!(refused.is_err(), "let in");
        self.good_client_gets_in().await;
    }
}

#[tokio::test]
async fn agents_need_a_certificate_and_people_do_not() {
    let agents = serve(Listener::Agents, Limits::default());
    agents.good_client_gets_in().await;
    agents.refuses(None).await;

    let people = serve(Listener::People, Limits::default());
    people.good_client_gets_in().await;
    let (answer, _) = people.connect(people.client(None)).await.unwrap();
    assert_eq!(answer, b'-');
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_refused() {
    for listener in [Listener::Agents, Listener::People] {
        let hub = serve(listener, Limits::default());
        let now = Timestamp::now();
        // The same names, another key.
        hub.refuses(Some(agent(&authority(), now))).await;
        hub.refuses(Some(agent(&hub.ca, now - SignedDuration::from_hours(48))))
            .await;
        hub.refuses(Some(agent(&hub.ca, now + SignedDuration::from_hours(48))))
            .await;
        // Of our CA, but not for clients.
        let server = server_identity(&hub.ca);
        let key = PrivatePkcs8KeyDer::from(server.key.secret_der().to_vec());
        hub.refuses(Some((server.certificate.chain, key))).await;
    }
}

#[tokio::test]
async fn tls_1_2_is_not_spoken() {
    let hub = serve(Listener::People, Limits::default());
    let mut roots = RootCertStore::empty();
    roots.add(hub.ca.certificate().clone()).unwrap();
    let old = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(hub.connect(Arc::new(old)).await.is_err());
}

#[tokio::test]
async fn bad_clients_do_not_end_the_loop() {
    let hub = serve(Listener::Agents, Limits::default());
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut plain = TcpStream::connect(hub.address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        drop(TcpStream::connect(hub.address).await.unwrap());
        let reset = TcpStream::connect(hub.address).await.unwrap();
        SockRef::from(&reset)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(reset);
        silent.push(TcpStream::connect(hub.address).await.unwrap());
    }
    hub.good_client_gets_in().await;
}

#[tokio::test]
async fn slow_handshakes_are_cut_and_make_room() {
    let limits = Limits {
        handshakes: 2,
        handshake_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let hub = serve(Listener::Agents, limits);
    let mut slow = Vec::new();
    for _ in 0..6 {
        let mut socket = TcpStream::connect(hub.address).await.unwrap();
        // The beginning of a handshake record that never goes on.
        socket.write_all(&[0x16, 3, 1, 2]).await.unwrap();
        slow.push(socket);
    }
    hub.good_client_gets_in().await;
    for mut socket in slow {
        let end = timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "still open");
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_until_one_ends() {
    let hub = serve(
        Listener::People,
        Limits {
            connections: 1,
            ..Limits::default()
        },
    );
    let (_, first) = hub.connect(hub.client(None)).await.unwrap();
    assert!(hub.connect(hub.client(None)).await.is_err());
    drop(first);
    let freed = async {
        while hub.connect(hub.client(None)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, freed).await.unwrap();
}

#[tokio::test]
async fn next_handshake_shows_a_replaced_certificate() {
    let hub = serve(Listener::People, Limits::default());
    let shown = async || {
        let (_, stream) = hub.connect(hub.client(None)).await.unwrap();
        let (_, session) = stream.get_ref();
        session.peer_certificates().unwrap().to_vec()
    };
    let before = shown().await;
    assert_eq!(before.last(), Some(hub.ca.certificate()));
    let next = server_identity(&hub.ca);
    hub.config.replace_identity(&next).unwrap();
    let after = shown().await;
    assert_ne!(before, after);
    assert_eq!(after, next.certificate.chain);
}

#[tokio::test]
async fn resumed_sessions_keep_their_certificate() {
    let hub = serve(Listener::Agents, Limits::default());
    let client = hub.client(Some(agent(&hub.ca, Timestamp::now())));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (answer, stream) = hub.connect(Arc::clone(&client)).await.unwrap();
        assert_eq!(
            (answer, stream.get_ref().1.handshake_kind()),
            (b'c', Some(expected))
        );
    }
}

#[tokio::test]
async fn sessions_do_not_cross_to_the_other_listener() {
    let people = serve(Listener::People, Limits::default());
    let agents = serve_as(Listener::Agents, Limits::default(), Arc::clone(&people.ca));
    let client = people.client(None);
    for _ in 0..2 {
        people.connect(Arc::clone(&client)).await.unwrap();
    }
    assert!(agents.connect(client).await.is_err());
    // Seen by the handshake itself, before the listener's own check.
    let known = people.client(Some(agent(&people.ca, Timestamp::now())));
    people.connect(Arc::clone(&known)).await.unwrap();
    let (_, stream) = agents.connect(known).await.unwrap();
    assert_eq!(
        stream.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Full)
    );
}

#[tokio::test]
async fn shutdown_ends_the_stream_and_its_handshakes() {
    let hub = serve(Listener::Agents, Limits::default());
    hub.good_client_gets_in().await;
    let mut half_open = TcpStream::connect(hub.address).await.unwrap();
    half_open.write_all(&[0x16]).await.unwrap();
    hub.shutdown.cancel();
    timeout(PATIENCE, hub.server).await.unwrap().unwrap();
    let end = timeout(PATIENCE, half_open.read_to_end(&mut Vec::new())).await;
    assert!(end.is_ok(), "still open");
    assert!(TcpStream::connect(hub.address).await.is_err());
}
