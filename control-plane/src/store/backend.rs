//! The two databases, and the only two ways to talk to them: [`read!`] for one statement that reads,
//! [`run_tx!`] for everything that writes.
//!
//! Both expand their body once for each database, so that SQL which both accept is written once.
//! What differs is in [`Dialect`].

use std::time::{Duration, Instant};

use sqlx::{Database, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::StoreError;

/// Binds in one statement. SQLite takes 32,766, PostgreSQL 65,535.
pub(super) const MAX_BINDS: usize = 30_000;

/// How often a transaction is tried before it gives up.
const ATTEMPTS: u32 = 12;
/// Nor for longer than this: SQLite waits for seconds before it says BUSY.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which database it is.
#[derive(Clone, Debug)]
pub(super) enum Backend {
    Sqlite(SqliteBackend),
    Postgres(PostgresBackend),
}

/// One connection writes, so that writers queue here instead of failing with BUSY there.
#[derive(Clone, Debug)]
pub(super) struct SqliteBackend {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

/// A pool that this hub has; other hubs have theirs.
#[derive(Clone, Debug)]
pub(super) struct PostgresBackend {
    pub(super) pool: PgPool,
}

/// How much a transaction must be alone. SQLite's writer always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Each statement sees what is committed when it begins. For a transaction that is decided by
    /// one conditional update or holds a lock on what it is about.
    ReadCommitted,
    /// As if it were the only one, or a retry. For what reads first and then decides.
    Serializable,
}

impl Backend {
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(backend) => {
                backend.readers.close().await;
                backend.writer.close().await;
            }
            Self::Postgres(backend) => backend.pool.close().await,
        }
    }
}

impl SqliteBackend {
    pub(super) async fn begin(&self, _: Isolation) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }
}

impl PostgresBackend {
    pub(super) async fn begin(
        &self,
        isolation: Isolation,
    ) -> sqlx::Result<Transaction<'static, Postgres>> {
        self.pool
            .begin_with(match isolation {
                Isolation::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
                Isolation::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            })
            .await
    }

    pub(super) fn readers(&self) -> &PgPool {
        &self.pool
    }
}

/// SQL that the two do not share.
pub(super) trait Dialect: Database {
    /// Takes the row of a cluster (`$1`) that has joined and is not revoked for the rest of the
    /// transaction, and gives the newest stream that wrote; no row: there is no such cluster.
    const LOCK_CLUSTER: &'static str;
    /// Tells the other hubs the number (`$1`, text) of the newest statement when this commits.
    const TELL_HEAD: Option<&'static str>;
    /// Ends a SELECT: nobody deletes its rows before this transaction ends.
    const KEEP_ROWS: &'static str;
    /// Ends a SELECT: waits for those who keep its rows, and lets nobody else do so.
    const CLAIM_ROWS: &'static str;
}

impl Dialect for Sqlite {
    const LOCK_CLUSTER: &'static str = "SELECT stream FROM clusters WHERE id = $1 \
                                        AND joined_at IS NOT NULL AND revoked_at IS NULL";
    const TELL_HEAD: Option<&'static str> = None;
    const KEEP_ROWS: &'static str = "";
    const CLAIM_ROWS: &'static str = "";
}

impl Dialect for Postgres {
    // Not FOR UPDATE: that would also wait for those who only refer to the cluster.
    const LOCK_CLUSTER: &'static str = "SELECT stream FROM clusters WHERE id = $1 \
                                        AND joined_at IS NOT NULL AND revoked_at IS NULL \
                                        FOR NO KEY UPDATE";
    const TELL_HEAD: Option<&'static str> = Some("SELECT pg_notify('hanse_head', $1)");
    const KEEP_ROWS: &'static str = " FOR KEY SHARE";
    const CLAIM_ROWS: &'static str = " FOR UPDATE";
}

/// Counts the attempts of one named transaction.
pub(super) struct Attempts {
    name: &'static str,
    made: u32,
    began: Instant,
}

impl Attempts {
    pub(super) fn of(name: &'static str) -> Self {
        Self { name, made: 0, began: Instant::now() }
    }

    /// Whether to try again after this error; waits a little before it says so.
    pub(super) async fn again(&mut self, error: &StoreError) -> bool {
        self.made += 1;
        if !matches!(error, StoreError::Serialization) {
            return false;
        }
        if self.made >= ATTEMPTS || self.began.elapsed() >= PATIENCE {
            tracing::warn!(
                store.tx = self.name,
                attempts = self.made,
                "transaction {} gave up after {} attempts",
                self.name,
                self.made
            );
            return false;
        }
        tracing::debug!(store.tx = self.name, attempt = self.made, "transaction retried");
        let most = 2_u64.saturating_pow(self.made).min(64);
        let wait = rand::random_range(1..=most);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        true
    }
}

/// `read!(store, |conn| …)`: the body with a connection that reads. One statement is one snapshot.
macro_rules! read {
    ($store:expr, |$conn:ident| $body:expr) => {
        match &$store.backend {
            $crate::store::backend::Backend::Sqlite(backend) => {
                let mut $conn = backend.readers().acquire().await?;
                $body
            }
            $crate::store::backend::Backend::Postgres(backend) => {
                let mut $conn = backend.readers().acquire().await?;
                $body
            }
        }
    };
}

/// `run_tx!(store, "name", Isolation, |tx, Db| { … })`: the body in a transaction that commits when
/// it ends with `Ok`. It is tried again when others got in the way, so it must not move out of what
/// is around it nor change it. `Db` names the database's type in the body.
macro_rules! run_tx {
    ($store:expr, $name:literal, $isolation:ident, |$tx:ident, $db:ident| $body:block) => {{
        let mut attempts = $crate::store::backend::Attempts::of($name);
        let isolation = $crate::store::backend::Isolation::$isolation;
        macro_rules! attempt {
            ($backend:expr, $type:ty) => {
                loop {
                    #[allow(dead_code, reason = "only some bodies name it")]
                    type $db = $type;
                    let outcome: Result<_, $crate::store::StoreError> = async {
                        let mut $tx = $backend.begin(isolation).await?;
                        let done: Result<_, $crate::store::StoreError> = async { $body }.await;
                        match done {
                            Ok(value) => {
                                $tx.commit().await?;
                                Ok(value)
                            }
                            // Dropping it rolls back.
                            Err(error) => Err(error),
                        }
                    }
                    .await;
                    match outcome {
                        Err(error) if attempts.again(&error).await => {}
                        settled => break settled,
                    }
                }
            };
        }
        match &$store.backend {
            $crate::store::backend::Backend::Sqlite(backend) => attempt!(backend, sqlx::Sqlite),
            $crate::store::backend::Backend::Postgres(backend) => {
                attempt!(backend, sqlx::Postgres)
            }
        }
    }};
}

pub(super) use {read, run_tx};
