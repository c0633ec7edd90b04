//! From a subject that a binding names to those whom it reaches.

use std::ops::ControlFlow;

use crate::access::directory::Directory;
use crate::access::index::{Cluster, Index};
use crate::access::subject::{
    ANONYMOUS, SERVICE_ACCOUNTS, Subject, SubjectRef, namespace_of_group,
};

/// What is known of the members of groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Members<'m> {
    pub(super) index: &'m Index,
    pub(super) held: Option<&'m Cluster>,
    pub(super) directory: &'m Directory,
}

impl Members<'_> {
    /// Visits the members of a group that are known: none of `system:authenticated`, since directories
    /// do not say who is in it.
    pub(super) fn each(
        &self,
        group: &str,
        visit: &mut dyn FnMut(SubjectRef<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for user in self.directory.members_of(group).into_iter().flatten() {
            // What a directory says of service accounts and of nobody does not reach the API server.
            match SubjectRef::of_username(user) {
                SubjectRef::User(name) if name != ANONYMOUS => visit(SubjectRef::User(name))?,
                SubjectRef::User(_) | SubjectRef::Group(_) | SubjectRef::ServiceAccount { .. } => {}
            }
        }
        let Some(held) = self.held else { return ControlFlow::Continue(()) };
        let rows = held.accounts.rows();
        let rows = if group == SERVICE_ACCOUNTS {
            rows
        } else {
            let named = namespace_of_group(group);
            match named.and_then(|namespace| self.index.symbols().find_text(namespace)) {
                None => return ControlFlow::Continue(()),
                Some(namespace) => {
                    let start = rows.partition_point(|row| row.namespace < namespace);
                    let end = rows.partition_point(|row| row.namespace <= namespace);
                    rows.get(start..end).unwrap_or_default()
                }
            }
        };
        for row in rows {
            let account = self.index.account(row);
            if let Some(account) = SubjectRef::service_account(account.namespace, account.name) {
                visit(account)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The group that a subject is.
pub(super) const fn group_of(subject: &Subject) -> Option<&String> {
    match subject {
        Subject::Group(group) => Some(group),
        Subject::User(_) | Subject::ServiceAccount { .. } => None,
    }
}
