//! Changes that wait for more signatures.

use bytes::{BufMut as _, Bytes, BytesMut};
use hanse_domain::ids::{Digest, RevisionNumber};
use jiff::Timestamp;

use super::backend::{read, run_tx};
use super::columns::{
    ContentsColumn, DigestColumn, RevisionColumn, TimeColumn, int, micros, raw, rows,
};
use super::{Store, StoreError};

/// One change that waits.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ProposalRow {
    /// SHA-256 of the statement.
    #[sqlx(try_from = "DigestColumn")]
    pub digest: Digest,
    /// The number that it will have.
    #[sqlx(try_from = "RevisionColumn")]
    pub number: RevisionNumber,
    /// Its canonical encoding.
    #[sqlx(try_from = "Vec<u8>")]
    pub statement: Bytes,
    /// SSHSIG blocks over it so far.
    #[sqlx(try_from = "Vec<u8>")]
    pub signatures: Bytes,
    /// The list of changes in its canonical encoding.
    #[sqlx(try_from = "Vec<u8>")]
    pub changes: Bytes,
    /// What it brings; empty where it was not asked for, and once the history has passed it.
    #[sqlx(default, try_from = "ContentsColumn")]
    pub contents: Vec<Bytes>,
    /// Who proposed it.
    pub author: String,
    /// When.
    #[sqlx(try_from = "TimeColumn")]
    pub proposed_at: Timestamp,
    /// Names of the keys that have signed, with spaces between.
    pub signed_by: String,
    /// What is missing, for a person.
    pub missing: String,
}

/// How much may wait at once.
#[derive(Clone, Copy, Debug)]
pub struct MostOpen {
    /// How many.
    pub proposals: usize,
    /// What they bring, all together.
    pub bytes: usize,
}

/// One proposal (`$1`), with the columns that are named besides.
macro_rules! proposals {
    ($more:literal) => {
        concat!(
            "SELECT digest, number, statement, signatures, changes, author, proposed_at, signed_by, \
             missing",
            $more,
            " FROM proposals WHERE digest = $1"
        )
    };
}

impl Store {
    /// Keeps a proposal. `false` when with it more than `most` would wait for a number above `head`;
    /// [`StoreError::Conflict`] when it is there.
    pub async fn add_proposal(
        &self,
        row: &ProposalRow,
        head: RevisionNumber,
        most: MostOpen,
    ) -> Result<bool, StoreError> {
        let contents = framed(&row.contents)?;
        run_tx!(self, "add-proposal", Serializable, |tx, Db| {
            let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM proposals WHERE digest = $1")
                .bind(raw(&row.digest))
                .fetch_one(&mut *tx)
                .await?;
            if known > 0 {
                return Err(StoreError::conflict(format!("proposal {}", row.digest)));
            }
            let (open, bytes): (i64, i64) = sqlx::query_as(
                "SELECT COUNT(*), COALESCE(SUM(octet_length(statement) + octet_length(changes) + \
                 octet_length(contents)), 0) FROM proposals WHERE number > $1",
            )
            .bind(int(head.0))
            .fetch_one(&mut *tx)
            .await?;
            let ours = row.statement.len() + row.changes.len() + contents.len();
            if open >= rows(most.proposals) || bytes.saturating_add(rows(ours)) > rows(most.bytes) {
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO proposals (digest, number, statement, signatures, changes, contents, \
                 author, proposed_at, signed_by, missing) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(raw(&row.digest))
            .bind(int(row.number.0))
            .bind(row.statement.as_ref())
            .bind(row.signatures.as_ref())
            .bind(row.changes.as_ref())
            .bind(contents.as_ref())
            .bind(&row.author)
            .bind(micros(row.proposed_at))
            .bind(&row.signed_by)
            .bind(&row.missing)
            .execute(&mut *tx)
            .await?;
            Ok(true)
        })
    }

    /// The digests of all proposals, newest first: bounded by how many are made within a few days.
    pub async fn proposal_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let sql = "SELECT digest FROM proposals ORDER BY proposed_at DESC, digest LIMIT 10000";
        let all: Vec<DigestColumn> =
            read!(self, |conn| sqlx::query_scalar(sql).fetch_all(&mut *conn).await?);
        Ok(all.into_iter().map(Into::into).collect())
    }

    /// One proposal.
    pub async fn proposal(&self, digest: &Digest) -> Result<Option<ProposalRow>, StoreError> {
        let sql = proposals!(", contents");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(raw(digest))
            .fetch_optional(&mut *conn)
            .await?))
    }

    /// One proposal without its contents, which may be large.
    pub async fn proposal_head(&self, digest: &Digest) -> Result<Option<ProposalRow>, StoreError> {
        let sql = proposals!("");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(raw(digest))
            .fetch_optional(&mut *conn)
            .await?))
    }

    /// Replaces the signatures, if they are still what they were `before`.
    pub async fn sign_proposal(
        &self,
        row: &ProposalRow,
        before: &[u8],
    ) -> Result<bool, StoreError> {
        run_tx!(self, "sign-proposal", ReadCommitted, |tx, Db| {
            let changed = sqlx::query(
                "UPDATE proposals SET signatures = $2, signed_by = $3, missing = $4 \
                 WHERE digest = $1 AND signatures = $5",
            )
            .bind(raw(&row.digest))
            .bind(row.signatures.as_ref())
            .bind(&row.signed_by)
            .bind(&row.missing)
            .bind(before)
            .execute(&mut *tx)
            .await?;
            Ok(changed.rows_affected() == 1)
        })
    }

    /// Forgets one; whether it was there.
    pub async fn remove_proposal(&self, digest: &Digest) -> Result<bool, StoreError> {
        run_tx!(self, "remove-proposal", ReadCommitted, |tx, Db| {
            let gone = sqlx::query("DELETE FROM proposals WHERE digest = $1")
                .bind(raw(digest))
                .execute(&mut *tx)
                .await?;
            Ok(gone.rows_affected() == 1)
        })
    }

    /// Forgets those that were proposed before a time, and those that were before another and for
    /// which the history has moved on. How many.
    pub async fn prune_proposals(
        &self,
        all_before: Timestamp,
        stale_before: Timestamp,
    ) -> Result<u64, StoreError> {
        run_tx!(self, "prune-proposals", ReadCommitted, |tx, Db| {
            let gone = sqlx::query(
                "DELETE FROM proposals WHERE proposed_at < $1 \
                 OR (proposed_at < $2 AND number <= (SELECT number FROM head))",
            )
            .bind(micros(all_before))
            .bind(micros(stale_before))
            .execute(&mut *tx)
            .await?;
            Ok(gone.rows_affected())
        })
    }
}

/// Each content behind its length.
fn framed(contents: &[Bytes]) -> Result<Bytes, StoreError> {
    let mut out = BytesMut::new();
    for content in contents {
        let length = u32::try_from(content.len())
            .map_err(|_| StoreError::invalid("a content of more than 4 GiB"))?;
        out.put_u32(length);
        out.put_slice(content);
    }
    Ok(out.freeze())
}
