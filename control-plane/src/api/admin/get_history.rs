//! `GetHistory`: every statement after a number, as it was signed and with what it brings. One at a
//! time is in memory, however long the history is.

use std::collections::VecDeque;

use futures::{Stream, stream};
use hanse_domain::history::changes::Changes;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_proto::admin as proto;
use hanse_proto::admin::get_history_response::Part;

use crate::api::context::OpContext;
use crate::api::lease::lease;
use crate::api::{Responses, Services};
use crate::service::ServiceError;
use crate::store::{StatementRow, Store, StoreError};

/// Statements that are read at once: the list of changes of each may have megabytes.
const PAGE: usize = 8;

pub(super) async fn handle(
    services: &Services,
    ctx: &OpContext,
    msg: proto::GetHistoryRequest,
) -> Result<Responses<proto::GetHistoryResponse>, ServiceError> {
    // What another hub has acknowledged is in it, so that an author is not stale at once.
    services.fleet.catch_up().await?;
    let current = services.fleet.current();
    let first = current.fleet.trust.versions().next().filter(|_| msg.after == 0);
    let history = History {
        store: services.store.clone(),
        first: first.map(|version| version.root.encode()),
        after: RevisionNumber(msg.after),
        newest: current.fleet.number,
        page: VecDeque::new(),
    };
    lease(services, ctx, parts(history))
}

/// What is still to be sent.
struct History {
    store: Store,
    first: Option<Vec<u8>>,
    after: RevisionNumber,
    newest: RevisionNumber,
    page: VecDeque<StatementRow>,
}

fn parts(history: History) -> impl Stream<Item = Result<proto::GetHistoryResponse, ServiceError>> {
    stream::try_unfold(history, |mut history| async move {
        let part = history.next().await?;
        Ok(part.map(|part| (proto::GetHistoryResponse { part: Some(part) }, history)))
    })
}

impl History {
    async fn next(&mut self) -> Result<Option<Part>, ServiceError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(Part::TrustRoot(first.into())));
        }
        if self.page.is_empty() && self.after < self.newest {
            self.page = self.store.statements_after(self.after, PAGE).await?.into();
        }
        // What lands meanwhile is for the next call.
        let Some(row) = self.page.pop_front().filter(|row| row.number <= self.newest) else {
            return Ok(None);
        };
        self.after = row.number;
        let changes = Changes::decode(&row.changes).map_err(|error| StoreError::Corrupt {
            what: format!("statement {}: {error}", row.number),
        })?;
        let wanted: Vec<Digest> = changes.0.values().filter_map(|t| t.after).collect();
        let contents = self.store.contents(&wanted).await?;
        Ok(Some(Part::Statement(proto::CommittedStatement {
            statement: row.bytes,
            signatures: row.signatures,
            changes: row.changes,
            contents: contents.into_iter().map(|(_, bytes)| bytes).collect(),
            newest: self.newest.0,
        })))
    }
}
