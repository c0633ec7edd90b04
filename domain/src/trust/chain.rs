//! The versions of a fleet's trust root. Each but the first was put in place by a statement, and is in
//! force for the statements after that one: a key that a version takes away signs nothing any more,
//! and what it signed before stays believed, for it is in the history.

use std::sync::Arc;

use super::root::{Origin, TrustRoot};
use crate::ids::{Digest, RevisionNumber};

/// All versions up to now, oldest first.
#[derive(Clone, Debug)]
pub struct RootChain {
    first: Version,
    later: Vec<Version>,
}

/// One version.
#[derive(Clone, Debug)]
pub struct Version {
    /// The trust root.
    pub root: Arc<TrustRoot>,
    /// Its digest.
    pub digest: Digest,
    /// The statement that put it in place; 0 for the first version.
    pub since: RevisionNumber,
}

/// A trust root that does not follow the one before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// The first must be version 1.
    #[error("the first trust root is version {0}, and not 1")]
    NotFirst(u64),
    /// Versions follow each other by one.
    #[error("version {offered} of the trust root does not follow version {current}")]
    Skipped {
        /// Of the newer one.
        offered: u64,
        /// Of the one in force.
        current: u64,
    },
    /// It names another one as the version before.
    #[error("version {0} of the trust root follows another version than the one in force")]
    OtherPrevious(u64),
    /// The statement that puts it in place is older than the version before.
    #[error("version {0} of the trust root is put in place by a statement before the one in force")]
    BackDated(u64),
}

impl RootChain {
    /// Begins with the first version.
    pub fn begin(root: TrustRoot) -> Result<Self, BrokenChain> {
        if root.version != 1 {
            return Err(BrokenChain::NotFirst(root.version));
        }
        let digest = root.digest();
        let first = Version { root: Arc::new(root), digest, since: RevisionNumber(0) };
        Ok(Self { first, later: Vec::new() })
    }

    /// The fleet's id: the digest of the first version.
    pub const fn fleet(&self) -> Digest {
        self.first.digest
    }

    /// The newest version.
    pub fn current(&self) -> &Version {
        self.later.last().unwrap_or(&self.first)
    }

    /// The version by which the statement of this number is signed.
    pub fn in_force(&self, number: RevisionNumber) -> &Version {
        let before = |version: &&Version| version.since < number;
        self.later.iter().rev().find(before).unwrap_or(&self.first)
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The chain with one more version, which the statement `since` puts in place.
    pub fn followed_by(
        &self,
        root: Arc<TrustRoot>,
        since: RevisionNumber,
    ) -> Result<Self, BrokenChain> {
        let (current, offered) = (self.current(), root.version);
        if offered != current.root.version + 1 {
            return Err(BrokenChain::Skipped { offered, current: current.root.version });
        }
        if root.origin != Origin::Previous(current.digest) {
            return Err(BrokenChain::OtherPrevious(offered));
        }
        if since <= current.since {
            return Err(BrokenChain::BackDated(offered));
        }
        let mut chain = self.clone();
        chain.later.push(Version { digest: root.digest(), root, since });
        Ok(chain)
    }
}
