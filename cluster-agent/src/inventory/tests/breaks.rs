//! Watches that break, kinds that are forbidden, and what checkpoints claim meanwhile.

use std::time::Duration;

use hanse_domain::access::object::{AccessKey, AccessKind};

use super::super::{HEARTBEAT, Input, Sight};
use super::world::{World, at, binding, sight};

fn bindings() -> Vec<Sight> {
    (0..5).map(|n| sight(binding(&format!("b{n}")), n, Some(at(1)))).collect()
}

fn pod(name: &str) -> Sight {
    sight(AccessKey::namespaced(AccessKind::Pod, "shop", name), 1, Some(at(1)))
}

fn blind(kind: AccessKind, refused: bool) -> Input {
    Input::Blind { kind, refused, why: "because".to_owned() }
}

#[test]
fn a_state_is_closed_by_the_first_change_if_nothing_was_missed() {
    let mut world = World::started(&bindings());
    world.now = at(1007);
    world.input(Input::Seen(sight(binding("b1"), 9, Some(at(1007)))));
    let part = world.sent.pop().unwrap();
    let (closed, current) = (part.closed.unwrap(), part.current.unwrap());
    assert_eq!((closed.from, closed.until), (at(1000), at(1007)));
    assert_eq!((current.from, current.until), (at(1007), at(1007)));
    assert_ne!(closed.root, current.root);

    // Several at once: until the first of them, and since the last.
    world.slow = true;
    world.now = at(1010);
    world.input(Input::Seen(sight(binding("b2"), 9, Some(at(1010)))));
    for (second, name) in [(1011, "b3"), (1012, "b4")] {
        world.now = at(second);
        world.input(Input::Seen(sight(binding(name), 9, Some(at(second)))));
    }
    world.slow = false;
    world.now = at(1013);
    world.pump();
    let part = world.sent.pop().unwrap();
    assert_eq!(part.changes.len(), 2);
    let (closed, current) = (part.closed.unwrap(), part.current.unwrap());
    assert_eq!((closed.from, closed.until), (at(1010), at(1011)));
    assert_eq!((current.from, current.until), (at(1012), at(1013)));
}

#[test]
fn a_break_closes_nothing_and_begins_anew() {
    let mut world = World::started(&bindings());
    world.pass(Duration::from_secs(5));
    world.input(blind(AccessKind::RoleBinding, false));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.sent, [], "a short one is not said");
    let mut list = bindings();
    list.remove(4);
    list[0] = sight(binding("b0"), 9, Some(at(1006)));
    world.input(Input::Listed(AccessKind::RoleBinding, list));
    let part = world.sent.pop().unwrap();
    assert_eq!((part.changes.len(), part.closed), (2, None));
    let current = part.current.unwrap();
    assert_eq!((current.from, current.until), (at(1007), at(1007)));
    assert!(current.unseen.is_empty() && world.is_in_sync());
    assert_eq!(world.hub.rows[&binding("b0")].at, at(1006), "by the cluster's clock");
    assert_eq!(world.hub.gone[&binding("b4")], at(1007));
    // The next change closes again.
    world.now = at(1009);
    world.input(Input::Gone(binding("b3")));
    let closed = world.sent.pop().unwrap().closed.unwrap();
    assert_eq!((closed.from, closed.until), (at(1007), at(1009)));
}

#[test]
fn a_relist_without_a_change_costs_nothing_and_claims_no_gap() {
    let mut world = World::started(&bindings());
    world.pass(Duration::from_secs(5));
    world.input(Input::Listed(AccessKind::RoleBinding, bindings()));
    assert_eq!(world.sent, []);
    world.pass(HEARTBEAT);
    assert_eq!((world.current().from, world.cost()), (at(1005), (0, 0)));
}

#[test]
fn what_is_out_of_sight_is_not_vouched_for() {
    let mut world = World::started(&bindings());
    world.input(blind(AccessKind::Pod, false));
    // Something else changes meanwhile.
    world.input(Input::Gone(binding("b1")));
    let unseen = world.current().unseen;
    assert_eq!(unseen.keys().collect::<Vec<_>>(), [&AccessKind::Pod]);
    assert!(unseen[&AccessKind::Pod].contains("because"), "{unseen:?}");
    world.sent.clear();
    world.input(Input::Listed(AccessKind::Pod, vec![]));
    assert!(world.current().unseen.is_empty(), "it is said at once");

    // Of a long break the hub hears although nothing else happens, once.
    world.sent.clear();
    world.input(blind(AccessKind::Pod, false));
    for _ in 0..5 {
        world.pass(Duration::from_secs(10));
        world.input(blind(AccessKind::Pod, false));
    }
    assert_eq!(world.sent.len(), 1);
    assert!(world.current().unseen.contains_key(&AccessKind::Pod));
    assert!(world.is_in_sync(), "what was seen is kept");
}

#[test]
fn a_forbidden_kind_holds_up_nothing() {
    let mut world = World::new();
    world.connect();
    world.input(blind(AccessKind::Pod, true));
    for kind in AccessKind::ALL.into_iter().filter(|kind| *kind != AccessKind::Pod) {
        world.input(Input::Listed(kind, vec![]));
    }
    assert_eq!(world.sent, [], "an API server that has just started refuses much");
    world.pass(Duration::from_secs(11));
    assert!(world.is_in_sync());
    assert!(world.current().unseen.contains_key(&AccessKind::Pod));
    // The others go on, and so does the heartbeat.
    world.input(Input::Seen(sight(binding("b1"), 1, None)));
    assert_eq!(world.hub.rows.len(), 1);
    world.pass(HEARTBEAT);
    assert!(world.current().unseen.contains_key(&AccessKind::Pod));
    // It is allowed after all.
    world.input(Input::Listed(AccessKind::Pod, vec![pod("p")]));
    assert!(world.current().unseen.is_empty() && world.is_in_sync());
    assert_eq!(world.hub.rows.len(), 2);
}

#[test]
fn a_kind_that_is_taken_away_goes_after_a_while() {
    let mut world = World::started(&[bindings(), vec![pod("p")]].concat());
    world.input(blind(AccessKind::Pod, true));
    world.pass(Duration::from_secs(9));
    // It was refused by mistake, such as right after a start.
    world.input(Input::Listed(AccessKind::Pod, vec![pod("p")]));
    world.pass(Duration::from_secs(30));
    assert_eq!(world.hub.rows.len(), 6);
    world.input(blind(AccessKind::Pod, true));
    world.pass(Duration::from_secs(11));
    assert_eq!(world.hub.rows.len(), 5);
    assert!(world.current().unseen.contains_key(&AccessKind::Pod) && world.is_in_sync());
    // A root is the same whether it was taken away before or after a start.
    let root = world.hub.root();
    world.restart();
    world.input(blind(AccessKind::Pod, true));
    for kind in AccessKind::ALL.into_iter().filter(|kind| *kind != AccessKind::Pod) {
        let of_kind = bindings().into_iter().filter(|sight| sight.key.kind == kind).collect();
        world.input(Input::Listed(kind, of_kind));
    }
    world.pass(Duration::from_secs(11));
    world.connect();
    assert_eq!((world.hub.root(), world.cost()), (root, (0, 0)));
}

#[test]
fn an_outage_of_the_api_server_takes_nothing_away() {
    let mut world = World::new();
    world.connect();
    for kind in AccessKind::ALL {
        world.input(blind(kind, false));
    }
    world.pass(Duration::from_hours(2));
    assert_eq!(world.sent, [], "nothing was ever seen");
    world.list_all(&bindings());
    assert_eq!(world.hub.rows.len(), 5);
    for kind in AccessKind::ALL {
        world.input(blind(kind, false));
    }
    world.pass(Duration::from_hours(2));
    assert_eq!((world.hub.rows.len(), world.current().unseen.len()), (5, 13));
}

#[test]
fn a_clock_that_goes_back_leaves_a_gap() {
    let mut world = World::started(&bindings());
    world.pass(Duration::from_mins(5));
    world.sent.clear();
    world.now = at(900);
    world.input(Input::Seen(sight(binding("b1"), 9, Some(at(900)))));
    let part = world.sent.pop().unwrap();
    assert_eq!(part.closed, None);
    let current = part.current.unwrap();
    assert_eq!((current.from, current.until), (at(900), at(900)));
    assert_eq!(world.hub.rows[&binding("b1")].at, at(900));
    world.pass(HEARTBEAT);
    assert_eq!(world.current().until, at(960));
}

#[test]
fn access_that_may_not_be_seen_any_more_does_not_disappear() {
    let mut world = World::started(&bindings());
    world.pass(Duration::from_secs(5));
    world.input(blind(AccessKind::RoleBinding, true));
    world.pass(HEARTBEAT * 10);
    assert_eq!(world.hub.rows.len(), 5);
    assert!(world.current().unseen.contains_key(&AccessKind::RoleBinding) && world.is_in_sync());
    assert_eq!(world.current().from, at(1005));
    // What happened meanwhile is not within what was signed.
    let until = world.current().until;
    let mut list = bindings();
    list[0] = sight(binding("b0"), 9, Some(at(1010)));
    list.push(sight(binding("new"), 1, Some(at(1020))));
    world.input(Input::Listed(AccessKind::RoleBinding, list));
    for name in ["b0", "new"] {
        assert_eq!(world.hub.rows[&binding(name)].at, until, "{name}");
    }
}

#[test]
fn what_was_seen_in_full_is_closed_when_something_goes_out_of_sight() {
    let mut world = World::started(&bindings());
    world.pass(Duration::from_secs(5));
    world.input(blind(AccessKind::Pod, false));
    world.pass(Duration::from_secs(4));
    world.input(Input::Gone(binding("b1")));
    let part = world.sent.pop().unwrap();
    let closed = part.closed.unwrap();
    assert_eq!((closed.from, closed.until), (at(1000), at(1005)));
    assert!(closed.unseen.is_empty());
    assert_eq!(part.current.unwrap().from, at(1009));
    // A skipped object begins a new interval, too.
    world.input(Input::Listed(AccessKind::Pod, vec![]));
    world.pass(Duration::from_secs(2));
    world.input(Input::Seen(Sight { key: binding("odd"), found: super::super::Found::Skipped }));
    let part = world.sent.pop().unwrap();
    let (closed, current) = (part.closed.unwrap(), part.current.unwrap());
    assert_eq!((closed.skipped, closed.until), (0, world.now));
    assert_eq!((current.skipped, current.from), (1, world.now));
}
