//! The fleet's history: as the stolen database has it, or as the thief would have it. What follows on
//! it can be bent at will before it is signed, and is proven as well as it can be.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use hanse_control_plane::store::Store;
use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::Changes;
use hanse_domain::history::manifest::{Manifest, fleet_leaf};
use hanse_domain::history::merkle::Tree;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_signing::Key;
use jiff::Timestamp;

/// Statements up to one, with all that they brought.
#[derive(Clone, Debug)]
pub struct Past {
    /// The fleet after the newest statement.
    pub fleet: Fleet,
    pub(super) said: Vec<Said>,
    pub(super) log: Tree,
    pub(super) contents: BTreeMap<Digest, Vec<u8>>,
}

/// One statement.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) bytes: Vec<u8>,
    pub(super) signatures: Vec<u8>,
    pub(super) changes: Changes,
    /// What every cluster must hold right after it.
    pub(super) manifests: BTreeMap<ClusterId, Manifest>,
    fleet: Fleet,
}

/// A statement that nobody has signed yet. Its digests are made when it is.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it says.
    pub statement: Statement,
    /// What it lists.
    pub changes: Changes,
    /// What it has every cluster hold.
    pub manifests: BTreeMap<ClusterId, Manifest>,
    /// What it brings.
    pub contents: Vec<Vec<u8>>,
    fleet: Fleet,
}

impl Past {
    /// Everything in a database.
    pub async fn read(store: &Store) -> Result<Self> {
        let fleet = store.fleet().await?.context("there is no fleet in the database")?;
        let root = TrustRoot::decode(&fleet.trust_root)?;
        let mut past = Self {
            fleet: Fleet::new(RootChain::begin(root)?),
            said: Vec::new(),
            log: Tree::default(),
            contents: BTreeMap::new(),
        };
        for number in 1..=store.head_number().await?.0 {
            let row = store.statement(RevisionNumber(number)).await?.context("a statement")?;
            let changes = Changes::decode(&row.changes)?;
            let after: Vec<Digest> = changes.0.values().filter_map(|t| t.after).collect();
            let contents = store.contents(&after).await?;
            let contents: Vec<_> = contents.into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
            let change = Change::check(&past.fleet, &row.bytes, &row.changes, &contents)?;
            past.append(change.into(), row.signatures.to_vec());
        }
        Ok(past)
    }

    /// The number of the newest statement.
    pub const fn number(&self) -> u64 {
        self.fleet.number.0
    }

    /// As it was after an earlier statement. Nothing that was ever written is forgotten.
    pub fn as_of(&self, number: u64) -> Result<Self> {
        let count = usize::try_from(number)?;
        let newest = count.checked_sub(1).and_then(|last| self.said.get(last));
        let fleet = newest.context("no such statement")?.fleet.clone();
        let said = self.said.iter().take(count).cloned().collect();
        let log = (0..number).filter_map(|index| self.log.leaf(index)).collect();
        Ok(Self { fleet, said, log, contents: self.contents.clone() })
    }

    /// The next statement with these edits, as an honest author would write it.
    pub fn draft(&self, edits: Vec<Edit>) -> Result<Draft> {
        Ok(Change::propose(&self.fleet, edits, "nothing to see here", Timestamp::now())?.into())
    }

    /// One statement further, signed with these keys.
    pub fn and(&self, draft: Draft, keys: &[&Key]) -> Result<Self> {
        let draft = draft.sealed();
        let mut signatures = Vec::new();
        for key in keys {
            signatures.extend(key.sign(&draft.statement.encode())?);
        }
        Ok(self.and_as_signed(draft, signatures))
    }

    /// One statement further, with signatures that may be of anything.
    #[must_use]
    pub fn and_as_signed(&self, draft: Draft, signatures: Vec<u8>) -> Self {
        let mut past = self.clone();
        past.append(draft.sealed(), signatures);
        past
    }

    /// The signatures of a statement.
    pub fn signatures(&self, number: u64) -> Result<&[u8]> {
        Ok(&self.at(number)?.signatures)
    }

    pub(super) fn at(&self, number: u64) -> Result<&Said> {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.said.get(index)).context("no such statement")
    }

    fn append(&mut self, draft: Draft, signatures: Vec<u8>) {
        let Draft { statement, changes, manifests, contents, mut fleet } = draft;
        let bytes = statement.encode();
        self.log.push(Statement::leaf_hash(&bytes));
        fleet.history = self.log.root();
        self.fleet = fleet.clone();
        self.contents.extend(contents.into_iter().map(|bytes| (Digest::of(&bytes), bytes)));
        self.said.push(Said { bytes, signatures, changes, manifests, fleet });
    }
}

impl Draft {
    /// With the digests of what it lists and of what it has every cluster hold.
    fn sealed(mut self) -> Self {
        self.statement.change_count = self.changes.0.len() as u64;
        self.statement.changes = self.changes.root();
        self.statement.fleet_root = leaves(&self.manifests).root();
        self
    }

    /// What it has a cluster hold, to be bent.
    pub fn manifest(&mut self, cluster: ClusterId) -> Result<&mut Manifest> {
        self.manifests.get_mut(&cluster).context("no such cluster")
    }
}

impl From<Change> for Draft {
    fn from(change: Change) -> Self {
        let members = change.fleet.members().iter();
        Self {
            manifests: members
                .map(|(id, member)| (*id, Manifest::clone(&member.manifest)))
                .collect(),
            statement: change.statement,
            changes: change.changes,
            contents: change.contents,
            fleet: change.fleet,
        }
    }
}

/// The tree under a fleet root.
pub(super) fn leaves(manifests: &BTreeMap<ClusterId, Manifest>) -> Tree {
    manifests.iter().map(|(id, manifest)| fleet_leaf(*id, manifest.digest())).collect()
}
