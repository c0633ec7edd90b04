//! Reads drift: what stands, what stood, and how much.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hanse_domain::ids::ClusterId;
use jiff::Timestamp;
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::super::backend::{read, run_tx};
use super::super::columns::{ClusterColumn, SmallCountColumn, int, micros, rows};
use super::super::{Store, StoreError};
use super::DriftRow;

/// Which drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriftFilter {
    /// Of one cluster; `None` for all.
    pub cluster: Option<ClusterId>,
    /// What is resolved, too.
    pub history: bool,
}

/// Some drift, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftPage {
    /// At most as many as were asked for.
    pub rows: Vec<DriftRow>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<DriftCursor>,
}

/// A place in the list, that does not move when drift is added. As text, it is a page token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftCursor {
    detected_at: Timestamp,
    id: Uuid,
    cluster: ClusterId,
}

/// Text that is not a page token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a page token")]
pub struct InvalidCursor;

macro_rules! drift {
    ($rest:literal) => {
        concat!(
            "SELECT cluster_id, id, api_version, kind, namespace, name, class, state, source, \
             fields, manager, since, detected_at, resolved_at, message FROM drift ",
            $rest
        )
    };
}

impl Store {
    /// At most `limit` rows, newest first, after the cursor.
    pub async fn list_drift(
        &self,
        filter: DriftFilter,
        limit: usize,
        after: Option<DriftCursor>,
    ) -> Result<DriftPage, StoreError> {
        let mut found: Vec<DriftRow> = read!(self, |conn| {
            let mut query = QueryBuilder::new(drift!("WHERE 1 = 1"));
            if let Some(cluster) = filter.cluster {
                query.push(" AND cluster_id = ").push_bind(cluster.0);
            }
            if !filter.history {
                query.push(" AND state = 1");
            }
            if let Some(after) = after {
                query.push(" AND (detected_at, id, cluster_id) < (");
                query.push_bind(micros(after.detected_at)).push(", ").push_bind(after.id);
                query.push(", ").push_bind(after.cluster.0).push(")");
            }
            query.push(" ORDER BY detected_at DESC, id DESC, cluster_id DESC LIMIT ");
            // One more says whether there is a next page.
            query.push_bind(rows(limit.saturating_add(1)));
            query.build_query_as().fetch_all(&mut *conn).await?
        });
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(DriftCursor::after);
        Ok(DriftPage { rows: found, next })
    }

    /// The ids by which a cluster's agent knows what stands there, by kind, namespace and name: what
    /// a digest of its drift is made of. Bounded by what a cluster's agent may report.
    pub async fn open_drift_ids(&self, cluster: ClusterId) -> Result<Vec<Uuid>, StoreError> {
        let sql = "SELECT COALESCE(updated_by, id) FROM drift WHERE cluster_id = $1 AND state = 1 \
                   ORDER BY kind, namespace, name, api_version";
        read!(self, |conn| Ok(sqlx::query_scalar(sql)
            .bind(cluster.0)
            .fetch_all(&mut *conn)
            .await?))
    }

    /// How much stands in each cluster where something does: one row a cluster.
    pub async fn open_drift_counts(&self) -> Result<Vec<(ClusterId, u32)>, StoreError> {
        let sql = "SELECT cluster_id, COUNT(*) FROM drift WHERE state = 1 GROUP BY cluster_id \
                   ORDER BY cluster_id";
        let counts: Vec<(ClusterColumn, SmallCountColumn)> =
            read!(self, |conn| sqlx::query_as(sql).fetch_all(&mut *conn).await?);
        Ok(counts.into_iter().map(|(id, count)| (id.into(), count.into())).collect())
    }

    /// Forgets at most `limit` of what was resolved before a time, the oldest first, and returns how
    /// many that were: fewer than `limit` when there is no more.
    pub async fn prune_resolved_drift(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        run_tx!(self, "prune-drift", ReadCommitted, |tx, Db| {
            let gone = sqlx::query(
                "DELETE FROM drift WHERE (cluster_id, id) IN (SELECT cluster_id, id FROM drift \
                 WHERE state <> 1 AND resolved_at < $1 ORDER BY resolved_at LIMIT $2)",
            )
            .bind(micros(before))
            .bind(rows(limit))
            .execute(&mut *tx)
            .await?;
            Ok(gone.rows_affected())
        })
    }
}

impl Store {
    /// The clusters with more than `most` that was resolved.
    pub async fn long_drift_histories(&self, most: u32) -> Result<Vec<ClusterId>, StoreError> {
        let sql = "SELECT cluster_id FROM drift WHERE state <> 1 GROUP BY cluster_id \
                   HAVING COUNT(*) > $1 ORDER BY cluster_id";
        let ids: Vec<ClusterColumn> = read!(self, |conn| sqlx::query_scalar(sql)
            .bind(int(most))
            .fetch_all(&mut *conn)
            .await?);
        Ok(ids.into_iter().map(Into::into).collect())
    }

    /// Forgets at most `limit` of what was resolved in a cluster beyond the newest `most`, and returns
    /// how many that were.
    pub async fn trim_resolved_drift(
        &self,
        cluster: ClusterId,
        most: u32,
        limit: usize,
    ) -> Result<u64, StoreError> {
        run_tx!(self, "trim-drift", ReadCommitted, |tx, Db| {
            let gone = sqlx::query(
                "DELETE FROM drift WHERE cluster_id = $1 AND id IN (SELECT id FROM drift \
                 WHERE cluster_id = $1 AND state <> 1 ORDER BY resolved_at DESC, id DESC \
                 LIMIT $3 OFFSET $2)",
            )
            .bind(cluster.0)
            .bind(int(most))
            .bind(rows(limit))
            .execute(&mut *tx)
            .await?;
            Ok(gone.rows_affected())
        })
    }
}

impl DriftCursor {
    fn after(row: &DriftRow) -> Self {
        let occurrence = &row.occurrence;
        Self { detected_at: occurrence.detected_at, id: occurrence.id, cluster: row.cluster }
    }
}

impl fmt::Display for DriftCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = micros(self.detected_at).to_be_bytes().to_vec();
        bytes.extend(self.id.as_bytes());
        bytes.extend(self.cluster.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for DriftCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (micros, rest) = bytes.split_first_chunk::<8>().ok_or(InvalidCursor)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(InvalidCursor)?;
        let cluster = <[u8; 16]>::try_from(rest).map_err(|_| InvalidCursor)?;
        Ok(Self {
            detected_at: Timestamp::from_microsecond(i64::from_be_bytes(*micros))
                .map_err(|_| InvalidCursor)?,
            id: Uuid::from_bytes(*id),
            cluster: ClusterId(Uuid::from_bytes(cluster)),
        })
    }
}
