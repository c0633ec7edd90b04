//! People and pipelines that may call the hub, each by the certificate that was made for them.

use std::fmt;
use std::str::FromStr;

use hanse_domain::ids::Digest;
use jiff::Timestamp;

use super::backend::{read, run_tx};
use super::columns::{
    DigestColumn, OptionalTimeColumn, TimeColumn, micros, optional_micros, raw, rows,
};
use super::{Store, StoreError};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Administrator,
    /// Look.
    Viewer,
}

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct UserRow {
    /// Who.
    pub name: String,
    /// What they may do.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// SHA-256 of their certificate (DER).
    #[sqlx(try_from = "DigestColumn")]
    pub fingerprint: Digest,
    /// When they were added.
    #[sqlx(try_from = "TimeColumn")]
    pub created_at: Timestamp,
    /// When their right ended.
    #[sqlx(try_from = "OptionalTimeColumn")]
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Adds somebody, or replaces what is there under the name.
    pub async fn put_user(&self, user: &UserRow) -> Result<(), StoreError> {
        run_tx!(self, "put-user", ReadCommitted, |tx, Db| {
            sqlx::query(
                "INSERT INTO users (name, role, fingerprint, created_at, revoked_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET \
                 role = excluded.role, fingerprint = excluded.fingerprint, \
                 created_at = excluded.created_at, revoked_at = excluded.revoked_at",
            )
            .bind(&user.name)
            .bind(user.role.name())
            .bind(raw(&user.fingerprint))
            .bind(micros(user.created_at))
            .bind(optional_micros(user.revoked_at))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Somebody, revoked or not.
    pub async fn user(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        let sql = "SELECT name, role, fingerprint, created_at, revoked_at FROM users \
                   WHERE name = $1";
        read!(self, |conn| Ok(sqlx::query_as(sql).bind(name).fetch_optional(&mut *conn).await?))
    }

    /// At most `limit` of them, by name, after the one that is named.
    pub async fn users(&self, after: &str, limit: usize) -> Result<Vec<UserRow>, StoreError> {
        let sql = "SELECT name, role, fingerprint, created_at, revoked_at FROM users \
                   WHERE name > $1 ORDER BY name LIMIT $2";
        read!(self, |conn| Ok(sqlx::query_as(sql)
            .bind(after)
            .bind(rows(limit))
            .fetch_all(&mut *conn)
            .await?))
    }
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither administrator nor viewer")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Administrator, Self::Viewer]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(UnknownRole)
    }
}

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(text: String) -> Result<Self, UnknownRole> {
        text.parse()
    }
}
