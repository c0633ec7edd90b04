//! What each subject is: its content at a moment of the history.

use bytes::Bytes;
use hanse_domain::ids::{Digest, RevisionNumber};

use super::backend::read;
use super::columns::{OptionalDigestColumn, RevisionColumn, int, rows};
use super::contents::verified;
use super::{Store, StoreError};

/// Subjects in one answer of the database while all are read.
const PAGE: usize = 1_000;

/// One subject that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRow {
    /// "FederatedRole/payments", "Cluster/<uuid>", "Wrap/<secret>/<uuid>", "TrustRoot".
    pub subject: String,
    /// The statement that last changed it.
    pub number: RevisionNumber,
    /// Of `bytes`.
    pub digest: Digest,
    /// As it was written.
    pub bytes: Bytes,
}

/// All subjects at one moment, ordered by subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaves {
    /// The statement after which it was so.
    pub number: RevisionNumber,
    /// Each subject that was there.
    pub rows: Vec<LeafRow>,
}

/// Visits each subject once by the primary key, however many statements changed it, and takes its
/// newest leaf that is not above `$1`. `$2` is where the page before ended, `$3` the most to visit.
/// The order of the bytes of `subject` is the order of both databases here.
const PAGE_SQL: &str = "\
    WITH RECURSIVE subjects (subject, visited) AS ( \
        SELECT (SELECT l.subject FROM leaves l WHERE l.subject > $2 ORDER BY l.subject LIMIT 1), \
               CAST(1 AS BIGINT) \
        UNION ALL \
        SELECT (SELECT l.subject FROM leaves l WHERE l.subject > s.subject \
                ORDER BY l.subject LIMIT 1), s.visited + 1 \
        FROM subjects s WHERE s.subject IS NOT NULL AND s.visited < $3 \
    ) \
    SELECT s.subject, l.number, l.digest, c.bytes \
    FROM subjects s \
    LEFT JOIN leaves l ON l.subject = s.subject AND l.number = \
        (SELECT MAX(m.number) FROM leaves m WHERE m.subject = s.subject AND m.number <= $1) \
    LEFT JOIN contents c ON c.digest = l.digest \
    WHERE s.subject IS NOT NULL \
    ORDER BY s.subject";

#[derive(sqlx::FromRow)]
struct Visited {
    subject: String,
    number: Option<RevisionColumn>,
    #[sqlx(try_from = "OptionalDigestColumn")]
    digest: Option<Digest>,
    bytes: Option<Vec<u8>>,
}

impl Store {
    /// Everything that is there now. What it takes is bounded by what it returns, not by the
    /// history.
    pub async fn current_leaves(&self) -> Result<Leaves, StoreError> {
        self.leaves_at(self.head_number().await?).await
    }

    /// Everything that one subject was, up to a statement, oldest first; its removals are left out.
    pub async fn leaves_of(
        &self,
        subject: &str,
        up_to: RevisionNumber,
    ) -> Result<Vec<LeafRow>, StoreError> {
        let sql = "SELECT l.subject, l.number, l.digest, c.bytes FROM leaves l \
                   LEFT JOIN contents c ON c.digest = l.digest \
                   WHERE l.subject = $1 AND l.number <= $2 ORDER BY l.number";
        let rows: Vec<Visited> = read!(self, |conn| sqlx::query_as(sql)
            .bind(subject)
            .bind(int(up_to.0))
            .fetch_all(&mut *conn)
            .await?);
        rows.into_iter().filter_map(|row| row.leaf().transpose()).collect()
    }

    /// The statements between two that changed a subject, with what it was after each; `None` where it
    /// was removed.
    pub async fn leaves_between(
        &self,
        subject: &str,
        after: RevisionNumber,
        before: RevisionNumber,
    ) -> Result<Vec<(RevisionNumber, Option<Digest>)>, StoreError> {
        let sql = "SELECT number, digest FROM leaves \
                   WHERE subject = $1 AND number > $2 AND number < $3 ORDER BY number";
        let rows: Vec<(RevisionColumn, OptionalDigestColumn)> =
            read!(self, |conn| sqlx::query_as(sql)
                .bind(subject)
                .bind(int(after.0))
                .bind(int(before.0))
                .fetch_all(&mut *conn)
                .await?);
        Ok(rows.into_iter().map(|(number, digest)| (number.into(), digest.into())).collect())
    }

    /// Everything that was there after the statement. The history only grows, so pages that are read
    /// one after another are one picture.
    pub async fn leaves_at(&self, number: RevisionNumber) -> Result<Leaves, StoreError> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page: Vec<Visited> = read!(self, |conn| sqlx::query_as(PAGE_SQL)
                .bind(int(number.0))
                .bind(&after)
                .bind(rows(PAGE))
                .fetch_all(&mut *conn)
                .await?);
            let full = page.len() == PAGE;
            if let Some(last) = page.last() {
                after.clone_from(&last.subject);
            }
            for visited in page {
                all.extend(visited.leaf()?);
            }
            if !full {
                return Ok(Leaves { number, rows: all });
            }
        }
    }
}

impl Visited {
    /// `None` when the subject was not there: removed, or not yet made.
    fn leaf(self) -> Result<Option<LeafRow>, StoreError> {
        let (Some(number), Some(digest)) = (self.number, self.digest) else {
            return Ok(None);
        };
        let Some(bytes) = self.bytes else {
            return Err(StoreError::corrupt(format!("content {digest} is missing")));
        };
        let bytes = verified(&digest, bytes)?;
        Ok(Some(LeafRow { subject: self.subject, number: number.into(), digest, bytes }))
    }
}
