//! Contents by their digests: documents, roster entries and bundle manifests.

use std::collections::BTreeSet;

use bytes::Bytes;
use hanse_domain::ids::Digest;
use sqlx::QueryBuilder;

use super::backend::{MAX_BINDS, read};
use super::columns::{DigestColumn, raw};
use super::{Store, StoreError};

impl Store {
    /// One content. [`StoreError::Corrupt`] when its bytes do not have its digest.
    pub async fn content(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let sql = "SELECT bytes FROM contents WHERE digest = $1";
        let found: Option<Vec<u8>> = read!(self, |conn| sqlx::query_scalar(sql)
            .bind(raw(digest))
            .fetch_optional(&mut *conn)
            .await?);
        found.map(|bytes| verified(digest, bytes)).transpose()
    }

    /// Those of the contents that are stored, each once, by digest. Bounded by what is asked for.
    pub async fn contents(&self, digests: &[Digest]) -> Result<Vec<(Digest, Bytes)>, StoreError> {
        let wanted: Vec<Digest> =
            digests.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut all = Vec::with_capacity(wanted.len());
        for chunk in wanted.chunks(MAX_BINDS) {
            let found: Vec<(DigestColumn, Vec<u8>)> = read!(self, |conn| {
                let mut query =
                    QueryBuilder::new("SELECT digest, bytes FROM contents WHERE digest IN (");
                let mut list = query.separated(", ");
                for digest in chunk {
                    list.push_bind(raw(digest));
                }
                query.push(") ORDER BY digest");
                query.build_query_as().persistent(chunk.len() == 1).fetch_all(&mut *conn).await?
            });
            for (digest, bytes) in found {
                let digest = digest.into();
                all.push((digest, verified(&digest, bytes)?));
            }
        }
        Ok(all)
    }
}

/// The bytes, if they are what was stored.
pub(super) fn verified(digest: &Digest, bytes: Vec<u8>) -> Result<Bytes, StoreError> {
    if Digest::of(&bytes) == *digest {
        Ok(bytes.into())
    } else {
        Err(StoreError::corrupt(format!("content {digest} has other bytes")))
    }
}
