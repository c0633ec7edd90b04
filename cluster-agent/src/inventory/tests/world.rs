//! A cluster, a keeper and a hub that can be away.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::inventory::{Inventory, bucket_of};
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, Origin, leaf};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;

use super::super::{Effect, Found, Input, Keeper, Limits, Part, Sight};

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn binding(name: &str) -> AccessKey {
    AccessKey::namespaced(AccessKind::RoleBinding, "shop", name)
}

/// An object whose cluster says that it changed then; what it says is its number.
pub(super) fn sight(key: AccessKey, number: u32, changed_at: Option<Timestamp>) -> Sight {
    let service_account = number.to_string();
    let content = AccessContent::Workload { service_account }.encode();
    let origin = Origin {
        uid: key.name.clone(),
        created_at: Some(at(0)),
        changed_at,
        manager: "kubectl".to_owned(),
        source: String::new(),
        revision: None,
    };
    Sight { key, found: Found::Object { content, origin } }
}

/// What the hub has of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) content: Vec<u8>,
    pub(super) origin: Vec<u8>,
    pub(super) at: Timestamp,
}

/// Stores reports and answers them.
#[derive(Debug, Default)]
pub(super) struct Hub {
    pub(super) rows: BTreeMap<AccessKey, Row>,
    /// When it was told that something went.
    pub(super) gone: BTreeMap<AccessKey, Timestamp>,
    /// Every version of each object, by the moment at which it became so.
    pub(super) versions: BTreeMap<AccessKey, Vec<(Timestamp, Option<Digest>)>>,
    /// What was signed.
    pub(super) claims: Vec<Checkpoint>,
    /// A process of before vouched for what was until then.
    floor: Option<Timestamp>,
    parts: Vec<Part>,
}

impl Hub {
    fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for (key, row) in &self.rows {
            let origin = Origin::decode(&row.origin).unwrap();
            inventory.set(key, Some(leaf(key, &Digest::of(&row.content), &origin)));
        }
        inventory
    }

    pub(super) fn root(&self) -> Digest {
        self.inventory().root()
    }

    fn remember(&mut self, parts: &[Part], current: &Checkpoint) {
        let mut news: BTreeMap<AccessKey, (Timestamp, Option<Digest>)> = BTreeMap::new();
        for bucket in parts.last().iter().flat_map(|part| &part.buckets) {
            let gone = self.versions.keys().filter(|key| bucket_of(&key.hash()) == *bucket);
            news.extend(gone.map(|key| (key.clone(), (current.from, None))));
        }
        for change in parts.iter().flat_map(|part| &part.changes) {
            let leaf = change.state.as_ref().map(|state| {
                let origin = Origin::decode(&state.origin).unwrap();
                leaf(&change.key, &Digest::of(&state.content), &origin)
            });
            news.insert((*change.key).clone(), (change.at, leaf));
        }
        for (key, (at, leaf)) in news {
            let versions = self.versions.entry(key).or_default();
            let last = versions.last().copied();
            if last.and_then(|(_, leaf)| leaf) != leaf {
                let at = at.max(self.floor.unwrap_or(at));
                versions.push((last.map_or(at, |(last, _)| at.max(last)), leaf));
            }
        }
        let closed = parts.last().and_then(|part| part.closed.clone());
        // What it does not have at all it cannot hold against what was signed.
        let current = Some(current).filter(|current| current.root == self.root());
        self.claims.extend(closed.into_iter().chain(current.cloned()));
    }

    /// What was so at a moment, by all that is known now.
    pub(super) fn root_at(&self, moment: Timestamp) -> Digest {
        let mut inventory = Inventory::default();
        for (key, versions) in &self.versions {
            let then = versions.iter().rev().find(|(at, _)| *at <= moment);
            inventory.set(key, then.and_then(|(_, leaf)| *leaf));
        }
        inventory.root()
    }

    fn take(&mut self, part: Part) -> Option<Input> {
        let last = part.last;
        assert_eq!(last, part.current.is_some(), "the last part, and no other, has the checkpoint");
        self.parts.push(part);
        if !last {
            return None;
        }
        let parts = std::mem::take(&mut self.parts);
        let end = parts.last().unwrap();
        let (sequence, current) = (end.sequence, end.current.clone().unwrap());
        let mut keys: Vec<_> =
            parts.iter().flat_map(|p| &p.changes).map(|c| c.key.clone()).collect();
        let before = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), before, "a report has one state of an object");
        self.rows.retain(|key, _| !end.buckets.contains(&bucket_of(&key.hash())));
        for part in &parts {
            assert_eq!((part.sequence, &part.buckets), (sequence, &end.buckets));
            for change in &part.changes {
                if let Some(state) = &change.state {
                    let row = Row {
                        content: state.content.to_vec(),
                        origin: state.origin.to_vec(),
                        at: change.at,
                    };
                    self.rows.insert((*change.key).clone(), row);
                } else {
                    self.rows.remove(&change.key);
                    self.gone.insert((*change.key).clone(), change.at);
                }
            }
        }
        self.remember(&parts, &current);
        let inventory = self.inventory();
        if inventory.root() == current.root {
            Some(Input::Stored(sequence))
        } else {
            let buckets = Box::new(*inventory.buckets());
            Some(Input::Wanted { sequence, buckets })
        }
    }
}

/// All of it.
pub(super) struct World {
    pub(super) keeper: Keeper,
    pub(super) hub: Hub,
    pub(super) now: Timestamp,
    pub(super) up: bool,
    /// The hub stores, and its answers wait.
    pub(super) slow: bool,
    pub(super) answers: VecDeque<Input>,
    /// Everything that was sent.
    pub(super) sent: Vec<Part>,
    pub(super) wake: Option<Timestamp>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(super) fn with_limits(limits: Limits) -> Self {
        Self {
            keeper: keeper(limits),
            hub: Hub::default(),
            now: at(1000),
            up: false,
            slow: false,
            answers: VecDeque::new(),
            sent: Vec::new(),
            wake: None,
        }
    }

    /// Everything is listed and the hub has it.
    pub(super) fn started(sights: &[Sight]) -> Self {
        let mut world = Self::new();
        world.list_all(sights);
        world.connect();
        assert!(world.is_in_sync());
        world.sent.clear();
        world
    }

    /// The agent's process ended and begins again.
    pub(super) fn restart(&mut self) {
        self.keeper = keeper(Limits::default());
        self.up = false;
        self.answers.clear();
        self.hub.parts.clear();
        self.hub.floor = self.hub.claims.iter().map(|claim| claim.until).max();
        self.sent.clear();
    }

    pub(super) fn list_all(&mut self, sights: &[Sight]) {
        for kind in AccessKind::ALL {
            let of_kind = sights.iter().filter(|sight| sight.key.kind == kind).cloned().collect();
            self.input(Input::Listed(kind, of_kind));
        }
    }

    pub(super) fn connect(&mut self) {
        self.up = true;
        self.input(Input::Welcomed);
    }

    pub(super) fn disconnect(&mut self) {
        self.up = false;
        self.answers.clear();
        self.hub.parts.clear();
        self.input(Input::Disconnected);
    }

    pub(super) fn input(&mut self, input: Input) {
        self.feed(input);
        self.pump();
    }

    fn feed(&mut self, input: Input) {
        for effect in self.keeper.handle(input, self.now) {
            match effect {
                Effect::Wake(at) => self.wake = Some(at),
                Effect::Send(part) => {
                    assert!(self.up, "nothing is sent while the hub is away");
                    self.sent.push((*part).clone());
                    self.answers.extend(self.hub.take(*part));
                }
            }
        }
    }

    /// Sends what there is, and hears what comes.
    pub(super) fn pump(&mut self) {
        while self.up {
            if self.keeper.has_part() {
                self.feed(Input::Room);
            } else if self.slow {
                return;
            } else if let Some(answer) = self.answers.pop_front() {
                self.feed(answer);
            } else {
                return;
            }
        }
    }

    /// Time passes, with a tick at each moment that was asked for.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now.checked_add(span).unwrap();
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.wake = None;
            self.input(Input::Tick);
        }
        self.now = end;
    }

    pub(super) fn is_in_sync(&self) -> bool {
        self.hub.root() == self.keeper.held.root()
    }

    /// The last checkpoint of the present.
    pub(super) fn current(&self) -> Checkpoint {
        self.sent.iter().rev().find_map(|part| part.current.clone()).unwrap()
    }

    /// How many changes were sent, and how many buckets whole.
    pub(super) fn cost(&self) -> (usize, usize) {
        let changes = self.sent.iter().map(|part| part.changes.len()).sum();
        let last = self.sent.iter().filter(|part| part.last);
        (changes, last.map(|part| part.buckets.len()).sum())
    }
}

fn keeper(limits: Limits) -> Keeper {
    let cluster: ClusterId = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap();
    Keeper::with_limits(Digest::of(b"fleet"), cluster, limits)
}
