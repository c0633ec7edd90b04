use hanse_domain::drift::DriftClass;
use hanse_domain::object::{ObjectKind, ObjectRef};
use jiff::SignedDuration;
use serde_json::json;

use super::world::{World, cluster_role, role};
use crate::core::{DriftState, Failure};

fn with_role(drift: &str) -> World {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", drift)]);
    world.settle();
    world.drift.clear();
    world
}

fn widen(world: &mut World) {
    world.edit(&cluster_role("hanse:ns:dev"), |body| {
        body["rules"][0]["verbs"] = json!(["get", "delete"]);
    });
}

#[test]
fn an_edit_is_reported_with_its_author_and_put_right() {
    let mut world = with_role("Enforce");
    widen(&mut world);
    world.settle();
    let [seen, corrected] = world.drift.as_slice() else { panic!("{:?}", world.drift) };
    assert_eq!(seen.state, DriftState::Open);
    assert_eq!(seen.finding.class, DriftClass::Modified);
    assert_eq!(seen.finding.manager.as_deref(), Some("kubectl-edit"));
    assert_eq!(seen.finding.since, Some(world.now));
    assert_eq!(seen.finding.fields[0].path, "rules");
    assert_eq!(corrected.state, DriftState::Corrected(world.now));
    assert_eq!(corrected.id, seen.id);
    let live = &world.objects[&cluster_role("hanse:ns:dev")];
    assert_eq!(live.body["rules"][0]["verbs"], json!(["get"]));
}

#[test]
fn in_report_mode_it_is_only_reported_until_somebody_puts_it_right() {
    let mut world = with_role("Report");
    let requests = world.requests;
    widen(&mut world);
    world.settle();
    assert_eq!(world.requests, requests);
    assert_eq!(world.drift.len(), 1);
    world.edit(&cluster_role("hanse:ns:dev"), |b| b["rules"][0]["verbs"] = json!(["get"]));
    world.settle();
    assert_eq!(world.drift[1].state, DriftState::Cleared(world.now));
}

#[test]
fn a_deleted_object_comes_back_and_is_ours_with_its_new_uid() {
    let mut world = with_role("Enforce");
    let reference = cluster_role("hanse:ns:dev");
    world.delete(&reference);
    world.settle();
    assert_eq!(world.drift[0].finding.class, DriftClass::Missing);
    let uid = world.objects[&reference].uid.clone();
    assert_eq!(world.ledger.objects[0].uid, uid);
}

#[test]
fn an_edit_while_the_agent_was_away_is_seen_when_it_is_back() {
    let mut world = with_role("Enforce");
    widen(&mut world);
    world.drift.clear();
    world.restart();
    world.settle();
    assert_eq!(world.drift[0].finding.manager.as_deref(), Some("kubectl-edit"));
    let live = &world.objects[&cluster_role("hanse:ns:dev")];
    assert_eq!(live.body["rules"][0]["verbs"], json!(["get"]));
}

#[test]
fn unmanaged_access_is_reported_with_what_it_grants_and_cleared_when_it_goes() {
    let mut world = with_role("Enforce");
    let backdoor = ObjectRef::cluster(ObjectKind::ClusterRoleBinding, "backdoor");
    // Our own label does not hide it.
    world.create(
        &backdoor,
        json!({
            "metadata": {"name": "backdoor", "labels": {"hanse.dev/managed": "true"}},
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": "eve"}],
        }),
    );
    world.settle();
    assert_eq!(world.drift[0].finding.class, DriftClass::Unmanaged);
    assert!(world.drift[0].finding.fields[0].live.as_ref().unwrap().contains("cluster-admin"));
    assert!(world.objects.contains_key(&backdoor), "unmanaged access is only reported");
    world.delete(&backdoor);
    world.settle();
    assert_eq!(world.drift[1].state, DriftState::Cleared(world.now));
}

#[test]
fn a_fight_with_another_writer_slows_down_and_is_told() {
    let mut world = with_role("Enforce");
    for _ in 0..400 {
        widen(&mut world);
        world.settle();
    }
    let last = world.drift.last().unwrap();
    assert_eq!(last.state, DriftState::Open);
    assert!(last.message.contains("keeps changing"), "{last:?}");
    world.pass(SignedDuration::from_secs(2));
    assert!(matches!(world.drift.last().unwrap().state, DriftState::Corrected(_)));
}

#[test]
fn a_correction_waits_for_an_api_server_that_is_away() {
    let mut world = with_role("Enforce");
    world.outage = Some(Failure::Unavailable("away".into()));
    widen(&mut world);
    world.settle();
    world.outage = None;
    world.pass(SignedDuration::from_secs(40));
    assert!(matches!(world.drift.last().unwrap().state, DriftState::Corrected(_)));
}

#[test]
fn two_edits_in_one_second_are_two_occurrences() {
    let mut world = with_role("Enforce");
    for _ in 0..2 {
        widen(&mut world);
        world.settle();
    }
    let ids: std::collections::BTreeSet<&str> = world.drift.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids.len(), 2);
}
