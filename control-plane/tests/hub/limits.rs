//! What one peer can make the hub do.

use std::time::{Duration, Instant};

use hanse_domain::ids::Digest;
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::{admin, agent};
use rcgen::KeyPair;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use crate::agent::{accepted, enrolment};
use crate::clients::connect;
use crate::database::Database;
use crate::hub::Hub;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_ends_its_stream_alone() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let [flooding, calm] = accepted(&hub, ["flooding", "calm"]).await;
    let (mut beside, _) = calm.connect(&hub).await;
    beside.bundle().await;
    let (mut talk, _) = flooding.connect(&hub).await;
    talk.bundle().await;
    // All at once: more than 200 of them are there when the first is looked at.
    let mut sent = 0;
    while sent < 5_000 && talk.try_say(Say::DryRun(agent::DryRunResult::default())).await {
        sent += 1;
    }
    let ended = talk.end().await;
    assert_eq!(ended.code(), Code::ResourceExhausted, "{ended:?}");
    beside.quiet().await;
    // Whole bundles, again and again.
    let (mut talk, _) = flooding.connect(&hub).await;
    for _ in 0..20 {
        if !talk.try_say(Say::Hello(flooding.hello())).await {
            break;
        }
    }
    assert_eq!(talk.end().await.code(), Code::ResourceExhausted);
    // Fences that are never the same.
    let (mut talk, _) = flooding.connect(&hub).await;
    for ceiling_generation in 0..20 {
        let state = agent::fence_report::State::Broken.into();
        let report = agent::FenceReport { state, ceiling_generation, ..Default::default() };
        if !talk.try_say(Say::Fence(report)).await {
            break;
        }
    }
    assert_eq!(talk.end().await.code(), Code::ResourceExhausted);
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_a_largest_size() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let [cluster] = accepted(&hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(&hub).await;
    let large = "x".repeat(5 * 1024 * 1024);
    talk.say(Say::Applied(agent::Applied { phase: 2, message: large, ..Default::default() })).await;
    let ended = talk.end().await;
    assert_eq!(ended.code(), Code::ResourceExhausted, "{ended:?}");
    let commit = admin::CommitRequest {
        statement: vec![b'x'; 33 * 1024 * 1024].into(),
        ..Default::default()
    };
    let refused = hub.fleet().await.commit(commit).await.unwrap_err();
    let too_large = [Code::OutOfRange, Code::ResourceExhausted, Code::Unknown, Code::Internal];
    assert!(too_large.contains(&refused.code()), "{refused:?}");
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_tokens_is_slow() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let key = KeyPair::generate().unwrap();
    let mut client = hub.enrol().await;
    let mut codes = Vec::new();
    for guess in 0..30_u8 {
        let digest = Digest::of(&[guess]).to_string();
        let token = format!("hjt_{}A", &digest[..42]);
        codes.push(client.enroll(enrolment(&token, "prod", &key)).await.unwrap_err().code());
    }
    assert!(codes[..20].iter().all(|code| *code == Code::PermissionDenied), "{codes:?}");
    assert!(codes[25..].contains(&Code::ResourceExhausted), "{codes:?}");
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bytes_are_read_slowly() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let [cluster] = accepted(&hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(&hub).await;
    talk.bundle().await;
    let began = Instant::now();
    for n in 0..7_u64 {
        let message = "x".repeat(3 * 1024 * 1024);
        talk.say(Say::Applied(agent::Applied {
            phase: 2,
            objects: 1,
            generation: n,
            message,
            ..Default::default()
        }))
        .await;
    }
    talk.say(Say::Drift(agent::DriftReport { sequence: 1, ..Default::default() })).await;
    assert_eq!(talk.ack().await, 1);
    // 16 MiB at once, and 5 more at 1 MiB a second.
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_may_send_little() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let key = KeyPair::generate().unwrap();
    for (size, code) in [(60, Code::PermissionDenied), (66, Code::OutOfRange)] {
        let token = "x".repeat(size * 1024);
        let refused = hub.enrol().await.enroll(enrolment(&token, "prod", &key)).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    hub.end_well().await;
}

/// Sends bytes as they are.
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, &item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(None)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_keeps_nobody_out() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let channel = connect(&hub, &hub.people(), None).await.unwrap();
    let began = Instant::now();
    let mut never = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let mut client = tonic::client::Grpc::new(channel.clone());
        never.spawn(async move {
            client.ready().await.unwrap();
            let path =
                http::uri::PathAndQuery::from_static("/hanse.enroll.v1.EnrollService/Enroll");
            let body = futures::stream::pending::<Vec<u8>>();
            client.client_streaming(Request::new(body), path, Plain).await.unwrap_err().code()
        });
    }
    // What is too much is refused at once.
    for _ in 0..24 {
        assert_eq!(never.join_next().await.unwrap().unwrap(), Code::ResourceExhausted);
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let me = hub.identity(&hub.admin()).await.who_am_i(admin::WhoAmIRequest {}).await;
    assert_eq!(me.unwrap().into_inner().name, "admin");
    // And what does not come is not waited for.
    while let Some(ended) = never.join_next().await {
        assert_eq!(ended.unwrap(), Code::DeadlineExceeded);
    }
    assert!((5..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    hub.end_well().await;
}
