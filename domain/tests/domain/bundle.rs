//! What an agent believes when nobody lies.

use std::collections::BTreeMap;

use hanse_domain::bundle::{Condition, Offer, Refusal};
use hanse_domain::fleet::Edit;
use hanse_domain::ids::{Digest, RevisionNumber};
use proptest::prelude::*;

use crate::support::{
    READS_PODS, cluster, cluster_id, document, key, put, role, single_root, text,
};
use crate::world::{Agent, World};

/// Three clusters, and a change that puts two roles everywhere.
fn world() -> World {
    let mut world = World::new(single_root());
    let entries = [
        cluster(1, "prod-1", &[("env", "prod")]),
        cluster(2, "prod-2", &[("env", "prod")]),
        cluster(3, "dev-1", &[("env", "dev")]),
    ];
    world.commit(entries.into_iter().map(Edit::PutCluster).collect(), &[&key(1)]);
    world.commit(vec![put(role("a", READS_PODS)), put(role("b", READS_PODS))], &[&key(1)]);
    world
}

fn offer_to(n: u128) -> Offer {
    let world = world();
    world.offer(&Agent::new(n, &world))
}

fn refusal(offer: &Offer) -> Refusal {
    Agent::new(1, &world()).verify(offer).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn contents_come_in_any_order(contents in Just(offer_to(1).contents).prop_shuffle()) {
        let offer = Offer { contents, ..offer_to(1) };
        let bundle = Agent::new(1, &world()).verify(&offer).unwrap().unwrap();
        let names: Vec<String> = bundle.documents.iter().map(|(d, n)| format!("{}@{n}", d.reference)).collect();
        prop_assert_eq!(names, ["FederatedRole/a@2", "FederatedRole/b@2"]);
        prop_assert_eq!((bundle.generation, bundle.entry.name.as_str()), (RevisionNumber(2), "prod-1"));
        prop_assert_eq!(bundle.digest, Digest::of(&offer.manifest));
        prop_assert_eq!(bundle.head.size, 2);
    }
}

#[test]
fn what_is_held_need_not_travel() {
    let mut offer = offer_to(1);
    let mut agent = Agent::new(1, &world());
    agent.contents =
        offer.contents.drain(..).map(|c| (Digest::of(&c), c.into())).collect::<BTreeMap<_, _>>();
    assert!(agent.verify(&offer).unwrap().is_some());
    assert!(matches!(refusal(&offer), Refusal::Missing(_)));
    assert_eq!(refusal(&offer).condition(), Condition::Contents);
}

#[test]
fn what_is_held_is_not_taken_again() {
    let world = world();
    let mut agent = Agent::new(1, &world);
    agent.follow(&world);
    assert!(agent.verify(&world.offer(&agent)).unwrap().is_none());
}

/// A cluster whose labels changed is offered what its new labels select, in one step.
#[test]
fn placement_follows_the_signed_entry() {
    let mut world = world();
    let selector = "  placement: {clusterSelector: {matchLabels: {env: dev}}}\n";
    let dev_only = document(&text("FederatedRole", "d", &format!("{selector}{READS_PODS}")));
    world.commit(vec![put(dev_only)], &[&key(1)]);
    let mut agent = Agent::new(1, &world);
    agent.follow(&world);
    world.commit(vec![Edit::PutCluster(cluster(1, "prod-1", &[("env", "dev")]))], &[&key(1)]);
    agent.follow(&world);
    let bundle = agent.bundle.unwrap();
    let brought = bundle.documents.iter().map(|(_, number)| number.0);
    assert_eq!(brought.collect::<Vec<_>>(), [2, 2, 3]);
    assert_eq!(bundle.entry.id, cluster_id(1));
}
