//! The groups of people, as directories were imported: each import holds until the next one.

use bytes::Bytes;
use hanse_domain::ids::Digest;
use jiff::Timestamp;

use super::backend::{read, run_tx};
use super::columns::{DigestColumn, OptionalTimeColumn, TimeColumn, micros, raw};
use super::contents::verified;
use super::{Store, StoreError};

/// Most directories that may be there at once.
pub const MAX_DIRECTORIES: usize = 100;

/// What one directory said from one import to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryRow {
    /// Its name.
    pub directory: String,
    /// Since when.
    pub imported_at: Timestamp,
    /// Until when; `None`: still.
    pub until: Option<Timestamp>,
    /// Who imported it.
    pub imported_by: String,
    /// Of `bytes`.
    pub digest: Digest,
    /// The groups, as the services encode them.
    pub bytes: Bytes,
}

#[derive(sqlx::FromRow)]
struct Stored {
    directory: String,
    #[sqlx(try_from = "TimeColumn")]
    imported_at: Timestamp,
    #[sqlx(try_from = "OptionalTimeColumn")]
    until_at: Option<Timestamp>,
    imported_by: String,
    #[sqlx(try_from = "DigestColumn")]
    digest: Digest,
    bytes: Vec<u8>,
}

impl Store {
    /// Replaces the groups of one directory. Says whether that is something else than was there. Only
    /// one import counts at a moment: two at once follow each other by a microsecond.
    ///
    /// [`StoreError::Invalid`] for a name that holds NUL, and for more than [`MAX_DIRECTORIES`].
    pub async fn import_groups(
        &self,
        directory: &str,
        bytes: &[u8],
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if directory.contains('\0') || by.contains('\0') {
            return Err(StoreError::invalid("a directory whose name holds NUL"));
        }
        let digest = Digest::of(bytes);
        run_tx!(self, "import-groups", Serializable, |tx, Db| {
            let current: Option<(Vec<u8>, i64)> = sqlx::query_as(
                "SELECT digest, imported_at FROM directory_imports \
                 WHERE directory = $1 AND until_at IS NULL",
            )
            .bind(directory)
            .fetch_optional(&mut *tx)
            .await?;
            let mut from = micros(now);
            match current {
                Some((stored, _)) if stored == raw(&digest) => return Ok(false),
                Some((_, since)) => {
                    from = from.max(since.saturating_add(1));
                    sqlx::query(
                        "UPDATE directory_imports SET until_at = $2 \
                         WHERE directory = $1 AND until_at IS NULL",
                    )
                    .bind(directory)
                    .bind(from)
                    .execute(&mut *tx)
                    .await?;
                }
                None => {
                    let others: i64 = sqlx::query_scalar(
                        "SELECT COUNT(*) FROM directory_imports WHERE until_at IS NULL",
                    )
                    .fetch_one(&mut *tx)
                    .await?;
                    if usize::try_from(others).unwrap_or(usize::MAX) >= MAX_DIRECTORIES {
                        let what = format!("more than {MAX_DIRECTORIES} directories of groups");
                        return Err(StoreError::invalid(what));
                    }
                }
            }
            sqlx::query(
                "INSERT INTO directory_imports \
                 (directory, imported_at, imported_by, digest, bytes) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(directory)
            .bind(from)
            .bind(by)
            .bind(raw(&digest))
            .bind(bytes)
            .execute(&mut *tx)
            .await?;
            Ok(true)
        })
    }

    /// The groups of all directories as they were at a moment, now when it is `None`: one row a
    /// directory, by name. They are known when they are so: ask for the earlier of both clocks.
    pub async fn groups_at(&self, at: Option<Timestamp>) -> Result<Vec<DirectoryRow>, StoreError> {
        let sql = "SELECT directory, imported_at, until_at, imported_by, digest, bytes \
                   FROM directory_imports \
                   WHERE imported_at <= $1 AND (until_at IS NULL OR until_at > $1) \
                   ORDER BY directory";
        let found: Vec<Stored> = read!(self, |conn| sqlx::query_as(sql)
            .bind(at.map_or(i64::MAX, micros))
            .fetch_all(&mut *conn)
            .await?);
        found.into_iter().map(Stored::row).collect()
    }

    /// The digests of what the directories say now, by name: says cheaply whether something changed.
    pub async fn group_digests(&self) -> Result<Vec<(String, Digest)>, StoreError> {
        let sql = "SELECT directory, digest FROM directory_imports WHERE until_at IS NULL \
                   ORDER BY directory";
        let found: Vec<(String, DigestColumn)> =
            read!(self, |conn| sqlx::query_as(sql).fetch_all(&mut *conn).await?);
        Ok(found.into_iter().map(|(directory, digest)| (directory, digest.into())).collect())
    }
}

impl Stored {
    fn row(self) -> Result<DirectoryRow, StoreError> {
        let Self { directory, imported_at, until_at, imported_by, digest, bytes } = self;
        let bytes = verified(&digest, bytes)?;
        Ok(DirectoryRow { directory, imported_at, until: until_at, imported_by, digest, bytes })
    }
}
