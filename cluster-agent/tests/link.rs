//! The stream to the hub, against a real TLS and gRPC server.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/hub.rs"]
mod hub;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hanse_agent::core::io::{Input, Report};
use hanse_agent::identity::Identity;
use hanse_agent::identity::store::IdentityStore;
use hanse_agent::kube::client::ClusterFacts;
use hanse_agent::link::{Event, Link, Session};
use hanse_agent::wire::Incoming;
use hanse_domain::ids::Digest;
use hanse_proto::agent::DriftAck;
use hanse_proto::agent::session_request::Message as Sent;
use hanse_proto::agent::session_response::Message as Reply;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_hours(1);

struct Running {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<Result<(), hanse_agent::link::TlsError>>,
    soft: CancellationToken,
    dir: tempfile::TempDir,
}

impl Running {
    fn start(hub: &hub::Control) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let identity = hub.identity("uid");
        identity.save(dir.path()).unwrap();
        let store = IdentityStore::Directory(dir.path().to_owned());
        let (sender, events) = mpsc::channel(16);
        let soft = CancellationToken::new();
        let task = tokio::spawn(Link { identity, store, events: sender }.run(soft.clone()));
        Self { events, task, soft, dir }
    }

    async fn next(&mut self) -> Event {
        match tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await {
            Ok(Some(event)) => event,
            other => panic!("no event: {other:?}"),
        }
    }

    async fn up(&mut self) -> Session {
        match self.next().await {
            Event::Up(session) => session,
            other => panic!("not up: {other:?}"),
        }
    }

    async fn down(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, Event::Down), "{event:?}");
    }

    async fn message(&mut self) -> Input {
        match self.next().await {
            Event::Message(incoming) => match *incoming {
                Incoming::Core(input) => input,
                Incoming::Inventory(input) => panic!("unasked: {input:?}"),
            },
            other => panic!("no message: {other:?}"),
        }
    }

    /// Up, hello and welcome.
    async fn greeted(&mut self) -> Session {
        let session = self.up().await;
        session.report(hello(), &facts(), "").unwrap();
        let welcome = self.message().await;
        assert!(matches!(welcome, Input::Welcomed { drift_wanted: true }), "{welcome:?}");
        session
    }
}

fn facts() -> ClusterFacts {
    ClusterFacts { uid: "uid".into(), version: "v1.36.3".into(), streaming_lists: true }
}

fn hello() -> Report {
    Report::Hello { held: None, drift_digest: Digest([7; 32]), root_version: 0, log_size: 0 }
}

#[tokio::test]
async fn greets_and_comes_back() {
    let hub = hub::start(HOUR).await;
    let mut link = Running::start(&hub);
    let _session = link.greeted().await;
    let received = hub.received.lock().unwrap().clone();
    let Sent::Hello(hello) = &received[0] else { panic!("{received:?}") };
    assert_eq!(hello.cluster_uid, "uid");
    assert_eq!(hello.kubernetes_version, "v1.36.3");
    assert_eq!(hello.drift_digest, vec![7; 32]);
    assert_eq!((hello.generation, hello.digest.len()), (0, 0));

    hub.reply(Reply::DriftAck(DriftAck { sequence: 9 })).await;
    assert!(matches!(link.message().await, Input::DriftStored(9)));

    hub.hang_up();
    link.down().await;
    let _session = link.greeted().await;
    assert_eq!(hub.streams(), 2);

    link.soft.cancel();
    tokio::time::timeout(Duration::from_secs(1), link.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn renews_in_time_with_a_new_key_and_a_new_stream() {
    let hub = hub::start(Duration::from_secs(6)).await;
    let mut link = Running::start(&hub);
    let first = Identity::load(link.dir.path()).unwrap();
    let begin = std::time::Instant::now();
    let _session = link.greeted().await;
    link.down().await;
    let after = begin.elapsed();
    assert!(after > Duration::from_secs(3) && after < Duration::from_secs(6), "{after:?}");
    let _session = link.greeted().await;
    assert_eq!(hub.renewals.load(Ordering::SeqCst), 1);
    let stored = Identity::load(link.dir.path()).unwrap();
    let key = |identity: &Identity| identity.credentials.certificate.public_key.clone();
    assert_ne!(key(&stored), key(&first));
    let peers = hub.peers.lock().unwrap().clone();
    assert_eq!(peers.len(), 2);
    assert_ne!(peers[0], peers[1], "the new stream shows the new certificate");
}

#[tokio::test]
async fn a_stream_that_takes_no_more_begins_anew() {
    let hub = hub::start(HOUR).await;
    let mut link = Running::start(&hub);
    let session = link.greeted().await;
    hub.deaf.store(true, Ordering::SeqCst);
    let mut sent = 0;
    while session.report(hello(), &facts(), "").is_ok() {
        sent += 1;
        assert!(sent < 1_000_000, "it must be bounded");
        if sent % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(session);
    link.down().await;
    hub.deaf.store(false, Ordering::SeqCst);
    let _session = link.greeted().await;
}

#[tokio::test]
async fn a_refusal_is_retried_slowly_and_forever() {
    let hub = hub::start(HOUR).await;
    hub.refuse.store(true, Ordering::SeqCst);
    let mut link = Running::start(&hub);
    let _session = link.up().await;
    link.down().await;
    let more = tokio::time::timeout(Duration::from_secs(3), link.events.recv()).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!(hub.streams(), 1);
    assert!(!link.task.is_finished());
}

#[tokio::test]
async fn another_hub_gets_nothing() {
    let (hub, other) = (hub::start(HOUR).await, hub::start(HOUR).await);
    // The address is the other's, the CA is the hub's.
    let mut identity = other.identity("uid");
    identity.ca_pem.clone_from(&hub.ca.pem);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (sender, mut events) = mpsc::channel(16);
    let store = IdentityStore::Directory("/nowhere".into());
    let task = tokio::spawn(Link { identity, store, events: sender }.run(CancellationToken::new()));
    let up = tokio::time::timeout(Duration::from_secs(2), events.recv()).await;
    assert!(up.is_err(), "{up:?}");
    assert!(!task.is_finished());
    assert_eq!(Arc::as_ref(&other).streams(), 0);
}
