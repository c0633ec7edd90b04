//! What one peer can make the hub do.

use hanse_domain::ids::Digest;
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::{admin, agent};
use rcgen::KeyPair;
use tonic::Code;

use crate::agent::{accepted, enrolment};
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
