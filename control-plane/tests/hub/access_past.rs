//! The past of clusters' access, by both clocks, and what of it was signed.

use std::collections::BTreeMap;

use hanse_domain::access::checkpoint::verify;
use hanse_domain::access::inventory::Inventory;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, Origin, leaf};
use hanse_domain::ids::Digest;
use hanse_proto::admin;
use hanse_proto::admin::get_inventory_response::Part;
use jiff::{SignedDuration, Timestamp};

use crate::access::{binding, client, everywhere, first, now, proto_time, recipient, sealed, who};
use crate::hub::Hub;

fn at(at: Timestamp, known_at: Option<Timestamp>) -> admin::AccessScope {
    admin::AccessScope {
        at: Some(proto_time(at)),
        known_at: known_at.map(proto_time),
        ..everywhere()
    }
}

/// Without the one who is always there.
async fn people(hub: &Hub, scope: admin::AccessScope) -> String {
    let (grants, _) = who(hub, scope).await;
    let mut names: Vec<&str> = grants.iter().filter_map(|grant| grant.rsplit(' ').next()).collect();
    names.retain(|name| *name != "system:masters");
    names.sort_unstable();
    names.join(" ")
}

pub(crate) async fn every_moment_can_be_asked(hub: &Hub) {
    let before = now();
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let (readers, _) = binding("payments", "readers", "", &[]);
    let (late, content) = binding("payments", "late", "secrets", &[("User", "carl")]);
    let one = now();
    let two = eyes.change(&mut talk, vec![(late.clone(), Some(content))]).await;
    let known = now();
    let three = eyes.change(&mut talk, vec![(readers, None)]).await;
    let four = eyes.change(&mut talk, vec![(late, None)]).await;

    for round in 0..2 {
        for (moment, expected) in
            [(one, "anna sre"), (two, "anna carl sre"), (three, "carl"), (four, "")]
        {
            assert_eq!(people(hub, at(moment, None)).await, expected, "{moment} {round}");
        }
        assert_eq!(people(hub, everywhere()).await, "");
        // As it was known before the hub learned the rest.
        assert_eq!(people(hub, at(now(), Some(known))).await, "anna carl sre");
        assert_eq!(people(hub, at(two, Some(known))).await, "anna carl sre");
        let (_, views) = who(hub, at(before, None)).await;
        assert!(!views[0].covered && views[0].seen_until.is_none(), "{views:?}");
        let (_, views) = who(hub, at(three, None)).await;
        assert!(views[0].covered, "{views:?}");
        if round == 0 {
            hub.terminate().await;
            hub.serve(&[]).await;
        }
    }

    let (changed, view) = differences(hub, one, three).await;
    assert_eq!(changed, ["-anna", "-sre", "+carl"]);
    assert!(view.covered, "{view:?}");
    // What was not known at the first moment looks like something that came, and it is said.
    let (changed, view) = differences(hub, before, three).await;
    assert_eq!(changed, ["+ben", "+carl"]);
    let said = format!("at {before:.0}, the cluster was not seen before that moment");
    assert!(!view.covered && view.caveats.contains(&said), "{view:?}");

    let future = now() + SignedDuration::from_hours(1);
    let request = admin::ListInventoriesRequest { scope: Some(at(future, None)) };
    let refused = client(hub).await.list_inventories(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("in the future"), "{refused:?}");
    // What was forgotten is refused with the date.
    let store = hub.store().await;
    store.compact_access(two, 1_000).await.unwrap();
    store.close().await;
    let request = admin::ListInventoriesRequest { scope: Some(at(one, None)) };
    let refused = client(hub).await.list_inventories(request).await.unwrap_err();
    assert!(refused.message().contains("is not kept any more"), "{refused:?}");
    assert_eq!(people(hub, at(two, None)).await, "anna carl sre");
}

async fn differences(
    hub: &Hub,
    from: Timestamp,
    to: Timestamp,
) -> (Vec<String>, admin::ClusterView) {
    let (from, to) = (Some(proto_time(from)), Some(proto_time(to)));
    let scope = Some(everywhere());
    let request = admin::ListAccessDifferencesRequest { scope, from, to, request: None };
    let mut stream = client(hub).await.list_access_differences(request).await.unwrap().into_inner();
    let (mut changed, mut last) = (Vec::new(), None);
    while let Some(message) = stream.message().await.unwrap() {
        match message.part.unwrap() {
            admin::difference_response::Part::Difference(difference) => {
                let name = difference.grant.unwrap().subject.unwrap().name;
                changed.push(format!("{}{name}", if difference.added { '+' } else { '-' }));
            }
            admin::difference_response::Part::View(view) => last = Some(view),
        }
    }
    (changed, last.unwrap())
}

pub(crate) async fn a_gap_is_no_fact(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    drop(talk);
    let gap = now();
    // The agent was started again: it knows only what it sees now.
    let (mut talk, _) = cluster.connect(hub).await;
    let (late, content) = binding("payments", "late", "secrets", &[("User", "carl")]);
    eyes.put((late, content));
    assert!(eyes.sync(&mut talk).await >= 1);
    let request = admin::ListInventoriesRequest { scope: None };
    let mut stream = client(hub).await.list_inventories(request).await.unwrap().into_inner();
    let status = stream.message().await.unwrap().unwrap();
    assert_eq!((status.cluster.as_str(), status.objects, status.live), ("prod", 5, true));
    assert_eq!(status.root, eyes.inventory.root().0.to_vec());
    assert_eq!(status.coverage.len(), 2, "{status:?}");
    let (_, views) = who(hub, at(gap, None)).await;
    let seen = views[0].seen_until.unwrap();
    assert!(!views[0].covered);
    assert!((seen.seconds, seen.nanos) < (gap.as_second(), gap.subsec_nanosecond()));
    assert!(views[0].caveats.iter().any(|caveat| caveat.contains("did not see")), "{views:?}");
    // One that only lost its connection knows what was in between.
    drop(talk);
    let (mut talk, _) = cluster.connect(hub).await;
    assert_eq!(eyes.sync(&mut talk).await, 0);
    let request = admin::ListInventoriesRequest { scope: None };
    let mut stream = client(hub).await.list_inventories(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().coverage.len(), 2);
}

pub(crate) async fn an_auditor_computes_the_root(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let then = now();
    let mut roots = vec![eyes.inventory.root()];
    for name in ["a", "b"] {
        let (key, content) = binding("payments", name, "secrets", &[("User", name)]);
        eyes.change(&mut talk, vec![(key, Some(content))]).await;
        roots.push(eyes.inventory.root());
    }
    let request =
        admin::GetInventoryRequest { scope: Some(at(then, None)), until: Some(proto_time(now())) };
    let mut stream = client(hub).await.get_inventory(request).await.unwrap().into_inner();
    let (mut objects, mut made, mut signed) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut parts = 0;
    while let Some(message) = stream.message().await.unwrap() {
        match message.part.unwrap() {
            Part::Begin(begin) => assert_eq!(begin.cluster_id, cluster.id.to_string()),
            Part::Change(change) => {
                let kind = AccessKind::from_name(&change.kind).unwrap();
                let key = AccessKey { kind, namespace: change.namespace, name: change.name };
                AccessContent::decode(&change.content).unwrap();
                let origin = Origin::decode(&change.origin).unwrap();
                objects.insert(key.clone(), leaf(&key, &Digest::of(&change.content), &origin));
                parts += 1;
                let mut inventory = Inventory::default();
                for (key, leaf) in &objects {
                    inventory.set(key, Some(*leaf));
                }
                made.push(inventory.root());
            }
            Part::Checkpoint(came) => {
                let ours = recipient(&eyes.secret);
                let said = verify(&ours, &came.checkpoint, &came.signature).unwrap();
                signed.push(said.root);
            }
            Part::View(view) => assert_eq!((view.count, view.covered), (6, true)),
        }
    }
    assert_eq!(parts, 6);
    assert_eq!(made[3..], roots);
    signed.dedup();
    assert_eq!(signed, roots);
}
