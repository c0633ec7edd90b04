//! What a cluster holds, now and at any moment: what an index is made of.

use hanse_domain::access::object::AccessKey;
use hanse_domain::ids::ClusterId;
use jiff::Timestamp;

use super::super::backend::read;
use super::super::columns::{TimeColumn, micros};
use super::super::{Store, StoreError};
use super::pack::{packed, unpack};
use super::{AccessContents, AccessMoment, AccessState, InventoryRow, kind_of};

/// What the hub learned of a cluster after a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChanges {
    /// Objects that are there, as they are now.
    pub there: Vec<AccessState>,
    /// Objects that are not.
    pub gone: Vec<AccessKey>,
    /// The newest moment at which it learned some of this; the one that was asked with for nothing.
    pub learned_at: Timestamp,
}

const CURRENT: &str = concat!(
    "SELECT string_agg(",
    packed!(),
    ", '') FROM access_objects WHERE cluster_id = $1 AND content IS NOT NULL"
);

const AT: &str = concat!(
    "SELECT string_agg(packed, '') FROM (SELECT ",
    packed!(),
    " AS packed FROM access_objects WHERE cluster_id = $1 AND content IS NOT NULL \
     AND at <= $2 AND learned_at <= $3 UNION ALL SELECT ",
    packed!(),
    " FROM access_past WHERE cluster_id = $1 AND content IS NOT NULL \
     AND at <= $2 AND learned_at <= $3 AND (until_at > $2 OR until_learned > $3)) AS versions"
);

impl Store {
    /// How the inventory of each cluster stands of which there was a report, by id: one row a
    /// cluster. Hubs that share a database see in it what others learned.
    pub async fn access_roots(&self) -> Result<Vec<InventoryRow>, StoreError> {
        let sql = "SELECT cluster_id, root, objects, skipped, unseen, learned_at \
                   FROM access_clusters ORDER BY cluster_id";
        read!(self, |conn| Ok(sqlx::query_as(sql).fetch_all(&mut *conn).await?))
    }

    /// How the inventory of one cluster stands; `None` before its first report.
    pub async fn access_root(
        &self,
        cluster: ClusterId,
    ) -> Result<Option<InventoryRow>, StoreError> {
        let sql = "SELECT cluster_id, root, objects, skipped, unseen, learned_at \
                   FROM access_clusters WHERE cluster_id = $1";
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(cluster.0)
            .fetch_optional(&mut *conn)
            .await?))
    }

    /// The digests of all 256 buckets of a cluster, one behind the other; `None` before its first
    /// report.
    pub async fn access_buckets(&self, cluster: ClusterId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT buckets FROM access_clusters WHERE cluster_id = $1";
        read!(self, |conn| Ok(sqlx::query_scalar(sql)
            .bind(cluster.0)
            .fetch_optional(&mut *conn)
            .await?))
    }

    /// All objects of a cluster now, in no order: one picture, bounded by what a cluster may have.
    pub async fn current_access(
        &self,
        cluster: ClusterId,
        contents: &mut AccessContents,
    ) -> Result<Vec<AccessState>, StoreError> {
        let packed: Option<String> = read!(self, |conn| sqlx::query_scalar(CURRENT)
            .bind(cluster.0)
            .fetch_one(&mut *conn)
            .await?);
        let entries = unpack(packed.as_deref().unwrap_or_default())?;
        self.with_contents(entries, contents).await
    }

    /// All objects of a cluster at a moment, in no order, bounded likewise. Within the retention: the
    /// caller refuses moments before [`Store::access_history_from`], by either clock.
    pub async fn access_at(
        &self,
        cluster: ClusterId,
        moment: AccessMoment,
        contents: &mut AccessContents,
    ) -> Result<Vec<AccessState>, StoreError> {
        let (at, known_at) = moment.micros();
        let packed: Option<String> = read!(self, |conn| sqlx::query_scalar(AT)
            .bind(cluster.0)
            .bind(at)
            .bind(known_at)
            .fetch_one(&mut *conn)
            .await?);
        let entries = unpack(packed.as_deref().unwrap_or_default())?;
        self.with_contents(entries, contents).await
    }

    /// What changed since the hub, or another one, had learned everything up to a moment. What it
    /// costs is what changed.
    pub async fn access_since(
        &self,
        cluster: ClusterId,
        learned_at: Timestamp,
        contents: &mut AccessContents,
    ) -> Result<AccessChanges, StoreError> {
        let sql = "SELECT kind, namespace, name, content, learned_at FROM access_objects \
                   WHERE cluster_id = $1 AND learned_at > $2";
        let found: Vec<(i16, String, String, Option<i64>, TimeColumn)> =
            read!(self, |conn| sqlx::query_as(sql)
                .bind(cluster.0)
                .bind(micros(learned_at))
                .fetch_all(&mut *conn)
                .await?);
        let (mut entries, mut gone, mut newest) = (Vec::new(), Vec::new(), learned_at);
        for (kind, namespace, name, content, learned) in found {
            let kind = kind_of(kind)?;
            let key = AccessKey { kind, namespace, name };
            newest = newest.max(learned.into());
            match content {
                Some(content) => entries.push((key, content)),
                None => gone.push(key),
            }
        }
        let there = self.with_contents(entries, contents).await?;
        Ok(AccessChanges { there, gone, learned_at: newest })
    }
}
