//! Stores what agents report, one report in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use hanse_domain::access::inventory::{BUCKETS, bucket_digest, bucket_of, root};
use hanse_domain::access::object::{AccessKey, MAX_OBJECTS, leaf};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use sqlx::QueryBuilder;

use super::super::backend::{Dialect, run_tx};
use super::super::clusters::admit;
use super::super::columns::{DigestColumn, OptionalDigestColumn, int, micros, raw};
use super::super::{Store, StoreError, Writer};
use super::checkpoints::keep_sighting;
use super::decide::{Known, Step, decide};
use super::{
    AccessChange, AccessReport, MAX_ACCESS_NAME_BYTES, Recorded, Sighting, kind_number, kind_of,
};

/// Rows of one statement, at most 12 binds each.
const CHUNK: usize = 1_000;
/// From so many touched buckets on, all of a cluster's are read in one statement.
const MANY_BUCKETS: usize = 32;

/// A change with what follows from it.
struct Prepared<'r> {
    key: &'r AccessKey,
    key_hash: Digest,
    /// The content's digest, the origin's encoding and the leaf.
    seen: Option<(Digest, Vec<u8>, Digest)>,
}

/// The stored row of a cluster: root, buckets, objects, skipped, unseen, learned_at.
type Before = (DigestColumn, Vec<u8>, i64, i64, String, i64);

/// One version to be written.
struct Version<'r> {
    key: &'r AccessKey,
    key_hash: Digest,
    content: Option<i64>,
    leaf: Option<Digest>,
    origin: &'r [u8],
    at: i64,
}

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
    /// that hold NUL or are longer than [`MAX_ACCESS_NAME_BYTES`], and for more than [`MAX_OBJECTS`].
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

/// Digests of everything in a report, and its contents, each once.
fn prepare(
    changes: &[AccessChange],
) -> Result<(Vec<Prepared<'_>>, BTreeMap<Digest, String>), StoreError> {
    let mut contents = BTreeMap::new();
    let mut prepared = Vec::with_capacity(changes.len());
    for AccessChange { key, seen, at: _ } in changes {
        for text in [&key.namespace, &key.name] {
            if text.contains('\0') || text.len() > MAX_ACCESS_NAME_BYTES {
                return Err(StoreError::invalid(format!(
                    "a {} whose name holds NUL or more than {MAX_ACCESS_NAME_BYTES} bytes",
                    key.kind
                )));
            }
        }
        let seen = match seen {
            None => None,
            Some((content, origin)) => {
                let json = String::from_utf8(content.encode())
                    .map_err(|error| StoreError::invalid(error.to_string()))?;
                let digest = Digest::of(json.as_bytes());
                contents.entry(digest).or_insert(json);
                Some((digest, origin.encode(), leaf(key, &digest, origin)))
            }
        };
        prepared.push(Prepared { key, key_hash: key.hash(), seen });
    }
    Ok((prepared, contents))
}

/// The report's changes by object; what its whole buckets do not hold is gone.
fn steps(
    report: &AccessReport,
    prepared: &[Prepared<'_>],
    stored: &BTreeMap<Digest, Known>,
) -> BTreeMap<Digest, Vec<Step>> {
    let mut steps: BTreeMap<Digest, Vec<Step>> = BTreeMap::new();
    for (index, (change, from)) in prepared.iter().zip(&report.changes).enumerate() {
        let leaf = change.seen.as_ref().map(|(_, _, leaf)| *leaf);
        let step = Step { change: Some(index), leaf, at: micros(from.at) };
        steps.entry(change.key_hash).or_default().push(step);
    }
    for (key_hash, known) in stored {
        if known.leaf.is_some() && report.whole_buckets.contains(&bucket_of(key_hash)) {
            let gone = Step { change: None, leaf: None, at: micros(report.gone_at) };
            steps.entry(*key_hash).or_insert_with(|| vec![gone]);
        }
    }
    steps
}

/// The contents that new versions name.
fn contents_of<'c>(
    chains: &BTreeMap<Digest, Vec<Step>>,
    prepared: &[Prepared<'_>],
    contents: &'c BTreeMap<Digest, String>,
) -> BTreeMap<Digest, &'c str> {
    (chains.values().flatten())
        .filter_map(|step| prepared.get(step.change?)?.seen.as_ref())
        .filter_map(|(digest, ..)| Some((*digest, contents.get(digest)?.as_str())))
        .collect()
}

/// Versions that the same report replaces, each with when, and those that last.
#[expect(clippy::type_complexity, reason = "two lists")]
fn split<'r>(
    chains: &BTreeMap<Digest, Vec<Step>>,
    prepared: &'r [Prepared<'r>],
    names: &'r BTreeMap<Digest, AccessKey>,
    ids: &BTreeMap<Digest, i64>,
) -> Result<(Vec<(Version<'r>, i64)>, Vec<Version<'r>>), StoreError> {
    let (mut passing, mut newest) = (Vec::new(), Vec::with_capacity(chains.len()));
    for (key_hash, versions) in chains {
        let mut after = versions.iter().skip(1);
        for step in versions {
            let change = step.change.and_then(|index| prepared.get(index));
            let key = change.map(|change| change.key).or_else(|| names.get(key_hash));
            let key = key.ok_or_else(|| StoreError::corrupt("an object without a name"))?;
            let seen = change.and_then(|change| change.seen.as_ref());
            let version = Version {
                key,
                key_hash: *key_hash,
                content: seen.and_then(|(digest, ..)| ids.get(digest).copied()),
                leaf: step.leaf,
                origin: seen.map_or(&[], |(_, origin, _)| origin),
                at: step.at,
            };
            match after.next() {
                Some(next) => passing.push((version, next.at)),
                None => newest.push(version),
            }
        }
    }
    Ok((passing, newest))
}

/// The digests of a cluster's inventory after a report.
struct Inventory {
    root: Digest,
    buckets: Vec<u8>,
    objects: u32,
    /// The objects of which there is a stored version.
    known: BTreeSet<Digest>,
}

impl Inventory {
    fn after(
        before: Option<&Before>,
        touched: &BTreeSet<u8>,
        stored: BTreeMap<Digest, Known>,
        chains: &BTreeMap<Digest, Vec<Step>>,
    ) -> Result<Self, StoreError> {
        let mut buckets = [bucket_digest([]); BUCKETS];
        if let Some((_, bytes, ..)) = before {
            let (digests, _) = bytes.as_chunks::<32>();
            for (bucket, digest) in buckets.iter_mut().zip(digests) {
                *bucket = Digest(*digest);
            }
        }
        let known: BTreeSet<Digest> = stored.keys().copied().collect();
        let mut leaves: BTreeMap<Digest, Digest> = (stored.into_iter())
            .filter_map(|(key_hash, known)| Some((key_hash, known.leaf?)))
            .collect();
        let had = leaves.len();
        for (key_hash, versions) in chains {
            match versions.last().and_then(|last| last.leaf) {
                Some(leaf) => leaves.insert(*key_hash, leaf),
                None => leaves.remove(key_hash),
            };
        }
        let objects = before.map_or(0, |(_, _, objects, ..)| *objects);
        let objects = usize::try_from(objects).unwrap_or(0).saturating_sub(had) + leaves.len();
        if objects > MAX_OBJECTS {
            return Err(StoreError::invalid(format!("more than {MAX_OBJECTS} objects")));
        }
        for number in touched {
            let held = leaves.range(Digest(fill(*number, 0))..=Digest(fill(*number, u8::MAX)));
            if let Some(bucket) = buckets.get_mut(usize::from(*number)) {
                *bucket = bucket_digest(held.map(|(_, leaf)| leaf));
            }
        }
        Ok(Self {
            root: root(&buckets),
            buckets: buckets.iter().flat_map(|digest| digest.0).collect(),
            objects: u32::try_from(objects).unwrap_or(u32::MAX),
            known,
        })
    }
}

/// A key hash that begins with a byte and goes on with another.
fn fill(first: u8, rest: u8) -> [u8; 32] {
    let mut bytes = [rest; 32];
    if let Some(byte) = bytes.first_mut() {
        *byte = first;
    }
    bytes
}

fn end(first: u8, rest: u8) -> Vec<u8> {
    fill(first, rest).to_vec()
}

/// Few ranges that hold all of the buckets.
fn ranges(touched: &BTreeSet<u8>) -> Vec<RangeInclusive<u8>> {
    if touched.len() > MANY_BUCKETS {
        return vec![0..=u8::MAX];
    }
    let mut ranges: Vec<RangeInclusive<u8>> = Vec::new();
    for bucket in touched {
        match ranges.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(*bucket) => {
                *last = *last.start()..=*bucket;
            }
            _ => ranges.push(*bucket..=*bucket),
        }
    }
    ranges
}
