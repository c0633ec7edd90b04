//! Whatever happens in whatever order: after the faults stop, the cluster is as declared.

use hanse_domain::fleet::Edit;
use hanse_domain::render::render;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::world::{CLUSTER, World, binding, namespace, role};
use crate::core::{Failure, Input};

#[derive(Clone, Copy, Debug)]
enum Step {
    Declare(u8, u8),
    Withdraw(u8),
    Edit(u8),
    Delete(u8),
    Crash,
    CarryOut(u8),
    Outage(bool),
    Reconnect,
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..4, 0u8..3).prop_map(|(which, variant)| Step::Declare(which, variant)),
        1 => (0u8..4).prop_map(Step::Withdraw),
        2 => (0u8..8).prop_map(Step::Edit),
        2 => (0u8..8).prop_map(Step::Delete),
        1 => Just(Step::Crash),
        8 => (1u8..6).prop_map(Step::CarryOut),
        1 => any::<bool>().prop_map(Step::Outage),
        1 => Just(Step::Reconnect),
        1 => (1u8..60).prop_map(Step::Pass),
    ]
}

fn declaration(which: u8, variant: u8) -> Edit {
    let verb = ["get", "list", "watch"][usize::from(variant) % 3];
    match which {
        0 => namespace("payments"),
        1 => role("dev", verb, "Enforce"),
        2 => binding("team", "dev", "payments", ""),
        _ => role("ops", verb, "Enforce"),
    }
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Declare(which, variant) => {
            let edit = declaration(which, variant);
            if world.fleet.transition(&edit).is_some() {
                world.commit(vec![edit]);
            }
        }
        Step::Withdraw(which) => {
            let Edit::Put(document) = declaration(which, 0) else {
                return;
            };
            if world.fleet.documents().contains_key(&document.reference) {
                world.commit(vec![Edit::Remove(document.reference.clone())]);
            }
        }
        Step::Edit(which) => {
            let Some(reference) = world.objects.keys().nth(usize::from(which)).cloned() else {
                return;
            };
            world.edit(&reference, |body| {
                body["rules"] = json!([]);
                body["subjects"] = json!([{"kind": "User", "name": "eve"}]);
                body["metadata"]["labels"]["team"] = json!("eve");
            });
        }
        Step::Delete(which) => {
            let Some(reference) = world.objects.keys().nth(usize::from(which)).cloned() else {
                return;
            };
            world.delete(&reference);
        }
        Step::Crash => world.restart(),
        Step::CarryOut(count) => {
            for _ in 0..count {
                if let Some(effect) = world.queue.pop_front() {
                    world.carry_out(effect);
                }
            }
        }
        Step::Outage(away) => {
            world.outage = away.then(|| Failure::Unavailable("away".to_owned()));
        }
        Step::Reconnect => {
            world.input(Input::Disconnected);
            world.connect();
        }
        Step::Pass(seconds) => world.pass(SignedDuration::from_secs(i64::from(seconds))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_cluster_ends_as_declared(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            take(&mut world, step);
        }
        world.outage = None;
        world.settle();
        world.pass(SignedDuration::from_secs(120));
        world.connect();
        world.settle();
        world.pass(SignedDuration::from_secs(400));
        let member = world.fleet.member(CLUSTER).unwrap();
        let declared = render(world.fleet.placed_on(member), &member.entry.labels, world.now);
        for (reference, rendered) in &declared.objects {
            let live = world.objects.get(reference);
            prop_assert!(live.is_some(), "{} is not there", reference);
            let live = &live.unwrap().body;
            for field in ["rules", "subjects", "roleRef"] {
                let (live, declared) = (live.get(field), rendered.object.body.get(field));
                prop_assert!(declared.is_none() || live == declared, "{reference}: {live:?}");
            }
        }
        for reference in world.objects.keys() {
            let stays = reference.kind == hanse_domain::object::ObjectKind::Namespace;
            prop_assert!(stays || declared.objects.contains_key(reference), "{reference} is still there");
        }
        let requests = world.requests;
        world.connect();
        world.settle();
        prop_assert_eq!(world.requests, requests, "it comes to rest");
    }
}
