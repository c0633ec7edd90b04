//! What agents signed: that a cluster's inventory had one root from one moment to another.

use hanse_domain::ids::ClusterId;
use jiff::Timestamp;

use super::super::backend::read;
use super::super::columns::{micros, rows};
use super::super::{Store, StoreError};
use super::CheckpointRow;

/// Keeps a [`super::Sighting`]. A checkpoint of the same root since the same moment replaces the one
/// before when it ends later; what was covered goes on when it begins within what was covered last.
macro_rules! keep_sighting {
    ($tx:ident, $db:ident, $cluster:ident, $sighting:ident, $now:ident) => {{
        for signed in &$sighting.checkpoints {
            sqlx::query(
                "INSERT INTO access_checkpoints \
                 (cluster_id, from_at, root, until_at, checkpoint, signature, learned_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 ON CONFLICT (cluster_id, from_at, root) DO UPDATE SET \
                 until_at = excluded.until_at, checkpoint = excluded.checkpoint, \
                 signature = excluded.signature, learned_at = excluded.learned_at \
                 WHERE access_checkpoints.until_at < excluded.until_at",
            )
            .bind($cluster.0)
            .bind(micros(signed.from))
            .bind($crate::store::columns::raw(&signed.root))
            .bind(micros(signed.until))
            .bind(signed.checkpoint.as_ref())
            .bind(signed.signature.as_ref())
            .bind(micros($now))
            .execute(&mut *$tx)
            .await?;
        }
        if let Some(covered) = $sighting.covered {
            let extended = sqlx::query(
                "UPDATE access_coverage \
                 SET until_at = CASE WHEN until_at < $3 THEN $3 ELSE until_at END \
                 WHERE cluster_id = $1 AND until_at >= $2 AND from_at = \
                 (SELECT MAX(c.from_at) FROM access_coverage c WHERE c.cluster_id = $1)",
            )
            .bind($cluster.0)
            .bind(micros(covered.from))
            .bind(micros(covered.until))
            .execute(&mut *$tx)
            .await?;
            if extended.rows_affected() == 0 {
                sqlx::query(
                    "INSERT INTO access_coverage (cluster_id, from_at, until_at, learned_at) \
                     VALUES ($1, $2, $3, $4)",
                )
                .bind($cluster.0)
                .bind(micros(covered.from))
                .bind(micros(covered.until.max(covered.from)))
                .bind(micros($now))
                .execute(&mut *$tx)
                .await?;
            }
        }
    }};
}
pub(super) use keep_sighting;

/// How many of those that began last are looked at for one that covers a moment. Those of an honest
/// agent do not overlap.
const LOOK_BACK: usize = 16;

macro_rules! checkpoints {
    ($rest:literal) => {
        concat!(
            "SELECT root, from_at, until_at, checkpoint, signature FROM access_checkpoints ",
            $rest
        )
    };
}

impl Store {
    /// The checkpoint that covers a moment: of several, the one that began last.
    pub async fn checkpoint_covering(
        &self,
        cluster: ClusterId,
        at: Timestamp,
    ) -> Result<Option<CheckpointRow>, StoreError> {
        let sql = checkpoints!(
            "WHERE cluster_id = $1 AND from_at <= $2 ORDER BY from_at DESC, learned_at DESC LIMIT $3"
        );
        let last: Vec<CheckpointRow> = read!(self, |conn| sqlx::query_as(sql)
            .bind(cluster.0)
            .bind(micros(at))
            .bind(rows(LOOK_BACK))
            .fetch_all(&mut *conn)
            .await?);
        Ok(last.into_iter().find(|row| row.until >= at))
    }

    /// At most `limit` checkpoints that have a moment of a period in them, by when they began and
    /// root, after the last one of the page before.
    pub async fn checkpoints_between(
        &self,
        cluster: ClusterId,
        from: Timestamp,
        until: Timestamp,
        after: Option<&CheckpointRow>,
        limit: usize,
    ) -> Result<Vec<CheckpointRow>, StoreError> {
        let first = match after {
            Some(after) => after.from,
            None => self.checkpoint_covering(cluster, from).await?.map_or(from, |row| row.from),
        };
        let root = after.map_or(&[][..], |after| &after.root.0);
        let sql = checkpoints!(
            "WHERE cluster_id = $1 AND (from_at, root) > ($2, $3) AND from_at <= $4 \
             AND until_at >= $5 ORDER BY from_at, root LIMIT $6"
        );
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(cluster.0)
            .bind(micros(first))
            .bind(root)
            .bind(micros(until))
            .bind(micros(from))
            .bind(rows(limit))
            .fetch_all(&mut *conn)
            .await?))
    }
}
