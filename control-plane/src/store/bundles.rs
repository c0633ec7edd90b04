//! Bundles: what each cluster must hold since a generation, and the proof that an author said so.

use hanse_domain::ids::{ClusterId, Digest, Generation, RevisionNumber};

use super::backend::read;
use super::columns::{ClusterColumn, CountColumn, DigestColumn, PathColumn, RevisionColumn, int};
use super::{Store, StoreError};

/// One bundle of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct BundleRow {
    /// Whose it is.
    #[sqlx(rename = "cluster_id", try_from = "ClusterColumn")]
    pub cluster: ClusterId,
    /// The statement that made it.
    #[sqlx(try_from = "RevisionColumn")]
    pub generation: Generation,
    /// Its manifest, a content.
    #[sqlx(try_from = "DigestColumn")]
    pub manifest: Digest,
    /// Where its leaf is in the fleet's tree.
    #[sqlx(try_from = "CountColumn")]
    pub leaf_index: u64,
    /// How many leaves that tree has.
    #[sqlx(try_from = "CountColumn")]
    pub tree_size: u64,
    /// The inclusion proof of its leaf, from the leaf up (RFC 6962, section 2.1.1).
    #[sqlx(try_from = "PathColumn")]
    pub path: Vec<Digest>,
}

impl BundleRow {
    pub(super) fn path_bytes(&self) -> Vec<u8> {
        self.path.iter().flat_map(|digest| digest.0).collect()
    }
}

/// Visits each cluster once by the primary key, however many generations it has had.
const LATEST: &str = "\
    WITH RECURSIVE ids (id) AS ( \
        SELECT (SELECT b.cluster_id FROM bundles b ORDER BY b.cluster_id LIMIT 1) \
        UNION ALL \
        SELECT (SELECT b.cluster_id FROM bundles b WHERE b.cluster_id > i.id \
                ORDER BY b.cluster_id LIMIT 1) \
        FROM ids i WHERE i.id IS NOT NULL \
    ) \
    SELECT b.cluster_id, b.generation, b.manifest, b.leaf_index, b.tree_size, b.path \
    FROM ids i JOIN bundles b ON b.cluster_id = i.id AND b.generation = \
        (SELECT MAX(m.generation) FROM bundles m WHERE m.cluster_id = i.id) \
    ORDER BY b.cluster_id";

macro_rules! bundles {
    ($rest:literal) => {
        concat!(
            "SELECT cluster_id, generation, manifest, leaf_index, tree_size, path FROM bundles ",
            $rest
        )
    };
}

impl Store {
    /// The newest bundle of each cluster, ordered by id: one row for each cluster that the fleet
    /// ever had.
    pub async fn latest_bundles(&self) -> Result<Vec<BundleRow>, StoreError> {
        read!(self, |conn| Ok(sqlx::query_as(LATEST).fetch_all(&mut *conn).await?))
    }

    /// The bundle that a cluster had after a statement; `None` before its first.
    pub async fn bundle_at(
        &self,
        cluster: ClusterId,
        number: RevisionNumber,
    ) -> Result<Option<BundleRow>, StoreError> {
        let sql =
            bundles!("WHERE cluster_id = $1 AND generation <= $2 ORDER BY generation DESC LIMIT 1");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(cluster.0)
            .bind(int(number.0))
            .fetch_optional(&mut *conn)
            .await?))
    }

    /// One bundle.
    pub async fn bundle(
        &self,
        cluster: ClusterId,
        generation: Generation,
    ) -> Result<Option<BundleRow>, StoreError> {
        let sql = bundles!("WHERE cluster_id = $1 AND generation = $2");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(cluster.0)
            .bind(int(generation.0))
            .fetch_optional(&mut *conn)
            .await?))
    }
}
