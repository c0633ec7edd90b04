//! The statements of one report, each for many rows: macros, since they are expanded for both
//! databases within the transaction of [`super::record`].

/// Rows of one statement, at most 12 binds each.
pub(super) const CHUNK: usize = 1_000;

/// The ids of contents, new ones too, which nobody forgets before the transaction ends.
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

/// The newest versions of what is in some buckets.
macro_rules! stored_versions {
    ($tx:ident, $cluster:ident, $touched:expr) => {{
        let mut stored: BTreeMap<Digest, Known> = BTreeMap::new();
        for range in ranges($touched) {
            let found: Vec<(DigestColumn, OptionalDigestColumn, i64, i64)> = sqlx::query_as(
                "SELECT o.key_hash, o.leaf, o.at, CAST(COALESCE(octet_length(c.json), 0) AS BIGINT) \
                 FROM access_objects o LEFT JOIN access_contents c ON c.id = o.content \
                 WHERE o.cluster_id = $1 AND o.key_hash BETWEEN $2 AND $3",
            )
            .bind($cluster.0)
            .bind(end(*range.start(), 0))
            .bind(end(*range.end(), u8::MAX))
            .fetch_all(&mut *$tx)
            .await?;
            for (key_hash, leaf, at, bytes) in found {
                stored.insert(key_hash.into(), Known { leaf: leaf.into(), at, bytes });
            }
        }
        stored
    }};
}

/// The keys of stored objects, by their hashes.
macro_rules! names {
    ($tx:ident, $db:ident, $cluster:ident, $hashes:expr) => {{
        let hashes: &[Digest] = $hashes;
        let mut names: BTreeMap<Digest, AccessKey> = BTreeMap::new();
        for chunk in hashes.chunks(CHUNK) {
            let mut query = QueryBuilder::<$db>::new(
                "SELECT key_hash, kind, namespace, name FROM access_objects WHERE cluster_id = ",
            );
            query.push_bind($cluster.0).push(" AND key_hash IN (");
            let mut list = query.separated(", ");
            for key_hash in chunk {
                list.push_bind(raw(key_hash));
            }
            query.push(")");
            let found: Vec<(DigestColumn, i16, String, String)> =
                query.build_query_as().persistent(false).fetch_all(&mut *$tx).await?;
            for (key_hash, kind, namespace, name) in found {
                let key = AccessKey { kind: kind_of(kind)?, namespace, name };
                names.insert(key_hash.into(), key);
            }
        }
        names
    }};
}

/// Moves stored versions to the past, each until a moment.
macro_rules! end_versions {
    ($tx:ident, $db:ident, $cluster:ident, $ends:expr, $learned:ident) => {{
        let ends: &[(&Digest, i64)] = $ends;
        for chunk in ends.chunks(CHUNK) {
            let mut query = QueryBuilder::<$db>::new("WITH ended (key_hash, until_at) AS (");
            query.push_values(chunk, |mut values, (key_hash, until)| {
                values.push_bind(raw(key_hash)).push_bind(*until);
            });
            query.push(
                ") INSERT INTO access_past (cluster_id, key_hash, kind, namespace, name, \
                 content, leaf, at, learned_at, origin, until_at, until_learned) \
                 SELECT o.cluster_id, o.key_hash, o.kind, o.namespace, o.name, o.content, \
                 o.leaf, o.at, o.learned_at, o.origin, e.until_at, ",
            );
            query.push_bind($learned);
            query.push(
                " FROM ended e CROSS JOIN access_objects o \
                 WHERE o.key_hash = e.key_hash AND o.cluster_id = ",
            );
            query.push_bind($cluster.0);
            query.build().persistent(chunk.len() == 1).execute(&mut *$tx).await?;
        }
    }};
}

/// Adds versions: some that are past already, each until a moment, and those that last.
macro_rules! add_versions {
    ($tx:ident, $db:ident, $cluster:ident, $passing:expr, $newest:expr, $learned:ident) => {{
        let (passing, newest): (&[(Version<'_>, i64)], &[Version<'_>]) = ($passing, $newest);
        for chunk in passing.chunks(CHUNK) {
            let mut query = QueryBuilder::<$db>::new(
                "INSERT INTO access_past (cluster_id, key_hash, kind, namespace, name, \
                 content, leaf, at, learned_at, origin, until_at, until_learned) ",
            );
            query.push_values(chunk, |mut values, (version, until)| {
                values.push_bind($cluster.0).push_bind(raw(&version.key_hash));
                values.push_bind(kind_number(version.key.kind));
                values.push_bind(&version.key.namespace).push_bind(&version.key.name);
                values.push_bind(version.content).push_bind(version.leaf.as_ref().map(raw));
                values.push_bind(version.at).push_bind($learned).push_bind(version.origin);
                values.push_bind(*until).push_bind($learned);
            });
            query.build().persistent(chunk.len() == 1).execute(&mut *$tx).await?;
        }
        for chunk in newest.chunks(CHUNK) {
            let mut query = QueryBuilder::<$db>::new(
                "INSERT INTO access_objects (cluster_id, key_hash, kind, namespace, name, \
                 content, leaf, at, learned_at, origin) ",
            );
            query.push_values(chunk, |mut values, version| {
                values.push_bind($cluster.0).push_bind(raw(&version.key_hash));
                values.push_bind(kind_number(version.key.kind));
                values.push_bind(&version.key.namespace).push_bind(&version.key.name);
                values.push_bind(version.content).push_bind(version.leaf.as_ref().map(raw));
                values.push_bind(version.at).push_bind($learned).push_bind(version.origin);
            });
            query.push(
                " ON CONFLICT (cluster_id, key_hash) DO UPDATE SET \
                 content = excluded.content, leaf = excluded.leaf, at = excluded.at, \
                 learned_at = excluded.learned_at, origin = excluded.origin",
            );
            query.build().persistent(chunk.len() == 1).execute(&mut *$tx).await?;
        }
    }};
}

pub(super) use {add_versions, content_ids, end_versions, known_ids, names, stored_versions};
