//! Hints that the head may have moved. The number that the database holds is the truth.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::backend::Backend;
use super::{Store, StoreError};

/// The channel on which hubs tell each other the number of the newest statement.
const CHANNEL: &str = "hanse_head";
/// After this long without a notification there is a hint anyway, should one have been lost.
const BACKSTOP: Duration = Duration::from_secs(5);
/// Between attempts to reach the server again.
const PAUSE: Duration = Duration::from_secs(1);

/// Says when to look at [`Store::head_number`] again.
pub struct HeadHints {
    source: Option<Source>,
}

struct Source {
    pool: PgPool,
    listener: Option<PgListener>,
}

impl Store {
    /// Follows what other hubs append. On SQLite there are none: it never says anything.
    pub async fn follow(&self) -> Result<HeadHints, StoreError> {
        let Backend::Postgres(backend) = &self.backend else {
            return Ok(HeadHints { source: None });
        };
        // A pool of its own: the one connection that listens is never available to others.
        let options = backend.pool.connect_options().as_ref().clone();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        let listener = Some(listen(&pool).await?);
        Ok(HeadHints { source: Some(Source { pool, listener }) })
    }
}

impl HeadHints {
    /// Ends when the head may have moved: after an append of any hub, after the connection was lost,
    /// and every few seconds.
    pub async fn changed(&mut self) {
        match &mut self.source {
            Some(source) => source.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl Source {
    async fn changed(&mut self) {
        let failed = if let Some(listener) = &mut self.listener {
            // A lost connection that came back has lost notifications: that is a hint, too.
            timeout(BACKSTOP, listener.try_recv()).await.ok().and_then(Result::err)
        } else {
            sleep(PAUSE).await;
            listen(&self.pool).await.map(|listener| self.listener = Some(listener)).err()
        };
        if let Some(error) = failed {
            tracing::warn!(error = %error, "cannot listen for new statements; looking every second");
            self.listener = None;
        }
    }
}

async fn listen(pool: &PgPool) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
