//! Keeps effective access current: takes over what other hubs learned and who joined or left, writes
//! what agents saw, and forgets what is too old to be asked about.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::ServiceError;
use crate::service::access::AccessService;
use crate::service::fleet::FleetService;
use crate::store::Store;

/// Between looks where other hubs may learn something.
const SHARED: Duration = Duration::from_secs(1);
/// And where none can.
const ALONE: Duration = Duration::from_mins(1);
/// Between looks for what agents saw and what is not written.
const WRITE: Duration = Duration::from_secs(15);
/// Between looks for what is too old.
const FORGET: Duration = Duration::from_hours(1);
/// Rows that go in one transaction.
const AT_ONCE: usize = 1_000;

/// Follows the roster, and other hubs. Runs until `soft`.
pub async fn follow(
    access: AccessService,
    fleet: FleetService,
    shared: bool,
    soft: CancellationToken,
) -> Result<(), ServiceError> {
    let mut head = fleet.head();
    let pause = if shared { SHARED } else { ALONE };
    loop {
        tokio::select! {
            () = soft.cancelled() => return Ok(()),
            changed = head.changed() => if changed.is_err() { return Ok(()) },
            () = sleep(pause) => {}
        }
        if let Err(error) = access.follow_all().await {
            tracing::warn!(%error, "cannot see what changed in the clusters' access");
        }
    }
}

/// Writes what agents saw, until `soft`, and then all of it.
pub async fn sightings(access: AccessService, soft: CancellationToken) -> Result<(), ServiceError> {
    while soft.run_until_cancelled(sleep(WRITE)).await.is_some() {
        access.write_sightings(false, Timestamp::now()).await;
    }
    access.write_sightings(true, Timestamp::now()).await;
    Ok(())
}

/// Holds the clusters' access against their invariants, until `soft`.
pub async fn invariants(
    access: AccessService,
    soft: CancellationToken,
) -> Result<(), ServiceError> {
    access.hold(soft).await
}

/// Forgets what is older than `kept`, until `soft`.
pub async fn forget(
    store: Store,
    kept: SignedDuration,
    soft: CancellationToken,
) -> Result<(), ServiceError> {
    loop {
        let cutoff = Timestamp::now().checked_sub(kept).unwrap_or_default();
        loop {
            match store.compact_access(cutoff, AT_ONCE).await {
                Ok(0) => break,
                Ok(_) if soft.is_cancelled() => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot forget what is too old of the clusters' access");
                    break;
                }
            }
        }
        if soft.run_until_cancelled(sleep(FORGET)).await.is_none() {
            return Ok(());
        }
    }
}
