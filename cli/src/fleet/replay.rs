//! The history, statement by statement: each is checked on the fleet before it, with its signatures,
//! and only then believed.

use hanse_domain::authorise::{Refused, authorise};
use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::Fleet;
use hanse_domain::history::merkle::Frontier;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::Digest;
use hanse_domain::trust::root::KeyName;
use hanse_domain::trust::walk::{self, RootRefusal};
use hanse_proto::admin::CommittedStatement;

/// A fleet that was verified up to its newest statement.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) fleet: Fleet,
    /// The tree over all statements.
    pub(super) log: Frontier,
    /// Bytes of the newest one; empty before the first.
    pub(super) newest: Vec<u8>,
}

/// Why a statement is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unbelievable {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Replay {
    /// Begins with the first trust root, if it is the one that is pinned.
    pub(crate) fn begin(pin: Digest, root: &[u8]) -> Result<Self, RootRefusal> {
        let fleet = Fleet::new(walk::begin(pin, root)?);
        Ok(Self { fleet, log: Frontier::default(), newest: Vec::new() })
    }

    /// Checks the next statement, and moves on.
    pub(super) fn take(&mut self, next: &CommittedStatement) -> Result<(), Unbelievable> {
        self.take_seen(next, |_, _, _| {})
    }

    /// The same; what is believed is shown first, with the fleet before it and who signed it.
    pub(crate) fn take_seen(
        &mut self,
        next: &CommittedStatement,
        see: impl FnOnce(&Fleet, &Change, &[KeyName]),
    ) -> Result<(), Unbelievable> {
        let contents: Vec<Vec<u8>> = next.contents.iter().map(|content| content.to_vec()).collect();
        let change = Change::check(&self.fleet, &next.statement, &next.changes, &contents)?;
        let signers = authorise(&self.fleet, &change, &next.signatures)?;
        see(&self.fleet, &change, &signers);
        self.log.push(Statement::leaf_hash(&change.bytes));
        self.fleet = change.fleet;
        self.fleet.history = self.log.root();
        self.newest = change.bytes;
        Ok(())
    }

    pub(crate) const fn number(&self) -> u64 {
        self.fleet.number.0
    }
}
