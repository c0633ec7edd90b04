//! How an agent walks from the trust root that it pinned to the newest: step by step, each with the
//! statement that put it in place.

use std::sync::Arc;

use super::authority::{NotAllowed, Signed, Untrusted};
use super::chain::{BrokenChain, RootChain};
use super::root::TrustRoot;
use crate::history::changes::{ProvenChange, Subject, Transition};
use crate::history::encoding::Malformed;
use crate::history::log::{LogHead, LogProof};
use crate::history::statement::Statement;
use crate::ids::Digest;

/// The next version of the trust root, as it arrives.
#[derive(Clone, Debug)]
pub struct RootStep {
    /// Bytes of the statement that puts it in place.
    pub statement: Vec<u8>,
    /// SSHSIG blocks over it, by the old root's quorum and by the new one's.
    pub signatures: Vec<u8>,
    /// That it is in the history that was accepted last.
    pub log: LogProof,
    /// That it lists the trust root.
    pub change: ProvenChange,
    /// Bytes of the trust root.
    pub root: Vec<u8>,
}

/// Why a trust root is refused.
#[derive(Debug, thiserror::Error)]
pub enum RootRefusal {
    /// Not the one whose digest was pinned.
    #[error("the first trust root has the digest {found}, and {pinned} was pinned at the join")]
    NotPinned {
        /// From the join command.
        pinned: Digest,
        /// Of what was sent.
        found: Digest,
    },
    /// Not a canonical encoding.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It does not follow the version before.
    #[error(transparent)]
    Broken(#[from] BrokenChain),
    /// The statement is not signed by whom the version in force lets sign.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// Too few have signed.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The statement does not put this trust root in place.
    #[error("statement {0} does not put this trust root in place")]
    OtherStatement(u64),
    /// The statement does not come after the history that was accepted.
    #[error("its statement is not in the history that was accepted up to statement {0}")]
    OtherHistory(u64),
}

/// Begins with the first trust root, if it is the one that was pinned.
pub fn begin(pinned: Digest, bytes: &[u8]) -> Result<RootChain, RootRefusal> {
    let found = Digest::of(bytes);
    if found != pinned {
        return Err(RootRefusal::NotPinned { pinned, found });
    }
    Ok(RootChain::begin(TrustRoot::decode(bytes)?)?)
}

/// One step further: the chain with the next version, and the history with its statement.
pub fn step(
    chain: &RootChain,
    head: LogHead,
    step: &RootStep,
) -> Result<(RootChain, LogHead), RootRefusal> {
    let root = TrustRoot::decode(&step.root)?;
    let statement = Statement::decode(&step.statement)?;
    let next = chain.followed_by(Arc::new(root.clone()), statement.number)?;
    let expected =
        Transition { before: Some(chain.current().digest), after: Some(Digest::of(&step.root)) };
    let says_so = step.change.subject == Subject::TrustRoot && step.change.transition == expected;
    if !says_so || statement.lists(&step.change).is_err() {
        return Err(RootRefusal::OtherStatement(statement.number.0));
    }
    let signed = Signed::check(chain, &statement, &step.statement, &step.signatures)?;
    signed.may_change_root(&root)?;
    signed.known()?;
    let head = head
        .admit(&statement, &step.statement, &step.log)
        .map_err(|_| RootRefusal::OtherHistory(head.size))?;
    Ok((next, head))
}
