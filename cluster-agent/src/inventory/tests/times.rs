//! When something changed.

use super::super::{HEARTBEAT, Input};
use super::world::{World, at, binding, sight};

fn moment(world: &World, name: &str) -> jiff::Timestamp {
    world.hub.rows[&binding(name)].at
}

#[test]
fn what_a_watch_shows_at_once_is_by_the_agent_s_clock() {
    let mut world = World::started(&[]);
    let half = "2027-01-15T08:17:10.123456789Z".parse().unwrap();
    world.now = half;
    let whole = |second: &str| format!("2027-01-15T08:17:{second}Z").parse().unwrap();
    world.input(Input::Seen(sight(binding("now"), 1, Some(whole("09")))));
    world.input(Input::Seen(sight(binding("ahead"), 1, Some(whole("30")))));
    world.input(Input::Seen(sight(binding("unknown"), 1, None)));
    for name in ["now", "ahead", "unknown"] {
        let expected: jiff::Timestamp = "2027-01-15T08:17:10.123457Z".parse().unwrap();
        assert_eq!(moment(&world, name), expected, "{name}, in whole microseconds");
    }
}

#[test]
fn what_a_watch_shows_late_is_by_the_cluster_s_clock() {
    let mut world = World::started(&[]);
    world.now = at(1050);
    world.input(Input::Seen(sight(binding("late"), 1, Some(at(1020)))));
    assert_eq!(moment(&world, "late"), at(1020));
    // But not before the agent knew better: it said so when it began, and with the change above.
    world.input(Input::Seen(sight(binding("forged"), 1, Some(at(3)))));
    assert_eq!(moment(&world, "forged"), at(1050));
    assert!(world.is_in_sync());
    // Without a newer word of the cluster there is only the moment at which it was seen.
    world.now = at(1059);
    world.input(Input::Seen(sight(binding("late"), 2, Some(at(1020)))));
    assert_eq!(moment(&world, "late"), at(1059));
}

#[test]
fn a_checkpoint_is_never_contradicted() {
    let mut world = World::started(&[]);
    world.pass(HEARTBEAT);
    assert_eq!(world.current().until, at(1060));
    world.input(Input::Seen(sight(binding("late"), 1, Some(at(1040)))));
    assert_eq!(moment(&world, "late"), at(1060));
    let closed = world.sent.last().unwrap().closed.clone().unwrap();
    assert_eq!((closed.from, closed.until), (at(1000), at(1060)));
}

#[test]
fn what_is_listed_is_as_old_as_the_cluster_says() {
    let mut world = World::new();
    world.list_all(&[
        sight(binding("changed"), 1, Some(at(500))),
        sight(binding("created"), 1, None),
        sight(binding("ahead"), 1, Some(at(2000))),
    ]);
    world.connect();
    assert_eq!(moment(&world, "changed"), at(500));
    assert_eq!(moment(&world, "created"), at(0));
    assert_eq!(moment(&world, "ahead"), at(1000), "not after now");
}
