//! Agents that are wrong, or lie: about objects, about moments and about whose they are.

use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind};
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::agent::session_response::Message as Hear;
use hanse_proto::{admin, agent};
use jiff::SignedDuration;
use tonic::Code;

use crate::access::{
    Eyes, answer, client, everywhere, first, now, origin, proto_time, role, rule, sealed, who,
};
use crate::agent::{Talk, accepted, join};
use crate::hub::Hub;

async fn inventory(hub: &Hub, cluster: &str) -> admin::InventoryStatus {
    let clusters = vec![cluster.to_owned()];
    let scope = Some(admin::AccessScope { clusters, ..Default::default() });
    let request = admin::ListInventoriesRequest { scope };
    let mut stream = client(hub).await.list_inventories(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap()
}

pub(crate) async fn what_cannot_be_kept_is_left_out(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let at = now();
    let closed = eyes.checkpoint(at);
    let good = eyes.set(role("good", vec![]).0, Some((role("good", vec![]).1, origin(3))), at);
    let like = |alter: &dyn Fn(&mut admin::InventoryChange)| {
        let mut change = good.clone();
        change.name = "bad".to_owned();
        alter(&mut change);
        change
    };
    let namespaced = AccessKey::namespaced(AccessKind::Role, "a", "b");
    let service_account = AccessContent::ServiceAccount { token_secret: false };
    let changes = vec![
        like(&|change| change.kind = "Secret".to_owned()),
        like(&|change| change.name = "nul\0".to_owned()),
        like(&|change| change.name = "x".repeat(5_000)),
        like(&|change| change.name = String::new()),
        like(&|change| change.namespace = "a".to_owned()),
        like(&|change| change.kind = namespaced.kind.name().to_owned()),
        like(&|change| change.content = b"{ \"is\": \"role\"}".to_vec().into()),
        like(&|change| change.content = b"{\"is\":\"secret\"}".to_vec().into()),
        like(&|change| change.content = service_account.encode().into()),
        like(&|change| change.content = vec![b'['; 300_000].into()),
        like(&|change| change.origin = bytes::Bytes::new()),
        like(&|change| change.at = Some(proto_time(at + SignedDuration::from_hours(1)))),
        like(&|change| change.at = Some(pbjson_types::Timestamp { seconds: i64::MAX, nanos: -5 })),
        good.clone(),
    ];
    let refused = u32::try_from(changes.len() - 1).unwrap();
    // One of the objects that are left out is in the agent's root.
    eyes.set(
        AccessKey::cluster(AccessKind::ClusterRole, "bad"),
        Some((role("", vec![]).1, origin(4))),
        at,
    );
    let report = eyes.report(changes, Some(closed));
    eyes.tell(&mut talk, report).await;
    let status = inventory(hub, "prod").await;
    assert_eq!((status.objects, status.skipped), (5, refused));
    assert_ne!(status.root, eyes.inventory.root().0.to_vec());
    let (_, views) = who(hub, everywhere()).await;
    assert!(views[0].caveats.iter().any(|c| c.contains("the hub refuses")), "{views:?}");
    // It is not asked again and again.
    let report = eyes.report(Vec::new(), None);
    eyes.tell(&mut talk, report).await;
    assert!(hub.log().contains("objects that cannot be kept, first Secret"), "{}", hub.log());
    // Once the agent has them no more, both have the same.
    let at = now();
    let gone = eyes.set(AccessKey::cluster(AccessKind::ClusterRole, "bad"), None, at);
    let report = eyes.report(vec![gone], None);
    eyes.tell(&mut talk, report).await;
    let status = inventory(hub, "prod").await;
    assert_eq!((status.skipped, status.root), (0, eyes.inventory.root().0.to_vec().into()));
}

pub(crate) async fn what_is_not_this_cluster_s_is_refused(hub: &Hub) {
    let [prod, test] = accepted(hub, ["prod", "test"]).await;
    let (mut own, _) = test.connect(hub).await;
    let mut theirs = Eyes::new(&test);
    first(&mut theirs);
    theirs.sync(&mut own).await;

    let reports: [&dyn Fn(&mut Eyes) -> agent::InventoryReport; 6] = [
        &|eyes| {
            let mut report = eyes.report(Vec::new(), None);
            report.current = Some(theirs.signed(&theirs.checkpoint(now())));
            report
        },
        &|eyes| agent::InventoryReport { current: None, ..eyes.report(Vec::new(), None) },
        &|eyes| {
            let current = Some(admin::SignedCheckpoint {
                checkpoint: b"hanse checkpoint v1\n".to_vec().into(),
                signature: bytes::Bytes::new(),
            });
            agent::InventoryReport { current, ..eyes.report(Vec::new(), None) }
        },
        &|eyes| agent::InventoryReport { buckets: vec![256], ..eyes.report(Vec::new(), None) },
        &|eyes| agent::InventoryReport { sequence: 0, ..eyes.report(Vec::new(), None) },
        &|eyes| {
            let change = eyes.put(role("a", vec![]));
            eyes.report(vec![change; 1_001], None)
        },
    ];
    for (number, report) in reports.into_iter().enumerate() {
        let (mut talk, _) = prod.connect(hub).await;
        let mut eyes = Eyes::new(&prod);
        if number == 4 {
            // Not after the one before.
            let before = eyes.report(Vec::new(), None);
            talk.say(Say::Inventory(agent::InventoryReport { sequence: 7, ..before })).await;
            assert!(matches!(answer(&mut talk).await, Hear::InventoryAck(_)));
        }
        let report = report(&mut eyes);
        talk.say(Say::Inventory(report)).await;
        let status = talk.end().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{number}: {status:?}");
    }
    let (grants, _) = who(hub, everywhere()).await;
    assert!(!grants.iter().any(|grant| grant.starts_with("prod \"payments\"")), "{grants:?}");
    assert_eq!(inventory(hub, "test").await.objects, 4);
}

pub(crate) async fn what_proves_nothing_is_said(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let caveats = async || who(hub, everywhere()).await.1.remove(0).caveats.join("\n");
    assert!(!caveats().await.contains("signed"), "{}", caveats().await);
    // Signed by another key.
    let secret = std::mem::replace(&mut eyes.secret, [9; 32]);
    let report = eyes.report(Vec::new(), None);
    eyes.tell(&mut talk, report).await;
    assert!(caveats().await.contains("signed by another key"), "{}", caveats().await);
    // Not at all.
    let mut report = eyes.report(Vec::new(), None);
    report.current.as_mut().unwrap().signature = bytes::Bytes::new();
    eyes.tell(&mut talk, report).await;
    assert!(caveats().await.contains("it is not signed"), "{}", caveats().await);
    // By a clock that is ahead: nothing of it counts.
    eyes.secret = secret;
    let until = now() + SignedDuration::from_hours(1);
    let ahead = eyes.signed(&eyes.checkpoint(until));
    let report = eyes.report(Vec::new(), None);
    eyes.tell(&mut talk, agent::InventoryReport { current: Some(ahead), ..report }).await;
    let last = inventory(hub, "prod").await.coverage.last().copied().unwrap();
    assert!(last.until.unwrap().seconds <= now().as_second() + 1);
    let report = eyes.report(Vec::new(), None);
    eyes.tell(&mut talk, report).await;
    assert!(!caveats().await.contains("signed"), "{}", caveats().await);
}

pub(crate) async fn a_cluster_that_is_cut_off_is_asked_no_more(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.put(role("more", vec![rule(&["get"], &["secrets"])]));
    eyes.sync(&mut talk).await;
    let then = now();
    let request = admin::RevokeClusterRequest { cluster_id: cluster.id.to_string() };
    hub.clusters().await.revoke_cluster(request).await.unwrap();
    assert_eq!(talk.end().await.code(), Code::Unauthenticated);
    let (grants, views) = who(hub, everywhere()).await;
    assert_eq!((grants.len(), views.len()), (0, 0));
    let scope = admin::AccessScope { clusters: vec!["prod".to_owned()], ..everywhere() };
    let request = admin::ListInventoriesRequest { scope: Some(scope) };
    let refused = client(hub).await.list_inventories(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    // What was, was.
    let scope = admin::AccessScope { at: Some(proto_time(then)), ..everywhere() };
    let (grants, _) = who(hub, scope).await;
    assert!(grants.contains(&"prod \"payments\" anna".to_owned()), "{grants:?}");
}

/// Begins a large report, and sees that its first part was taken.
async fn begin(talk: &mut Talk, eyes: &mut Eyes) {
    first(eyes);
    let report = eyes.report(Vec::new(), None);
    let part = agent::InventoryReport { last: false, current: None, ..report };
    talk.say(Say::Inventory(part)).await;
    // One thing is done at a time: the answer to this says that the part was taken.
    talk.say(Say::Drift(agent::DriftReport { sequence: 1, ..Default::default() })).await;
    while !matches!(talk.hear().await.unwrap().unwrap(), Hear::DriftAck(_)) {}
}

/// Sends everything in two parts.
async fn in_parts(talk: &mut Talk, eyes: &mut Eyes) -> Hear {
    let whole = eyes.missing(&[0; 256 * 32]);
    let part = agent::InventoryReport { last: false, current: None, ..whole.clone() };
    talk.say(Say::Inventory(part)).await;
    let last = agent::InventoryReport { changes: Vec::new(), ..whole };
    talk.say(Say::Inventory(last)).await;
    answer(talk).await
}

/// Those who hold all turns do not cost others their streams.
pub(crate) async fn who_gets_no_turn_is_asked_again(hub: &Hub) {
    let mut holders = Vec::new();
    for number in 0..4 {
        let (cluster, mut eyes) = sealed(hub, &format!("holder-{number}")).await;
        let (mut talk, _) = cluster.connect(hub).await;
        begin(&mut talk, &mut eyes).await;
        holders.push(talk);
    }
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    let Hear::InventoryWanted(_) = in_parts(&mut talk, &mut eyes).await else {
        panic!("it was stored")
    };
    assert_eq!(inventory(hub, "prod").await.objects, 0);
    // The stream goes on.
    assert!(eyes.sync(&mut talk).await > 0);
    assert!(inventory(hub, "prod").await.objects > 0);
    drop(holders);
}

/// And clusters that nobody accepted hold none.
pub(crate) async fn who_is_not_accepted_takes_no_turn(hub: &Hub) {
    let mut strangers = Vec::new();
    for number in 0..4 {
        let cluster = join(hub, &format!("stranger-{number}")).await;
        let (mut talk, _) = cluster.connect(hub).await;
        begin(&mut talk, &mut Eyes::new(&cluster)).await;
        strangers.push(talk);
    }
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    assert!(matches!(in_parts(&mut talk, &mut eyes).await, Hear::InventoryAck(_)));
    // What one of them sends whole is acknowledged, and not kept.
    let stranger = join(hub, "stranger").await;
    let (mut talk, _) = stranger.connect(hub).await;
    let mut eyes = Eyes::new(&stranger);
    first(&mut eyes);
    assert!(matches!(in_parts(&mut talk, &mut eyes).await, Hear::InventoryAck(_)));
    drop(strangers);
}
