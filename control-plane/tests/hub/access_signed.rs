//! That what agents sign and what the hub answers never differ, and that both are of the present.

use hanse_domain::access::object::AccessKey;
use hanse_proto::admin;
use hanse_proto::admin::get_inventory_response::Part;
use hanse_proto::agent;
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::agent::session_response::Message as Hear;
use jiff::Timestamp;

use crate::access::{
    Eyes, answer, binding, client, everywhere, first, now, origin, proto_time, sealed, who,
};
use crate::agent::Talk;
use crate::hub::Hub;

fn at(at: Timestamp) -> admin::AccessScope {
    admin::AccessScope { at: Some(proto_time(at)), ..everywhere() }
}

fn carl(name: &str) -> (AccessKey, hanse_domain::access::object::AccessContent) {
    binding("payments", name, "secrets", &[("User", "carl")])
}

/// Two versions, and a change that is dated before the last heartbeat.
async fn late(talk: &mut Talk, eyes: &mut Eyes, name: &str, at: Timestamp) {
    let closed = eyes.checkpoint(at);
    let (key, content) = carl(name);
    let change = eyes.set(key, Some((content, origin(2))), at);
    let report = eyes.report(vec![change], Some(closed));
    eyes.tell(talk, report).await;
}

pub(crate) async fn no_change_is_within_what_is_signed(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let then = now();
    // Signed, and held by the hub.
    assert_eq!(eyes.sync(&mut talk).await, 0);
    late(&mut talk, &mut eyes, "late", then).await;
    let carls = |grants: &[String]| grants.iter().filter(|grant| grant.contains("carl")).count();
    assert_eq!(carls(&who(hub, at(then)).await.0), 0);
    assert_eq!(carls(&who(hub, everywhere()).await.0), 1);
    // The agent was started again, then the hub.
    let then = now();
    assert_eq!(eyes.sync(&mut talk).await, 0);
    drop(talk);
    hub.terminate().await;
    hub.serve(&[]).await;
    let (mut talk, _) = cluster.connect(hub).await;
    late(&mut talk, &mut eyes, "later", then).await;
    assert_eq!(carls(&who(hub, at(then)).await.0), 1);
    // What is signed of that moment is of the state before.
    let request = admin::GetInventoryRequest { scope: Some(at(then)), until: None };
    let mut stream = client(hub).await.get_inventory(request).await.unwrap().into_inner();
    let mut objects = 0;
    while let Some(message) = stream.message().await.unwrap() {
        match message.part.unwrap() {
            Part::Change(_) => objects += 1,
            Part::Checkpoint(came) => {
                let text = String::from_utf8(came.checkpoint.to_vec()).unwrap();
                assert!(text.contains("objects 5\n"), "{text}");
            }
            Part::Begin(_) | Part::View(_) => {}
        }
    }
    assert_eq!(objects, 5);
}

pub(crate) async fn a_live_stream_covers_the_present(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let (_, views) = who(hub, at(now())).await;
    assert!(views[0].covered, "{views:?}");
    drop(talk);
    let gone = now();
    // Once the hub has noticed.
    for _ in 0..100 {
        if !who(hub, at(gone)).await.1[0].covered {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it counts as seen after its stream");
}

pub(crate) async fn an_auditor_gets_what_is_signed_now(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let asked = now();
    let request = admin::GetInventoryRequest { scope: Some(everywhere()), until: None };
    let mut stream = client(hub).await.get_inventory(request).await.unwrap().into_inner();
    while talk.hear().await.unwrap().unwrap() != Hear::InventoryAsk(agent::InventoryAsk {}) {}
    let report = eyes.report(Vec::new(), None);
    talk.say(Say::Inventory(report)).await;
    assert!(matches!(answer(&mut talk).await, Hear::InventoryAck(_)));
    let mut until = None;
    while let Some(message) = stream.message().await.unwrap() {
        if let Part::Checkpoint(came) = message.part.unwrap() {
            let said = hanse_domain::access::checkpoint::Checkpoint::decode(&came.checkpoint);
            until = Some(said.unwrap().until);
        }
    }
    assert!(until.unwrap() >= asked);
}

pub(crate) async fn a_burst_leaves_no_gap(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let one = now();
    let closed = eyes.checkpoint(one);
    let (key, content) = carl("one");
    let mut changes = vec![eyes.set(key, Some((content, origin(2))), one)];
    let between = now();
    let (key, content) = carl("two");
    changes.push(eyes.set(key, Some((content, origin(2))), now()));
    let report = eyes.report(changes, Some(closed));
    eyes.tell(&mut talk, report).await;
    let (_, views) = who(hub, at(between)).await;
    assert!(views[0].covered, "{views:?}");
    let request = admin::ListInventoriesRequest { scope: None };
    let mut stream = client(hub).await.list_inventories(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().coverage.len(), 1);
}
