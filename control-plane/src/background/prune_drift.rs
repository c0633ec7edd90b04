//! Forgets drift that was resolved long ago, and the oldest of long histories.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::ServiceError;
use crate::service::drift::{DriftService, MAX_HISTORY};
use crate::store::{Store, StoreError};

const PAUSE: Duration = Duration::from_hours(1);
/// How long resolved drift is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Rows that go in one transaction.
const AT_ONCE: usize = 1_000;

/// Runs until `soft`.
pub async fn run(store: Store, soft: CancellationToken) -> Result<(), ServiceError> {
    while soft.run_until_cancelled(sleep(PAUSE)).await.is_some() {
        let before = Timestamp::now().checked_sub(KEPT).unwrap_or_default();
        loop {
            match store.prune_resolved_drift(before, AT_ONCE).await {
                Ok(gone) if gone < AT_ONCE as u64 => break,
                Ok(_) if soft.is_cancelled() => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot forget old drift");
                    break;
                }
            }
        }
        if let Err(error) = trim(&store).await {
            tracing::warn!(%error, "cannot forget the oldest of long histories of drift");
        }
    }
    Ok(())
}

async fn trim(store: &Store) -> Result<(), StoreError> {
    for cluster in store.long_drift_histories(MAX_HISTORY).await? {
        DriftService::trim(store, cluster).await?;
    }
    Ok(())
}
