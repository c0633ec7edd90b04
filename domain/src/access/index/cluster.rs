//! One cluster: 12 bytes a binding in three columns, and 16 bytes for each role that there is or that
//! a binding names.
//!
//! ```text
//! roles     (namespace, name) content  bindings          bindings   namespace  set  name
//!           (–, edit)         41       2       ────────→            –          7    ops
//!           (–, view)         42       1       ────┐                ci         9    devs
//!           (ci, deploy)      none     1       ──┐ └─────→          ci         9    readers
//!                                                └───────→          ci         3    robot
//! ```
//!
//! Bindings are in the order of their roles, then of their own namespaces and names. So a question goes
//! over the roles once, leaves out those that do not answer, and finds the bindings of a namespace by
//! halving.

use std::ops::Range;

use super::changes::Changes;
use super::interner::NONE;
use super::rows::{AccountRow, BindingRow, NamespaceRow, RoleRow, WorkloadRow};
use super::symbols::{NOWHERE, Symbols};
use super::table::{Change, FEW, Row as _, Table, insert, merge};

/// A role and how many bindings it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) namespace: u32,
    pub(crate) name: u32,
    /// `NONE` while bindings wait for it.
    pub(crate) content: u32,
    bindings: u32,
}

/// A binding as it is kept; its role is known from where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    pub(crate) namespace: u32,
    pub(crate) name: u32,
    pub(crate) set: u32,
}

/// Which bindings count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Within {
    /// Cluster role bindings.
    Cluster,
    /// These, and the role bindings of a namespace that is not `NOWHERE`.
    Namespace(u32),
    /// All.
    Everywhere,
}

/// The access of one cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    roles: Vec<Role>,
    bindings: Columns,
    pub(crate) namespaces: Table<NamespaceRow>,
    pub(crate) accounts: Table<AccountRow>,
    pub(crate) workloads: Table<WorkloadRow>,
}

impl Cluster {
    /// Makes changes.
    pub(crate) fn change(&mut self, symbols: &mut Symbols, changes: Changes) {
        let Changes { roles, bindings, namespaces, accounts, workloads } = changes;
        self.namespaces.change(symbols, namespaces);
        self.accounts.change(symbols, accounts);
        self.workloads.change(symbols, workloads);
        if roles.len() + bindings.len() > FEW {
            return self.rebuild(symbols, roles, bindings);
        }
        for (key, role) in roles {
            self.set_role(symbols, key, role);
        }
        for (key, binding) in bindings {
            self.set_binding(symbols, key, binding);
        }
    }

    /// Gives every symbol back.
    pub(crate) fn release(self, symbols: &mut Symbols) {
        let (roles, bindings) = self.parts();
        let Self { namespaces, accounts, workloads, .. } = self;
        for row in roles {
            row.release(symbols);
        }
        for row in bindings {
            row.release(symbols);
        }
        namespaces.release(symbols);
        accounts.release(symbols);
        workloads.release(symbols);
    }

    /// All roles that there are or that bindings name, each with the places of its bindings.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&Role, Range<usize>)> {
        let mut end = 0;
        self.roles.iter().map(move |role| {
            let start = end;
            end += role.bindings as usize;
            (role, start..end)
        })
    }

    /// The role with a namespace and a name, if there is one.
    pub(crate) fn role(&self, namespace: u32, name: u32) -> Option<&Role> {
        self.roles.get(self.position_of_role((namespace, name)).ok()?)
    }

    /// Which of the places of a role's bindings count: of all, then of a namespace.
    pub(crate) fn places(&self, places: Range<usize>, within: Within) -> [Range<usize>; 2] {
        let none = places.end..places.end;
        let namespaces = self.bindings.namespaces.get(places.clone()).unwrap_or_default();
        let (start, wide) = (places.start, end_of(namespaces, NOWHERE));
        match within {
            Within::Everywhere => [places, none],
            Within::Cluster => [start..start + wide, none],
            Within::Namespace(namespace) => {
                let begin = namespaces.partition_point(|&held| held < namespace);
                let rest = namespaces.get(begin..).unwrap_or_default();
                let begin = start + begin;
                [start..start + wide, begin..begin + end_of(rest, namespace)]
            }
        }
    }

    /// The binding at a place.
    pub(crate) fn binding(&self, place: usize) -> Option<Binding> {
        self.bindings.get(place)
    }

    /// The sets of subjects at some places.
    pub(crate) fn sets(&self, places: Range<usize>) -> &[u32] {
        self.bindings.sets.get(places).unwrap_or_default()
    }

    /// How many bindings there are.
    pub(crate) const fn bindings_len(&self) -> usize {
        self.bindings.sets.len()
    }

    /// Bytes of memory of bindings, of roles, and of everything else.
    pub(crate) fn bytes(&self) -> [usize; 3] {
        let rest = self.namespaces.bytes() + self.accounts.bytes() + self.workloads.bytes();
        let roles = self.roles.capacity() * size_of::<Role>();
        [self.bindings.bytes(), roles, rest + size_of::<Self>()]
    }

    fn position_of_role(&self, key: (u32, u32)) -> Result<usize, usize> {
        self.roles.binary_search_by_key(&key, |role| (role.namespace, role.name))
    }

    fn set_role(&mut self, symbols: &mut Symbols, key: (u32, u32), row: Option<RoleRow>) {
        let (namespace, name) = key;
        let content = row.map_or(NONE, |row| row.content);
        match self.position_of_role(key) {
            Ok(at) => {
                if let Some(role) = self.roles.get_mut(at) {
                    RoleRow { namespace, name, content: role.content }.release(symbols);
                    role.content = content;
                }
                self.drop_role_if_unused(at);
            }
            Err(at) if content != NONE => {
                insert(&mut self.roles, at, Role { namespace, name, content, bindings: 0 });
            }
            Err(_) => {}
        }
    }

    fn set_binding(&mut self, symbols: &mut Symbols, key: (u32, u32), row: Option<BindingRow>) {
        if let Some(place) = self.bindings.position(key) {
            self.remove_binding(place, symbols);
        }
        if let Some(row) = row {
            self.insert_binding(row);
        }
    }

    fn insert_binding(&mut self, row: BindingRow) {
        let (namespace, name) = row.role;
        let at = self.position_of_role(row.role).unwrap_or_else(|at| {
            insert(&mut self.roles, at, Role { namespace, name, content: NONE, bindings: 0 });
            at
        });
        let start = self.roles.iter().take(at).map(|role| role.bindings as usize).sum();
        let Some(role) = self.roles.get_mut(at) else { return };
        let end = start + role.bindings as usize;
        role.bindings += 1;
        self.bindings.insert(start..end, row);
    }

    fn remove_binding(&mut self, place: usize, symbols: &mut Symbols) {
        let holds = |(at, (_, places)): (usize, (&Role, Range<usize>))| {
            places.contains(&place).then_some(at)
        };
        let Some(at) = self.roles().enumerate().find_map(holds) else { return };
        let Some(role) = self.roles.get_mut(at) else { return };
        role.bindings = role.bindings.saturating_sub(1);
        let role = (role.namespace, role.name);
        if let Some(Binding { namespace, name, set }) = self.bindings.remove(place) {
            BindingRow { role, namespace, name, set }.release(symbols);
        }
        self.drop_role_if_unused(at);
    }

    fn drop_role_if_unused(&mut self, at: usize) {
        if self.roles.get(at).is_some_and(|role| role.content == NONE && role.bindings == 0) {
            self.roles.remove(at);
        }
    }

    /// Many changes: everything is taken apart, and put in order again.
    fn rebuild(
        &mut self,
        symbols: &mut Symbols,
        role_changes: Vec<Change<RoleRow>>,
        binding_changes: Vec<Change<BindingRow>>,
    ) {
        let (roles, bindings) = self.parts();
        let mut roles = merge(roles, role_changes, symbols);
        let mut bindings = merge(bindings, binding_changes, symbols);
        roles.sort_unstable_by_key(RoleRow::key);
        bindings.sort_unstable_by_key(|row| (row.role, row.key()));
        self.bindings = Columns::of(&bindings);
        self.roles = Vec::new();
        let mut roles = roles.into_iter().peekable();
        let role = |row: RoleRow| Role {
            namespace: row.namespace,
            name: row.name,
            content: row.content,
            bindings: 0,
        };
        for bound in bindings.chunk_by(|one, other| one.role == other.role) {
            let Some(key) = bound.first().map(|row| row.role) else { continue };
            while let Some(unbound) = roles.next_if(|row| row.key() < key) {
                self.roles.push(role(unbound));
            }
            let waiting = RoleRow { namespace: key.0, name: key.1, content: NONE };
            let row = roles.next_if(|row| row.key() == key).unwrap_or(waiting);
            let bindings = u32::try_from(bound.len()).unwrap_or(u32::MAX);
            self.roles.push(Role { bindings, ..role(row) });
        }
        self.roles.extend(roles.map(role));
        self.roles.shrink_to_fit();
    }

    fn parts(&self) -> (Vec<RoleRow>, Vec<BindingRow>) {
        let mut bindings = Vec::with_capacity(self.bindings_len());
        for (role, places) in self.roles() {
            for Binding { namespace, name, set } in places.filter_map(|at| self.binding(at)) {
                let role = (role.namespace, role.name);
                bindings.push(BindingRow { role, namespace, name, set });
            }
        }
        let roles = self.roles.iter().filter(|role| role.content != NONE);
        let roles = roles.map(|&Role { namespace, name, content, .. }| RoleRow {
            namespace,
            name,
            content,
        });
        (roles.collect(), bindings)
    }
}

/// Of namespaces in order: up to where the smallest is this one.
fn end_of(namespaces: &[u32], namespace: u32) -> usize {
    if namespaces.first() == Some(&namespace) {
        namespaces.partition_point(|&held| held == namespace)
    } else {
        0
    }
}

/// All bindings, in columns of the same length.
#[derive(Clone, Debug, Default)]
struct Columns {
    namespaces: Vec<u32>,
    names: Vec<u32>,
    sets: Vec<u32>,
}

impl Columns {
    fn of(rows: &[BindingRow]) -> Self {
        Self {
            namespaces: rows.iter().map(|row| row.namespace).collect(),
            names: rows.iter().map(|row| row.name).collect(),
            sets: rows.iter().map(|row| row.set).collect(),
        }
    }

    fn get(&self, place: usize) -> Option<Binding> {
        let namespace = *self.namespaces.get(place)?;
        Some(Binding { namespace, name: *self.names.get(place)?, set: *self.sets.get(place)? })
    }

    /// Where the binding with a namespace and a name is. Its role is not known, so all are looked at.
    fn position(&self, (namespace, name): (u32, u32)) -> Option<usize> {
        let mut both = self.names.iter().zip(&self.namespaces);
        both.position(|(&held, &within)| held == name && within == namespace)
    }

    /// Puts a binding among those of its role.
    fn insert(&mut self, places: Range<usize>, row: BindingRow) {
        let namespaces = self.namespaces.get(places.clone()).unwrap_or_default();
        let start = places.start + namespaces.partition_point(|&held| held < row.namespace);
        let end = places.start + namespaces.partition_point(|&held| held <= row.namespace);
        let names = self.names.get(start..end).unwrap_or_default();
        let place = start + names.partition_point(|&held| held < row.name);
        insert(&mut self.namespaces, place, row.namespace);
        insert(&mut self.names, place, row.name);
        insert(&mut self.sets, place, row.set);
    }

    fn remove(&mut self, place: usize) -> Option<Binding> {
        let held = self.get(place)?;
        self.namespaces.remove(place);
        self.names.remove(place);
        self.sets.remove(place);
        Some(held)
    }

    fn bytes(&self) -> usize {
        let Self { namespaces, names, sets } = self;
        [namespaces, names, sets].map(|column| column.capacity() * size_of::<u32>()).iter().sum()
    }
}
