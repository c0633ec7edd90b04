use hanse_domain::history::merkle::leaf_hash;
use hanse_domain::ids::RevisionNumber;
use hanse_domain::object::{ObjectKind, ObjectRef};
use serde_json::json;

use super::world::{World, binding, cluster_role, namespace, role};
use crate::core::{Effect, Failure, Input, ProgressPhase};

#[test]
fn a_bundle_is_persisted_then_applied_namespaces_first() {
    let mut world = World::new();
    world.settle();
    world.commit(vec![
        namespace("payments"),
        role("dev", "get", "Enforce"),
        binding("team", "dev", "payments", ""),
    ]);
    let mut order = Vec::new();
    while let Some(effect) = world.queue.pop_front() {
        match &effect {
            Effect::WriteLedger(ledger) => order.push(format!("ledger {}", ledger.generation)),
            Effect::Apply { object, .. } => order.push(object.reference.to_string()),
            _ => {}
        }
        world.carry_out(effect);
    }
    let expected = [
        "ledger 2",
        "Namespace payments",
        "ClusterRole hanse:ns:dev",
        "RoleBinding payments/hanse:ns:team",
        // The uids, once all is there.
        "ledger 2",
    ];
    assert_eq!(order, expected);
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
    assert_eq!(world.last_progress().objects, 3);
}

#[test]
fn nothing_is_asked_of_the_cluster_when_nothing_changed() {
    let mut world = World::new();
    world.commit(vec![namespace("payments"), role("dev", "get", "Enforce")]);
    world.settle();
    let requests = world.requests;
    world.restart();
    world.settle();
    world.connect();
    world.settle();
    assert_eq!(world.requests, requests);
    assert!(world.drift.is_empty(), "{:?}", world.drift);
}

#[test]
fn an_older_generation_and_a_fork_are_refused_and_the_last_good_state_stays() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    let older = world.offer();
    world.commit(vec![role("dev", "list", "Enforce")]);
    world.settle();
    let requests = world.requests;
    world.restart();
    world.input(Input::Offered(older.clone()));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Refused);
    assert!(world.last_progress().message.contains("older than 3"), "{:?}", world.last_progress());

    let mut fork = older;
    fork.generation = RevisionNumber(3);
    world.input(Input::Offered(fork));
    world.settle();
    assert!(
        world.last_progress().message.contains("another digest"),
        "{:?}",
        world.last_progress()
    );
    assert_eq!(world.requests, requests);
    let live = &world.objects[&cluster_role("hanse:ns:dev")];
    assert_eq!(live.body["rules"][0]["verbs"], json!(["list"]));
}

#[test]
fn a_manifest_that_no_statement_covers_is_refused() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    let before = world.names();
    // The hub swaps the statement for one with another root, and the proof for a fitting size.
    world.silent = true;
    world.commit(vec![role("evil", "get", "Enforce")]);
    let mut offer = world.offer();
    offer.inclusion.path.push(leaf_hash(b"x"));
    world.input(Input::Offered(offer));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Refused);
    assert_eq!(world.names(), before);
}

#[test]
fn the_ledger_is_written_again_after_a_failure_and_nothing_is_applied_before() {
    let mut world = World::new();
    world.settle();
    world.outage = Some(Failure::Unavailable("away".into()));
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    assert!(world.objects.is_empty());
    world.outage = None;
    world.pass(jiff::SignedDuration::from_secs(2));
    assert_eq!(world.names(), ["ClusterRole hanse:ns:dev"]);
}

#[test]
fn what_was_there_before_is_not_taken_over_unless_it_is_handed_over() {
    let mut world = World::new();
    let payments = ObjectRef::cluster(ObjectKind::Namespace, "payments");
    world.create(&payments, json!({"metadata": {"name": "payments"}}));
    world.commit(vec![namespace("payments")]);
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Failed);
    assert_eq!(world.objects[&payments].body["metadata"]["labels"], json!(null));
    world.edit(&payments, |body| body["metadata"]["labels"] = json!({"hanse.dev/managed": "true"}));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
    assert_eq!(world.objects[&payments].body["metadata"]["labels"]["team"], "payments");
}

#[test]
fn a_declaration_that_changes_while_its_apply_is_under_way_is_applied_again() {
    let mut world = World::new();
    world.settle();
    world.commit(vec![role("dev", "get", "Enforce")]);
    // Persisted; the apply is in the queue and not answered yet.
    let write = world.queue.pop_front().unwrap();
    world.carry_out(write);
    let place = world.queue.iter().position(|e| matches!(e, Effect::Apply { .. })).unwrap();
    let apply = world.queue.remove(place).unwrap();
    world.commit(vec![role("dev", "list", "Enforce")]);
    let place = world.queue.iter().position(|e| matches!(e, Effect::WriteLedger(_))).unwrap();
    let write = world.queue.remove(place).unwrap();
    world.carry_out(write);
    world.carry_out(apply);
    world.settle();
    let live = &world.objects[&cluster_role("hanse:ns:dev")];
    assert_eq!(live.body["rules"][0]["verbs"], json!(["list"]));
}

#[test]
fn a_ledger_of_another_fleet_counts_for_nothing() {
    let mut world = World::new();
    for verb in ["get", "list", "watch"] {
        world.commit(vec![role("dev", verb, "Enforce")]);
        world.settle();
    }
    let mut other = World::in_fleet(2);
    other.ledger = world.ledger.clone();
    other.commit(vec![role("ops", "get", "Enforce")]);
    other.queue.clear();
    other.restart();
    other.settle();
    assert_eq!(other.last_progress().phase, ProgressPhase::Applied);
    assert_eq!(other.last_progress().held.unwrap().0, RevisionNumber(2));
    assert_eq!(other.names(), ["ClusterRole hanse:ns:ops"]);
}

#[test]
fn a_bundle_that_cannot_be_written_is_told_and_gives_way_to_a_newer_one() {
    let mut world = World::new();
    world.settle();
    world.outage = Some(Failure::Refused("quota".into()));
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    world.pass(jiff::SignedDuration::from_secs(5));
    assert_eq!(world.last_progress().phase, ProgressPhase::Failed);
    assert!(world.last_progress().message.contains("cannot be written: quota"));
    world.commit(vec![role("dev", "list", "Enforce")]);
    world.settle();
    world.outage = None;
    let before = world.requests;
    world.pass(jiff::SignedDuration::from_secs(70));
    let live = &world.objects[&cluster_role("hanse:ns:dev")];
    assert_eq!(live.body["rules"][0]["verbs"], json!(["list"]));
    assert_eq!(world.requests - before, 3, "the ledger, the role, its uid: the older one never");
}

#[test]
fn what_cannot_be_watched_is_told() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    world.input(Input::Blind(
        ObjectKind::RoleBinding,
        Failure::Unavailable("401 Unauthorized".into()),
    ));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Failed);
    assert!(
        world.last_progress().message.contains("cannot be watched since 2026-11-24T10:00:00Z: 401")
    );
    world.input(Input::Sighted(ObjectKind::RoleBinding));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
}

#[test]
fn what_was_refused_for_want_of_its_namespace_follows_it_at_once() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce"), binding("team", "dev", "later", "")]);
    let mut refused = false;
    while let Some(effect) = world.queue.pop_front() {
        if let Effect::Apply { object, .. } = &effect
            && object.reference.kind == ObjectKind::RoleBinding
        {
            refused = true;
            let why = Failure::Refused("namespaces \"later\" not found".into());
            world.input(Input::Applied(object.reference.clone(), Err(why)));
        } else {
            world.carry_out(effect);
        }
    }
    assert!(refused);
    world.create(&ObjectRef::cluster(ObjectKind::Namespace, "later"), json!({"metadata": {}}));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
}
