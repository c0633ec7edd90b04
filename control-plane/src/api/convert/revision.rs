//! Revisions: a stored statement, read again.

use hanse_domain::history::changes::{Changes, Transition};
use hanse_domain::history::statement::Statement;
use hanse_proto::admin;
use hanse_proto::admin::change::Action;

use super::time;
use crate::service::ServiceError;
use crate::store::{StatementRow, StoreError};

/// A row as proto has it, with its changes.
pub(in crate::api) fn revision(row: &StatementRow) -> Result<admin::Revision, ServiceError> {
    let damaged = |error: hanse_domain::history::encoding::Malformed| StoreError::Corrupt {
        what: format!("statement {}: {error}", row.number),
    };
    let statement = Statement::decode(&row.bytes).map_err(damaged)?;
    let changes = Changes::decode(&row.changes).map_err(damaged)?;
    Ok(admin::Revision {
        number: row.number.0,
        digest: row.digest.to_string(),
        author: row.author.clone(),
        time: Some(time(row.time)),
        recorded_at: Some(time(row.recorded_at)),
        message: statement.message,
        changes: changes
            .0
            .iter()
            .map(|(subject, transition)| change(subject.to_string(), transition))
            .collect(),
        clusters_changed: row.clusters_changed,
        signed_by: names(&row.signed_by),
    })
}

/// Names of keys, from how they are stored.
pub(super) fn names(stored: &str) -> Vec<String> {
    stored.split_whitespace().map(ToOwned::to_owned).collect()
}

pub(super) fn change(subject: String, transition: &Transition) -> admin::Change {
    let action = match (transition.before, transition.after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Remove,
    };
    let hex = |digest: Option<hanse_domain::ids::Digest>| {
        digest.map_or_else(String::new, |d| d.to_string())
    };
    admin::Change {
        action: action.into(),
        subject,
        digest_before: hex(transition.before),
        digest_after: hex(transition.after),
    }
}
