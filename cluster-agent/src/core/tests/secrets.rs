use hanse_domain::document::DriftPolicy;
use hanse_domain::drift::DriftClass;
use hanse_domain::fleet::Edit;
use hanse_domain::history::changes::WrapRef;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::object::{ObjectKind, ObjectRef};
use jiff::SignedDuration;

use super::world::{CLUSTER, World, document, namespace};
use crate::core::{DriftState, Effect, Input, Probe, ProgressPhase};

fn secret(version: u64, drift: DriftPolicy) -> Edit {
    // "age-encryption.org/v1\n" and nothing behind it: what is inside is the writer's business.
    let payload = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==";
    document(&format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedSecret\nmetadata: {{name: db}}\nspec:\n  \
         placement: {{clusterSelector: {{}}}}\n  namespaces: [payments]\n  version: {version}\n  \
         keys: [password]\n  payload: {payload}\n  drift: {drift:?}\n"
    ))
}

fn wrap(version: u64) -> Edit {
    let reference = WrapRef { secret: "db".to_owned(), cluster: CLUSTER };
    let recipient = format!("age1{}", "q".repeat(58));
    Edit::PutWrap(Wrap { reference, version, recipient, key: b"sealed".to_vec() }.into())
}

fn written() -> ObjectRef {
    ObjectRef::namespaced(ObjectKind::Secret, "payments", "db")
}

fn version_of(world: &World) -> &str {
    let annotations = &world.objects[&written()].body["metadata"]["annotations"];
    annotations["hanse.dev/secret-version"].as_str().unwrap()
}

fn with_secret(drift: DriftPolicy) -> World {
    let mut world = World::new();
    world.commit(vec![namespace("payments"), secret(1, drift), wrap(1)]);
    world.settle();
    world
}

fn looks(world: &mut World) -> usize {
    world.pass(SignedDuration::from_secs(61));
    world.queue.iter().filter(|effect| matches!(effect, Effect::ProbeSecret { .. })).count()
}

#[test]
fn a_secret_is_written_when_its_key_is_there_and_the_last_version_stays_until_then() {
    let mut world = World::new();
    world.commit(vec![namespace("payments"), secret(1, DriftPolicy::Enforce)]);
    world.settle();
    assert!(!world.objects.contains_key(&written()));
    assert_eq!(world.last_progress().secrets_pending, ["db"]);
    assert!(world.last_progress().message.contains("hanse secret reseal"));

    world.commit(vec![wrap(1)]);
    world.settle();
    assert_eq!(version_of(&world), "1");
    assert!(world.last_progress().secrets_pending.is_empty());

    // Sealed anew for others, and not for this cluster.
    world.commit(vec![secret(2, DriftPolicy::Enforce)]);
    world.settle();
    assert_eq!(version_of(&world), "1");
    assert_eq!(world.last_progress().secrets_pending, ["db"]);
    world.commit(vec![wrap(2)]);
    world.settle();
    assert_eq!(version_of(&world), "2");

    world.commit(vec![Edit::Remove("FederatedSecret/db".parse().unwrap())]);
    world.settle();
    assert!(!world.objects.contains_key(&written()));
}

#[test]
fn nobody_wrote_it_so_nothing_is_written() {
    let mut world = with_secret(DriftPolicy::Enforce);
    world.pass(SignedDuration::from_mins(10));
    assert!(world.drift.is_empty(), "{:?}", world.drift);
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
    let before = world.objects[&written()].resource_version.clone();
    world.restart();
    world.settle();
    world.pass(SignedDuration::from_mins(2));
    assert_eq!(world.objects[&written()].resource_version, before);
    assert!(world.drift.is_empty(), "{:?}", world.drift);
}

#[test]
fn what_somebody_wrote_is_found_and_put_right_also_while_the_agent_was_away() {
    let mut world = with_secret(DriftPolicy::Enforce);
    for away in [false, true] {
        world.drift.clear();
        world.edit(&written(), |body| body["data"] = serde_json::json!({"password": "b3RoZXI="}));
        if away {
            world.restart();
            world.settle();
        }
        world.pass(SignedDuration::from_secs(61));
        world.settle();
        let states: Vec<_> = world.drift.iter().map(|record| record.state).collect();
        assert!(
            matches!(states.as_slice(), [DriftState::Open, DriftState::Corrected(_)]),
            "{states:?}"
        );
        assert_eq!(world.drift[0].finding.class, DriftClass::Modified);
        assert!(!format!("{:?}", world.drift).contains("b3RoZXI"), "a value is in the report");
        assert!(world.objects[&written()].body.get("data").is_none());
    }
    world.drift.clear();
    world.objects.remove(&written());
    world.pass(SignedDuration::from_secs(61));
    world.settle();
    assert_eq!(world.drift[0].finding.class, DriftClass::Missing);
    assert!(world.objects.contains_key(&written()));
}

#[test]
fn what_is_only_reported_is_only_looked_at() {
    let mut world = with_secret(DriftPolicy::Report);
    world.edit(&written(), |body| body["data"] = serde_json::json!({"password": "b3RoZXI="}));
    let requests = world.requests;
    assert_eq!(looks(&mut world), 0, "it was carried out");
    world.settle();
    assert_eq!(world.requests - requests, 1, "one look and nothing else");
    assert_eq!(world.drift.last().unwrap().state, DriftState::Open);
    assert!(world.objects[&written()].body.get("data").is_some());
}

#[test]
fn a_secret_that_is_withdrawn_while_it_is_looked_at_goes() {
    let mut world = with_secret(DriftPolicy::Enforce);
    world.now += SignedDuration::from_secs(61);
    world.input(Input::Tick);
    let looks = world.queue.iter().any(|effect| matches!(effect, Effect::ProbeSecret { .. }));
    assert!(looks);
    world.queue.clear();
    world.commit(vec![Edit::Remove("FederatedSecret/db".parse().unwrap())]);
    world.settle();
    world.input(Input::Probed(written(), Ok(Probe::Unchanged)));
    world.settle();
    assert!(!world.objects.contains_key(&written()));
}
