//! Both listeners over loopback, with good clients and bad ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::net::test_hub::{
    PATIENCE, agent, authority, bind, run, serve, serve_as, server_identity,
};

#[tokio::test]
async fn agents_need_a_certificate_and_people_do_not() {
    let agents = serve(Listener::Agents, Limits::default());
    agents.good_client_gets_in().await;
    agents.refuses(None, "CertificateRequired").await;

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
        hub.refuses(Some(agent(&authority(), now)), "DecryptError").await;
        hub.refuses(
            Some(agent(&hub.ca, now - SignedDuration::from_hours(48))),
            "CertificateExpired",
        )
        .await;
        hub.refuses(
            Some(agent(&hub.ca, now + SignedDuration::from_hours(48))),
            "CertificateExpired",
        )
        .await;
        // Of our CA, but not for clients.
        let server = server_identity(&hub.ca);
        let key = PrivatePkcs8KeyDer::from(server.key.secret_der().to_vec());
        hub.refuses(Some((server.certificate.chain, key)), "UnsupportedCertificate").await;
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
        SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
        drop(reset);
        silent.push(TcpStream::connect(hub.address).await.unwrap());
    }
    hub.good_client_gets_in().await;
}

#[tokio::test]
async fn failing_accepts_end_nothing() {
    let ca = Arc::new(authority());
    let (config, bound) = bind(Listener::Agents, Limits::default(), &ca);
    let socket = SockRef::from(&bound.socket).try_clone().unwrap();
    let hub = run(ca, config, bound);
    let early = TcpStream::connect(hub.address).await.unwrap();
    hub.good_client_gets_in().await;
    // From now on, accept(2) says EINVAL.
    socket.shutdown(std::net::Shutdown::Both).unwrap();
    tokio::time::sleep(ACCEPT_PAUSE * 3).await;
    assert!(!hub.server.is_finished());
    let client = hub.client(Some(agent(&hub.ca, Timestamp::now())));
    let (answer, _) = hub.shake_hands(client, early).await.unwrap();
    assert_eq!(answer, b'c');
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
    let hub = serve(Listener::People, Limits { connections: 1, ..Limits::default() });
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
        assert_eq!((answer, stream.get_ref().1.handshake_kind()), (b'c', Some(expected)));
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
    assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
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

#[tokio::test]
async fn one_address_does_not_take_every_connection() {
    let hub = serve(Listener::People, Limits { per_address: 2, ..Limits::default() });
    let (_, first) = hub.connect(hub.client(None)).await.unwrap();
    let (_, _second) = hub.connect(hub.client(None)).await.unwrap();
    assert!(hub.connect(hub.client(None)).await.is_err());
    // From another address.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let other = socket.connect(hub.address).await.unwrap();
    hub.shake_hands(hub.client(None), other).await.unwrap();
    drop(first);
    let freed = async {
        while hub.connect(hub.client(None)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, freed).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_cut_off() {
    let silence = Duration::from_millis(300);
    let anonymous = Duration::from_millis(1_200);
    for listener in [Listener::Agents, Listener::People] {
        let hub = serve(listener, Limits { silence, anonymous, ..Limits::default() });
        let known = hub.client(Some(agent(&hub.ca, Timestamp::now())));
        let began = Instant::now();
        let (_, mut silent) = hub.connect(Arc::clone(&known)).await.unwrap();
        let (_, mut talking) = hub.connect(known).await.unwrap();
        talking.write_all(b"x").await.unwrap();
        let ended = timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok() && began.elapsed() >= silence, "{:?}", began.elapsed());
        let ended = timeout(anonymous * 2, talking.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_err(), "{ended:?}");
    }
    // Without a certificate, talking does not help for ever.
    let hub = serve(Listener::People, Limits { silence, anonymous, ..Limits::default() });
    let began = Instant::now();
    let (_, mut talking) = hub.connect(hub.client(None)).await.unwrap();
    talking.write_all(b"x").await.unwrap();
    let ended = timeout(PATIENCE, talking.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok() && began.elapsed() >= anonymous, "{:?}", began.elapsed());
}

#[tokio::test]
async fn only_http_2_is_offered() {
    for listener in [Listener::Agents, Listener::People] {
        let hub = serve(listener, Limits::default());
        let client = |protocol: &[u8]| {
            let mut client =
                ClientConfig::clone(&hub.client(Some(agent(&hub.ca, Timestamp::now()))));
            client.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(client)
        };
        hub.connect(client(b"h2")).await.unwrap();
        let refused = hub.connect(client(b"http/1.1")).await.unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    }
}
