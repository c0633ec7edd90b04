//! Waiting for what a cluster or a hub will show, with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take before a test or the demo gives up: machines are slow and shared.
pub const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer; tells how long it took. Errors count as "not yet"
/// and the last one is told when time is up.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<(T, Duration)>
where
    F: Future<Output = Result<Option<T>>>,
{
    let start = Instant::now();
    let mut last = None;
    while start.elapsed() < PATIENCE {
        match ask().await {
            Ok(Some(answer)) => return Ok((answer, start.elapsed())),
            Ok(None) => last = None,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    let why = last.map_or_else(String::new, |error| format!(": {error:#}"));
    bail!("{what}: not seen within {} s{why}", PATIENCE.as_secs())
}
