//! Clusters: who was invited, joined and was revoked, and what each said last about itself.

use std::collections::BTreeMap;

use hanse_domain::ids::{ClusterId, Digest, Generation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;

use super::backend::{Dialect, MAX_BINDS, read, run_tx};
use super::columns::{
    ClusterColumn, CountColumn, FenceColumn, NamesColumn, OptionalDigestColumn, OptionalTimeColumn,
    ProblemsColumn, RevisionColumn, SmallCountColumn, TimeColumn, int, micros, raw, rows,
};
use super::drift::ObjectKey;
use super::{Store, StoreError};

/// One cluster.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ClusterRow {
    /// As in its certificate.
    #[sqlx(try_from = "ClusterColumn")]
    pub id: ClusterId,
    /// Unique among those that are not revoked.
    pub name: String,
    /// UID of its namespace `kube-system`; empty before it joined, as are the versions.
    pub cluster_uid: String,
    /// The agent's version.
    pub agent_version: String,
    /// The API server's version.
    pub kubernetes_version: String,
    /// When it was last invited.
    #[sqlx(try_from = "TimeColumn")]
    pub invited_at: Timestamp,
    /// When it joined.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub joined_at: Option<Timestamp>,
    /// When it was cut off.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub revoked_at: Option<Timestamp>,
    /// When its newest certificate ends.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub certificate_expires_at: Option<Timestamp>,
    /// SHA-256 of its newest certificate (DER).
    #[sqlx(try_from = "OptionalDigestColumn")]
    pub certificate_fingerprint: Option<Digest>,
    /// SHA-256 of the certificate with which it asked for the newest one.
    #[sqlx(try_from = "OptionalDigestColumn")]
    pub certificate_used: Option<Digest>,
    /// What it said last about its bundle.
    #[sqlx(flatten)]
    pub applied: AppliedRow,
    /// When the hub last heard from it.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub last_seen: Option<Timestamp>,
    /// The newest stream of its agent that wrote something.
    #[sqlx(try_from = "CountColumn")]
    pub stream: u64,
    /// When somebody last showed a certificate of it that had been replaced.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub clone_seen: Option<Timestamp>,
    /// The age recipient that its agent says it has made; empty for none.
    pub recipient_offered: String,
    /// What the join command's own key says of that recipient; empty for nothing.
    pub recipient_vouch: Vec<u8>,
    /// As its agent reported it last.
    #[sqlx(try_from = "FenceColumn")]
    pub fence: Option<FenceRow>,
}

impl ClusterRow {
    /// Whether a certificate is good for this cluster: the newest one, or the one that was used to
    /// get it, since the answer may have been lost on its way.
    pub fn shows(&self, fingerprint: &Digest) -> bool {
        self.certificate_fingerprint.as_ref() == Some(fingerprint)
            || self.certificate_used.as_ref() == Some(fingerprint)
    }
}

/// What an agent reports of its bundle; all empty before its first report.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct AppliedRow {
    /// The generation that it holds.
    #[sqlx(rename = "generation_applied", try_from = "RevisionColumn")]
    pub generation: Generation,
    /// The manifest of that generation.
    #[sqlx(rename = "digest_applied", try_from = "OptionalDigestColumn")]
    pub digest: Option<Digest>,
    /// As hanse.agent.v1 `Applied.Phase` numbers it; 0 before the first report.
    pub phase: i16,
    /// What the API server refused.
    #[sqlx(try_from = "ProblemsColumn")]
    pub problems: Vec<ProblemRow>,
    /// Removals that wait for a confirmation of this number.
    #[sqlx(try_from = "SmallCountColumn")]
    pub removals_waiting: u32,
    /// Objects that the agent keeps.
    #[sqlx(try_from = "SmallCountColumn")]
    pub objects: u32,
    /// For a person.
    pub message: String,
    /// Which condition the newest bundle failed, 1 to 5; 0 when it was accepted.
    pub refused_condition: i16,
    /// Secrets that are placed there and that it cannot open.
    #[sqlx(try_from = "NamesColumn")]
    pub secrets_pending: Vec<String>,
}

/// How the fence in a cluster stands, as its agent says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FenceRow {
    /// As hanse.agent.v1 `FenceReport.State` numbers it.
    pub state: i16,
    /// "impersonate" or "bind".
    pub model: String,
    /// What is wrong, for a person.
    pub problem: String,
    /// SHA-256 of the cluster's Ceiling, which is read with [`Store::ceilings`]; empty for none.
    pub ceiling_digest: String,
    /// Its `metadata.generation`.
    pub ceiling_generation: i64,
}

/// What an API server refused of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemRow {
    /// The object.
    pub object: ObjectKey,
    /// Why.
    pub message: String,
}

/// Whose words are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The cluster, as its certificate says.
    pub cluster: ClusterId,
    /// The stream; a later one of the same cluster has a higher number.
    pub stream: u64,
}

/// Lets a writer go on that nobody has superseded, with its cluster's row locked.
macro_rules! admit {
    ($tx:ident, $db:ident, $by:expr) => {{
        let newest: Option<i64> = sqlx::query_scalar(<$db as Dialect>::LOCK_CLUSTER)
            .bind($by.cluster.0)
            .fetch_optional(&mut *$tx)
            .await?;
        let ours = int($by.stream);
        match newest {
            None => return Err(StoreError::CutOff),
            Some(newest) if newest > ours => return Err(StoreError::Superseded),
            Some(newest) if newest < ours => {
                sqlx::query("UPDATE clusters SET stream = $2 WHERE id = $1")
                    .bind($by.cluster.0)
                    .bind(ours)
                    .execute(&mut *$tx)
                    .await?;
            }
            Some(_) => {}
        }
    }};
}
pub(super) use admit;

/// The columns of [`ClusterRow`], between what comes before and after them.
macro_rules! cluster_sql {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, name, cluster_uid, agent_version, kubernetes_version, invited_at, joined_at, \
             revoked_at, certificate_expires_at, certificate_fingerprint, certificate_used, \
             generation_applied, \
             digest_applied, phase, problems, removals_waiting, objects, message, last_seen, stream, \
             clone_seen, recipient_offered, recipient_vouch, fence, refused_condition, \
             secrets_pending ",
            $after
        )
    };
}
pub(super) use cluster_sql;

impl Store {
    /// Every cluster that was ever invited, by name, the revoked ones too: bounded by the fleet's
    /// size and what an administrator made of it.
    pub async fn clusters(&self) -> Result<Vec<ClusterRow>, StoreError> {
        let sql = cluster_sql!("SELECT", "FROM clusters ORDER BY name, invited_at, id");
        read!(self, |conn| Ok(sqlx::query_as(sql).fetch_all(&mut *conn).await?))
    }

    /// One cluster, revoked or not.
    pub async fn cluster(&self, id: ClusterId) -> Result<Option<ClusterRow>, StoreError> {
        let sql = cluster_sql!("SELECT", "FROM clusters WHERE id = $1");
        read!(self, |conn| Ok(sqlx::query_as(sql).bind(id.0).fetch_optional(&mut *conn).await?))
    }

    /// The cluster that has the name now; not a revoked one.
    pub async fn cluster_by_name(&self, name: &str) -> Result<Option<ClusterRow>, StoreError> {
        let sql = cluster_sql!("SELECT", "FROM clusters WHERE name = $1 AND revoked_at IS NULL");
        read!(self, |conn| Ok(sqlx::query_as(sql).bind(name).fetch_optional(&mut *conn).await?))
    }

    /// Notes a cluster's new certificate and the one that it was asked for with. `false` for a cluster
    /// that has not joined or is revoked, and for a certificate that was replaced before: it must not
    /// be given one.
    pub async fn replace_certificate(
        &self,
        id: ClusterId,
        used: &Digest,
        fingerprint: &Digest,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        run_tx!(self, "replace-certificate", ReadCommitted, |tx, Db| {
            let changed = sqlx::query(
                "UPDATE clusters SET certificate_fingerprint = $2, certificate_expires_at = $3, \
                 certificate_used = $4 \
                 WHERE id = $1 AND joined_at IS NOT NULL AND revoked_at IS NULL \
                 AND (certificate_fingerprint = $4 OR certificate_used = $4)",
            )
            .bind(id.0)
            .bind(raw(fingerprint))
            .bind(micros(expires_at))
            .bind(raw(used))
            .execute(&mut *tx)
            .await?;
            Ok(changed.rows_affected() == 1)
        })
    }

    /// The newest certificate was used: the one that it replaced is not needed any more.
    pub async fn forget_used_certificate(
        &self,
        id: ClusterId,
        newest: &Digest,
    ) -> Result<(), StoreError> {
        run_tx!(self, "forget-used-certificate", ReadCommitted, |tx, Db| {
            sqlx::query(
                "UPDATE clusters SET certificate_used = NULL WHERE id = $1 \
                 AND certificate_fingerprint = $2",
            )
            .bind(id.0)
            .bind(raw(newest))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Notes that somebody showed a certificate that had been replaced.
    pub async fn note_clone(&self, id: ClusterId, at: Timestamp) -> Result<(), StoreError> {
        run_tx!(self, "note-clone", ReadCommitted, |tx, Db| {
            sqlx::query(
                "UPDATE clusters SET clone_seen = $2 WHERE id = $1 \
                 AND (clone_seen IS NULL OR clone_seen < $2)",
            )
            .bind(id.0)
            .bind(micros(at))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Notes what an agent reported and when. [`StoreError::CutOff`] for a cluster that has not
    /// joined or is revoked, [`StoreError::Superseded`] when a newer stream has written.
    pub async fn record_applied(
        &self,
        by: Writer,
        applied: &AppliedRow,
        seen: Timestamp,
    ) -> Result<(), StoreError> {
        let problems = serde_json::to_string(&applied.problems)
            .map_err(|error| StoreError::invalid(format!("problems as JSON: {error}")))?;
        let pending = serde_json::to_string(&applied.secrets_pending)
            .map_err(|error| StoreError::invalid(format!("names as JSON: {error}")))?;
        run_tx!(self, "record-applied", ReadCommitted, |tx, Db| {
            admit!(tx, Db, by);
            sqlx::query(
                "UPDATE clusters SET generation_applied = $2, digest_applied = $3, phase = $4, \
                 problems = $5, removals_waiting = $6, objects = $7, message = $8, last_seen = $9, \
                 refused_condition = $10, secrets_pending = $11 WHERE id = $1",
            )
            .bind(by.cluster.0)
            .bind(int(applied.generation.0))
            .bind(applied.digest.as_ref().map(raw))
            .bind(applied.phase)
            .bind(&problems)
            .bind(int(applied.removals_waiting))
            .bind(int(applied.objects))
            .bind(&applied.message)
            .bind(micros(seen))
            .bind(applied.refused_condition)
            .bind(&pending)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Notes how an agent says that its cluster's fence stands, and the spec of its Ceiling as JSON.
    /// Errors as for `record_applied`.
    pub async fn record_fence(
        &self,
        by: Writer,
        fence: &FenceRow,
        ceiling: &str,
    ) -> Result<(), StoreError> {
        let fence = serde_json::to_string(fence)
            .map_err(|error| StoreError::invalid(format!("a fence as JSON: {error}")))?;
        run_tx!(self, "record-fence", ReadCommitted, |tx, Db| {
            admit!(tx, Db, by);
            sqlx::query("UPDATE clusters SET fence = $2, ceiling = $3 WHERE id = $1")
                .bind(by.cluster.0)
                .bind(&fence)
                .bind(ceiling)
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// The Ceilings of clusters as JSON, the first by id, up to so many bytes of them all.
    pub async fn ceilings(&self, most: usize) -> Result<BTreeMap<ClusterId, String>, StoreError> {
        let sql = "SELECT c.id, c.ceiling FROM clusters c JOIN ( \
                       SELECT id, SUM(octet_length(ceiling)) OVER (ORDER BY id) AS total \
                       FROM clusters WHERE octet_length(ceiling) > 0 \
                   ) AS upto ON upto.id = c.id WHERE upto.total <= $1";
        let all: Vec<(ClusterColumn, String)> =
            read!(self, |conn| sqlx::query_as(sql).bind(rows(most)).fetch_all(&mut *conn).await?);
        Ok(all.into_iter().map(|(id, ceiling)| (id.into(), ceiling)).collect())
    }

    /// Notes another recipient of an agent; nobody has vouched for that one. Errors as for
    /// `record_applied`.
    pub async fn record_recipient(&self, by: Writer, recipient: &str) -> Result<(), StoreError> {
        run_tx!(self, "record-recipient", ReadCommitted, |tx, Db| {
            admit!(tx, Db, by);
            sqlx::query(
                "UPDATE clusters SET recipient_offered = $2, recipient_vouch = $3 \
                 WHERE id = $1 AND recipient_offered <> $2",
            )
            .bind(by.cluster.0)
            .bind(recipient)
            .bind(Vec::<u8>::new())
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Notes when clusters were last heard from, many in one statement. A time never goes back;
    /// clusters that are not there are passed over.
    pub async fn touch(&self, seen: &[(ClusterId, Timestamp)]) -> Result<(), StoreError> {
        // One row a cluster, its newest time, in the same order for every hub.
        let mut newest = BTreeMap::new();
        for (id, at) in seen {
            let entry = newest.entry(*id).or_insert(*at);
            *entry = (*entry).max(*at);
        }
        let newest: Vec<_> = newest.into_iter().collect();
        for chunk in newest.chunks(MAX_BINDS / 2) {
            run_tx!(self, "touch", ReadCommitted, |tx, Db| {
                QueryBuilder::<Db>::new("UPDATE clusters SET last_seen = seen.column2 FROM (")
                    .push_values(chunk, |mut values, (id, at)| {
                        values.push_bind(id.0).push_bind(micros(*at));
                    })
                    .push(
                        ") AS seen WHERE clusters.id = seen.column1 AND \
                         (clusters.last_seen IS NULL OR clusters.last_seen < seen.column2)",
                    )
                    .build()
                    .persistent(chunk.len() == 1)
                    .execute(&mut *tx)
                    .await?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The clusters that were cut off after a time, by any hub.
    pub async fn revoked_after(&self, at: Timestamp) -> Result<Vec<ClusterId>, StoreError> {
        let sql = "SELECT id FROM clusters WHERE revoked_at > $1 ORDER BY id";
        let ids: Vec<ClusterColumn> = read!(self, |conn| sqlx::query_scalar(sql)
            .bind(micros(at))
            .fetch_all(&mut *conn)
            .await?);
        Ok(ids.into_iter().map(Into::into).collect())
    }

    /// Cuts a cluster off and takes back its unused tokens; its name is free again. The first
    /// time stays when it is revoked twice. `None` when there is no such cluster.
    pub async fn revoke(
        &self,
        id: ClusterId,
        now: Timestamp,
    ) -> Result<Option<ClusterRow>, StoreError> {
        run_tx!(self, "revoke", ReadCommitted, |tx, Db| {
            let row = sqlx::query_as(cluster_sql!(
                "UPDATE clusters SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 RETURNING",
                ""
            ))
            .bind(id.0)
            .bind(micros(now))
            .fetch_optional(&mut *tx)
            .await?;
            sqlx::query("DELETE FROM join_tokens WHERE cluster_id = $1 AND used_at IS NULL")
                .bind(id.0)
                .execute(&mut *tx)
                .await?;
            Ok(row)
        })
    }
}
