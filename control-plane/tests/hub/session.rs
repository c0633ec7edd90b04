//! An agent's stream: what is delivered, and what is not.

use hanse_domain::ids::Digest;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::agent;
use hanse_proto::agent::applied::Phase as AppliedPhase;
use hanse_proto::agent::session_request::Message as Say;
use tonic::Code;

use crate::agent::{Cluster, Talk, accepted, join};
use crate::author::{commit, entry, role};
use crate::database::Database;
use crate::enrolment::list;
use crate::hub::Hub;

pub(crate) async fn a_cluster_gets_what_is_placed_on_it(hub: &Hub) {
    let cluster = join(hub, "prod").await;
    let (mut talk, welcome) = cluster.connect(hub).await;
    assert_eq!(welcome.cluster_name, "prod");
    assert!(!welcome.accepted && !welcome.drift_wanted, "{welcome:?}");
    talk.quiet().await;
    // Accepted while it is connected.
    commit(hub, vec![entry(cluster.id, "prod", &[])]).await.unwrap();
    let bundle = talk.bundle().await;
    assert_eq!((bundle.generation.0, bundle.documents.len()), (1, 0));
    commit(hub, vec![role("ours", &["prod"], "get"), role("theirs", &["test"], "get")])
        .await
        .unwrap();
    let bundle = talk.bundle().await;
    assert_eq!(bundle.generation.0, 2);
    let names: Vec<&str> =
        bundle.documents.iter().map(|(d, _)| d.reference.name.as_str()).collect();
    assert_eq!(names, ["ours"]);
    // What does not concern it does not wake it.
    commit(hub, vec![role("theirs", &["test"], "list")]).await.unwrap();
    talk.quiet().await;
    assert!(list(hub).await[0].connected);
    // It comes back and has all of it.
    let mut talk = talk.again(hub).await;
    talk.quiet().await;
    // A removal reaches it, too.
    commit(hub, vec![hanse_domain::fleet::Edit::Remove("FederatedRole/ours".parse().unwrap())])
        .await
        .unwrap();
    assert_eq!(talk.bundle().await.documents.len(), 0);
}

pub(crate) async fn only_what_is_missing_travels(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    commit(hub, vec![role("a", &[], "get"), role("b", &[], "get")]).await.unwrap();
    let (mut talk, _) = cluster.connect(hub).await;
    let all = talk.offered().await;
    assert_eq!(all.contents.len(), 3, "the entry and two documents");
    talk.accept(&all);
    talk.answer().await;
    commit(hub, vec![role("b", &[], "list")]).await.unwrap();
    let one = talk.offered().await;
    assert_eq!(one.contents.len(), 1);
    talk.accept(&one);
    talk.answer().await;
    // More than one change while it is away, from a manifest that only the database knows.
    let hello = talk.hello();
    drop(talk);
    for verb in ["a", "b", "c", "d", "e", "f"] {
        commit(hub, vec![role("c", &[], verb)]).await.unwrap();
    }
    let mut talk = cluster.stream(hub).await.unwrap();
    talk.say(Say::Hello(hello.clone())).await;
    talk.welcome().await;
    let caught_up = talk.offered().await;
    assert_eq!((caught_up.generation, caught_up.contents.len()), (9, 1));
    // A manifest that the hub does not know, or of nobody: everything.
    let mut talk = cluster.stream(hub).await.unwrap();
    talk.say(Say::Hello(agent::Hello { digest: Digest::of(b"?").0.to_vec().into(), ..hello }))
        .await;
    talk.welcome().await;
    let whole = talk.offered().await;
    assert_eq!(whole.contents.len(), 4);
}

pub(crate) async fn a_later_hello_asks_for_everything(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    commit(hub, vec![role("a", &[], "get")]).await.unwrap();
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    let mut talk = talk.again(hub).await;
    talk.quiet().await;
    talk.say(Say::Hello(talk.hello())).await;
    assert_eq!(talk.offered().await.contents.len(), 2);
}

pub(crate) async fn the_newest_bundle_wins(hub: &Hub) {
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.bundle().await;
    for verb in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        commit(hub, vec![role("a", &[], verb)]).await.unwrap();
    }
    let mut last = 0;
    while last < 9 {
        let bundle = talk.bundle().await;
        assert!(bundle.generation.0 > last);
        last = bundle.generation.0;
    }
    talk.quiet().await;
}

async fn report(talk: &Talk, phase: AppliedPhase, more: agent::Applied) {
    let (generation, digest) = (talk.hello().generation, talk.hello().digest);
    let applied = agent::Applied { generation, digest, phase: phase.into(), objects: 3, ..more };
    talk.say(Say::Applied(applied)).await;
}

async fn until(hub: &Hub, phase: Phase) -> hanse_proto::admin::Cluster {
    for _ in 0..200 {
        let cluster = list(hub).await.remove(0);
        if cluster.phase() == phase {
            return cluster;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("never {phase:?}: {:?}", list(hub).await);
}

pub(crate) async fn reports_make_the_phase(hub: &Hub) {
    let mut watch = hub.clusters().await;
    let watch = watch.watch_clusters(hanse_proto::admin::WatchClustersRequest {}).await.unwrap();
    let mut watch = watch.into_inner();
    let [cluster] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    talk.silently().await;
    let shown = until(hub, Phase::Syncing).await;
    assert_eq!((shown.generation_desired, shown.generation_applied), (1, 0));
    assert_eq!(
        (shown.agent_version.as_str(), shown.accepted, shown.connected),
        ("0.1.1", true, true)
    );
    assert_eq!(shown.labels.get("env").map(String::as_str), Some("test"));

    // Of this number, and not what the hub would deliver.
    let digest = Digest::of(b"another").0.to_vec().into();
    talk.say(Say::Applied(agent::Applied {
        digest,
        generation: 1,
        phase: 2,
        ..Default::default()
    }))
    .await;
    let another = loop {
        let shown = list(hub).await.remove(0);
        if shown.generation_applied == 1 {
            break shown;
        }
    };
    assert_eq!(another.phase(), Phase::Syncing, "{another:?}");
    report(&talk, AppliedPhase::Applied, agent::Applied::default()).await;
    let shown = until(hub, Phase::Synced).await;
    assert_eq!(shown.message, "");
    assert_eq!((shown.generation_applied, shown.objects), (1, 3));
    let object = hanse_proto::admin::ObjectReference {
        api_version: "rbac.authorization.k8s.io/v1".to_owned(),
        kind: "ClusterRole".to_owned(),
        namespace: String::new(),
        name: "hanse:ns:a\0".to_owned(),
    };
    let problem =
        hanse_proto::admin::ObjectProblem { object: Some(object), message: "no\0".repeat(2_000) };
    let problems = vec![problem; 50];
    report(&talk, AppliedPhase::Failed, agent::Applied { problems, ..Default::default() }).await;
    let shown = until(hub, Phase::Failed).await;
    assert!(shown.message.starts_with("ClusterRole hanse:ns:a"), "{shown:?}");
    assert!(shown.message.len() < 2_000 && shown.message.ends_with("(and 19 more)"));
    let waiting = agent::Applied { removals_waiting: 7, ..Default::default() };
    report(&talk, AppliedPhase::AwaitingConfirmation, waiting).await;
    let shown = until(hub, Phase::AwaitingConfirmation).await;
    assert!(shown.message.contains("hanse cluster confirm-removals prod 7"), "{shown:?}");
    let refused = agent::Applied { message: "not ours".to_owned(), ..Default::default() };
    report(&talk, AppliedPhase::Refused, refused).await;
    assert_eq!(until(hub, Phase::Failed).await.message, "not ours");
    commit(hub, vec![role("a", &[], "get")]).await.unwrap();
    talk.bundle().await;
    report(&talk, AppliedPhase::Applying, agent::Applied::default()).await;
    until(hub, Phase::Syncing).await;

    // A watcher may miss what was in between, and never the end.
    drop(talk);
    loop {
        let seen = tokio::time::timeout(crate::hub::PATIENCE, watch.message()).await.unwrap();
        let seen = seen.unwrap().unwrap().cluster.unwrap();
        if seen.phase() == Phase::Syncing && seen.generation_applied == 2 && !seen.connected {
            break;
        }
    }
}

async fn hub_and_cluster() -> (Hub, Cluster) {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let [cluster] = accepted(&hub, ["prod"]).await;
    (hub, cluster)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_identity_has_one_live_stream() {
    let (hub, cluster) = hub_and_cluster().await;
    let (mut first, _) = cluster.connect(&hub).await;
    first.bundle().await;
    let (mut second, _) = cluster.connect(&hub).await;
    let ended = first.end().await;
    let why = "another agent took over with this cluster's identity";
    assert_eq!((ended.code(), ended.message()), (Code::Aborted, why));
    second.bundle().await;
    let shown = list(&hub).await.remove(0);
    assert!(shown.message.starts_with("two agents had this cluster's identity"), "{shown:?}");
    commit(&hub, vec![role("a", &[], "get")]).await.unwrap();
    second.bundle().await;
    assert!(hub.log().contains("began a second stream"), "{}", hub.log());
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_in_another_cluster_is_refused() {
    let (hub, cluster) = hub_and_cluster().await;
    let (mut rightful, _) = cluster.connect(&hub).await;
    rightful.bundle().await;
    let mut clone = cluster.stream(&hub).await.unwrap();
    let uid = "another".to_owned();
    clone.say(Say::Hello(agent::Hello { cluster_uid: uid, ..cluster.hello() })).await;
    let refused = clone.end().await;
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(refused.message(), "this certificate was issued to another Kubernetes cluster");
    // And the rightful one is not disturbed.
    commit(&hub, vec![role("a", &[], "get")]).await.unwrap();
    rightful.bundle().await;
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_message_is_a_hello() {
    let (hub, cluster) = hub_and_cluster().await;
    let mut talk = cluster.stream(&hub).await.unwrap();
    talk.say(Say::Applied(agent::Applied::default())).await;
    assert_eq!(talk.end().await.code(), Code::InvalidArgument);
    let mut silent = cluster.stream(&hub).await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(silent.end().await.code(), Code::DeadlineExceeded);
    assert!((9..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let (mut odd, _) = cluster.connect(&hub).await;
    odd.bundle().await;
    odd.say(Say::Applied(agent::Applied {
        digest: "short".into(),
        phase: 2,
        ..Default::default()
    }))
    .await;
    assert_eq!(odd.end().await.code(), Code::InvalidArgument);
    hub.end_well().await;
}
