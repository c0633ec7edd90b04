//! Ends the streams of clusters that another hub has revoked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::ServiceError;
use crate::service::sessions::Sessions;
use crate::store::Store;

/// Between looks.
const PAUSE: Duration = Duration::from_secs(2);
/// How far hubs' clocks may differ.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// Runs until `soft`.
pub async fn run(
    store: Store,
    sessions: Sessions,
    soft: CancellationToken,
) -> Result<(), ServiceError> {
    while soft.run_until_cancelled(sleep(PAUSE)).await.is_some() {
        let since = Timestamp::now().checked_sub(WINDOW).unwrap_or_default();
        match store.revoked_after(since).await {
            Ok(revoked) => revoked.into_iter().for_each(|id| sessions.revoke(id)),
            Err(error) => tracing::warn!(%error, "cannot see which clusters were revoked"),
        }
    }
    Ok(())
}
