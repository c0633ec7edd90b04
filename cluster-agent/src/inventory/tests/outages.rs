//! Random histories with outages of everything: once they end, both sides have the same root, and no
//! checkpoint ever claimed what was not so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hanse_domain::access::object::{AccessKey, AccessKind};
use proptest::prelude::*;

use super::super::{Found, Input, Sight};
use super::world::{World, sight};

#[derive(Clone, Copy, Debug)]
enum Op {
    Put(u8, u32),
    Delete(u8),
    Odd(u8, bool),
    /// The watch of a kind ends; what happens to its objects is not seen.
    Blind(u8, bool),
    Relist(u8),
    Disconnect,
    Connect,
    Slow(bool),
    /// The hub loses an object, or all.
    Forget(u8, bool),
    Restart,
    Pass(u16),
    ClockBack(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (any::<u8>(), 0..5_u32).prop_map(|(key, number)| Op::Put(key, number)),
        4 => any::<u8>().prop_map(Op::Delete),
        1 => any::<(u8, bool)>().prop_map(|(key, skipped)| Op::Odd(key, skipped)),
        2 => any::<(u8, bool)>().prop_map(|(kind, refused)| Op::Blind(kind, refused)),
        2 => any::<u8>().prop_map(Op::Relist),
        2 => Just(Op::Disconnect),
        3 => Just(Op::Connect),
        2 => any::<bool>().prop_map(Op::Slow),
        1 => any::<(u8, bool)>().prop_map(|(key, all)| Op::Forget(key, all)),
        1 => Just(Op::Restart),
        3 => (0..400_u16).prop_map(Op::Pass),
        1 => any::<u8>().prop_map(Op::ClockBack),
    ]
}

/// Keys of three kinds.
fn key(number: u8) -> AccessKey {
    let kinds = [AccessKind::Namespace, AccessKind::RoleBinding, AccessKind::Pod];
    let kind = kinds[usize::from(number % 3)];
    let name = format!("n{}", number / 3 % 20);
    if kind.is_namespaced() {
        AccessKey::namespaced(kind, "shop", name)
    } else {
        AccessKey::cluster(kind, name)
    }
}

struct Run {
    world: World,
    cluster: BTreeMap<AccessKey, Sight>,
    blind: BTreeSet<AccessKind>,
}

impl Run {
    fn new() -> Self {
        let mut run =
            Self { world: World::new(), cluster: BTreeMap::new(), blind: BTreeSet::new() };
        run.step(Op::Restart);
        run
    }

    /// Each signed interval, whatever was found out later.
    fn contradiction(&self) -> Option<String> {
        let hub = &self.world.hub;
        let moments: BTreeSet<_> = hub.versions.values().flatten().map(|(at, _)| *at).collect();
        // Of those that begin with the same state the longest says it all.
        let claims: BTreeMap<_, _> = hub
            .claims
            .iter()
            .filter(|claim| claim.from < claim.until)
            .map(|claim| ((claim.from, claim.root), claim))
            .collect();
        claims.values().find_map(|claim| {
            let within = moments.range(claim.from..claim.until).copied();
            let wrong =
                within.chain([claim.from]).find(|moment| hub.root_at(*moment) != claim.root)?;
            Some(format!("at {wrong}: {claim:?}"))
        })
    }

    fn list(&mut self, kind: AccessKind) {
        self.blind.remove(&kind);
        let of_kind = self.cluster.values().filter(|sight| sight.key.kind == kind).cloned();
        self.world.input(Input::Listed(kind, of_kind.collect()));
    }

    fn seen(&mut self, sight: Sight) {
        self.cluster.insert(sight.key.clone(), sight.clone());
        if !self.blind.contains(&sight.key.kind) {
            self.world.input(Input::Seen(sight));
        }
    }

    fn step(&mut self, op: Op) {
        let now = self.world.now;
        match op {
            Op::Put(number, content) => self.seen(sight(key(number), content, Some(now))),
            Op::Odd(number, skipped) => {
                let found = if skipped { Found::Skipped } else { Found::Outside };
                self.seen(Sight { key: key(number), found });
            }
            Op::Delete(number) => {
                let key = key(number);
                self.cluster.remove(&key);
                if !self.blind.contains(&key.kind) {
                    self.world.input(Input::Gone(key));
                }
            }
            Op::Blind(number, refused) => {
                let kind = key(number).kind;
                self.blind.insert(kind);
                self.world.input(Input::Blind { kind, refused, why: "x".to_owned() });
            }
            Op::Relist(number) => self.list(key(number).kind),
            Op::Disconnect => self.world.disconnect(),
            Op::Connect if !self.world.up => self.world.connect(),
            Op::Connect => {}
            Op::Slow(slow) => {
                self.world.slow = slow;
                self.world.pump();
            }
            Op::Forget(_, true) => self.world.hub.rows.clear(),
            Op::Forget(number, false) => drop(self.world.hub.rows.remove(&key(number))),
            Op::Restart => {
                self.world.restart();
                self.blind.clear();
                for kind in AccessKind::ALL {
                    self.list(kind);
                }
            }
            Op::Pass(seconds) => self.world.pass(Duration::from_secs(seconds.into())),
            Op::ClockBack(seconds) => {
                self.world.now = now.checked_sub(Duration::from_secs(seconds.into())).unwrap();
            }
        }
        self.check();
    }

    /// What was signed is possible.
    fn check(&mut self) {
        for part in self.world.sent.drain(..) {
            for checkpoint in part.closed.iter().chain(&part.current) {
                assert!(checkpoint.from <= checkpoint.until, "{checkpoint:?}");
                assert!(checkpoint.until <= self.world.now.max(checkpoint.from), "{checkpoint:?}");
            }
            if let (Some(closed), Some(current)) = (&part.closed, &part.current) {
                assert!(closed.until <= current.from, "{closed:?} {current:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn after_the_faults_both_have_the_same_root(ops in prop::collection::vec(op(), 1..120)) {
        let mut run = Run::new();
        for op in ops {
            run.step(op);
        }
        run.world.slow = false;
        for number in 0..3 {
            run.step(Op::Relist(number));
        }
        run.step(Op::Connect);
        // Longer than a lost answer and the longest pause.
        run.step(Op::Pass(1000));
        prop_assert!(run.world.is_in_sync());
        let object = |sight: &&Sight| matches!(sight.found, Found::Object { .. });
        let there: Vec<_> = run.cluster.values().filter(object).map(|s| &s.key).collect();
        prop_assert_eq!(run.world.hub.rows.keys().collect::<Vec<_>>(), there);
    }

    #[test]
    fn what_was_signed_is_never_contradicted(ops in prop::collection::vec(op(), 1..80)) {
        let mut run = Run::new();
        run.step(Op::Connect);
        // Moments of a clock that was wrong cannot be told from others, and a hub that lost rows knows no past.
        let honest = |op: &Op| !matches!(op, Op::ClockBack(_) | Op::Forget(..));
        for op in ops.into_iter().filter(honest) {
            run.step(op);
        }
        run.world.slow = false;
        for number in 0..3 {
            run.step(Op::Relist(number));
        }
        run.step(Op::Connect);
        run.step(Op::Pass(1000));
        prop_assert_eq!(run.contradiction(), None);
    }
}
