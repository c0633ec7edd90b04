//! Two hubs on one PostgreSQL.

use std::time::{Duration, Instant};

use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::{admin, agent};
use tonic::Code;

use crate::access;
use crate::agent::{Talk, accepted};
use crate::author::{commit, fleet, propose, role, send};
use crate::database::Database;
use crate::hub::Hub;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_at_one_reaches_a_stream_at_the_other() {
    let one = Hub::start(Database::on_postgres().await).await;
    let [cluster] = accepted(&one, ["prod"]).await;
    let other = one.replica().await;
    let (mut talk, welcome) = cluster.connect(&other).await;
    assert!(welcome.accepted);
    talk.bundle().await;
    for verb in ["get", "list", "watch"] {
        let began = Instant::now();
        let number = commit(&one, vec![role("a", &[], verb)]).await.unwrap();
        assert_eq!(talk.bundle().await.generation.0, number);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    // Both at once on one base: one wins, the other is told, and both stand at the same.
    let base = fleet(&one).await;
    let (x, y) =
        (propose(&base, vec![role("x", &[], "get")]), propose(&base, vec![role("y", &[], "get")]));
    let (x, y) = tokio::join!(send(&one, x), send(&other, y));
    let lost = if x.is_ok() { y } else { x }.unwrap_err();
    assert!(lost.message().starts_with("STALE:"), "{lost:?}");
    let (x, y) = (fleet(&one).await, fleet(&other).await);
    assert_eq!((x.number, x.history, x.root()), (y.number, y.history, y.root()));
    // A commit right behind, at the hub that did not see the last one, is no conflict.
    assert_eq!(commit(&other, vec![role("z", &[], "get")]).await.unwrap(), 6);
    assert_eq!(commit(&one, vec![role("z", &[], "list")]).await.unwrap(), 7);

    // A revocation at one ends the stream at the other.
    let request = admin::RevokeClusterRequest { cluster_id: cluster.id.to_string() };
    one.clusters().await.revoke_cluster(request).await.unwrap();
    let revoked = Instant::now();
    assert_eq!(talk.end().await.code(), Code::Unauthenticated);
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
    other.end_well().await;
    one.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_report_at_one_does_not_undo_what_the_other_has() {
    let one = Hub::start(Database::on_postgres().await).await;
    let [cluster] = accepted(&one, ["prod"]).await;
    let other = one.replica().await;
    let (mut old, _) = cluster.connect(&one).await;
    old.silently().await;
    let (mut new, _) = cluster.connect(&other).await;
    new.silently().await;
    let report = |talk: &Talk, phase| {
        let (generation, digest) = (talk.hello().generation, talk.hello().digest);
        Say::Applied(agent::Applied { generation, digest, phase, ..Default::default() })
    };
    new.say(report(&new, 2)).await;
    let phase = async || crate::enrolment::list(&other).await.remove(0).phase();
    while phase().await != admin::cluster::Phase::Synced {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    old.say(report(&old, 1)).await;
    assert_eq!(old.end().await.code(), Code::Aborted);
    assert_eq!(phase().await, admin::cluster::Phase::Synced);
    let shown = crate::enrolment::list(&one).await.remove(0);
    assert!(shown.message.starts_with("two agents"), "{shown:?}");
    other.end_well().await;
    one.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_learns_of_access_the_other_answers() {
    let one = Hub::start(Database::on_postgres().await).await;
    let (cluster, mut eyes) = access::sealed(&one, "prod").await;
    let other = one.replica().await;
    let (mut talk, _) = cluster.connect(&one).await;
    access::first(&mut eyes);
    eyes.sync(&mut talk).await;
    let until = |expected: &'static str, there: bool| {
        let other = &other;
        async move {
            let deadline = Instant::now() + crate::hub::PATIENCE;
            loop {
                let (grants, views) = access::who(other, access::everywhere()).await;
                if grants.iter().any(|grant| grant.ends_with(expected)) == there {
                    return views;
                }
                assert!(Instant::now() < deadline, "{grants:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let views = until("anna", true).await;
    // This one does not hear the agent.
    assert!(!views[0].covered, "{views:?}");
    let (late, content) = access::binding("payments", "late", "secrets", &[("User", "carl")]);
    let (readers, _) = access::binding("payments", "readers", "", &[]);
    eyes.change(&mut talk, vec![(late, Some(content)), (readers, None)]).await;
    until("carl", true).await;
    until("anna", false).await;
    // The agent turns to the other one and goes on with the root alone.
    let (mut talk, _) = cluster.connect(&other).await;
    assert_eq!(eyes.sync(&mut talk).await, 0);
    let (_, views) = access::who(&other, access::everywhere()).await;
    assert!(views[0].covered, "{views:?}");
    other.end_well().await;
    one.end_well().await;
}
