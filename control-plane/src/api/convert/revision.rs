//! Revisions: a stored statement, read again.

use hanse_domain::history::statement::{Statement, Transition};
use hanse_proto::admin;
use hanse_proto::admin::change::Action;

use super::time;
use crate::service::ServiceError;
use crate::store::{StatementRow, StoreError};

/// A row as proto has it, with its changes.
pub(in crate::api) fn revision(row: &StatementRow) -> Result<admin::Revision, ServiceError> {
    let statement = Statement::decode(&row.bytes).map_err(|error| StoreError::Corrupt {
        what: format!("statement {}: {error}", row.number),
    })?;
    Ok(admin::Revision {
        number: row.number.0,
        digest: row.digest.to_string(),
        author: row.author.clone(),
        time: Some(time(row.time)),
        recorded_at: Some(time(row.recorded_at)),
        message: statement.message,
        changes: statement
            .changes
            .iter()
            .map(|(subject, transition)| change(subject.to_string(), transition))
            .collect(),
        clusters_changed: row.clusters_changed,
    })
}

fn change(subject: String, transition: &Transition) -> admin::Change {
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
