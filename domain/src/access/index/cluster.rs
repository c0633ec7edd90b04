//! One cluster: 12 bytes a binding in three columns, 16 bytes for each role that there is or that a
//! binding names, and 8 for each namespace with bindings.
//!
//! ```text
//! spaces    namespace  end          bindings   role  name     set        roles  namespace  name    content
//!           –          1      ────→ 0          1     ops      7          0      –          edit    41
//!           ci         4      ──┬─→ 1          1     devs     9          1      –          view    42
//!                               ├─→ 2          1     readers  9          2      ci         deploy  none
//!                               └─→ 3          2     robot    3
//! ```
//!
//! Bindings are in the order of their namespaces, then of their roles and names. So a question about a
//! namespace finds its bindings, and those of the whole cluster, side by side, and looks at each of
//! their roles once.

use std::ops::Range;

use super::changes::Changes;
use super::columns::Columns;
use super::interner::NONE;
use super::rows::{AccountRow, BindingRow, NamespaceRow, RoleRow, WorkloadRow};
use super::symbols::{NOWHERE, Symbols};
use super::table::{Change, FEW, Row as _, Table, insert, merge};

/// A role that there is, or that a binding names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) namespace: u32,
    pub(crate) name: u32,
    /// `NONE` while bindings wait for it.
    pub(crate) content: u32,
    /// How many name it.
    bindings: u32,
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
    pub(crate) bindings: Columns,
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

    /// All roles that there are or that bindings name, cluster roles first.
    pub(crate) fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The role with a namespace and a name, if it is among them.
    pub(crate) fn role(&self, namespace: u32, name: u32) -> Option<&Role> {
        self.roles.get(self.position_of_role((namespace, name)).ok()?)
    }

    /// The namespaces whose bindings count, with the places of these.
    pub(crate) fn spaces(&self, within: Within) -> impl Iterator<Item = (u32, Range<usize>)> {
        let bindings = &self.bindings;
        let (all, own) = match within {
            Within::Everywhere => (Some(bindings.spaces()), None),
            Within::Cluster => (None, None),
            Within::Namespace(namespace) => (None, Some(namespace)),
        };
        let wide = all.is_none().then_some(NOWHERE);
        let some = wide.into_iter().chain(own).map(|namespace| (namespace, bindings.of(namespace)));
        all.into_iter().flatten().chain(some)
    }

    /// The places among some of one namespace, by role.
    pub(crate) fn by_role(
        &self,
        places: Range<usize>,
    ) -> impl Iterator<Item = (&Role, Range<usize>)> {
        let mut end = places.start;
        let roles = self.bindings.roles(places);
        roles.chunk_by(|one, other| one == other).filter_map(move |run| {
            let start = end;
            end += run.len();
            Some((self.roles.get(*run.first()? as usize)?, start..end))
        })
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
                self.insert_role(at, Role { namespace, name, content, bindings: 0 });
            }
            Err(_) => {}
        }
    }

    fn set_binding(&mut self, symbols: &mut Symbols, key: (u32, u32), row: Option<BindingRow>) {
        if let Some((role, set)) = self.bindings.remove(key) {
            let place = role as usize;
            if let Some(role) = self.roles.get_mut(place) {
                role.bindings = role.bindings.saturating_sub(1);
                let (namespace, name) = key;
                let role = (role.namespace, role.name);
                BindingRow { role, namespace, name, set }.release(symbols);
            }
            self.drop_role_if_unused(place);
        }
        let Some(row) = row else { return };
        let (namespace, name) = row.role;
        let place = self.position_of_role(row.role).unwrap_or_else(|at| {
            self.insert_role(at, Role { namespace, name, content: NONE, bindings: 0 });
            at
        });
        if let Some(role) = self.roles.get_mut(place) {
            role.bindings += 1;
        }
        self.bindings.insert(number(place), row);
    }

    fn insert_role(&mut self, at: usize, role: Role) {
        insert(&mut self.roles, at, role);
        self.bindings.move_roles(number(at), 1);
    }

    fn drop_role_if_unused(&mut self, at: usize) {
        if self.roles.get(at).is_some_and(|role| role.content == NONE && role.bindings == 0) {
            self.roles.remove(at);
            self.bindings.move_roles(number(at), -1);
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
        let roles = merge(roles, role_changes, symbols);
        let mut bindings = merge(bindings, binding_changes, symbols);
        let there = roles.into_iter().map(|RoleRow { namespace, name, content }| Role {
            namespace,
            name,
            content,
            bindings: 0,
        });
        let named = bindings.chunk_by(|one, other| one.role == other.role).filter_map(|run| {
            let ((namespace, name), bindings) = (run.first()?.role, number(run.len()));
            Some(Role { namespace, name, content: NONE, bindings })
        });
        self.roles = there.chain(named).collect();
        self.roles.sort_unstable_by_key(|role| (role.namespace, role.name));
        self.roles.dedup_by(|role, kept| {
            let same = (role.namespace, role.name) == (kept.namespace, kept.name);
            if same {
                kept.content = kept.content.min(role.content);
                kept.bindings += role.bindings;
            }
            same
        });
        self.roles.shrink_to_fit();
        bindings.sort_unstable_by_key(|row| (row.namespace, row.role, row.name));
        let place = |row: &BindingRow| self.position_of_role(row.role).map_or(NONE, number);
        self.bindings = Columns::from_rows(&bindings, place);
    }

    fn parts(&self) -> (Vec<RoleRow>, Vec<BindingRow>) {
        let roles = self.roles.iter().filter(|role| role.content != NONE);
        let roles = roles.map(|&Role { namespace, name, content, .. }| RoleRow {
            namespace,
            name,
            content,
        });
        let mut bindings = Vec::with_capacity(self.bindings.len());
        for (namespace, places) in self.bindings.spaces() {
            for (role, places) in self.by_role(places) {
                let role = (role.namespace, role.name);
                let held = places.filter_map(|place| self.bindings.get(place));
                bindings.extend(held.map(|(name, set)| BindingRow { role, namespace, name, set }));
            }
        }
        (roles.collect(), bindings)
    }
}

/// Of a place or a count: no cluster has four thousand million objects.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NONE)
}
