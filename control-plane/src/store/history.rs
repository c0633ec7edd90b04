//! The history: statements, each appended with all that it brought, in one transaction or not at all.

use bytes::Bytes;
use hanse_domain::ids::{Digest, RevisionNumber};
use jiff::Timestamp;
use sqlx::QueryBuilder;

use super::backend::{Dialect, MAX_BINDS, read, run_tx};
use super::bundles::BundleRow;
use super::columns::{
    DigestColumn, RevisionColumn, SmallCountColumn, TimeColumn, int, micros, raw, rows,
};
use super::{Store, StoreError};

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StatementRow {
    /// 1, 2, 3 …
    #[sqlx(try_from = "RevisionColumn")]
    pub number: RevisionNumber,
    /// SHA-256 of `bytes`; the service computes it.
    #[sqlx(try_from = "DigestColumn")]
    pub digest: Digest,
    /// Its leaf in the history (RFC 6962, section 2.1).
    #[sqlx(try_from = "DigestColumn")]
    pub leaf_hash: Digest,
    /// Its canonical encoding.
    #[sqlx(try_from = "Vec<u8>")]
    pub bytes: Bytes,
    /// SSHSIG blocks over `bytes`, one behind the other.
    #[sqlx(try_from = "Vec<u8>")]
    pub signatures: Bytes,
    /// Its list of changes in its canonical encoding.
    #[sqlx(try_from = "Vec<u8>")]
    pub changes: Bytes,
    /// Names of the keys that signed, with spaces between.
    pub signed_by: String,
    /// Who was authenticated when it was committed.
    pub author: String,
    /// As the author's machine saw it.
    #[sqlx(try_from = "TimeColumn")]
    pub time: Timestamp,
    /// As the hub saw it.
    #[sqlx(try_from = "TimeColumn")]
    pub recorded_at: Timestamp,
    /// How many clusters' bundles it changed.
    #[sqlx(try_from = "SmallCountColumn")]
    pub clusters_changed: u32,
}

/// A statement and all that it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStatement {
    /// The statement; its number must be the next one.
    pub row: StatementRow,
    /// Documents, roster entries, wrapped keys, trust roots and bundle manifests by their digests. Those that are stored
    /// already may be left out or given again.
    pub contents: Vec<(Digest, Bytes)>,
    /// What each changed subject ("FederatedRole/payments", "Cluster/<uuid>") is from now on; `None`
    /// when it is removed.
    pub leaves: Vec<(String, Option<Digest>)>,
    /// The bundle of each cluster that it changes.
    pub bundles: Vec<BundleRow>,
}

macro_rules! statements {
    ($rest:literal) => {
        concat!(
            "SELECT number, digest, leaf_hash, bytes, signatures, changes, signed_by, author, time, \
             recorded_at, clusters_changed FROM statements ",
            $rest
        )
    };
}

impl Store {
    /// Appends the statement if it is the next one, and tells the other hubs. Of several that are
    /// appended at once for one number, exactly one is; [`StoreError::Stale`] for the others.
    pub async fn append(&self, new: &NewStatement) -> Result<(), StoreError> {
        self.append_of(new, None).await
    }

    /// The same for what was proposed, if the proposal still waits: it is one no more.
    /// [`StoreError::Conflict`] when somebody has withdrawn it.
    pub async fn append_proposed(
        &self,
        new: &NewStatement,
        proposal: &Digest,
    ) -> Result<(), StoreError> {
        self.append_of(new, Some(proposal)).await
    }

    async fn append_of(
        &self,
        new: &NewStatement,
        proposal: Option<&Digest>,
    ) -> Result<(), StoreError> {
        check(new)?;
        let row = &new.row;
        let number = int(row.number.0);
        run_tx!(self, "append", ReadCommitted, |tx, Db| {
            let moved = sqlx::query("UPDATE head SET number = $1 WHERE number = $2")
                .bind(number)
                .bind(number - 1)
                .execute(&mut *tx)
                .await?;
            if moved.rows_affected() == 0 {
                let current: i64 =
                    sqlx::query_scalar("SELECT number FROM head").fetch_one(&mut *tx).await?;
                return Err(StoreError::Stale { current: revision(current)? });
            }
            sqlx::query(
                "INSERT INTO statements (number, digest, leaf_hash, bytes, signatures, changes, \
                 signed_by, author, time, recorded_at, clusters_changed) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .bind(number)
            .bind(raw(&row.digest))
            .bind(raw(&row.leaf_hash))
            .bind(row.bytes.as_ref())
            .bind(row.signatures.as_ref())
            .bind(row.changes.as_ref())
            .bind(&row.signed_by)
            .bind(&row.author)
            .bind(micros(row.time))
            .bind(micros(row.recorded_at))
            .bind(int(row.clusters_changed))
            .execute(&mut *tx)
            .await?;
            for chunk in new.contents.chunks(MAX_BINDS / 2) {
                QueryBuilder::<Db>::new("INSERT INTO contents (digest, bytes) ")
                    .push_values(chunk, |mut values, (digest, bytes)| {
                        values.push_bind(raw(digest)).push_bind(bytes.as_ref());
                    })
                    .push(" ON CONFLICT (digest) DO NOTHING")
                    .build()
                    .persistent(chunk.len() == 1)
                    .execute(&mut *tx)
                    .await?;
            }
            for chunk in new.leaves.chunks(MAX_BINDS / 3) {
                QueryBuilder::<Db>::new("INSERT INTO leaves (subject, number, digest) ")
                    .push_values(chunk, |mut values, (subject, digest)| {
                        values.push_bind(subject).push_bind(number);
                        values.push_bind(digest.as_ref().map(raw));
                    })
                    .build()
                    .persistent(chunk.len() == 1)
                    .execute(&mut *tx)
                    .await?;
            }
            for chunk in new.bundles.chunks(MAX_BINDS / 6) {
                QueryBuilder::<Db>::new(
                    "INSERT INTO bundles (cluster_id, generation, manifest, leaf_index, tree_size, \
                     path) ",
                )
                .push_values(chunk, |mut values, bundle| {
                    values.push_bind(bundle.cluster.0).push_bind(int(bundle.generation.0));
                    values.push_bind(raw(&bundle.manifest)).push_bind(int(bundle.leaf_index));
                    values.push_bind(int(bundle.tree_size)).push_bind(bundle.path_bytes());
                })
                .build()
                .persistent(chunk.len() == 1)
                .execute(&mut *tx)
                .await?;
            }
            if let Some(digest) = proposal {
                let gone = sqlx::query("DELETE FROM proposals WHERE digest = $1")
                    .bind(raw(digest))
                    .execute(&mut *tx)
                    .await?;
                if gone.rows_affected() == 0 {
                    return Err(StoreError::conflict(format!("proposal {digest} was withdrawn")));
                }
            }
            // What the history passes is never made; that it was proposed is shown for a while.
            sqlx::query(
                "UPDATE proposals SET contents = $2 WHERE number <= $1 AND octet_length(contents) > 0",
            )
            .bind(number)
            .bind(Vec::<u8>::new())
            .execute(&mut *tx)
            .await?;
            if let Some(tell) = <Db as Dialect>::TELL_HEAD {
                sqlx::query(tell).bind(number.to_string()).execute(&mut *tx).await?;
            }
            Ok(())
        })
    }

    /// The number of the newest statement; 0 before the first.
    pub async fn head_number(&self) -> Result<RevisionNumber, StoreError> {
        let sql = "SELECT number FROM head";
        let number: i64 = read!(self, |conn| sqlx::query_scalar(sql).fetch_one(&mut *conn).await?);
        revision(number)
    }

    /// One statement.
    pub async fn statement(
        &self,
        number: RevisionNumber,
    ) -> Result<Option<StatementRow>, StoreError> {
        let sql = statements!("WHERE number = $1");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(int(number.0))
            .fetch_optional(&mut *conn)
            .await?))
    }

    /// The statement of a digest.
    pub async fn statement_of(&self, digest: &Digest) -> Result<Option<StatementRow>, StoreError> {
        let sql = statements!("WHERE digest = $1");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(raw(digest))
            .fetch_optional(&mut *conn)
            .await?))
    }

    /// Those of the statements that are stored, by number. Bounded by what is asked for.
    pub async fn statements(
        &self,
        numbers: &[RevisionNumber],
    ) -> Result<Vec<StatementRow>, StoreError> {
        let mut all = Vec::with_capacity(numbers.len());
        for chunk in numbers.chunks(MAX_BINDS) {
            let found: Vec<StatementRow> = read!(self, |conn| {
                let mut query = QueryBuilder::new(statements!("WHERE number IN ("));
                let mut list = query.separated(", ");
                for number in chunk {
                    list.push_bind(int(number.0));
                }
                query.push(") ORDER BY number");
                query.build_query_as().persistent(chunk.len() == 1).fetch_all(&mut *conn).await?
            });
            all.extend(found);
        }
        Ok(all)
    }

    /// At most `limit` statements with lower numbers, newest first; `None` begins at the head.
    pub async fn statements_before(
        &self,
        number: Option<RevisionNumber>,
        limit: usize,
    ) -> Result<Vec<StatementRow>, StoreError> {
        let sql = statements!("WHERE number < $1 ORDER BY number DESC LIMIT $2");
        let before = number.map_or(i64::MAX, |number| int(number.0));
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(before)
            .bind(rows(limit))
            .fetch_all(&mut *conn)
            .await?))
    }

    /// At most `limit` statements with higher numbers, oldest first: how a hub that is behind
    /// catches up.
    pub async fn statements_after(
        &self,
        number: RevisionNumber,
        limit: usize,
    ) -> Result<Vec<StatementRow>, StoreError> {
        let sql = statements!("WHERE number > $1 ORDER BY number LIMIT $2");
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(int(number.0))
            .bind(rows(limit))
            .fetch_all(&mut *conn)
            .await?))
    }

    /// The leaf hashes of at most `limit` statements with higher numbers, oldest first: 32 bytes
    /// each, what the history's tree is built from.
    pub async fn leaf_hashes(
        &self,
        after: RevisionNumber,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError> {
        let sql = "SELECT leaf_hash FROM statements WHERE number > $1 ORDER BY number LIMIT $2";
        let hashes: Vec<DigestColumn> = read!(self, |conn| sqlx::query_scalar(sql)
            .bind(int(after.0))
            .bind(rows(limit))
            .fetch_all(&mut *conn)
            .await?);
        Ok(hashes.into_iter().map(Into::into).collect())
    }
}

pub(super) fn revision(number: i64) -> Result<RevisionNumber, StoreError> {
    u64::try_from(number)
        .map(RevisionNumber)
        .map_err(|_| StoreError::corrupt("a negative statement number"))
}

/// What no database would notice.
fn check(new: &NewStatement) -> Result<(), StoreError> {
    if new.row.number.0 == 0 {
        return Err(StoreError::invalid("statement 0: the first is 1"));
    }
    for (digest, bytes) in &new.contents {
        if Digest::of(bytes) != *digest {
            return Err(StoreError::invalid(format!("content {digest} has another digest")));
        }
    }
    for bundle in &new.bundles {
        if bundle.generation != new.row.number {
            return Err(StoreError::invalid(format!(
                "bundle of cluster {} has generation {}, not {}",
                bundle.cluster, bundle.generation, new.row.number
            )));
        }
    }
    Ok(())
}
