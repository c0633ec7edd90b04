use std::sync::Arc;

use hanse_domain::bundle::Condition;
use hanse_domain::fleet::Edit;
use hanse_domain::history::log::LogHead;
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::ids::Digest;
use hanse_domain::trust::root::{Origin, TrustRoot};

use super::world::{CLUSTER, World, cluster_role, role};
use crate::core::{Effect, Input, Ledger, Notice, ProgressPhase, Report};

fn refusals(world: &World) -> Vec<Condition> {
    let refused = world.notices.iter().filter_map(|notice| match notice {
        Notice::BundleRefused(condition, _) => Some(*condition),
        _ => None,
    });
    refused.collect()
}

#[test]
fn what_is_not_signed_is_refused_reported_and_the_last_good_state_stays() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    world.silent = true;
    world.commit(vec![role("dev", "delete", "Enforce")]);
    let mut offer = world.offer();
    offer.signatures.clear();
    world.input(Input::Offered(offer));
    world.settle();
    assert_eq!(refusals(&world), [Condition::Statement]);
    let progress = world.last_progress();
    assert_eq!(
        (progress.phase, progress.refused),
        (ProgressPhase::Refused, Some(Condition::Statement))
    );
    assert!(
        progress.message.starts_with("condition 1 (statement): generation 3: "),
        "{progress:?}"
    );
    let live = &world.objects[&cluster_role("hanse:ns:dev")];
    assert_eq!(live.body["rules"][0]["verbs"], serde_json::json!(["get"]));
    // The same once more says nothing new; the right one makes it good.
    world.silent = false;
    let offer = world.offer();
    world.input(Input::Offered(offer));
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
    assert_eq!(world.last_progress().refused, None);
}

#[test]
fn the_hub_that_comes_back_hears_of_what_was_refused_meanwhile() {
    let mut world = World::new();
    world.settle();
    world.silent = true;
    world.commit(vec![role("dev", "get", "Enforce")]);
    let mut offer = world.offer();
    offer.signatures.clear();
    world.input(Input::Offered(offer));
    world.settle();
    world.input(Input::Disconnected);
    world.connect();
    world.settle();
    let progress = world.last_progress();
    assert_eq!((progress.phase, progress.refused), (ProgressPhase::Applied, None));
    assert!(progress.message.starts_with("refused on an earlier stream: condition 1"));
    world.silent = false;
    let offer = world.offer();
    world.input(Input::Offered(offer));
    world.settle();
    assert_eq!(world.last_progress().message, "");
}

#[test]
fn nothing_is_believed_before_the_pinned_trust_root_is_there() {
    let mut world = World::new();
    let other = World::in_fleet(3);
    world.ledger = Ledger::default();
    world.silent = true;
    world.restart();
    let offer = world.offer();
    world.input(Input::Offered(offer.clone()));
    world.settle();
    assert_eq!(world.ledger.generation, 0);
    let first = |world: &World| world.fleet.trust.versions().next().unwrap().root.encode();
    world.input(Input::TrustRoots { first: first(&other), steps: Vec::new() });
    world.input(Input::Offered(offer.clone()));
    world.settle();
    assert_eq!(world.ledger.generation, 0);
    assert_eq!(refusals(&world), [Condition::Statement]);
    world.input(Input::TrustRoots { first: first(&world), steps: Vec::new() });
    world.input(Input::Offered(offer));
    world.settle();
    assert_eq!(world.ledger.generation, 1);
}

#[test]
fn trust_roots_and_the_history_outlive_a_restart() {
    let mut world = World::new();
    world.settle();
    let mut next = TrustRoot::clone(&world.fleet.trust.current().root);
    next.version = 2;
    next.origin = Origin::Previous(world.fleet.trust.current().digest);
    world.commit(vec![Edit::PutRoot(Arc::new(next))]);
    world.settle();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
    assert_eq!((world.ledger.roots.len(), world.ledger.log.size), (2, 3));
    world.silent = true;
    world.restart();
    let hello = world.queue.iter().find_map(|effect| match effect {
        Effect::Send(Report::Hello { root_version, log_size, .. }) => {
            Some((*root_version, *log_size))
        }
        _ => None,
    });
    assert_eq!(hello, Some((2, 3)));
}

#[test]
fn a_hub_that_thinks_we_are_elsewhere_is_asked_once() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    world.silent = true;
    let early = world.offer();
    world.commit(vec![role("dev", "list", "Enforce")]);
    // Proofs from where the agent is not.
    let mut offer = world.offer();
    offer.log = early.log;
    let hellos = |world: &World| {
        let sent = world.queue.iter();
        sent.filter(|effect| matches!(effect, Effect::Send(Report::Hello { .. }))).count()
    };
    world.input(Input::Offered(offer.clone()));
    assert_eq!(hellos(&world), 1);
    world.settle();
    assert!(refusals(&world).is_empty());
    world.input(Input::Offered(offer));
    assert_eq!(hellos(&world), 0);
    world.settle();
    assert_eq!(refusals(&world), [Condition::Statement]);
}

#[test]
fn nothing_is_written_while_the_fence_does_not_stand() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    let before = world.requests;
    world.input(Input::Fence(Some("the policy was changed".to_owned())));
    world.edit(&cluster_role("hanse:ns:dev"), |body| body["rules"] = serde_json::json!([]));
    world.settle();
    world.pass(jiff::SignedDuration::from_mins(10));
    assert_eq!(world.requests, before);
    assert_eq!(world.last_progress().phase, ProgressPhase::Failed);
    assert!(world.last_progress().message.contains("the policy was changed"));
    assert!(world.notices.contains(&Notice::FenceBroken("the policy was changed".to_owned())));
    world.input(Input::Fence(None));
    world.settle();
    let live = &world.objects[&cluster_role("hanse:ns:dev")];
    assert_eq!(live.body["rules"][0]["verbs"], serde_json::json!(["get"]));
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
}

#[test]
fn another_clusters_bundle_is_refused_although_the_hub_gave_us_its_id() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    let (before, requests) = (world.names(), world.requests);
    let entry = ClusterEntry::new(CLUSTER, "another".to_owned(), Labels::new());
    world.commit(vec![Edit::PutCluster(entry), role("dev", "delete", "Enforce")]);
    world.settle();
    assert_eq!(refusals(&world), [Condition::Manifest]);
    assert!(world.last_progress().message.contains("it is of cluster another, and this is c"));
    assert_eq!((world.names(), world.requests), (before, requests));
}

#[test]
fn a_past_that_does_not_lead_to_the_join_is_refused() {
    let mut world = World::new();
    world.commit(vec![role("dev", "get", "Enforce")]);
    world.settle();
    let honest = LogHead { size: 2, root: world.fleet.history };
    let other = LogHead { size: 2, root: Digest::of(b"another past") };
    for (head, expected) in [(other, vec![Condition::Statement]), (honest, Vec::new())] {
        world.ledger = Ledger::default();
        world.notices.clear();
        world.joined = head;
        world.restart();
        world.settle();
        // It asks for all of it first.
        let offer = world.offer();
        world.input(Input::Offered(offer));
        world.settle();
        assert_eq!(refusals(&world), expected);
    }
    assert_eq!(world.last_progress().phase, ProgressPhase::Applied);
}
