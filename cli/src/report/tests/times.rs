//! What of the time asked is proven.

use super::super::evidence::Evidence;
use super::super::past::Recipient;
use super::super::question::When;
use super::super::standing::{Expected, Proof, Standing};
use super::world::{Agent, World, at, binding, recipient, role};
use super::{moment, period};
use hanse_domain::ids::RevisionNumber;

/// An agent with a role from 3 March on and a binding from 5 March on, signed for up to 8 March.
fn agent(world: &World) -> Agent {
    let mut agent = world.agents[0].clone();
    agent.change("03T00:00:00", vec![role("view", &["get"], &["secrets"])]);
    agent.change("05T00:00:00", vec![binding("a", "b", "view", &[("User", "eve")])]);
    agent.sign(at("08T00:00:00"));
    agent
}

fn standing(agent: &Agent, when: When) -> Standing {
    of(agent, &agent.evidence(when), when)
}

fn of(agent: &Agent, evidence: &Evidence, when: When) -> Standing {
    let recipients =
        [Recipient { key: recipient(&agent.secret), since: RevisionNumber(1), until: None }];
    let expected = Expected { fleet: agent.fleet, cluster: agent.id, recipients: &recipients };
    Standing::of(evidence, &expected, when)
}

#[test]
fn a_moment_is_proven_from_the_first_to_the_last_of_a_checkpoint() {
    let world = World::new();
    let agent = agent(&world);
    for (time, proof) in [
        ("02T23:59:59", Proof::Claimed),
        ("03T00:00:00", Proof::Proven),
        ("04T23:59:59", Proof::Proven),
        // Here one checkpoint ends and the next begins.
        ("05T00:00:00", Proof::Proven),
        ("08T00:00:00", Proof::Proven),
        ("08T00:00:01", Proof::Claimed),
    ] {
        let standing = standing(&agent, moment(time));
        assert_eq!(standing.contradictions, [""; 0], "{time}");
        assert_eq!(standing.whole(), proof, "{time}");
    }
}

#[test]
fn what_was_signed_for_last_is_said_of_a_later_moment() {
    let world = World::new();
    let mut agent = agent(&world);
    let later = standing(&agent, moment("09T00:00:00"));
    assert_eq!((later.whole(), later.before), (Proof::Claimed, Some(at("08T00:00:00"))));
    // Something has changed since: it is not the same any more.
    agent.change("08T12:00:00", vec![binding("a", "c", "view", &[])]);
    agent.checkpoints.pop();
    let changed = standing(&agent, moment("09T00:00:00"));
    assert_eq!((changed.whole(), changed.before), (Proof::Claimed, None));
}

#[test]
fn a_moment_between_two_batches_is_bridged_and_an_outage_is_not() {
    let world = World::new();
    let mut agent = agent(&world);
    // Two changes, a tenth of a second apart: the agent signs before the first and after the second.
    agent.change("09T00:00:00", vec![binding("a", "c", "view", &[])]);
    let signed_between = agent.checkpoints.len();
    agent.change("09T00:00:00.1", vec![binding("a", "d", "view", &[])]);
    agent.checkpoints.truncate(signed_between);
    agent.sign(at("10T00:00:00"));
    let when = period("06T00:00:00", "10T00:00:00");
    let bridged = standing(&agent, when);
    assert_eq!((bridged.whole(), bridged.gaps.len()), (Proof::Proven, 0), "{bridged:?}");
    // What is said to have come and gone in between is not vouched for.
    let between = (at("09T00:00:00"), at("09T00:00:00.1"));
    assert_eq!(bridged.covers(between), Proof::Claimed);
    assert_eq!(bridged.covers((between.0, at("09T01:00:00"))), Proof::Proven);
    // Twelve hours without a signature.
    let mut torn = agent.clone();
    torn.checkpoints.retain(|signed| !signed.checkpoint.ends_with(b"until 2026-03-09T00:00:00Z\n"));
    let torn = standing(&torn, when);
    assert_eq!(torn.whole(), Proof::Partly);
    assert_eq!(torn.gaps, [(at("08T00:00:00"), at("09T00:00:00.1"))]);
    for (from, until, proof) in [
        ("06T00:00:00", "07T00:00:00", Proof::Proven),
        ("07T00:00:00", "09T12:00:00", Proof::Partly),
        ("08T01:00:00", "08T02:00:00", Proof::Claimed),
    ] {
        assert_eq!(torn.covers((at(from), at(until))), proof, "{from}");
    }
}

#[test]
fn unseen_kinds_and_skipped_objects_are_what_was_signed() {
    let world = World::new();
    let mut agent = agent(&world);
    let last = agent.checkpoints.pop().unwrap();
    let mut read = hanse_domain::access::checkpoint::Checkpoint::decode(&last.checkpoint).unwrap();
    read.unseen.insert(hanse_domain::access::object::AccessKind::Pod, "forbidden".to_owned());
    read.skipped = 3;
    agent.checkpoints.push(super::world::signed(&agent.secret, &read));
    let standing = standing(&agent, moment("06T00:00:00"));
    assert_eq!(standing.skipped, 3);
    assert_eq!(standing.unseen.get("Pod").map(String::as_str), Some("forbidden"));
}

#[test]
fn of_checkpoints_that_say_the_same_the_longest_is_kept() {
    let world = World::new();
    let mut agent = agent(&world);
    for day in ["08T06:00:00", "08T12:00:00", "08T18:00:00"] {
        agent.sign(at(day));
    }
    let kept = |when| agent.evidence(when).checkpoints.len();
    assert_eq!(kept(moment("06T00:00:00")), 1);
    assert_eq!(kept(period("04T00:00:00", "20T00:00:00")), 2);
    // The newest before a later moment.
    assert_eq!(kept(moment("10T00:00:00")), 1);
}
