//! Changes as they arrive, and those that wait for more signatures.

use hanse_domain::history::changes::Changes;
use hanse_domain::history::statement::Statement;
use hanse_proto::admin;

use super::revision::{change, names, revision};
use super::time;
use crate::service::ServiceError;
use crate::service::fleet::{Committed, Submission};
use crate::store::{ProposalRow, StoreError};

/// A change as it arrived.
pub(in crate::api) fn submission(msg: admin::CommitRequest) -> Submission {
    Submission {
        statement: msg.statement,
        signatures: msg.signatures,
        changes: msg.changes,
        contents: msg.contents.into_iter().map(Into::into).collect(),
    }
}

/// What became of a change.
pub(in crate::api) fn committed(
    committed: &Committed,
) -> Result<admin::CommitResponse, ServiceError> {
    Ok(match committed {
        Committed::Revision(row) => {
            admin::CommitResponse { revision: Some(revision(row)?), proposal: None }
        }
        // It was the next one when it was kept.
        Committed::Proposal(row) => admin::CommitResponse {
            revision: None,
            proposal: Some(proposal(row, false, usize::MAX)?),
        },
    })
}

/// A row as proto has it, with so many of its changes at the most.
pub(in crate::api) fn proposal(
    row: &ProposalRow,
    stale: bool,
    changes: usize,
) -> Result<admin::Proposal, ServiceError> {
    let damaged = |error: hanse_domain::history::encoding::Malformed| StoreError::Corrupt {
        what: format!("proposal {}: {error}", row.digest),
    };
    let statement = Statement::decode(&row.statement).map_err(damaged)?;
    let listed = Changes::decode(&row.changes).map_err(damaged)?;
    Ok(admin::Proposal {
        digest: row.digest.to_string(),
        number: row.number.0,
        stale,
        author: row.author.clone(),
        message: statement.message,
        proposed_at: Some(time(row.proposed_at)),
        changes: listed.0.iter().take(changes).map(|(s, t)| change(s.to_string(), t)).collect(),
        signed_by: names(&row.signed_by),
        missing: row.missing.clone(),
    })
}
