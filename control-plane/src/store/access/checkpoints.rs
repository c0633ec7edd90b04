//! What agents signed: that a cluster's inventory had one root from one moment to another.

use std::collections::BTreeMap;

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::object::AccessKind;
use hanse_domain::ids::{ClusterId, Digest};
use jiff::{SignedDuration, Timestamp};

use super::super::backend::read;
use super::super::columns::{micros, rows};
use super::super::{Store, StoreError};
use super::{CheckpointRow, Sighting};

/// How many of those that began last are looked at for one that covers a moment, and for what a new one
/// may contradict. Those of an honest agent do not overlap.
pub(super) const LOOK_BACK: usize = 16;
/// What moments are counted in.
const MICROSECOND: SignedDuration = SignedDuration::from_micros(1);

/// What was signed last of a cluster, so many as [`LOOK_BACK`]: the newest first.
macro_rules! lately_signed {
    ($tx:ident, $cluster:ident) => {{
        let rows: Vec<CheckpointRow> = sqlx::query_as(
            "SELECT root, from_at, until_at, checkpoint, signature FROM access_checkpoints \
             WHERE cluster_id = $1 ORDER BY from_at DESC, learned_at DESC LIMIT $2",
        )
        .bind($cluster.0)
        .bind($crate::store::columns::rows($crate::store::access::checkpoints::LOOK_BACK))
        .fetch_all(&mut *$tx)
        .await?;
        rows
    }};
}
pub(super) use lately_signed;

/// Up to when something is signed that a report must not contradict. `before` is the root of what is
/// stored; what the report itself says of the root that it leads to does not count.
pub(super) fn signed_until(
    lately: &[CheckpointRow],
    sighting: &Sighting,
    before: Option<Digest>,
) -> Option<Timestamp> {
    let last = sighting.checkpoints.last().map(|row| row.root);
    let own = last.filter(|root| before != Some(*root));
    let rows = lately.iter().chain(&sighting.checkpoints);
    rows.filter(|row| own != Some(row.root)).map(|row| row.until).max()
}

/// Since when a checkpoint counts beside those that are kept, if at all: no moment has two states. One
/// that goes on with the same statement begins where that began.
pub(super) fn counts_from(kept: &[CheckpointRow], signed: &CheckpointRow) -> Option<Timestamp> {
    let said = statement(signed);
    let (same, others): (Vec<_>, Vec<_>) =
        kept.iter().partition(|row| row.root == signed.root && statement(row) == said);
    let goes_on = same.into_iter().filter(|row| (row.from..=row.until).contains(&signed.from));
    let begins = goes_on.map(|row| row.from).chain([signed.from]).max();
    let after = others.into_iter().map(|row| {
        // One root at one moment is one row.
        let apart = if row.root == signed.root { MICROSECOND } else { SignedDuration::ZERO };
        row.until.saturating_add(apart).unwrap_or(row.until)
    });
    begins.into_iter().chain(after).max().filter(|from| *from <= signed.until)
}

/// What a checkpoint says beside its root and its time.
fn statement(row: &CheckpointRow) -> Option<(BTreeMap<AccessKind, String>, u32)> {
    let said = Checkpoint::decode(&row.checkpoint).ok()?;
    Some((said.unseen, said.skipped))
}

/// Keeps a [`super::Sighting`]. A checkpoint that goes on with the statement before replaces it when it
/// ends later, and one that contradicts what was signed counts after that alone; what was covered goes
/// on when it begins within what was covered last.
macro_rules! keep_sighting {
    ($tx:ident, $db:ident, $cluster:ident, $sighting:ident, $lately:expr, $now:ident) => {{
        let mut kept: Vec<CheckpointRow> = $lately;
        for signed in &$sighting.checkpoints {
            let from = $crate::store::access::checkpoints::counts_from(&kept, signed);
            let Some(from) = from else { continue };
            kept.push(CheckpointRow { from, ..signed.clone() });
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
            .bind(micros(from))
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
