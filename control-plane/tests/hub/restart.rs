//! What was acknowledged is there after whatever happens to the hub (I1).

use std::time::Duration;

use hanse_proto::admin;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::fleet_service_client::FleetServiceClient;
use hanse_proto::agent;
use hanse_proto::agent::session_request::Message as Say;
use tonic::transport::Channel;

use crate::agent::accepted;
use crate::author::{commit, fleet, propose, read, role};
use crate::database::Database;
use crate::enrolment::list;
use crate::hub::Hub;

pub(crate) async fn a_restart_keeps_everything(hub: &Hub) {
    let [cluster, _] = accepted(hub, ["prod", "test"]).await;
    commit(hub, vec![role("a", &[], "get"), role("b", &["test"], "get")]).await.unwrap();
    let gone = hanse_domain::fleet::Edit::Remove("FederatedRole/a".parse().unwrap());
    commit(hub, vec![gone]).await.unwrap();
    commit(hub, vec![role("b", &["test"], "list")]).await.unwrap();
    let (mut talk, _) = cluster.connect(hub).await;
    assert_eq!(talk.bundle().await.generation.0, 3);
    let before = (fleet(hub).await, list(hub).await);

    hub.terminate().await;
    // The stream ends with the hub, in a way that says: come back.
    assert_eq!(talk.end().await.code(), tonic::Code::Unavailable);
    hub.serve(&[]).await;
    let after = (fleet(hub).await, list(hub).await);
    assert_eq!((before.0.number, before.0.history), (after.0.number, after.0.history));
    assert_eq!(before.0.root(), after.0.root());
    let desired = |all: &[admin::Cluster]| -> Vec<(String, u64)> {
        all.iter().map(|c| (c.name.clone(), c.generation_desired)).collect()
    };
    assert_eq!(desired(&before.1), desired(&after.1));
    // It has what it should have, and gets nothing until something changes.
    let mut talk = talk.again(hub).await;
    talk.quiet().await;
    assert_eq!(commit(hub, vec![role("a", &[], "get")]).await.unwrap(), 5);
    assert_eq!(talk.bundle().await.generation.0, 5);
}

pub(crate) async fn killed_between_commits(hub: &Hub) {
    let mut acknowledged = 0;
    for round in 0..3 {
        let mut client = hub.fleet().await;
        let killing = async {
            tokio::time::sleep(Duration::from_millis(300 + 170 * round)).await;
            hub.kill().await;
        };
        let (acks, ()) = tokio::join!(hundred_commits(&mut client, round), killing);
        acknowledged = acks.unwrap_or(acknowledged);
        hub.serve(&[]).await;
        let now = fleet(hub).await.number.0;
        // The one whose answer was lost may be there, and nothing else that was not acknowledged.
        assert!(
            now == acknowledged || now == acknowledged + 1,
            "{now}, {acknowledged} acknowledged"
        );
        let mut client = hub.fleet().await;
        for number in 1..=now {
            let request = admin::GetRevisionRequest { number };
            let revision = client.get_revision(request).await.unwrap().into_inner();
            assert_eq!(revision.contents.len(), 1);
        }
        acknowledged = now;
    }
    assert!(acknowledged > 3, "{acknowledged} commits in all");
}

/// Commits until the hub is gone; the newest number that was acknowledged.
async fn hundred_commits(client: &mut FleetServiceClient<Channel>, round: u64) -> Option<u64> {
    let mut acknowledged = None;
    for n in 0..100 {
        let Ok(base) = read(client).await else { break };
        let edits = vec![role("a", &[], &format!("verb{round}x{n}"))];
        let Ok(answer) = client.commit(propose(&base, edits)).await else { break };
        acknowledged = answer.into_inner().revision.map(|revision| revision.number);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_backup_delivers_nothing_to_who_has_more() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let [cluster] = accepted(&hub, ["prod"]).await;
    hub.terminate().await;
    let backup = hub.dir.join("backup.db");
    std::fs::copy(hub.dir.join("hanse.db"), &backup).unwrap();
    hub.serve(&[]).await;
    commit(&hub, vec![role("a", &[], "get")]).await.unwrap();
    let (mut talk, _) = cluster.connect(&hub).await;
    assert_eq!(talk.bundle().await.generation.0, 2);
    hub.terminate().await;
    for file in ["hanse.db", "hanse.db-wal", "hanse.db-shm"] {
        let _ = std::fs::remove_file(hub.dir.join(file));
    }
    std::fs::copy(&backup, hub.dir.join("hanse.db")).unwrap();
    hub.serve(&[]).await;
    let mut talk = talk.again(&hub).await;
    talk.quiet().await;
    let shown = list(&hub).await.remove(0);
    let says = "this cluster holds generation 2, newer than this hub's 1: the hub was restored from an \
                older state";
    assert_eq!((shown.phase(), shown.message.as_str()), (Phase::Failed, says), "{shown:?}");
    assert_eq!(shown.generation_desired, 1);
    // So says what it reports, when it is gone and another one is there.
    let (generation, digest) = (talk.hello().generation, talk.hello().digest);
    let applied = agent::Applied { generation, digest, phase: 2, ..Default::default() };
    talk.say(Say::Applied(applied)).await;
    talk.quiet().await;
    drop(talk);
    // Revisions that do not concern it change nothing, however high their number.
    for verb in ["get", "list", "watch"] {
        commit(&hub, vec![role("theirs", &["test"], verb)]).await.unwrap();
    }
    let shown = list(&hub).await.remove(0);
    assert_eq!((shown.phase(), shown.message.as_str()), (Phase::Failed, says), "{shown:?}");
    // One that does goes beyond what it holds: it is delivered, and all is well again.
    commit(&hub, vec![role("a", &["prod"], "get")]).await.unwrap();
    let shown = list(&hub).await.remove(0);
    assert_eq!((shown.phase(), shown.generation_desired), (Phase::Syncing, 5), "{shown:?}");
    hub.terminate().await;
    assert!(hub.log().contains("ERROR"), "{}", hub.log());
}
