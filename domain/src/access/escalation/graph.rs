//! Who can become whom: somebody is a node, what is reached is a node, and so is each set of service
//! accounts, users or groups that an edge leads to as a whole, which keeps edges few.

use std::collections::BTreeMap;

use super::edge::Edge;
use super::out;
use super::place::Place;
use super::rights::{Rights, Via};
use super::world::{Account, World};
use crate::access::directory::Directory;
use crate::access::subject::{Identity, MASTERS, Subject};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    ClusterAdmin,
    Node,
    AllSecrets,
    /// Of the namespace with this number.
    Secrets(u32),
}

/// Which service accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Accounts {
    /// That exist.
    Existing,
    /// As which a workload runs.
    Running,
    /// With a token Secret.
    WithSecret,
    /// That exist or that a binding names.
    Known,
}

impl Accounts {
    /// Whether an account is one of them.
    pub(super) const fn has(self, account: &Account) -> bool {
        match self {
            Self::Existing => account.exists,
            Self::Running => account.runs,
            Self::WithSecret => account.token_secret,
            Self::Known => true,
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Somebody, with all groups.
    Subject(Subject),
    /// A user who is impersonated, without groups of a directory.
    Bare(String),
    /// Whoever came from has this role there, too.
    Role(u32, Place),
    /// Whoever came from has everything there, too.
    Everything(Place),
    /// Of a namespace, or of all.
    Accounts(Accounts, Option<u32>),
    /// All users whom a binding names, as [`Key::Bare`].
    Users,
    /// All groups that a binding names, with or without `system:masters`.
    Groups { masters: bool },
    /// Whoever a certificate can be for.
    Anybody,
    /// Root on any node.
    AnyNode,
    /// The end of a path.
    End(End),
}

/// From a node to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    pub(super) to: u32,
    /// `None` between a set and its members.
    pub(super) step: Option<(Edge, Via)>,
}

/// All nodes that somebody can come to.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) keys: Vec<Key>,
    numbers: BTreeMap<Key, u32>,
    pub(super) hops: Vec<Vec<Hop>>,
}

impl Graph {
    /// From these subjects.
    pub(super) fn grow<'s>(
        world: &World<'_>,
        subjects: impl IntoIterator<Item = &'s Subject>,
    ) -> Self {
        let mut graph = Self::default();
        for subject in subjects {
            graph.number(Key::Subject(subject.clone()));
        }
        while let Some(key) = graph.keys.get(graph.hops.len()).cloned() {
            let mut hops = graph.from(world, &key);
            hops.sort_by_key(|hop| (hop.to, hop.step));
            hops.dedup_by_key(|hop| (hop.to, hop.step.map(|(edge, _)| edge)));
            graph.hops.push(hops);
        }
        graph
    }

    /// The node's number; a new one when it is new.
    pub(super) fn number(&mut self, key: Key) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.keys.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    fn from(&mut self, world: &World<'_>, key: &Key) -> Vec<Hop> {
        let rights = match key {
            Key::Subject(subject) => Rights::of(world, &Identity::of(subject, world.directory)),
            Key::Bare(name) => Rights::of(world, &bare(name)),
            Key::Role(role, place) => Rights::of_role(world, *role, *place),
            Key::Everything(place) => Rights::everything(*place),
            Key::Accounts(..)
            | Key::Users
            | Key::Groups { .. }
            | Key::Anybody
            | Key::AnyNode
            | Key::End(_) => return self.members(world, key),
        };
        out::of(world, self, &rights)
    }

    fn members(&mut self, world: &World<'_>, key: &Key) -> Vec<Hop> {
        let groups = |masters: bool| {
            let named = world
                .by_subject
                .keys()
                .filter(|subject| matches!(subject, Subject::Group(name) if name != MASTERS));
            let masters = masters.then(|| Subject::Group(MASTERS.to_owned()));
            named.cloned().chain(masters).map(Key::Subject).collect()
        };
        let members: Vec<Key> = match key {
            Key::Accounts(set, Some(namespace)) => accounts(world, *set, *namespace),
            Key::Accounts(set, None) => {
                let numbers = (0..).zip(&world.namespaces).map(|(number, _)| number);
                let held = numbers.filter(|number| world.accounts_of(*number).next().is_some());
                held.map(|number| Key::Accounts(*set, Some(number))).collect()
            }
            Key::Users => {
                let users = world.by_subject.keys().filter_map(|subject| match subject {
                    Subject::User(name) => Some(Key::Bare(name.clone())),
                    Subject::Group(_) | Subject::ServiceAccount { .. } => None,
                });
                users.collect()
            }
            Key::Groups { masters } => groups(*masters),
            Key::Anybody => {
                let accounts = Key::Accounts(Accounts::Known, None);
                vec![Key::Users, Key::Groups { masters: false }, accounts]
            }
            Key::AnyNode => vec![Key::End(End::Node)],
            Key::End(End::ClusterAdmin) => vec![Key::AnyNode, Key::End(End::AllSecrets)],
            Key::End(End::Node | End::AllSecrets | End::Secrets(_))
            | Key::Subject(_)
            | Key::Bare(_)
            | Key::Role(..)
            | Key::Everything(_) => Vec::new(),
        };
        let mut hops: Vec<Hop> =
            members.into_iter().map(|key| Hop { to: self.number(key), step: None }).collect();
        if *key == Key::AnyNode {
            let to = self.number(Key::Accounts(Accounts::Running, None));
            hops.push(Hop { to, step: Some((Edge::NodePods, Via::Everything(Place::Cluster))) });
        }
        hops
    }
}

/// Who a user is when impersonated.
pub(super) fn bare(name: &str) -> Identity {
    Identity::of(&Subject::User(name.to_owned()), &Directory::default())
}

/// The accounts of a namespace that a binding names, and one other: the others have what it has.
fn accounts(world: &World<'_>, set: Accounts, namespace: u32) -> Vec<Key> {
    let mut others = 0;
    let members = world.accounts_of(namespace).filter(|(_, account)| set.has(account));
    let chosen = members.filter(|(_, account)| {
        others += usize::from(!account.named);
        account.named || others == 1
    });
    chosen.map(|(name, _)| account(world, namespace, name)).collect()
}

/// A service account's node.
pub(super) fn account(world: &World<'_>, namespace: u32, name: &str) -> Key {
    Key::Subject(Subject::service_account(world.namespace(namespace), name))
}
