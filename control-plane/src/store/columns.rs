//! How the domain's values lie in columns: what each database gives back becomes the domain's type
//! or the read fails, and what is bound is plain.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes};
use hanse_domain::access::object::AccessKind;
use hanse_domain::ids::{ClusterId, Digest, RevisionNumber};
use jiff::Timestamp;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Type};
use uuid::Uuid;

use super::clusters::{FenceRow, ProblemRow};

/// Declares a column type: `Name(Value) as Stored`, decoded by the closure.
macro_rules! column {
    ($(#[$doc:meta])* $name:ident($value:ty) as $stored:ty, $inner:ty, |$raw:ident| $decode:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name($value);

        impl<DB: Database> Type<DB> for $name
        where
            $inner: Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <$inner as Type<DB>>::type_info()
            }

            fn compatible(found: &DB::TypeInfo) -> bool {
                <$inner as Type<DB>>::compatible(found)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $name
        where
            $inner: Decode<'r, DB>,
        {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                let $raw = <$stored as Decode<'r, DB>>::decode(value)?;
                Ok(Self($decode))
            }
        }

        impl From<$name> for $value {
            fn from(column: $name) -> Self {
                column.0
            }
        }
    };
}

column! {
    /// Microseconds since the epoch.
    TimeColumn(Timestamp) as i64, i64, |raw| Timestamp::from_microsecond(raw)?
}
column! {
    /// The same, or NULL.
    OptionalTimeColumn(Option<Timestamp>) as Option<i64>, i64,
    |raw| raw.map(Timestamp::from_microsecond).transpose()?
}
column! {
    /// 32 bytes.
    DigestColumn(Digest) as Vec<u8>, Vec<u8>, |raw| Digest::try_from(raw.as_slice())?
}
column! {
    /// The same, or NULL.
    OptionalDigestColumn(Option<Digest>) as Option<Vec<u8>>, Vec<u8>,
    |raw| raw.map(|raw| Digest::try_from(raw.as_slice())).transpose()?
}
column! {
    /// A statement's number.
    RevisionColumn(RevisionNumber) as i64, i64, |raw| RevisionNumber(u64::try_from(raw)?)
}
column! {
    /// A count that fits 64 bits.
    CountColumn(u64) as i64, i64, |raw| u64::try_from(raw)?
}
column! {
    /// A count that fits 32 bits.
    SmallCountColumn(u32) as i64, i64, |raw| u32::try_from(raw)?
}
column! {
    /// A cluster's id.
    ClusterColumn(ClusterId) as Uuid, Uuid, |raw| ClusterId(raw)
}
column! {
    /// What an API server refused, as JSON.
    ProblemsColumn(Vec<ProblemRow>) as String, String, |raw| serde_json::from_str(&raw)?
}
column! {
    /// Digests one after another.
    PathColumn(Vec<Digest>) as Vec<u8>, Vec<u8>, |raw| split(&raw)?
}
column! {
    /// Contents, each behind its length in four bytes.
    ContentsColumn(Vec<Bytes>) as Vec<u8>, Vec<u8>, |raw| unframed(raw.into())?
}
column! {
    /// Names, as JSON.
    NamesColumn(Vec<String>) as String, String, |raw| serde_json::from_str(&raw)?
}
column! {
    /// Why kinds of access were not seen, as JSON.
    UnseenColumn(BTreeMap<AccessKind, String>) as String, String, |raw| serde_json::from_str(&raw)?
}
column! {
    /// A fence, as JSON; empty for none.
    FenceColumn(Option<FenceRow>) as String, String,
    |raw| if raw.is_empty() { None } else { Some(serde_json::from_str(&raw)?) }
}

fn unframed(mut raw: Bytes) -> Result<Vec<Bytes>, BoxDynError> {
    let mut all = Vec::new();
    while !raw.is_empty() {
        let length = usize::try_from(raw.try_get_u32()?)?;
        if length > raw.len() {
            return Err("a content that is cut off".into());
        }
        all.push(raw.split_to(length));
    }
    Ok(all)
}

fn split(raw: &[u8]) -> Result<Vec<Digest>, BoxDynError> {
    raw.chunks(32).map(|chunk| Digest::try_from(chunk).map_err(Into::into)).collect()
}

/// A time as its column holds it.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A time that may be missing.
pub(super) fn optional_micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(micros)
}

/// A number as its column holds it. Beyond 2⁶³ − 1, where no honest number is, it stays there.
pub(super) fn int(number: impl Into<u64>) -> i64 {
    i64::try_from(number.into()).unwrap_or(i64::MAX)
}

/// A limit as SQL takes it.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A digest's bytes.
pub(super) fn raw(digest: &Digest) -> &[u8] {
    &digest.0
}
