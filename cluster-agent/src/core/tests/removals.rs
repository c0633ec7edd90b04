use hanse_domain::fleet::Edit;
use hanse_domain::history::roster::ConfirmedRemovals;
use hanse_domain::object::{ObjectKind, ObjectRef};
use jiff::SignedDuration;

use super::world::{CLUSTER, World, binding, cluster_role, document, namespace, role};
use crate::core::{Effect, Failure, Input, ProgressPhase};

fn remove(edit: &Edit) -> Edit {
    let Edit::Put(document) = edit else { panic!("a document expected") };
    Edit::Remove(document.reference.clone())
}

#[test]
fn what_is_not_declared_any_more_goes_by_uid_and_a_namespace_stays() {
    let mut world = World::new();
    let (ns, dev) = (namespace("payments"), role("dev", "get", "Enforce"));
    world.commit(vec![ns.clone(), dev.clone()]);
    world.settle();
    world.commit(vec![remove(&ns), remove(&dev)]);
    world.settle();
    assert_eq!(world.names(), ["Namespace payments"]);
    assert!(world.ledger.objects.is_empty());
    assert!(world.ledger.removals.is_empty());
}

#[test]
fn an_object_that_somebody_made_anew_under_our_name_is_not_removed() {
    let mut world = World::new();
    let dev = role("dev", "get", "Report");
    world.commit(vec![dev.clone()]);
    world.settle();
    let reference = cluster_role("hanse:ns:dev");
    let body = world.objects[&reference].body.clone();
    world.delete(&reference);
    world.create(&reference, body);
    world.queue.clear();
    world.commit(vec![remove(&dev)]);
    world.settle();
    assert_eq!(world.names(), ["ClusterRole hanse:ns:dev"]);
}

#[test]
fn many_removals_wait_for_a_confirmation_that_names_their_number() {
    let mut world = World::new();
    let roles: Vec<Edit> = (0..8).map(|i| role(&format!("r{i}"), "get", "Enforce")).collect();
    world.commit(roles.clone());
    world.settle();
    world.commit(roles.iter().map(remove).collect());
    world.settle();
    assert_eq!(world.objects.len(), 8);
    assert_eq!(world.last_progress().phase, ProgressPhase::AwaitingConfirmation);
    assert_eq!(world.last_progress().removals_waiting, 8);
    assert!(
        world.last_progress().message.contains("ClusterRole hanse:ns:r0, ClusterRole hanse:ns:r1")
    );
    world.restart();
    world.settle();
    assert_eq!(world.objects.len(), 8, "a restart is no confirmation");

    let confirm = |world: &mut World, count| {
        let mut entry = (*world.fleet.member(CLUSTER).unwrap().entry).clone();
        let generation = world.fleet.number;
        entry.confirmed_removals = Some(ConfirmedRemovals { generation, count });
        world.commit(vec![Edit::PutCluster(entry)]);
        world.settle();
    };
    confirm(&mut world, 7);
    assert_eq!(world.objects.len(), 8);
    confirm(&mut world, 8);
    assert!(world.objects.is_empty());
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
}

#[test]
fn a_removal_survives_a_crash_between_the_ledger_and_the_deletion() {
    let mut world = World::new();
    let dev = role("dev", "get", "Enforce");
    world.commit(vec![dev.clone()]);
    world.settle();
    world.commit(vec![remove(&dev)]);
    let place = world.queue.iter().position(|e| matches!(e, Effect::WriteLedger(_))).unwrap();
    let write = world.queue.remove(place).unwrap();
    world.carry_out(write);
    assert!(!world.objects.is_empty());
    world.restart();
    world.settle();
    assert!(world.objects.is_empty());
}

#[test]
fn an_expired_binding_goes_without_the_hub_also_over_a_restart() {
    for restart in [false, true] {
        let mut world = World::new();
        let expires = "  expiresAt: 2026-11-24T11:00:00Z\n";
        world.commit(vec![
            namespace("payments"),
            role("dev", "get", "Enforce"),
            binding("guest", "dev", "payments", expires),
        ]);
        world.settle();
        let guest = ObjectRef::namespaced(ObjectKind::RoleBinding, "payments", "hanse:ns:guest");
        assert!(world.objects.contains_key(&guest));
        world.input(Input::Disconnected);
        if restart {
            world.now += SignedDuration::from_hours(2);
            world.restart();
            world.settle();
        } else {
            world.pass(SignedDuration::from_hours(2));
        }
        assert!(!world.objects.contains_key(&guest), "restart: {restart}");
        assert_eq!(world.objects.len(), 2);
    }
}

#[test]
fn a_removal_that_is_refused_is_told_and_holds_nothing_else_up() {
    let mut world = World::new();
    let (dev, ops) = (role("dev", "get", "Enforce"), role("ops", "get", "Enforce"));
    world.commit(vec![dev.clone(), ops.clone()]);
    world.settle();
    world.commit(vec![remove(&dev)]);
    let place = world.queue.iter().position(|e| matches!(e, Effect::WriteLedger(_))).unwrap();
    let write = world.queue.remove(place).unwrap();
    world.carry_out(write);
    world.outage = Some(Failure::Refused("a webhook says no".into()));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Failed);
    let problem = &world.last_progress().problems[&cluster_role("hanse:ns:dev")];
    assert!(problem.contains("cannot be removed: a webhook says no"), "{problem}");
    world.outage = None;
    world.pass(SignedDuration::from_secs(10));
    assert_eq!(world.names(), ["ClusterRole hanse:ns:ops"]);
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
}

#[test]
fn an_expired_binding_goes_also_from_among_removals_that_wait() {
    let mut world = World::new();
    let guest = binding("guest", "r0", "payments", "  expiresAt: 2026-11-24T11:00:00Z\n");
    let roles: Vec<Edit> = (0..8).map(|i| role(&format!("r{i}"), "get", "Enforce")).collect();
    world.commit(roles.iter().cloned().chain([namespace("payments"), guest.clone()]).collect());
    world.settle();
    world.commit(roles.iter().map(remove).chain([remove(&guest)]).collect());
    world.settle();
    assert_eq!(world.last_progress().removals_waiting, 9);
    world.restart();
    world.settle();
    assert_eq!(world.last_progress().removals_waiting, 9);
    world.pass(SignedDuration::from_hours(2));
    let reference = ObjectRef::namespaced(ObjectKind::RoleBinding, "payments", "hanse:ns:guest");
    assert!(!world.objects.contains_key(&reference));
    assert_eq!(world.last_progress().removals_waiting, 8);
    assert_eq!(world.objects.len(), 9);
}

#[test]
fn a_confirmation_counts_only_for_the_removals_that_a_person_saw() {
    let mut world = World::new();
    let roles: Vec<Edit> = (0..8).map(|i| role(&format!("r{i}"), "get", "Enforce")).collect();
    world.commit(roles.clone());
    world.settle();
    world.commit(roles.iter().take(7).map(remove).collect());
    world.settle();
    let seen = world.fleet.number;
    // Meanwhile one is declared again, and another goes: seven again, but not the same seven.
    world.commit(vec![roles[0].clone(), remove(&roles[7])]);
    world.settle();
    let mut entry = (*world.fleet.member(CLUSTER).unwrap().entry).clone();
    entry.confirmed_removals = Some(ConfirmedRemovals { generation: seen, count: 7 });
    world.commit(vec![Edit::PutCluster(entry)]);
    world.settle();
    assert_eq!(world.objects.len(), 8);
}

#[test]
fn a_document_that_cannot_be_rendered_any_more_keeps_what_it_declared() {
    let mut world = World::new();
    // Each override is valid alone; with both, the binding would have two scopes.
    let clash = "  overrides:\n  \
         - {clusterSelector: {matchLabels: {a: x}}, patch: {namespaces: null, clusterWide: true}}\n  \
         - {clusterSelector: {matchLabels: {b: x}}, patch: {namespaces: null, namespaceSelector: {}}}\n";
    let team = document(&format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: team}}\nspec:\n  \
         placement: {{clusterSelector: {{}}}}\n  subjects: [{{kind: Group, name: g}}]\n  \
         roleRef: {{kind: ClusterRole, name: view}}\n  namespaces: [payments]\n{clash}"
    ));
    world.commit(vec![namespace("payments"), team]);
    world.settle();
    // With uids: made anew would be removed, too.
    let uids = |world: &World| {
        let all = world.objects.values().map(|live| live.uid.clone());
        all.collect::<Vec<String>>()
    };
    let before = uids(&world);
    assert_eq!(before.len(), 2);
    let mut entry = (*world.fleet.member(CLUSTER).unwrap().entry).clone();
    entry.labels = ["a", "b"].map(|key| (key.to_owned(), "x".to_owned())).into();
    world.commit(vec![Edit::PutCluster(entry)]);
    world.settle();
    assert_eq!(uids(&world), before);
    assert!(world.last_progress().message.contains("not valid together"));
    world.restart();
    world.settle();
    assert_eq!(uids(&world), before, "also over a restart");
}
