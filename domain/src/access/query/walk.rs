//! Over a cluster's roles, and the bindings of each that are in scope.

use std::ops::Range;

use crate::access::index::{Cluster, Index, Role, RoleContent, Within};
use crate::access::object::AccessKey;
use crate::access::request::Scope;
use crate::access::subject::Subject;
use crate::ids::ClusterId;

/// A cluster, and which of its bindings count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'i> {
    pub(super) index: &'i Index,
    pub(super) held: &'i Cluster,
    within: Within,
}

/// A role and the places of its bindings that count.
#[derive(Clone, Debug)]
pub(crate) struct Bound<'i> {
    pub(super) walk: Walk<'i>,
    role: &'i Role,
    /// `None` when there is no such role.
    pub(crate) content: Option<&'i RoleContent>,
    places: [Range<usize>; 2],
}

impl<'i> Walk<'i> {
    /// `None` when nothing is known of the cluster.
    pub(super) fn new(index: &'i Index, cluster: ClusterId, scope: &Scope) -> Option<Self> {
        Some(Self { index, held: index.cluster(cluster)?, within: index.within(scope) })
    }

    /// The roles that have bindings in scope and whose content is wanted, by its number.
    pub(super) fn roles(
        self,
        mut wanted: impl FnMut(u32) -> bool,
    ) -> impl Iterator<Item = Bound<'i>> {
        self.held.roles().filter_map(move |(role, places)| {
            if places.is_empty() || !wanted(role.content) {
                return None;
            }
            let places = self.held.places(places, self.within);
            let content = self.index.symbols().role(role.content);
            let some = places.iter().any(|places| !places.is_empty());
            some.then_some(Bound { walk: self, role, content, places })
        })
    }
}

impl<'i> Bound<'i> {
    /// The role's key, whether there is one or not.
    pub(crate) fn key(&self) -> AccessKey {
        self.walk.index.key_of_role((self.role.namespace, self.role.name))
    }

    /// The places of its bindings, with the number of each one's subjects.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, u32)> {
        self.places.iter().flat_map(|places| {
            places.clone().zip(self.walk.held.sets(places.clone()).iter().copied())
        })
    }

    /// The subjects with a number.
    pub(super) fn subjects(&self, set: u32) -> impl Iterator<Item = &'i Subject> + use<'i> {
        self.walk.index.symbols().subjects_of(set)
    }
}
