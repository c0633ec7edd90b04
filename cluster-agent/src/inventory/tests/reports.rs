//! What is sent, and when.

use std::time::Duration;

use hanse_domain::access::object::{AccessKey, AccessKind};

use super::super::{Found, HEARTBEAT, Input, Limits, MAX_PART_CHANGES, Sight};
use super::world::{World, at, binding, sight};

fn many(count: u32) -> Vec<Sight> {
    (0..count).map(|n| sight(binding(&format!("b{n}")), n % 7, Some(at(1)))).collect()
}

#[test]
fn nothing_is_said_before_everything_was_listed() {
    let mut world = World::new();
    world.connect();
    for kind in AccessKind::ALL.into_iter().skip(1) {
        world.input(Input::Listed(kind, vec![]));
        world.input(Input::Seen(sight(AccessKey::namespaced(kind, "shop", "x"), 1, None)));
    }
    world.pass(Duration::from_hours(1));
    assert_eq!(world.sent, []);
    world.input(Input::Listed(AccessKind::Namespace, vec![]));
    assert!(world.is_in_sync() && !world.hub.rows.is_empty());
}

#[test]
fn the_first_report_is_the_root_alone_and_the_hub_asks_for_the_rest() {
    let mut world = World::new();
    world.list_all(&many(50));
    world.connect();
    let first = &world.sent[0];
    assert_eq!((first.changes.len(), first.buckets.len(), first.last), (0, 0, true));
    assert_eq!(first.closed, None);
    let current = first.current.clone().unwrap();
    assert_eq!((current.objects, current.from, current.until), (50, at(1000), at(1000)));
    assert_eq!(world.cost().0, 50);
    assert!(world.is_in_sync());
}

#[test]
fn a_restart_costs_one_root() {
    let mut world = World::started(&many(500));
    world.restart();
    world.list_all(&many(500));
    world.connect();
    assert_eq!((world.sent.len(), world.cost()), (1, (0, 0)));
    assert!(world.is_in_sync());
}

#[test]
fn a_change_sends_one_object() {
    let mut world = World::started(&many(500));
    world.pass(Duration::from_secs(5));
    world.input(Input::Seen(sight(binding("b7"), 99, Some(at(1005)))));
    assert_eq!((world.sent.len(), world.cost()), (1, (1, 0)));
    assert!(world.is_in_sync());
    // The same once more is no change.
    world.input(Input::Seen(sight(binding("b7"), 99, Some(at(1005)))));
    assert_eq!(world.sent.len(), 1);
    world.input(Input::Gone(binding("b7")));
    assert_eq!((world.sent.len(), world.cost()), (2, (2, 0)));
    assert_eq!(world.hub.gone.get(&binding("b7")), Some(&at(1005)));
    assert!(world.is_in_sync());
    // What never was cannot go.
    world.input(Input::Gone(binding("other")));
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn quick_changes_become_the_newest_state() {
    let mut world = World::started(&many(5));
    world.slow = true;
    world.input(Input::Seen(sight(binding("b1"), 10, Some(at(1000)))));
    for number in 11..20 {
        world.input(Input::Seen(sight(binding("b1"), number, Some(at(1000)))));
    }
    world.input(Input::Seen(sight(binding("b2"), 10, Some(at(1000)))));
    assert_eq!(world.cost(), (1, 0), "one report is in flight");
    world.slow = false;
    world.pump();
    assert_eq!((world.sent.len(), world.cost()), (2, (3, 0)));
    assert!(world.is_in_sync());
}

#[test]
fn a_burst_takes_few_reports_in_parts() {
    let mut world = World::started(&many(5));
    world.slow = true;
    for sight in many(10_000) {
        world.input(Input::Seen(sight));
    }
    world.slow = false;
    world.pump();
    assert!(world.is_in_sync());
    let reports = world.sent.iter().filter(|part| part.last).count();
    assert_eq!((reports, world.cost()), (2, (9995, 0)));
    assert!(world.sent.iter().all(|part| part.changes.len() <= MAX_PART_CHANGES));
}

#[test]
fn parts_are_bounded_in_bytes() {
    let mut world = World::new();
    let large = |n: u32| Sight {
        key: binding(&format!("b{n}")),
        found: match sight(binding("x"), n, None).found {
            Found::Object { content, origin } => {
                Found::Object { content: [content, vec![b' '; 200_000]].concat(), origin }
            }
            Found::Outside | Found::Skipped => unreachable!("it is one"),
        },
    };
    world.list_all(&(0..40).map(large).collect::<Vec<_>>());
    world.connect();
    assert_eq!(world.hub.rows.len(), 40);
    for part in &world.sent {
        let bytes: usize =
            part.changes.iter().filter_map(|c| c.state.as_ref()).map(|s| s.content.len()).sum();
        assert!(bytes < 1024 * 1024, "{bytes}");
    }
}

#[test]
fn an_idle_agent_says_so_each_minute() {
    let mut world = World::started(&many(5));
    world.pass(HEARTBEAT * 3 + Duration::from_secs(1));
    assert_eq!((world.sent.len(), world.cost()), (3, (0, 0)));
    let current = world.current();
    assert_eq!((current.from, current.until), (at(1000), at(1180)));
    assert!(world.sent.iter().all(|part| part.closed.is_none() && part.last));
}

#[test]
fn a_hub_that_asks_gets_a_checkpoint_of_the_present() {
    let mut world = World::started(&many(5));
    world.pass(Duration::from_secs(7));
    world.input(Input::Asked);
    assert_eq!((world.sent.len(), world.cost()), (1, (0, 0)));
    assert_eq!((world.current().from, world.current().until), (at(1000), at(1007)));
    // However often it asks: no more than one a second, and the last one is of after the question.
    for _ in 0..50 {
        world.input(Input::Asked);
    }
    assert_eq!(world.sent.len(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!((world.sent.len(), world.current().until), (2, at(1008)));
    world.pass(Duration::from_secs(50));
    assert_eq!(world.sent.len(), 2);
    // A question while a report is on its way is answered by the next one.
    world.slow = true;
    world.input(Input::Asked);
    world.pass(Duration::from_secs(2));
    world.input(Input::Asked);
    assert_eq!(world.sent.len(), 3);
    world.slow = false;
    world.pump();
    assert_eq!((world.sent.len(), world.current().until), (4, at(1060)));
}

#[test]
fn a_hub_that_lost_its_state_gets_it_again() {
    let mut world = World::started(&many(500));
    world.hub.rows.clear();
    world.input(Input::Seen(sight(binding("b7"), 99, Some(at(1000)))));
    assert!(world.is_in_sync());
    assert_eq!(world.hub.rows.len(), 500);
    // Only the bucket that differs.
    world.sent.clear();
    world.hub.rows.remove(&binding("b3"));
    world.pass(HEARTBEAT);
    assert!(world.is_in_sync());
    assert!(world.cost().0 < 20 && world.cost().1 == 1, "{:?}", world.cost());
}

#[test]
fn a_hub_that_never_agrees_is_not_flooded() {
    let mut world = World::started(&many(50));
    // It forgets at once what it is told: it can never have the root.
    let mut reports = 0;
    for second in 0..600 {
        world.now = at(1000 + second);
        world.hub.rows.clear();
        world.input(Input::Tick);
        world.slow = true;
        world.pump();
        world.hub.rows.clear();
        for answer in std::mem::take(&mut world.answers) {
            let buckets = Box::new([hanse_domain::ids::Digest::of(b"never"); 256]);
            let sequence = match answer {
                Input::Stored(sequence) | Input::Wanted { sequence, .. } => sequence,
                other @ (Input::Listed(..)
                | Input::Seen(_)
                | Input::Gone(_)
                | Input::Blind { .. }
                | Input::Welcomed
                | Input::Disconnected
                | Input::Room
                | Input::Asked
                | Input::Tick) => unreachable!("{other:?}"),
            };
            world.input(Input::Wanted { sequence, buckets });
        }
        reports = world.sent.iter().filter(|part| part.last).count();
    }
    assert!((10..60).contains(&reports), "{reports}");
}

#[test]
fn a_report_without_an_answer_is_sent_anew() {
    let mut world = World::started(&many(50));
    world.slow = true;
    world.input(Input::Seen(sight(binding("b7"), 99, Some(at(1000)))));
    world.answers.clear();
    world.hub.rows.remove(&binding("b7"));
    world.slow = false;
    world.pass(Duration::from_mins(5) + Duration::from_secs(1));
    assert!(world.is_in_sync());
    // An answer that comes too late is of no use.
    world.input(Input::Stored(2));
    world.input(Input::Seen(sight(binding("b8"), 99, None)));
    assert!(world.is_in_sync());
}

#[test]
fn what_goes_while_the_hub_is_away_keeps_its_moment() {
    let mut world = World::started(&many(500));
    world.disconnect();
    world.pass(Duration::from_secs(30));
    world.input(Input::Gone(binding("b7")));
    world.input(Input::Seen(sight(binding("b8"), 99, Some(at(1030)))));
    world.pass(Duration::from_secs(30));
    world.connect();
    assert!(world.is_in_sync());
    assert_eq!(world.hub.gone.get(&binding("b7")), Some(&at(1030)));
    assert_eq!(world.hub.rows[&binding("b8")].at, at(1030));
    assert!(world.cost().1 <= 2);
}

#[test]
fn what_is_too_much_is_skipped_from_the_end() {
    let limits = Limits { objects: 10, ..Limits::default() };
    let mut world = World::with_limits(limits);
    let pods: Vec<Sight> = (0..20)
        .map(|n| sight(AccessKey::namespaced(AccessKind::Pod, "shop", format!("p{n:02}")), n, None))
        .collect();
    world.list_all(&[many(5), pods.clone()].concat());
    world.connect();
    assert!(world.is_in_sync());
    assert_eq!((world.current().objects, world.current().skipped), (10, 15));
    assert!(world.hub.rows.keys().all(|key| key.kind != AccessKind::Pod || *key.name < *"p05"));
    // Access pushes workloads out, whichever comes first.
    let mut other = World::with_limits(limits);
    for kind in AccessKind::ALL.into_iter().rev() {
        let all = [many(5), pods.clone()].concat();
        other.input(Input::Listed(kind, all.into_iter().filter(|s| s.key.kind == kind).collect()));
    }
    other.connect();
    assert_eq!(other.hub.root(), world.hub.root());

    world.input(Input::Seen(sight(binding("more"), 1, None)));
    assert_eq!((world.current().objects, world.current().skipped), (10, 16));
    // What goes makes room for what is seen next.
    world.input(Input::Gone(pods[0].key.clone()));
    world.input(Input::Seen(pods[19].clone()));
    assert_eq!((world.current().objects, world.current().skipped), (10, 15));
    // What was skipped and goes is counted no more.
    world.input(Input::Gone(pods[18].key.clone()));
    assert_eq!(world.current().skipped, 14);
    assert!(world.is_in_sync());
}

#[test]
fn memory_is_bounded_and_what_is_shared_counts_once() {
    let limits = Limits { bytes: 100_000, ..Limits::default() };
    let mut world = World::with_limits(limits);
    world.list_all(&many(1000));
    world.connect();
    let held = world.current().objects;
    assert!((150..250).contains(&held), "{held}");
    assert_eq!(world.current().skipped + held, 1000);
    // A report of everything is bounded, too: there, nothing is shared.
    let mut other = World::with_limits(Limits { report: 100_000, ..Limits::default() });
    other.list_all(&many(1000));
    other.connect();
    let sent = other.current().objects;
    assert!((300..600).contains(&sent), "{sent}");
    // All that was taken is given back.
    world.list_all(&[]);
    assert_eq!((world.current().objects, world.current().skipped), (0, 0));
    world.list_all(&many(100));
    assert_eq!(world.current().objects, 100);
}

#[test]
fn what_cannot_be_read_is_counted_and_what_is_outside_is_not() {
    let mut world = World::started(&many(5));
    world.input(Input::Seen(Sight { key: binding("b1"), found: Found::Skipped }));
    assert_eq!((world.current().objects, world.current().skipped), (4, 1));
    world.input(Input::Seen(Sight { key: binding("b1"), found: Found::Skipped }));
    assert_eq!(world.sent.len(), 1, "it is the same one");
    world.input(Input::Seen(Sight { key: binding("b2"), found: Found::Outside }));
    assert_eq!((world.current().objects, world.current().skipped), (3, 1));
    world.input(Input::Seen(sight(binding("b1"), 1, None)));
    assert_eq!((world.current().objects, world.current().skipped), (4, 0));
    assert!(world.is_in_sync());
}

#[test]
fn what_there_is_no_room_for_is_no_news() {
    let limits = Limits { objects: 5, ..Limits::default() };
    let mut world = World::with_limits(limits);
    world.list_all(&many(5));
    world.connect();
    let pod = |n: u32| sight(AccessKey::namespaced(AccessKind::Pod, "shop", "p"), n, None);
    world.input(Input::Seen(pod(1)));
    assert_eq!(world.current().skipped, 1);
    let (reports, cost) = (world.sent.len(), world.cost());
    for number in 2..50 {
        world.input(Input::Seen(pod(number)));
    }
    assert_eq!((world.sent.len(), world.cost()), (reports, cost));
    assert_eq!(cost.0, 5, "it was never told");
}

#[test]
fn what_goes_while_a_hub_disagrees_keeps_its_moment() {
    let mut world = World::started(&many(50));
    world.hub.rows.remove(&binding("b3"));
    world.pass(HEARTBEAT);
    world.hub.rows.remove(&binding("b4"));
    world.slow = true;
    world.input(Input::Gone(binding("b9")));
    world.input(Input::Gone(binding("b7")));
    let gone = world.now;
    // The next report says the root alone; its answer comes within the pause.
    world.input(Input::Welcomed);
    world.keeper.pause = gone.checked_add(Duration::from_secs(20)).ok();
    world.slow = false;
    world.pump();
    world.pass(Duration::from_mins(2));
    assert!(world.is_in_sync());
    assert_eq!(world.hub.gone.get(&binding("b7")), Some(&gone));
}
