//! What is so and must not be: from when it was seen until it was not any more.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::super::backend::{read, run_tx};
use super::super::columns::{
    ClusterColumn, DigestColumn, OptionalTimeColumn, TimeColumn, micros, raw, rows,
};
use super::super::{Store, StoreError};

/// Rows of one statement, 7 binds each.
const CHUNK: usize = 1_000;

/// A violation that stands in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewViolation {
    /// What makes it the same one as before: of its invariant, its subject and where it is.
    pub identity: Digest,
    /// The invariant's name.
    pub invariant: String,
    /// What the services say of it.
    pub detail: Bytes,
    /// When the agent saw what brought it.
    pub since: Timestamp,
}

/// A violation, from when it was found until it was not there any more.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ViolationRow {
    /// Of this one time that it stood.
    pub id: Uuid,
    /// Where.
    #[sqlx(rename = "cluster_id", try_from = "ClusterColumn")]
    pub cluster: ClusterId,
    /// As in [`NewViolation`].
    #[sqlx(try_from = "DigestColumn")]
    pub identity: Digest,
    /// The invariant's name.
    pub invariant: String,
    /// What the services say of it.
    #[sqlx(try_from = "Vec<u8>")]
    pub detail: Bytes,
    /// When the agent saw what brought it.
    #[sqlx(try_from = "TimeColumn")]
    pub since: Timestamp,
    /// When the hub found it.
    #[sqlx(try_from = "TimeColumn")]
    pub detected_at: Timestamp,
    /// When it was not there any more; `None` while it stands.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub resolved_at: Option<Timestamp>,
}

/// What stands in a cluster, as far as it was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'s> {
    /// What was found.
    pub violations: &'s [NewViolation],
    /// Invariants of which nothing ends: they could not be checked, or were not.
    pub kept: &'s BTreeSet<String>,
    /// Up to when what was looked at was learned; `None` when it does not depend on that.
    pub learned_at: Option<Timestamp>,
}

/// What came and went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Those that stand now and did not before.
    pub began: Vec<ViolationRow>,
    /// Those that stood and do not any more.
    pub ended: Vec<ViolationRow>,
}

/// Which violations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViolationFilter {
    /// Of one cluster; `None` for all.
    pub cluster: Option<ClusterId>,
    /// Of one invariant; `None` for all.
    pub invariant: Option<String>,
    /// Those that stood at a moment; those that stand now when it is `None`.
    pub at: Option<Timestamp>,
    /// All that were ever found, whatever `at` says.
    pub history: bool,
}

/// Some violations, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViolationPage {
    /// At most as many as were asked for.
    pub rows: Vec<ViolationRow>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<ViolationCursor>,
}

/// A place in the list, that does not move when violations are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViolationCursor {
    detected_at: Timestamp,
    id: Uuid,
}

macro_rules! violations {
    ($rest:literal) => {
        concat!(
            "SELECT id, cluster_id, identity, invariant, detail, since, detected_at, resolved_at \
             FROM access_violations ",
            $rest
        )
    };
}

impl Store {
    /// Records what stands in a cluster now: what is new begins, what is not in it ends, and what
    /// stood already keeps its id and times, with what is said of it now. Bounded by what stands.
    /// `None`, and nothing recorded, when something newer of the cluster was learned meanwhile.
    pub async fn settle_violations(
        &self,
        cluster: ClusterId,
        standing: Standing<'_>,
        now: Timestamp,
    ) -> Result<Option<Settled>, StoreError> {
        let Standing { violations, kept, learned_at } = standing;
        let standing: BTreeMap<Digest, &NewViolation> =
            violations.iter().map(|violation| (violation.identity, violation)).collect();
        if standing.values().any(|violation| violation.invariant.contains('\0')) {
            return Err(StoreError::invalid("an invariant whose name holds NUL"));
        }
        run_tx!(self, "settle-violations", Serializable, |tx, Db| {
            if let Some(learned_at) = learned_at {
                let sql = "SELECT learned_at FROM access_clusters WHERE cluster_id = $1";
                let newest: Option<i64> =
                    sqlx::query_scalar(sql).bind(cluster.0).fetch_optional(&mut *tx).await?;
                if newest > Some(micros(learned_at)) {
                    return Ok(None);
                }
            }
            let sql =
                violations!("WHERE cluster_id = $1 AND resolved_at IS NULL ORDER BY identity");
            let open: Vec<ViolationRow> =
                sqlx::query_as(sql).bind(cluster.0).fetch_all(&mut *tx).await?;

            let known: BTreeSet<Digest> = open.iter().map(|row| row.identity).collect();
            let mut settled = Settled::default();
            for mut row in open {
                match standing.get(&row.identity) {
                    None if kept.contains(&row.invariant) => {}
                    None => {
                        let ended = now.max(row.detected_at);
                        sqlx::query("UPDATE access_violations SET resolved_at = $2 WHERE id = $1")
                            .bind(row.id)
                            .bind(micros(ended))
                            .execute(&mut *tx)
                            .await?;
                        row.resolved_at = Some(ended);
                        settled.ended.push(row);
                    }
                    Some(now) if now.detail != row.detail => {
                        sqlx::query("UPDATE access_violations SET detail = $2 WHERE id = $1")
                            .bind(row.id)
                            .bind(now.detail.as_ref())
                            .execute(&mut *tx)
                            .await?;
                    }
                    Some(_) => {}
                }
            }
            settled.began = (standing.values())
                .filter(|violation| !known.contains(&violation.identity))
                .map(|violation| ViolationRow {
                    id: Uuid::now_v7(),
                    cluster,
                    identity: violation.identity,
                    invariant: violation.invariant.clone(),
                    detail: violation.detail.clone(),
                    since: violation.since,
                    detected_at: now,
                    resolved_at: None,
                })
                .collect();
            for chunk in settled.began.chunks(CHUNK) {
                QueryBuilder::<Db>::new(
                    "INSERT INTO access_violations \
                     (id, cluster_id, identity, invariant, detail, since, detected_at) ",
                )
                .push_values(chunk, |mut values, row| {
                    values.push_bind(row.id).push_bind(cluster.0).push_bind(raw(&row.identity));
                    values.push_bind(&row.invariant).push_bind(row.detail.as_ref());
                    values.push_bind(micros(row.since)).push_bind(micros(row.detected_at));
                })
                .build()
                .persistent(chunk.len() == 1)
                .execute(&mut *tx)
                .await?;
            }
            Ok(Some(settled))
        })
    }

    /// At most `limit` violations, newest first, after the cursor.
    pub async fn list_violations(
        &self,
        filter: &ViolationFilter,
        limit: usize,
        after: Option<ViolationCursor>,
    ) -> Result<ViolationPage, StoreError> {
        let mut found: Vec<ViolationRow> = read!(self, |conn| {
            let mut query = QueryBuilder::new(violations!("WHERE 1 = 1"));
            if let Some(cluster) = filter.cluster {
                query.push(" AND cluster_id = ").push_bind(cluster.0);
            }
            if let Some(invariant) = &filter.invariant {
                query.push(" AND invariant = ").push_bind(invariant);
            }
            match filter.at {
                _ if filter.history => {}
                None => {
                    query.push(" AND resolved_at IS NULL");
                }
                Some(at) => {
                    query.push(" AND detected_at <= ").push_bind(micros(at));
                    query.push(" AND (resolved_at IS NULL OR resolved_at > ");
                    query.push_bind(micros(at)).push(")");
                }
            }
            if let Some(after) = after {
                query.push(" AND (detected_at, id) < (").push_bind(micros(after.detected_at));
                query.push(", ").push_bind(after.id).push(")");
            }
            query.push(" ORDER BY detected_at DESC, id DESC LIMIT ");
            // One more says whether there is a next page.
            query.push_bind(rows(limit.saturating_add(1)));
            query.build_query_as().fetch_all(&mut *conn).await?
        });
        let more = found.len() > limit;
        found.truncate(limit);
        let cursor =
            |row: &ViolationRow| ViolationCursor { detected_at: row.detected_at, id: row.id };
        let next = found.last().filter(|_| more).map(cursor);
        Ok(ViolationPage { rows: found, next })
    }
}
