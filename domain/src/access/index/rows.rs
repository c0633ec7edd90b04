//! What a cluster's tables hold, in numbers of symbols.

use super::interner::NONE;
use super::symbols::Symbols;
use super::table::Row;
use crate::access::object::AccessKind;

/// A role that there is. Its namespace is `NOWHERE` for a cluster role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleRow {
    pub(crate) namespace: u32,
    pub(crate) name: u32,
    pub(crate) content: u32,
}

/// A binding to a role, whether there is such a role or not. `NOWHERE` for a cluster role binding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BindingRow {
    /// Namespace and name, as of [`RoleRow`].
    pub(crate) role: (u32, u32),
    pub(crate) namespace: u32,
    pub(crate) name: u32,
    pub(crate) set: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct NamespaceRow {
    pub(crate) name: u32,
    pub(crate) labels: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountRow {
    pub(crate) namespace: u32,
    pub(crate) name: u32,
    pub(crate) token_secret: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkloadRow {
    pub(crate) kind: AccessKind,
    pub(crate) namespace: u32,
    pub(crate) name: u32,
    pub(crate) account: u32,
}

impl Row for RoleRow {
    type Key = (u32, u32);

    fn key(&self) -> Self::Key {
        (self.namespace, self.name)
    }

    fn release(self, symbols: &mut Symbols) {
        if self.content != NONE {
            release_texts(symbols, [self.namespace, self.name]);
            symbols.release_role(self.content);
        }
    }
}

impl Row for BindingRow {
    type Key = (u32, u32);

    fn key(&self) -> Self::Key {
        (self.namespace, self.name)
    }

    fn release(self, symbols: &mut Symbols) {
        let (role_namespace, role_name) = self.role;
        release_texts(symbols, [role_namespace, role_name, self.namespace, self.name]);
        symbols.release_set(self.set);
    }
}

impl Row for NamespaceRow {
    type Key = u32;

    fn key(&self) -> Self::Key {
        self.name
    }

    fn release(self, symbols: &mut Symbols) {
        symbols.release_text(self.name);
        symbols.release_labels(self.labels);
    }
}

impl Row for AccountRow {
    type Key = (u32, u32);

    fn key(&self) -> Self::Key {
        (self.namespace, self.name)
    }

    fn release(self, symbols: &mut Symbols) {
        release_texts(symbols, [self.namespace, self.name]);
    }
}

impl Row for WorkloadRow {
    type Key = (AccessKind, u32, u32);

    fn key(&self) -> Self::Key {
        (self.kind, self.namespace, self.name)
    }

    fn release(self, symbols: &mut Symbols) {
        release_texts(symbols, [self.namespace, self.name, self.account]);
    }
}

fn release_texts<const N: usize>(symbols: &mut Symbols, texts: [u32; N]) {
    for text in texts {
        symbols.release_text(text);
    }
}
