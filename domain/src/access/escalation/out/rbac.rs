//! Changing RBAC itself.

use super::Out;
use crate::access::escalation::ability::Ability;
use crate::access::escalation::edge::Edge;
use crate::access::escalation::graph::{End, Key};
use crate::access::escalation::place::Place;
use crate::access::escalation::rights::Right;
use crate::access::object::{AccessKey, AccessKind};

impl Out<'_, '_, '_> {
    /// Roles that one can bind to oneself.
    pub(super) fn bind(&mut self) {
        let rights = self.rights;
        let create = rights.whole(Ability::CreateClusterRoleBindings);
        for bind in rights.wide(Ability::BindClusterRoles) {
            if create.is_some() {
                self.bind_any(bind, AccessKind::ClusterRole, Place::Cluster);
            } else {
                for change in rights.wide(Ability::ChangeClusterRoleBindings) {
                    self.bind_by_one_of(bind, AccessKind::ClusterRole, change, Place::Cluster);
                }
            }
        }
        for (ability, kind) in [
            (Ability::BindClusterRoles, AccessKind::ClusterRole),
            (Ability::BindRoles, AccessKind::Role),
        ] {
            for bind in rights.to(ability) {
                for create in rights.to(Ability::CreateRoleBindings) {
                    if let Some(place) = bind.place.meet(create.place) {
                        self.bind_any(bind, kind, in_namespaces(place));
                    }
                }
                for change in rights.to(Ability::ChangeRoleBindings) {
                    if let Some(place) = bind.place.meet(change.place) {
                        self.bind_by_one_of(bind, kind, change, in_namespaces(place));
                    }
                }
            }
        }
    }

    /// With a new binding.
    fn bind_any(&mut self, bind: Right<'_>, kind: AccessKind, place: Place) {
        let world = self.world;
        if let (None, AccessKind::ClusterRole, Some(most)) =
            (bind.names(), kind, world.cluster_admin)
        {
            return self.add(Edge::Bind, bind.via, Key::Role(most, place));
        }
        match (bind.names(), kind, place) {
            (Some(names), AccessKind::ClusterRole, _) => {
                for name in names {
                    let key = AccessKey::cluster(AccessKind::ClusterRole, name);
                    self.bind_role(bind, world.role_number(&key), place);
                }
            }
            (_, _, place) => {
                for (number, role) in (0..).zip(&world.roles) {
                    let own = (role.key.kind == AccessKind::Role)
                        .then(|| world.namespace_number(&role.key.namespace))
                        .flatten();
                    let there = own.is_none_or(|namespace| place.covers(namespace));
                    if role.key.kind == kind && there && bind.is_on(&role.key.name) {
                        let place = own.map_or(place, Place::Namespace);
                        self.bind_role(bind, Some(number), place);
                    }
                }
            }
        }
    }

    /// With a binding that is there.
    fn bind_by_one_of(
        &mut self,
        bind: Right<'_>,
        kind: AccessKind,
        change: Right<'_>,
        place: Place,
    ) {
        let world = self.world;
        let places = world.by_place.iter().filter(|(held, _)| match (place, held) {
            (Place::Cluster, held) => **held == Place::Cluster,
            (Place::EveryNamespace, held) => **held != Place::Cluster,
            (Place::Namespace(_), held) => **held == place,
        });
        for bound in places.flat_map(|(_, bounds)| bounds).filter_map(|at| world.bound(*at)) {
            let Some(role) = world.role(bound.role) else { continue };
            if role.key.kind == kind && change.is_on(&bound.key.name) && bind.is_on(&role.key.name)
            {
                self.bind_role(bind, Some(bound.role), bound.place);
            }
        }
    }

    fn bind_role(&mut self, bind: Right<'_>, role: Option<u32>, place: Place) {
        let Some(number) = role else { return };
        let gives = self.world.role(number).is_some_and(|role| !role.abilities.is_empty());
        if gives && !self.rights.roles.contains(&(number, place)) {
            self.add(Edge::Bind, bind.via, Key::Role(number, place));
        }
    }

    /// Roles that one has and can change.
    pub(super) fn escalate(&mut self) {
        let (world, rights) = (self.world, self.rights);
        for &(number, place) in &rights.roles {
            let Some(role) = world.role(number) else { continue };
            let (escalate, change, at) = if role.key.kind == AccessKind::ClusterRole {
                (Ability::EscalateClusterRoles, Ability::ChangeClusterRoles, Place::Cluster)
            } else {
                (Ability::EscalateRoles, Ability::ChangeRoles, place)
            };
            let on_it =
                |right: &Right<'_>| right.place.meet(at) == Some(at) && right.is_on(&role.key.name);
            let changes = rights.to(change).any(|right| on_it(&right));
            if let Some(right) = rights.to(escalate).find(|right| changes && on_it(right)) {
                let to = match place {
                    Place::Cluster => Key::End(End::ClusterAdmin),
                    Place::EveryNamespace | Place::Namespace(_) => Key::Everything(place),
                };
                self.add(Edge::Escalate, right.via, to);
            }
        }
    }
}

/// Where a role binding can be made.
const fn in_namespaces(place: Place) -> Place {
    match place {
        Place::Cluster | Place::EveryNamespace => Place::EveryNamespace,
        Place::Namespace(_) => place,
    }
}
