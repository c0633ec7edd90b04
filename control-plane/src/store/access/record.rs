//! Stores what agents report, one report in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use hanse_domain::access::inventory::bucket_of;
use hanse_domain::access::object::AccessKey;
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use sqlx::QueryBuilder;

use super::super::backend::{Dialect, run_tx};
use super::super::clusters::admit;
use super::super::columns::{DigestColumn, OptionalDigestColumn, int, micros, raw};
use super::super::{Store, StoreError, Writer};
use super::checkpoints::keep_sighting;
use super::decide::{Known, decide};
use super::report::{contents_of, prepare, ranges, split, steps};
use super::totals::{Before, Inventory, end};
use super::{AccessReport, Recorded, Sighting, kind_number, kind_of};

/// Rows of one statement, at most 12 binds each.
const CHUNK: usize = 1_000;

/// Gives the ids of contents, which nobody forgets before the transaction ends.
macro_rules! content_ids {
    ($tx:ident, $db:ident, $contents:expr) => {{
        let contents: &BTreeMap<Digest, &str> = $contents;
        let wanted: Vec<&Digest> = contents.keys().collect();
        let mut ids: BTreeMap<Digest, i64> = BTreeMap::new();
        for chunk in wanted.chunks(CHUNK) {
            let known = known_ids!($tx, $db, chunk);
            ids.extend(known);
            let missing: Vec<(&Digest, &str)> = (chunk.iter())
                .filter(|digest| !ids.contains_key(*digest))
                .filter_map(|digest| Some((*digest, *contents.get(*digest)?)))
                .collect();
            if missing.is_empty() {
                continue;
            }
            let mut query = QueryBuilder::<$db>::new("INSERT INTO access_contents (digest, json) ");
            query.push_values(&missing, |mut values, (digest, json)| {
                values.push_bind(raw(digest)).push_bind(*json);
            });
            query.push(" ON CONFLICT (digest) DO NOTHING RETURNING digest, id");
            let made: Vec<(DigestColumn, i64)> =
                query.build_query_as().persistent(missing.len() == 1).fetch_all(&mut *$tx).await?;
            let raced = made.len() < missing.len();
            ids.extend(made.into_iter().map(|(digest, id)| (digest.into(), id)));
            if raced {
                ids.extend(known_ids!($tx, $db, chunk));
            }
            if chunk.iter().any(|digest| !ids.contains_key(*digest)) {
                return Err(StoreError::Serialization);
            }
        }
        ids
    }};
}

macro_rules! known_ids {
    ($tx:ident, $db:ident, $digests:expr) => {{
        let mut query =
            QueryBuilder::<$db>::new("SELECT digest, id FROM access_contents WHERE digest IN (");
        let mut list = query.separated(", ");
        for digest in $digests.iter() {
            list.push_bind(raw(digest));
        }
        query.push(") ORDER BY digest").push(<$db as Dialect>::KEEP_ROWS);
        let persistent = $digests.len() == 1;
        let known: Vec<(DigestColumn, i64)> =
            query.build_query_as().persistent(persistent).fetch_all(&mut *$tx).await?;
        known.into_iter().map(|(digest, id)| (Digest::from(digest), id)).collect::<Vec<_>>()
    }};
}

impl Store {
    /// Records what an agent reports, and what it saw. A report that arrives twice changes nothing.
    ///
    /// [`StoreError::CutOff`] for a cluster that has not joined or is revoked,
    /// [`StoreError::Superseded`] when a newer stream has written, [`StoreError::Invalid`] for names
    /// that hold NUL or are longer than [`super::MAX_ACCESS_NAME_BYTES`], and for more than 200,000 objects.
    pub async fn record_access(
        &self,
        by: Writer,
        report: &AccessReport,
        sighting: &Sighting,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let cluster = by.cluster;
        let (prepared, contents) = prepare(&report.changes)?;
        let unseen = serde_json::to_string(&report.unseen)
            .map_err(|error| StoreError::invalid(format!("kinds as JSON: {error}")))?;
        let touched: BTreeSet<u8> = (prepared.iter().map(|change| bucket_of(&change.key_hash)))
            .chain(report.whole_buckets.iter().copied())
            .collect();

        run_tx!(self, "record-access", ReadCommitted, |tx, Db| {
            admit!(tx, Db, by);
            let before: Option<Before> = sqlx::query_as(
                "SELECT root, buckets, objects, skipped, unseen, learned_at FROM access_clusters \
                 WHERE cluster_id = $1",
            )
            .bind(cluster.0)
            .fetch_optional(&mut *tx)
            .await?;

            // What is stored in the buckets that the report touches.
            let mut stored: BTreeMap<Digest, Known> = BTreeMap::new();
            for range in ranges(&touched) {
                let found: Vec<(DigestColumn, OptionalDigestColumn, i64)> = sqlx::query_as(
                    "SELECT key_hash, leaf, at FROM access_objects \
                     WHERE cluster_id = $1 AND key_hash BETWEEN $2 AND $3",
                )
                .bind(cluster.0)
                .bind(end(*range.start(), 0))
                .bind(end(*range.end(), u8::MAX))
                .fetch_all(&mut *tx)
                .await?;
                let known = |(key_hash, leaf, at): (DigestColumn, OptionalDigestColumn, i64)| {
                    (Digest::from(key_hash), Known { leaf: leaf.into(), at })
                };
                stored.extend(found.into_iter().map(known));
            }

            let steps = steps(report, &prepared, &stored);
            let chains = decide(&stored, steps);
            let inventory = Inventory::after(before.as_ref(), &touched, stored, &chains)?;
            let learned = match &before {
                Some((.., last)) if chains.is_empty() => *last,
                Some((.., last)) => micros(now).max(last.saturating_add(1)),
                None => micros(now),
            };

            // Who went only because a bucket came without it: the report does not name it.
            let unnamed: Vec<Digest> = (chains.iter())
                .filter(|(_, versions)| versions.iter().all(|step| step.change.is_none()))
                .map(|(key_hash, _)| *key_hash)
                .collect();
            let mut names: BTreeMap<Digest, AccessKey> = BTreeMap::new();
            for chunk in unnamed.chunks(CHUNK) {
                let mut query = QueryBuilder::<Db>::new(
                    "SELECT key_hash, kind, namespace, name FROM access_objects WHERE cluster_id = ",
                );
                query.push_bind(cluster.0).push(" AND key_hash IN (");
                let mut list = query.separated(", ");
                for key_hash in chunk {
                    list.push_bind(raw(key_hash));
                }
                query.push(")");
                let found: Vec<(DigestColumn, i16, String, String)> =
                    query.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
                for (key_hash, kind, namespace, name) in found {
                    let key = AccessKey { kind: kind_of(kind)?, namespace, name };
                    names.insert(key_hash.into(), key);
                }
            }

            let said = contents_of(&chains, &prepared, &contents);
            let ids = content_ids!(tx, Db, &said);

            // The stored versions end where the new ones begin.
            let ends: Vec<(&Digest, i64)> = (chains.iter())
                .filter(|(key_hash, _)| inventory.known.contains(*key_hash))
                .filter_map(|(key_hash, versions)| Some((key_hash, versions.first()?.at)))
                .collect();
            for chunk in ends.chunks(CHUNK) {
                let mut query = QueryBuilder::<Db>::new("WITH ended (key_hash, until_at) AS (");
                query.push_values(chunk, |mut values, (key_hash, until)| {
                    values.push_bind(raw(key_hash)).push_bind(*until);
                });
                query.push(
                    ") INSERT INTO access_past (cluster_id, key_hash, kind, namespace, name, \
                     content, leaf, at, learned_at, origin, until_at, until_learned) \
                     SELECT o.cluster_id, o.key_hash, o.kind, o.namespace, o.name, o.content, \
                     o.leaf, o.at, o.learned_at, o.origin, e.until_at, ",
                );
                query.push_bind(learned);
                query.push(
                    " FROM ended e CROSS JOIN access_objects o \
                     WHERE o.key_hash = e.key_hash AND o.cluster_id = ",
                );
                query.push_bind(cluster.0);
                query.build().persistent(chunk.len() == 1).execute(&mut *tx).await?;
            }

            let (passing, newest) = split(&chains, &prepared, &names, &ids)?;
            for chunk in passing.chunks(CHUNK) {
                let mut query = QueryBuilder::<Db>::new(
                    "INSERT INTO access_past (cluster_id, key_hash, kind, namespace, name, \
                     content, leaf, at, learned_at, origin, until_at, until_learned) ",
                );
                query.push_values(chunk, |mut values, (version, until)| {
                    values.push_bind(cluster.0).push_bind(raw(&version.key_hash));
                    values.push_bind(kind_number(version.key.kind));
                    values.push_bind(&version.key.namespace).push_bind(&version.key.name);
                    values.push_bind(version.content).push_bind(version.leaf.as_ref().map(raw));
                    values.push_bind(version.at).push_bind(learned).push_bind(version.origin);
                    values.push_bind(*until).push_bind(learned);
                });
                query.build().persistent(chunk.len() == 1).execute(&mut *tx).await?;
            }
            for chunk in newest.chunks(CHUNK) {
                let mut query = QueryBuilder::<Db>::new(
                    "INSERT INTO access_objects (cluster_id, key_hash, kind, namespace, name, \
                     content, leaf, at, learned_at, origin) ",
                );
                query.push_values(chunk, |mut values, version| {
                    values.push_bind(cluster.0).push_bind(raw(&version.key_hash));
                    values.push_bind(kind_number(version.key.kind));
                    values.push_bind(&version.key.namespace).push_bind(&version.key.name);
                    values.push_bind(version.content).push_bind(version.leaf.as_ref().map(raw));
                    values.push_bind(version.at).push_bind(learned).push_bind(version.origin);
                });
                query.push(
                    " ON CONFLICT (cluster_id, key_hash) DO UPDATE SET \
                     content = excluded.content, leaf = excluded.leaf, at = excluded.at, \
                     learned_at = excluded.learned_at, origin = excluded.origin",
                );
                query.build().persistent(chunk.len() == 1).execute(&mut *tx).await?;
            }

            let same = before.as_ref().is_some_and(|(_, _, _, skipped, was_unseen, _)| {
                chains.is_empty() && *skipped == int(report.skipped) && *was_unseen == unseen
            });
            if !same {
                sqlx::query(
                    "INSERT INTO access_clusters \
                     (cluster_id, root, buckets, objects, skipped, unseen, learned_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (cluster_id) DO UPDATE SET \
                     root = excluded.root, buckets = excluded.buckets, \
                     objects = excluded.objects, skipped = excluded.skipped, \
                     unseen = excluded.unseen, learned_at = excluded.learned_at",
                )
                .bind(cluster.0)
                .bind(raw(&inventory.root))
                .bind(&inventory.buckets)
                .bind(int(inventory.objects))
                .bind(int(report.skipped))
                .bind(&unseen)
                .bind(learned)
                .execute(&mut *tx)
                .await?;
            }
            keep_sighting!(tx, Db, cluster, sighting, now);

            let changed = newest.iter().map(|version| version.key.clone());
            let contents = chains.values().map(|versions| {
                let change = versions.last().and_then(|last| report.changes.get(last.change?));
                change.and_then(|change| Some(change.seen.as_ref()?.0.clone()))
            });
            Ok(Recorded {
                root: inventory.root,
                objects: inventory.objects,
                learned_at: Timestamp::from_microsecond(learned)
                    .map_err(|error| StoreError::corrupt(error.to_string()))?,
                changed: changed.zip(contents).collect(),
            })
        })
    }

    /// Records what an agent saw where nothing changed. Errors as for `record_access`.
    pub async fn extend_access(
        &self,
        by: Writer,
        sighting: &Sighting,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        run_tx!(self, "extend-access", ReadCommitted, |tx, Db| {
            admit!(tx, Db, by);
            let cluster: ClusterId = by.cluster;
            keep_sighting!(tx, Db, cluster, sighting, now);
            Ok(())
        })
    }
}
