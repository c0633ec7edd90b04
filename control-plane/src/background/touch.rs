//! Writes when clusters were last heard from, many at once. Agents that said nothing cost nothing.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::ServiceError;
use crate::service::sessions::Sessions;
use crate::store::Store;

/// Between writes while agents are connected.
const PAUSE: Duration = Duration::from_secs(30);
/// After an agent went, so that many that go at once are one write.
const SOON: Duration = Duration::from_secs(1);

/// Runs until `soft`, then writes once more.
pub async fn run(
    store: Store,
    sessions: Sessions,
    soft: CancellationToken,
) -> Result<(), ServiceError> {
    loop {
        let wait = async {
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = sessions.gone() => sleep(SOON).await,
            }
        };
        let ending = soft.run_until_cancelled(wait).await.is_none();
        let all = sessions.take_unwritten();
        if !all.is_empty()
            && let Err(error) = store.touch(&all).await
        {
            tracing::warn!(%error, "cannot write when {} clusters were last heard from", all.len());
            sessions.give_back(all);
        }
        if ending {
            return Ok(());
        }
    }
}
