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
use super::checkpoints::{keep_sighting, lately_signed, signed_until};
use super::decide::{Known, Step, decide};
use super::report::{Version, contents_of, prepare, ranges, size, split, steps};
use super::rows::{
    CHUNK, add_versions, content_ids, end_versions, known_ids, names, stored_versions,
};
use super::totals::{Before, Inventory, end};
use super::{AccessReport, CheckpointRow, Recorded, Sighting, kind_number, kind_of};

impl Store {
    /// Records what an agent reports, and what it saw. A report that arrives twice changes nothing.
    ///
    /// [`StoreError::CutOff`] for a cluster that has not joined or is revoked,
    /// [`StoreError::Superseded`] when a newer stream has written, [`StoreError::Invalid`] for names
    /// that hold NUL or are longer than [`super::MAX_ACCESS_NAME_BYTES`], and for more than
    /// 200,000 objects.
    ///
    /// No change counts as earlier than what is signed of the state before it.
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
                "SELECT root, buckets, objects, bytes, skipped, unseen, learned_at FROM access_clusters \
                 WHERE cluster_id = $1",
            )
            .bind(cluster.0)
            .fetch_optional(&mut *tx)
            .await?;

            let stored = stored_versions!(tx, cluster, &touched);
            let lately = lately_signed!(tx, cluster);
            let root = before.as_ref().map(|(root, ..)| Digest::from(root.clone()));
            let signed = signed_until(&lately, sighting, root);
            let steps = steps(report, &prepared, &stored, signed);
            let chains = decide(&stored, steps);
            let size = |step: &Step| size(step, &prepared, &contents);
            let inventory = Inventory::after(before.as_ref(), &touched, stored, &chains, size)?;
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
            let names = names!(tx, Db, cluster, &unnamed);
            let said = contents_of(&chains, &prepared, &contents);
            let ids = content_ids!(tx, Db, &said);

            // The stored versions end where the new ones begin.
            let ends: Vec<(&Digest, i64)> = (chains.iter())
                .filter(|(key_hash, _)| inventory.known.contains(*key_hash))
                .filter_map(|(key_hash, versions)| Some((key_hash, versions.first()?.at)))
                .collect();
            end_versions!(tx, Db, cluster, &ends, learned);
            let (passing, newest) = split(&chains, &prepared, &names, &ids)?;
            add_versions!(tx, Db, cluster, &passing, &newest, learned);

            let same = before.as_ref().is_some_and(|(_, _, _, _, skipped, was_unseen, _)| {
                chains.is_empty() && *skipped == int(report.skipped) && *was_unseen == unseen
            });
            if !same {
                sqlx::query(
                    "INSERT INTO access_clusters \
                     (cluster_id, root, buckets, objects, bytes, skipped, unseen, learned_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (cluster_id) DO UPDATE SET \
                     root = excluded.root, buckets = excluded.buckets, \
                     objects = excluded.objects, bytes = excluded.bytes, skipped = excluded.skipped, \
                     unseen = excluded.unseen, learned_at = excluded.learned_at",
                )
                .bind(cluster.0)
                .bind(raw(&inventory.root))
                .bind(&inventory.buckets)
                .bind(int(inventory.objects))
                .bind(inventory.bytes)
                .bind(int(report.skipped))
                .bind(&unseen)
                .bind(learned)
                .execute(&mut *tx)
                .await?;
            }
            keep_sighting!(tx, Db, cluster, sighting, lately, now);

            let changed = newest.iter().map(|version| version.key.clone());
            let contents = chains.values().map(|versions| {
                let change = versions.last().and_then(|last| report.changes.get(last.change?));
                change.and_then(|change| Some(change.seen.as_ref()?.0.clone()))
            });
            Ok(Recorded {
                root: inventory.root,
                objects: inventory.objects,
                before: (before.as_ref())
                    .map(|(.., last)| Timestamp::from_microsecond(*last))
                    .transpose()
                    .map_err(|error| StoreError::corrupt(error.to_string()))?,
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
            let lately = lately_signed!(tx, cluster);
            keep_sighting!(tx, Db, cluster, sighting, lately, now);
            Ok(())
        })
    }
}
