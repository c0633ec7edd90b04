//! Many rows in one value, since a driver's cost is by row and by column, and a fleet has millions of
//! rows: `KIND CONTENT BYTES BYTES NAMESPACE NAME` one behind the other, where BYTES are the lengths
//! of the two texts that follow, which may hold anything.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use hanse_domain::access::object::{AccessContent, AccessKey};
use hanse_domain::ids::Digest;

use super::super::backend::{Backend, read};
use super::super::{Store, StoreError};
use super::{AccessState, kind_of};

/// Contents that are fetched in one statement.
const CHUNK: usize = 2_000;
/// After so many, or so many bytes of JSON, what is remembered is forgotten.
const MOST: usize = 500_000;
const MOST_BYTES: usize = 64 << 20;

/// Contents that were read, so that each is read and decoded once while many objects are: give the
/// same one to calls that belong together. It remembers a bounded number.
#[derive(Debug, Default)]
pub struct AccessContents {
    known: HashMap<i64, Arc<AccessContent>>,
    /// Of their JSON.
    bytes: usize,
}

impl AccessContents {
    fn is_full(&self) -> bool {
        self.known.len() > MOST || self.bytes > MOST_BYTES
    }
}

/// The packed form of one row, as SQL.
macro_rules! packed {
    () => {
        "concat(kind, ' ', content, ' ', octet_length(namespace), ' ', octet_length(name), ' ', \
         namespace, name)"
    };
}
pub(super) use packed;

/// A key, and the id of its content.
pub(super) type Entry = (AccessKey, i64);

/// Reads what [`packed!`] made.
pub(super) fn unpack(packed: &str) -> Result<Vec<Entry>, StoreError> {
    let mut rest = packed;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let entry = entry(&mut rest);
        let (kind, content, namespace, name) =
            entry.ok_or_else(|| StoreError::corrupt("packed rows that are cut off"))?;
        let key =
            AccessKey { kind: kind_of(kind)?, namespace: namespace.into(), name: name.into() };
        entries.push((key, content));
    }
    Ok(entries)
}

fn entry<'p>(rest: &mut &'p str) -> Option<(i16, i64, &'p str, &'p str)> {
    let (kind, content) = (number(rest)?, number(rest)?);
    let (namespace, name) = (number(rest)?, number(rest)?);
    Some((kind, content, text(rest, namespace)?, text(rest, name)?))
}

fn number<T: FromStr>(rest: &mut &str) -> Option<T> {
    let (number, after) = rest.split_once(' ')?;
    *rest = after;
    number.parse().ok()
}

fn text<'p>(rest: &mut &'p str, bytes: usize) -> Option<&'p str> {
    let (text, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(text)
}

/// `ID DIGEST BYTES JSON`, one behind the other; each completed by a list of ids.
const CONTENTS: [&str; 2] = [
    "SELECT string_agg(concat(id, ' ', hex(digest), ' ', octet_length(json), ' ', json), '') \
     FROM access_contents WHERE id IN (",
    "SELECT string_agg(concat(id, ' ', encode(digest, 'hex'), ' ', octet_length(json), ' ', \
     json), '') FROM access_contents WHERE id IN (",
];

impl Store {
    /// Looks up what entries say.
    pub(super) async fn with_contents(
        &self,
        entries: Vec<Entry>,
        contents: &mut AccessContents,
    ) -> Result<Vec<AccessState>, StoreError> {
        if contents.is_full() {
            *contents = AccessContents::default();
        }
        let missing: BTreeSet<i64> = (entries.iter().map(|(_, id)| *id))
            .filter(|id| !contents.known.contains_key(id))
            .collect();
        let missing: Vec<i64> = missing.into_iter().collect();
        for chunk in missing.chunks(CHUNK) {
            self.fetch(chunk, contents).await?;
        }
        let mut states = Vec::with_capacity(entries.len());
        for (key, id) in entries {
            let content = contents.known.get(&id).map(Arc::clone);
            let content = content.ok_or_else(|| StoreError::corrupt(format!("no content {id}")))?;
            states.push(AccessState { key, content });
        }
        Ok(states)
    }

    async fn fetch(&self, ids: &[i64], contents: &mut AccessContents) -> Result<(), StoreError> {
        let [sqlite, postgres] = CONTENTS;
        let mut sql = match &self.backend {
            Backend::Sqlite(_) => sqlite,
            Backend::Postgres(_) => postgres,
        }
        .to_owned();
        for (index, id) in ids.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Numbers alone: nothing that anybody else wrote.
            let _ = write!(sql, "{comma}{id}");
        }
        sql.push(')');
        let packed: Option<String> =
            read!(self, |conn| sqlx::query_scalar(sqlx::AssertSqlSafe(sql.as_str()))
                .persistent(false)
                .fetch_one(&mut *conn)
                .await?);
        let packed = packed.unwrap_or_default();
        let mut rest = packed.as_str();
        while !rest.is_empty() {
            let found = content(&mut rest);
            let (id, digest, json) =
                found.ok_or_else(|| StoreError::corrupt("packed contents that are cut off"))?;
            if Digest::of(json.as_bytes()) != digest {
                return Err(StoreError::corrupt(format!("content {digest} has other bytes")));
            }
            // What has its digest is canonical: it was when it was stored.
            let content: AccessContent = serde_json::from_str(json)
                .map_err(|error| StoreError::corrupt(format!("content {digest}: {error}")))?;
            contents.bytes += json.len();
            contents.known.insert(id, Arc::new(content));
        }
        Ok(())
    }
}

fn content<'p>(rest: &mut &'p str) -> Option<(i64, Digest, &'p str)> {
    let id = number(rest)?;
    let (digest, after) = rest.split_once(' ')?;
    *rest = after;
    let digest = digest.to_ascii_lowercase().parse().ok()?;
    let bytes = number(rest)?;
    Some((id, digest, text(rest, bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_contents_are_forgotten_as_many_are() {
        let few = AccessContents { bytes: MOST_BYTES, ..AccessContents::default() };
        assert!(!few.is_full());
        assert!(AccessContents { bytes: MOST_BYTES + 1, ..few }.is_full());
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        let packed = "6 12 2 4 nsa é1 3 0 4 xy z";
        let keys = unpack(packed).map(|entries| {
            entries.into_iter().map(|(key, id)| (key.to_string(), id)).collect::<Vec<_>>()
        });
        let expected = [("RoleBinding ns/a é".to_owned(), 12), ("Namespace xy z".to_owned(), 3)];
        assert_eq!(keys.ok(), Some(expected.into()));
        for end in (1..packed.len()).filter(|end| *end != 15 && packed.is_char_boundary(*end)) {
            assert!(unpack(packed.get(..end).unwrap_or_default()).is_err(), "{end}");
        }
        assert!(unpack("77 1 0 1 a").is_err());
        assert!(unpack("6 12 2 2 nsaé").is_err(), "a length within a character");
    }
}
