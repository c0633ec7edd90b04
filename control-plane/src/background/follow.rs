//! Moves the fleet on to what other hubs append. A notification is a hint; the number in the database
//! is the truth, and is looked at again and again anyway.

use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::ServiceError;
use crate::service::fleet::FleetService;
use crate::store::{Store, StoreError};

/// Between looks without a hint, where other hubs may append.
const SHARED: Duration = Duration::from_secs(1);
/// And where none can: for an append whose outcome this hub could not see.
const ALONE: Duration = Duration::from_secs(5);

/// Runs until `soft`. Fails on a history that does not fit.
pub async fn run(
    store: Store,
    fleet: FleetService,
    shared: bool,
    soft: CancellationToken,
) -> Result<(), ServiceError> {
    let mut hints = store.follow().await?;
    let pause = if shared { SHARED } else { ALONE };
    loop {
        // Kept over several looks, so that a hint is never cut off half read.
        let mut hint = pin!(hints.changed());
        let mut hinted = false;
        while !hinted {
            tokio::select! {
                () = soft.cancelled() => return Ok(()),
                () = &mut hint => hinted = true,
                () = sleep(pause) => {}
            }
            match fleet.catch_up().await {
                Ok(()) => {}
                Err(damaged @ ServiceError::Store(StoreError::Corrupt { .. })) => {
                    return Err(damaged);
                }
                Err(error) => tracing::warn!(%error, "cannot see whether the history moved on"),
            }
        }
    }
}
