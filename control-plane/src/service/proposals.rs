//! Changes that wait for more signatures. A proposal is bound to its digest: what is signed later is
//! exactly what was proposed. It is a statement of one number, so that whatever lands before it makes
//! it stale.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hanse_domain::authorise::Refused;
use hanse_domain::change::Change;
use hanse_domain::fleet::Edit;
use hanse_domain::history::statement::to_microseconds;
use hanse_domain::ids::Digest;
use hanse_domain::trust::root::KeyName;
use hanse_domain::trust::signature::{self, MAX_SIGNATURES, MAX_SIGNATURES_LEN, PublicKey};
use jiff::Timestamp;

use super::ServiceError;
use super::fleet::{
    Committed, Current, FleetService, Inner, Landing, Submission, authorised, not_yet,
};
use super::landed::names;
use crate::store::{MostOpen, ProposalRow, StoreError};

/// Most that may be open at once.
pub const MAX_OPEN: MostOpen = MostOpen { proposals: 100, bytes: 256 * 1024 * 1024 };
/// Digits of a digest with which a proposal can be named.
const MIN_DIGITS: usize = 8;

impl FleetService {
    /// The digests of the newest proposals, newest first.
    pub async fn proposals(&self) -> Result<Vec<Digest>, ServiceError> {
        let mut all = self.0.store.proposal_digests().await?;
        all.truncate(MAX_OPEN.proposals);
        Ok(all)
    }

    /// Whether a proposal can never be committed any more.
    pub fn is_stale(&self, proposal: &ProposalRow) -> bool {
        proposal.number <= self.current().fleet.number
    }

    /// One proposal, by its digest or the beginning of it.
    pub async fn proposal(&self, digest: &str) -> Result<ProposalRow, ServiceError> {
        if digest.len() < MIN_DIGITS {
            let why = format!("at least {MIN_DIGITS} digits of the proposal's digest are needed");
            return Err(ServiceError::invalid(why));
        }
        let all = self.0.store.proposal_digests().await?;
        let mut found = all.into_iter().filter(|known| known.to_string().starts_with(digest));
        let first = found.next().ok_or_else(|| no_such(digest))?;
        if found.next().is_some() {
            let why = format!("more than one proposal begins with {digest}: name more digits");
            return Err(ServiceError::invalid(why));
        }
        self.0.store.proposal(&first).await?.ok_or_else(|| no_such(digest))
    }

    /// Adds one signature, and commits when it was the last that was missing.
    pub async fn sign(
        &self,
        signer: &str,
        digest: &str,
        one: Bytes,
        now: Timestamp,
    ) -> Result<Committed, ServiceError> {
        let digest = whole(digest)?;
        let (inner, signer) = (Arc::clone(&self.0), signer.to_owned());
        self.to_the_end(async move { inner.sign(signer, &digest, &one, now).await }).await
    }

    /// Takes a proposal back.
    pub async fn withdraw(&self, by: &str, digest: &str) -> Result<(), ServiceError> {
        let digest = whole(digest)?;
        if !self.0.store.remove_proposal(&digest).await? {
            return Err(no_such(&digest.to_string()));
        }
        tracing::info!(proposal.id = %digest, "proposal {} was withdrawn by {by}", digest.short());
        Ok(())
    }
}

impl Inner {
    /// Keeps a change that wants the signatures of others.
    pub(super) async fn propose(
        &self,
        base: &Current,
        change: &Change,
        submission: Submission,
        author: String,
        why: &Refused,
        now: Timestamp,
    ) -> Result<ProposalRow, ServiceError> {
        let digest = Digest::of(&submission.statement);
        let row = ProposalRow {
            digest,
            number: change.statement.number,
            signed_by: signed_by(base, change, &submission.signatures),
            statement: submission.statement,
            signatures: submission.signatures,
            changes: submission.changes,
            contents: submission.contents.into_iter().map(Bytes::from).collect(),
            author,
            proposed_at: to_microseconds(now),
            missing: why.to_string(),
        };
        match self.store.add_proposal(&row, base.fleet.number, MAX_OPEN).await {
            Ok(true) => {}
            Ok(false) => {
                let MostOpen { proposals, bytes } = MAX_OPEN;
                let why = format!(
                    "at most {proposals} proposals wait at once, with {bytes} bytes: withdraw some"
                );
                return Err(ServiceError::Exhausted(why));
            }
            // Proposed before, maybe with an answer that was lost.
            Err(StoreError::Conflict { .. }) => {
                let known = self.store.proposal(&digest).await?;
                return known.ok_or_else(|| no_such(&digest.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        tracing::info!(
            proposal.id = %digest,
            "{} proposed {} as revision {}; {}",
            row.author,
            digest.short(),
            row.number,
            row.missing
        );
        Ok(row)
    }

    async fn sign(
        &self,
        signer: String,
        digest: &Digest,
        one: &[u8],
        now: Timestamp,
    ) -> Result<Committed, ServiceError> {
        let _moving = self.moving.lock().await;
        self.catch_up().await?;
        let base = self.current.load_full();
        let row = self.store.proposal(digest).await?;
        let Some(row) = row.filter(|row| row.number > base.fleet.number) else {
            return self.passed(digest).await;
        };
        // Before all that it brings is read again.
        signature::signers(&row.statement, one).map_err(ServiceError::invalid)?;
        let submission = Submission {
            statement: row.statement.clone(),
            signatures: row.signatures.clone(),
            changes: row.changes.clone(),
            contents: row.contents.iter().map(|bytes| bytes.to_vec()).collect(),
        };
        let change = self.check(Arc::clone(&base), &submission).await?;
        let signatures: Bytes = with(&base, &change, &row.signatures, one)?.into();
        let (change, signers) = authorised(Arc::clone(&base), change, signatures.clone()).await?;
        match signers {
            Ok(signers) => {
                let landing =
                    Landing { signatures, signers, author: signer, proposal: Some(*digest) };
                match self.append(&base, change, landing, now).await {
                    // Withdrawn meanwhile, or made by another hub.
                    Err(ServiceError::Store(StoreError::Conflict { .. })) => {
                        self.passed(digest).await
                    }
                    appended => appended.map(Committed::Revision),
                }
            }
            Err(why) if why.wants_more() => {
                let longer = ProposalRow {
                    signed_by: signed_by(&base, &change, &signatures),
                    missing: why.to_string(),
                    signatures,
                    ..row.clone()
                };
                if !self.store.sign_proposal(&longer, &row.signatures).await? {
                    let why = "somebody else signed or withdrew it at the same time: try again";
                    return Err(ServiceError::Aborted(why.to_owned()));
                }
                tracing::info!(
                    proposal.id = %digest,
                    "proposal {} was signed by {signer}",
                    digest.short()
                );
                Ok(Committed::Proposal(longer))
            }
            Err(why) => Err(not_yet(&why)),
        }
    }
}

impl Inner {
    /// What became of a proposal that is not there any more, or that the history has passed: its answer
    /// may have been lost, or somebody else's signature was the last.
    async fn passed(&self, digest: &Digest) -> Result<Committed, ServiceError> {
        if let Some(row) = self.store.statement_of(digest).await? {
            return Ok(Committed::Revision(row));
        }
        match self.store.proposal_head(digest).await? {
            Some(_) => Err(ServiceError::Stale { current: self.current.load().fleet.number }),
            None => Err(no_such(&digest.to_string())),
        }
    }
}

/// The signatures with one more: of a key that counts for this change and has not signed it.
fn with(
    base: &Current,
    change: &Change,
    before: &[u8],
    one: &[u8],
) -> Result<Vec<u8>, ServiceError> {
    let keys = signature::signers(&change.bytes, one).map_err(ServiceError::invalid)?;
    let blocks = signature::split(one).map_err(ServiceError::invalid)?;
    let (Some(key), 1) = (keys.first(), blocks.len()) else {
        return Err(ServiceError::invalid("exactly one signature is added at a time"));
    };
    if key_names(base, change, &keys).is_empty() {
        return Err(ServiceError::Untrusted(format!(
            "{} is no key of the trust root in force",
            key.fingerprint()
        )));
    }
    let signed = signature::signers(&change.bytes, before).map_err(ServiceError::invalid)?;
    if signed.contains(key) {
        return Err(ServiceError::AlreadyExists(format!("{} has signed it", key.fingerprint())));
    }
    let all = signature::append(before, one);
    if signed.len() >= MAX_SIGNATURES || all.len() > MAX_SIGNATURES_LEN {
        let why = format!("a statement takes {MAX_SIGNATURES} signatures at the most");
        return Err(ServiceError::Exhausted(why));
    }
    Ok(all)
}

/// Names of keys in the trust root in force, and in the one that the change puts in its place, whose
/// new keys must sign, too.
fn key_names(base: &Current, change: &Change, keys: &BTreeSet<PublicKey>) -> BTreeSet<KeyName> {
    let mut names = base.fleet.trust.current().root.names_of(keys);
    for edit in &change.edits {
        if let Edit::PutRoot(next) = edit {
            names.extend(next.names_of(keys));
        }
    }
    names
}

fn signed_by(base: &Current, change: &Change, signatures: &[u8]) -> String {
    let keys = signature::signers(&change.bytes, signatures).unwrap_or_default();
    let all: Vec<KeyName> = key_names(base, change, &keys).into_iter().collect();
    names(&all)
}

fn whole(digest: &str) -> Result<Digest, ServiceError> {
    digest.parse().map_err(|_| ServiceError::invalid("the whole digest of the proposal is needed"))
}

fn no_such(digest: &str) -> ServiceError {
    ServiceError::NotFound(format!("there is no proposal {digest}"))
}
