//! When clusters were seen without a gap. An agent that is away makes a gap: nothing is known of it.

use hanse_domain::ids::ClusterId;
use jiff::Timestamp;

use super::super::backend::read;
use super::super::columns::{micros, rows};
use super::super::{Store, StoreError};
use super::CoverageRow;

macro_rules! coverage {
    ($rest:literal) => {
        concat!("SELECT from_at, until_at FROM access_coverage ", $rest)
    };
}

impl Store {
    /// The last interval that began no later than a moment, and that the hub knew of: the cluster was
    /// seen then if it ends no earlier. An interval grows, and how far it had grown is not kept: as
    /// it was known at a moment, it ends there at the latest.
    pub async fn coverage_before(
        &self,
        cluster: ClusterId,
        at: Timestamp,
        known_at: Option<Timestamp>,
    ) -> Result<Option<CoverageRow>, StoreError> {
        let sql = coverage!(
            "WHERE cluster_id = $1 AND from_at <= $2 AND learned_at <= $3 \
             ORDER BY from_at DESC LIMIT 1"
        );
        let row: Option<CoverageRow> = read!(self, |conn| sqlx::query_as(sql)
            .bind(cluster.0)
            .bind(micros(at))
            .bind(known_at.map_or(i64::MAX, micros))
            .fetch_optional(&mut *conn)
            .await?);
        Ok(row.map(|row| CoverageRow {
            until: known_at.map_or(row.until, |known| row.until.min(known).max(row.from)),
            ..row
        }))
    }

    /// At most `limit` intervals of a cluster, the newest first, that began before a moment.
    pub async fn coverage(
        &self,
        cluster: ClusterId,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<CoverageRow>, StoreError> {
        let sql =
            coverage!("WHERE cluster_id = $1 AND from_at < $2 ORDER BY from_at DESC LIMIT $3");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(cluster.0)
            .bind(before.map_or(i64::MAX, micros))
            .bind(rows(limit))
            .fetch_all(&mut *conn)
            .await?))
    }
}
