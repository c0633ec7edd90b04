//! Versions of objects with everything that was reported of them: for evidence and provenance.

use std::collections::BTreeMap;

use bytes::Bytes;
use hanse_domain::access::object::{AccessKey, Origin};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use sqlx::QueryBuilder;

use super::super::backend::read;
use super::super::columns::{DigestColumn, OptionalDigestColumn, TimeColumn, micros, raw, rows};
use super::super::{Store, StoreError};
use super::{AccessMoment, SeenRow, VersionRow, kind_of};

/// Keys that are looked up in one statement.
const CHUNK: usize = 1_000;

/// Where an object comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenanceRow {
    /// Digest of what it says.
    pub content: Digest,
    /// As the cluster says.
    pub origin: Origin,
    /// When it became so.
    pub at: Timestamp,
    /// When the hub learned it.
    pub learned_at: Timestamp,
}

/// A place in a list of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionCursor {
    at: i64,
    key_hash: Digest,
    learned_at: i64,
}

impl VersionRow {
    /// The place after it, in lists by time.
    pub fn cursor(&self) -> VersionCursor {
        VersionCursor {
            at: micros(self.at),
            key_hash: self.key.hash(),
            learned_at: micros(self.learned_at),
        }
    }
}

/// The columns of [`Stored`] from one table, then a condition on `v`.
macro_rules! versions {
    ($table:literal, $condition:literal) => {
        concat!(
            "SELECT v.key_hash, v.kind, v.namespace, v.name, v.content, v.leaf, v.at, \
             v.learned_at, v.origin FROM ",
            $table,
            " v WHERE v.cluster_id = $1 AND ",
            $condition
        )
    };
}

/// [`Stored`] from versions with their contents, in an order.
macro_rules! with_contents {
    ($now:expr, $past:expr, $order:literal) => {
        concat!(
            "SELECT s.kind, s.namespace, s.name, s.leaf, s.at, s.learned_at, s.origin, c.digest, \
             c.json FROM (",
            $now,
            " UNION ALL ",
            $past,
            " ORDER BY ",
            $order,
            " LIMIT $4) s LEFT JOIN access_contents c ON c.id = s.content ORDER BY ",
            $order
        )
    };
}

const OBJECTS_AT: &str = with_contents!(
    versions!(
        "access_objects",
        "v.content IS NOT NULL AND v.at <= $2 AND v.learned_at <= $3 AND v.key_hash > $5"
    ),
    versions!(
        "access_past",
        "v.content IS NOT NULL AND v.at <= $2 AND v.learned_at <= $3 AND v.key_hash > $5 \
         AND (v.until_at > $2 OR v.until_learned > $3)"
    ),
    "key_hash"
);

const BETWEEN: &str = with_contents!(
    versions!(
        "access_objects",
        "v.at >= $5 AND v.at <= $2 AND v.learned_at <= $3 \
         AND (v.at, v.key_hash, v.learned_at) > ($5, $6, $7)"
    ),
    versions!(
        "access_past",
        "v.at >= $5 AND v.at <= $2 AND v.learned_at <= $3 \
         AND (v.at, v.key_hash, v.learned_at) > ($5, $6, $7)"
    ),
    "at, key_hash, learned_at"
);

#[derive(sqlx::FromRow)]
struct Stored {
    kind: i16,
    namespace: String,
    name: String,
    #[sqlx(try_from = "OptionalDigestColumn")]
    leaf: Option<Digest>,
    #[sqlx(try_from = "TimeColumn")]
    at: Timestamp,
    #[sqlx(try_from = "TimeColumn")]
    learned_at: Timestamp,
    origin: Vec<u8>,
    #[sqlx(try_from = "OptionalDigestColumn")]
    digest: Option<Digest>,
    json: Option<String>,
}

impl Store {
    /// At most `limit` objects of a cluster at a moment, by the hash of their keys, after one. Pages
    /// are one picture when the moment is known at one that has passed.
    pub async fn access_objects_at(
        &self,
        cluster: ClusterId,
        moment: AccessMoment,
        after: Option<Digest>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let (at, known_at) = moment.micros();
        let after = after.as_ref().map_or(&[][..], raw);
        let found: Vec<Stored> = read!(self, |conn| sqlx::query_as(OBJECTS_AT)
            .bind(cluster.0)
            .bind(at)
            .bind(known_at)
            .bind(rows(limit))
            .bind(after)
            .fetch_all(&mut *conn)
            .await?);
        found.into_iter().map(Stored::version).collect()
    }

    /// At most `limit` versions that began after `from` and no later than `moment.at`, as known at
    /// `moment.known_at`: by when they began, those that say that an object went as well.
    pub async fn access_versions(
        &self,
        cluster: ClusterId,
        from: Timestamp,
        moment: AccessMoment,
        after: Option<VersionCursor>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let (at, known_at) = moment.micros();
        // Behind everything that began at `from`.
        let beginning = || VersionCursor {
            at: micros(from),
            key_hash: Digest([u8::MAX; 32]),
            learned_at: i64::MAX,
        };
        let after = after.unwrap_or_else(beginning);
        let found: Vec<Stored> = read!(self, |conn| sqlx::query_as(BETWEEN)
            .bind(cluster.0)
            .bind(at)
            .bind(known_at)
            .bind(rows(limit))
            .bind(after.at)
            .bind(raw(&after.key_hash))
            .bind(after.learned_at)
            .fetch_all(&mut *conn)
            .await?);
        found.into_iter().map(Stored::version).collect()
    }

    /// Where objects of a cluster come from, for those of the keys that are there at the moment; now
    /// when it is `None`.
    pub async fn provenance(
        &self,
        cluster: ClusterId,
        keys: &[AccessKey],
        moment: Option<AccessMoment>,
    ) -> Result<BTreeMap<AccessKey, ProvenanceRow>, StoreError> {
        let by_hash: BTreeMap<Digest, &AccessKey> = keys.iter().map(|k| (k.hash(), k)).collect();
        let hashes: Vec<&Digest> = by_hash.keys().collect();
        let mut all = BTreeMap::new();
        for chunk in hashes.chunks(CHUNK) {
            let found: Vec<(DigestColumn, DigestColumn, Vec<u8>, TimeColumn, TimeColumn)> =
                read!(self, |conn| {
                    let mut query = QueryBuilder::new("");
                    let tables: &[&str] = match moment {
                        None => &["access_objects"],
                        Some(_) => &["access_objects", "access_past"],
                    };
                    for (index, table) in tables.iter().enumerate() {
                        if index > 0 {
                            query.push(" UNION ALL ");
                        }
                        query.push(
                            "SELECT key_hash, (SELECT c.digest FROM access_contents c \
                             WHERE c.id = content), origin, at, learned_at FROM ",
                        );
                        query.push(*table);
                        query.push(" WHERE content IS NOT NULL AND cluster_id = ");
                        query.push_bind(cluster.0).push(" AND key_hash IN (");
                        let mut list = query.separated(", ");
                        for hash in chunk {
                            list.push_bind(raw(hash));
                        }
                        query.push(")");
                        if let Some(moment) = moment {
                            let (at, known_at) = moment.micros();
                            query.push(" AND at <= ").push_bind(at);
                            query.push(" AND learned_at <= ").push_bind(known_at);
                            if index > 0 {
                                query.push(" AND (until_at > ").push_bind(at);
                                query.push(" OR until_learned > ").push_bind(known_at).push(")");
                            }
                        }
                    }
                    query.build_query_as().persistent(false).fetch_all(&mut *conn).await?
                });
            for (hash, content, origin, at, learned_at) in found {
                if let Some(key) = by_hash.get(&Digest::from(hash)) {
                    let origin = Origin::decode(&origin)
                        .map_err(|error| StoreError::corrupt(format!("of {key}: {error}")))?;
                    let (content, at, learned_at) = (content.into(), at.into(), learned_at.into());
                    let row = ProvenanceRow { content, origin, at, learned_at };
                    all.insert((*key).clone(), row);
                }
            }
        }
        Ok(all)
    }
}

impl Stored {
    fn version(self) -> Result<VersionRow, StoreError> {
        let key =
            AccessKey { kind: kind_of(self.kind)?, namespace: self.namespace, name: self.name };
        let seen = match (self.leaf, self.digest, self.json) {
            (None, None, None) => None,
            (Some(leaf), Some(digest), Some(json)) => {
                if Digest::of(json.as_bytes()) != digest {
                    return Err(StoreError::corrupt(format!("content {digest} has other bytes")));
                }
                Some(SeenRow {
                    content: Bytes::from(json.into_bytes()),
                    origin: self.origin.into(),
                    leaf,
                })
            }
            _ => return Err(StoreError::corrupt(format!("the content of {key} is missing"))),
        };
        Ok(VersionRow { key, seen, at: self.at, learned_at: self.learned_at })
    }
}
