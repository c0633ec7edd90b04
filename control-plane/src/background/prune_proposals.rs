//! Forgets changes that nobody signed in time, and those that the history has passed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::ServiceError;
use crate::store::Store;

const PAUSE: Duration = Duration::from_hours(1);
/// How long a proposal waits.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 7);
/// How long a stale one is shown.
const STALE_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Runs until `soft`.
pub async fn run(store: Store, soft: CancellationToken) -> Result<(), ServiceError> {
    while soft.run_until_cancelled(sleep(PAUSE)).await.is_some() {
        let now = Timestamp::now();
        let before = |kept| now.checked_sub(kept).unwrap_or_default();
        match store.prune_proposals(before(KEPT), before(STALE_KEPT)).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "{gone} old proposals were forgotten"),
            Err(error) => tracing::warn!(%error, "cannot forget old proposals"),
        }
    }
    Ok(())
}
