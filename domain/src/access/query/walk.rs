//! Over the bindings of a cluster that are in scope, those of one namespace to one role together.

use std::ops::Range;

use crate::access::index::{Cluster, Index, NOWHERE, Role, RoleContent, Within};
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

/// A role, and the bindings of one namespace that name it.
#[derive(Clone, Debug)]
pub(crate) struct Bound<'i> {
    pub(super) walk: Walk<'i>,
    role: &'i Role,
    /// `None` when there is no such role.
    pub(crate) content: Option<&'i RoleContent>,
    namespace: u32,
    places: Range<usize>,
}

impl<'i> Walk<'i> {
    /// `None` when nothing is known of the cluster.
    pub(super) fn new(index: &'i Index, cluster: ClusterId, scope: &Scope) -> Option<Self> {
        Some(Self { index, held: index.cluster(cluster)?, within: index.within(scope) })
    }

    /// The roles that bindings in scope name and whose content is wanted, by its number, with what it is
    /// wanted for.
    pub(super) fn roles<W>(
        self,
        mut wanted: impl FnMut(u32) -> Option<W>,
    ) -> impl Iterator<Item = (Bound<'i>, W)> {
        let spaces = self.held.spaces(self.within);
        let runs = spaces.flat_map(move |(namespace, places)| {
            self.held.by_role(places).map(move |(role, places)| (namespace, role, places))
        });
        runs.filter_map(move |(namespace, role, places)| {
            let wanted = wanted(role.content)?;
            let content = self.index.symbols().role(role.content);
            Some((Bound { walk: self, role, content, namespace, places }, wanted))
        })
    }
}

impl<'i> Bound<'i> {
    /// The role's key, whether there is one or not.
    pub(crate) fn key(&self) -> AccessKey {
        self.walk.index.key_of_role((self.role.namespace, self.role.name))
    }

    /// The key of the binding at a place.
    pub(super) fn binding(&self, place: usize) -> Option<AccessKey> {
        let (name, _) = self.walk.held.bindings.get(place)?;
        Some(self.walk.index.key_of_binding((self.namespace, name)))
    }

    /// The namespace of the bindings; `None` for cluster role bindings.
    pub(super) fn namespace(&self) -> Option<&'i str> {
        (self.namespace != NOWHERE).then(|| self.walk.index.symbols().text(self.namespace))
    }

    /// The places of the bindings, with the number of each one's subjects.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, u32)> {
        let sets = self.walk.held.bindings.sets(self.places.clone());
        self.places.clone().zip(sets.iter().copied())
    }

    /// The subjects with a number.
    pub(super) fn subjects(&self, set: u32) -> impl Iterator<Item = &'i Subject> + use<'i> {
        self.walk.index.symbols().subjects_of(set)
    }
}
