//! The fleet itself: one row, made once.

use bytes::Bytes;
use hanse_domain::ids::Digest;
use jiff::Timestamp;

use super::backend::{read, run_tx};
use super::columns::{DigestColumn, TimeColumn, micros, raw};
use super::{Store, StoreError};

/// What makes this fleet this one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct FleetRow {
    /// Digest of its first trust root.
    #[sqlx(try_from = "DigestColumn")]
    pub id: Digest,
    /// The trust domain of its SPIFFE ids.
    pub trust_domain: String,
    /// Its first trust root, as written.
    #[sqlx(try_from = "Vec<u8>")]
    pub trust_root: Bytes,
    /// When it was made.
    #[sqlx(try_from = "TimeColumn")]
    pub created_at: Timestamp,
}

impl Store {
    /// Makes the fleet. [`StoreError::Conflict`] when there is one.
    pub async fn initialise(&self, fleet: &FleetRow) -> Result<(), StoreError> {
        run_tx!(self, "initialise", ReadCommitted, |tx, Db| {
            let made = sqlx::query(
                "INSERT INTO fleet (singleton, id, trust_domain, trust_root, created_at) \
                 VALUES (1, $1, $2, $3, $4) ON CONFLICT (singleton) DO NOTHING",
            )
            .bind(raw(&fleet.id))
            .bind(&fleet.trust_domain)
            .bind(fleet.trust_root.as_ref())
            .bind(micros(fleet.created_at))
            .execute(&mut *tx)
            .await?;
            match made.rows_affected() {
                0 => Err(StoreError::conflict("the fleet")),
                _ => Ok(()),
            }
        })
    }

    /// The fleet; `None` before it is made.
    pub async fn fleet(&self) -> Result<Option<FleetRow>, StoreError> {
        let sql = "SELECT id, trust_domain, trust_root, created_at FROM fleet";
        read!(self, |conn| Ok(sqlx::query_as(sql).fetch_optional(&mut *conn).await?))
    }
}
