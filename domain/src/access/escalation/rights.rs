//! What somebody can do, of all that edges need.

use super::ability::Ability;
use super::place::Place;
use super::world::World;
use crate::access::subject::Identity;

/// Where a right comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Via {
    /// From a rule of the role of a binding, both by number.
    Binding { bound: u32, rule: u32 },
    /// From a rule of a role that a path has bound.
    Role { role: u32, place: Place, rule: u32 },
    /// From a role to which a path has added everything; or, in the whole cluster, from the group
    /// `system:masters`.
    Everything(Place),
}

/// A right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Right<'w> {
    pub(super) place: Place,
    /// Only on objects of these names; empty: on all.
    names: &'w [String],
    pub(super) via: Via,
}

impl<'w> Right<'w> {
    /// The names to which it is limited; `None` when it is to none.
    pub(super) const fn names(&self) -> Option<&'w [String]> {
        if self.names.is_empty() { None } else { Some(self.names) }
    }

    /// Whether it holds for an object.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.names().is_none_or(|names| names.iter().any(|held| held == name))
    }
}

/// All rights of somebody.
#[derive(Debug, Default)]
pub(super) struct Rights<'w> {
    held: Vec<(Ability, Right<'w>)>,
    /// The roles, each with where it is bound.
    pub(super) roles: Vec<(u32, Place)>,
    pub(super) is_master: bool,
}

impl<'w> Rights<'w> {
    pub(super) fn of(world: &'w World<'_>, identity: &Identity) -> Self {
        let mut out = Self { is_master: identity.is_master(), ..Self::default() };
        for (number, _) in world.bounds_of(identity) {
            let Some(bound) = world.bound(number) else { continue };
            let via = |rule| Via::Binding { bound: number, rule };
            out.add(world, bound.role, bound.place, via);
        }
        out.sorted()
    }

    /// Of whoever has this role there.
    pub(super) fn of_role(world: &'w World<'_>, role: u32, place: Place) -> Self {
        let mut out = Self::default();
        out.add(world, role, place, |rule| Via::Role { role, place, rule });
        out.sorted()
    }

    /// Everything, there.
    pub(super) fn everything(place: Place) -> Self {
        let right = Right { place, names: &[], via: Via::Everything(place) };
        let held = Ability::all().map(|ability| (ability, right)).collect();
        Self { held, roles: Vec::new(), is_master: false }.sorted()
    }

    fn add(&mut self, world: &'w World<'_>, number: u32, place: Place, via: impl Fn(u32) -> Via) {
        let Some(role) = world.role(number) else { return };
        for (ability, rule) in &role.abilities {
            let names =
                role.content.rules.get(*rule as usize).map(|rule| rule.resource_names.as_slice());
            let right = Right { place, names: names.unwrap_or_default(), via: via(*rule) };
            self.held.push((*ability, right));
        }
        self.roles.push((number, place));
    }

    fn sorted(mut self) -> Self {
        let key = |(ability, right): &(Ability, Right<'w>)| (*ability, right.names, right.place);
        self.held.sort_by(|one, other| key(one).cmp(&key(other)));
        self.held.dedup_by(|one, other| key(one) == key(other));
        self.roles.sort_unstable();
        self.roles.dedup();
        self
    }

    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The rights to an ability, the widest first.
    pub(super) fn to(&self, ability: Ability) -> impl Iterator<Item = Right<'w>> + Clone + '_ {
        let from = self.held.partition_point(|(held, _)| *held < ability);
        let rest = self.held.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(other, _)| *other == ability).map(|(_, right)| *right)
    }

    /// Those over the whole cluster.
    pub(super) fn wide(&self, ability: Ability) -> impl Iterator<Item = Right<'w>> + Clone + '_ {
        self.to(ability).filter(|right| right.place == Place::Cluster)
    }

    /// One over the whole cluster and every object.
    pub(super) fn whole(&self, ability: Ability) -> Option<Right<'w>> {
        self.wide(ability).find(|right| right.names().is_none())
    }
}
