//! Forgets what no question within the retention can reach.
//!
//! A version is out of reach once the one after it was both so and known at the beginning of the
//! retention: it is then the last one at no moment within it, by either clock. That an object is gone
//! need not be kept when it was gone and known to be by then. Of a cluster that was revoked before,
//! nothing is kept.

use jiff::Timestamp;
use sqlx::QueryBuilder;

use super::super::backend::{Dialect, read, run_tx};
use super::super::columns::{TimeColumn, micros, rows};
use super::super::{Store, StoreError};

/// What is forgotten with its contents, which may then be named by nothing: `$1` is the beginning of
/// the retention, `$2` the most rows.
const VERSIONS: [&str; 3] = [
    "DELETE FROM access_past WHERE (cluster_id, key_hash, learned_at, at) IN ( \
         SELECT cluster_id, key_hash, learned_at, at FROM access_past \
         WHERE until_learned <= $1 AND until_at <= $1 LIMIT $2) RETURNING content",
    "DELETE FROM access_past WHERE (cluster_id, key_hash, learned_at, at) IN ( \
         SELECT p.cluster_id, p.key_hash, p.learned_at, p.at FROM clusters c \
         CROSS JOIN access_past p WHERE c.revoked_at <= $1 AND p.cluster_id = c.id LIMIT $2) \
     RETURNING content",
    "DELETE FROM access_objects WHERE (cluster_id, key_hash) IN ( \
         SELECT o.cluster_id, o.key_hash FROM clusters c \
         CROSS JOIN access_objects o WHERE c.revoked_at <= $1 AND o.cluster_id = c.id LIMIT $2) \
     RETURNING content",
];

/// What is forgotten without more.
const REST: [&str; 7] = [
    "DELETE FROM access_objects WHERE (cluster_id, key_hash) IN ( \
         SELECT cluster_id, key_hash FROM access_objects \
         WHERE content IS NULL AND learned_at <= $1 AND at <= $1 LIMIT $2)",
    "DELETE FROM access_checkpoints WHERE (cluster_id, from_at, root) IN ( \
         SELECT cluster_id, from_at, root FROM access_checkpoints WHERE until_at < $1 LIMIT $2)",
    "DELETE FROM access_coverage WHERE (cluster_id, from_at) IN ( \
         SELECT cluster_id, from_at FROM access_coverage WHERE until_at < $1 LIMIT $2)",
    "DELETE FROM access_violations WHERE id IN ( \
         SELECT id FROM access_violations WHERE resolved_at <= $1 LIMIT $2)",
    "DELETE FROM access_violations WHERE id IN ( \
         SELECT v.id FROM clusters c CROSS JOIN access_violations v \
         WHERE c.revoked_at <= $1 AND v.cluster_id = c.id LIMIT $2)",
    "DELETE FROM directory_imports WHERE (directory, imported_at) IN ( \
         SELECT directory, imported_at FROM directory_imports WHERE until_at <= $1 LIMIT $2)",
    "DELETE FROM access_clusters WHERE cluster_id IN ( \
         SELECT c.id FROM clusters c WHERE c.revoked_at <= $1 AND NOT EXISTS ( \
             SELECT 1 FROM access_objects o WHERE o.cluster_id = c.id) LIMIT $2)",
];

impl Store {
    /// The beginning of the history: questions about a moment before it, by either clock, cannot be
    /// answered. `None`: nothing was forgotten yet.
    pub async fn access_history_from(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT history_from FROM access_history WHERE singleton = 1";
        let from: Option<TimeColumn> =
            read!(self, |conn| sqlx::query_scalar(sql).fetch_optional(&mut *conn).await?);
        Ok(from.map(Into::into))
    }

    /// Lets the history begin at a moment, and forgets at most `at_once` rows of each kind that are out
    /// of reach then. Returns how many that were: call it again until it is none. Answers within the
    /// history stay what they were. The beginning never goes back.
    pub async fn compact_access(
        &self,
        cutoff: Timestamp,
        at_once: usize,
    ) -> Result<u64, StoreError> {
        run_tx!(self, "begin-history", ReadCommitted, |tx, Db| {
            sqlx::query(
                "INSERT INTO access_history (singleton, history_from) VALUES (1, $1) \
                 ON CONFLICT (singleton) DO UPDATE SET history_from = excluded.history_from \
                 WHERE access_history.history_from < excluded.history_from",
            )
            .bind(micros(cutoff))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })?;
        let mut gone = 0;
        for sql in VERSIONS {
            gone += self.forget_versions(sql, cutoff, at_once).await?;
        }
        for sql in REST {
            gone += run_tx!(self, "compact-access", ReadCommitted, |tx, Db| {
                let gone = sqlx::query(sql).bind(micros(cutoff)).bind(rows(at_once));
                Ok(gone.execute(&mut *tx).await?.rows_affected())
            })?;
        }
        Ok(gone)
    }

    async fn forget_versions(
        &self,
        sql: &'static str,
        cutoff: Timestamp,
        at_once: usize,
    ) -> Result<u64, StoreError> {
        run_tx!(self, "compact-access", ReadCommitted, |tx, Db| {
            let gone: Vec<Option<i64>> = sqlx::query_scalar(sql)
                .bind(micros(cutoff))
                .bind(rows(at_once))
                .fetch_all(&mut *tx)
                .await?;
            let count = u64::try_from(gone.len()).unwrap_or(u64::MAX);
            let mut contents: Vec<i64> = gone.into_iter().flatten().collect();
            contents.sort_unstable();
            contents.dedup();
            for chunk in contents.chunks(1_000) {
                // A report may be about to name one: whoever comes second waits for the first.
                let mut claim =
                    QueryBuilder::<Db>::new("SELECT id FROM access_contents WHERE id IN (");
                let mut list = claim.separated(", ");
                for id in chunk {
                    list.push_bind(*id);
                }
                claim.push(") ORDER BY id").push(<Db as Dialect>::CLAIM_ROWS);
                claim.build().persistent(false).fetch_all(&mut *tx).await?;

                let mut forget = QueryBuilder::<Db>::new(
                    "DELETE FROM access_contents WHERE NOT EXISTS ( \
                     SELECT 1 FROM access_objects o WHERE o.content = access_contents.id) \
                     AND NOT EXISTS ( \
                     SELECT 1 FROM access_past p WHERE p.content = access_contents.id) AND id IN (",
                );
                let mut list = forget.separated(", ");
                for id in chunk {
                    list.push_bind(*id);
                }
                forget.push(")");
                forget.build().persistent(false).execute(&mut *tx).await?;
            }
            Ok(count)
        })
    }
}
