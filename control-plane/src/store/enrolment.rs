//! How a cluster joins: an invitation makes a token, and one conditional update consumes it.
//!
//! The store keeps the hash of a token. Whether a token is wrong, used, expired or for another name
//! is one answer: `None`.

use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use uuid::Uuid;

use super::backend::{read, run_tx};
use super::clusters::cluster_sql;
use super::columns::{ClusterColumn, micros, raw};
use super::{ClusterRow, Store, StoreError};

/// What a cluster brings when it joins, and the certificate that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentRow {
    /// UID of its namespace `kube-system`.
    pub cluster_uid: String,
    /// The agent's version.
    pub agent_version: String,
    /// The API server's version.
    pub kubernetes_version: String,
    /// SHA-256 of the certificate (DER).
    pub certificate_fingerprint: Digest,
    /// When the certificate ends.
    pub certificate_expires_at: Timestamp,
    /// The age recipient that its agent has made; empty for none.
    pub recipient: String,
    /// What the join command's own key says of it; empty for nothing.
    pub recipient_vouch: Vec<u8>,
}

impl Store {
    /// Invites a cluster: a new one with the id `new_id`, or again one that was invited by that name
    /// and never joined, which keeps its id while its older tokens become worthless.
    /// [`StoreError::Conflict`] when a cluster with the name has joined and is not revoked.
    pub async fn invite(
        &self,
        name: &str,
        token_hash: &Digest,
        new_id: ClusterId,
        created_by: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<ClusterRow, StoreError> {
        run_tx!(self, "invite", Serializable, |tx, Db| {
            let known: Option<(Uuid, Option<i64>)> = sqlx::query_as(
                "SELECT id, joined_at FROM clusters WHERE name = $1 AND revoked_at IS NULL",
            )
            .bind(name)
            .fetch_optional(&mut *tx)
            .await?;
            let id = match known {
                Some((_, Some(_))) => {
                    return Err(StoreError::conflict(format!("a joined cluster named {name}")));
                }
                Some((id, None)) => {
                    sqlx::query(
                        "DELETE FROM join_tokens WHERE cluster_id = $1 AND used_at IS NULL",
                    )
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
                    id
                }
                None => new_id.0,
            };
            let row: ClusterRow = sqlx::query_as(cluster_sql!(
                "INSERT INTO clusters (id, name, invited_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (id) DO UPDATE SET invited_at = excluded.invited_at \
                 WHERE clusters.joined_at IS NULL AND clusters.revoked_at IS NULL \
                 AND clusters.name = excluded.name RETURNING",
                ""
            ))
            .bind(id)
            .bind(name)
            .bind(micros(now))
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| StoreError::conflict(format!("a cluster with the id {new_id}")))?;
            sqlx::query(
                "INSERT INTO join_tokens (hash, cluster_id, cluster_name, created_by, created_at, \
                 expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(raw(token_hash))
            .bind(id)
            .bind(name)
            .bind(created_by)
            .bind(micros(now))
            .bind(micros(expires_at))
            .execute(&mut *tx)
            .await?;
            Ok(row)
        })
    }

    /// The cluster that the token lets join, if it would now. Nothing is consumed: the certificate
    /// is made for this id, and [`Self::enrol`] decides.
    pub async fn token_cluster(
        &self,
        token_hash: &Digest,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<ClusterId>, StoreError> {
        let sql = "SELECT t.cluster_id FROM join_tokens t JOIN clusters c ON c.id = t.cluster_id \
                   WHERE t.hash = $1 AND t.cluster_name = $2 AND t.used_at IS NULL \
                   AND t.expires_at > $3 AND c.joined_at IS NULL AND c.revoked_at IS NULL";
        let id: Option<ClusterColumn> = read!(self, |conn| sqlx::query_scalar(sql)
            .bind(raw(token_hash))
            .bind(name)
            .bind(micros(now))
            .fetch_optional(&mut *conn)
            .await?);
        Ok(id.map(Into::into))
    }

    /// Consumes the token and marks its cluster as joined. A token is good before `expires_at`, not
    /// at it. However many try at once, one gets the row.
    pub async fn enrol(
        &self,
        token_hash: &Digest,
        name: &str,
        enrolment: &EnrolmentRow,
        now: Timestamp,
    ) -> Result<Option<ClusterRow>, StoreError> {
        run_tx!(self, "enrol", ReadCommitted, |tx, Db| {
            let consumed: Option<Uuid> = sqlx::query_scalar(
                "UPDATE join_tokens SET used_at = $3 WHERE hash = $1 AND cluster_name = $2 \
                 AND used_at IS NULL AND expires_at > $3 RETURNING cluster_id",
            )
            .bind(raw(token_hash))
            .bind(name)
            .bind(micros(now))
            .fetch_optional(&mut *tx)
            .await?;
            let Some(id) = consumed else { return Ok(None) };
            let row = sqlx::query_as(cluster_sql!(
                "UPDATE clusters SET joined_at = $2, last_seen = $2, cluster_uid = $3, \
                 agent_version = $4, kubernetes_version = $5, certificate_fingerprint = $6, \
                 certificate_expires_at = $7, recipient_offered = $8, recipient_vouch = $9 \
                 WHERE id = $1 AND joined_at IS NULL AND revoked_at IS NULL RETURNING",
                ""
            ))
            .bind(id)
            .bind(micros(now))
            .bind(&enrolment.cluster_uid)
            .bind(&enrolment.agent_version)
            .bind(&enrolment.kubernetes_version)
            .bind(raw(&enrolment.certificate_fingerprint))
            .bind(micros(enrolment.certificate_expires_at))
            .bind(&enrolment.recipient)
            .bind(&enrolment.recipient_vouch)
            .fetch_optional(&mut *tx)
            .await?;
            Ok(row)
        })
    }
}
