//! A report as it came, and what becomes of it: pure steps of [`super::record`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use hanse_domain::access::inventory::bucket_of;
use hanse_domain::access::object::{AccessKey, leaf};
use hanse_domain::ids::Digest;
use jiff::Timestamp;

use super::super::StoreError;
use super::super::columns::micros;
use super::decide::{Known, Step};
use super::{AccessChange, AccessReport, MAX_ACCESS_NAME_BYTES};

/// From so many touched buckets on, all of a cluster's are read in one statement.
const MANY_BUCKETS: usize = 32;

/// A change with what follows from it.
pub(super) struct Prepared<'r> {
    pub(super) key: &'r AccessKey,
    pub(super) key_hash: Digest,
    /// The content's digest, the origin's encoding and the leaf.
    pub(super) seen: Option<(Digest, Vec<u8>, Digest)>,
}

/// One version to be written.
pub(super) struct Version<'r> {
    pub(super) key: &'r AccessKey,
    pub(super) key_hash: Digest,
    pub(super) content: Option<i64>,
    pub(super) leaf: Option<Digest>,
    pub(super) origin: &'r [u8],
    pub(super) at: i64,
}

/// Digests of everything in a report, and its contents, each once.
pub(super) fn prepare(
    changes: &[AccessChange],
) -> Result<(Vec<Prepared<'_>>, BTreeMap<Digest, String>), StoreError> {
    let mut contents = BTreeMap::new();
    let mut prepared = Vec::with_capacity(changes.len());
    for AccessChange { key, seen, at: _ } in changes {
        for text in [&key.namespace, &key.name] {
            if text.contains('\0') || text.len() > MAX_ACCESS_NAME_BYTES {
                return Err(StoreError::invalid(format!(
                    "a {} whose name holds NUL or more than {MAX_ACCESS_NAME_BYTES} bytes",
                    key.kind
                )));
            }
        }
        let seen = match seen {
            None => None,
            Some((content, origin)) => {
                let json = String::from_utf8(content.encode())
                    .map_err(|error| StoreError::invalid(error.to_string()))?;
                let digest = Digest::of(json.as_bytes());
                contents.entry(digest).or_insert(json);
                Some((digest, origin.encode(), leaf(key, &digest, origin)))
            }
        };
        prepared.push(Prepared { key, key_hash: key.hash(), seen });
    }
    Ok((prepared, contents))
}

/// The report's changes by object, none earlier than what is signed; what its whole buckets do not hold
/// is gone.
pub(super) fn steps(
    report: &AccessReport,
    prepared: &[Prepared<'_>],
    stored: &BTreeMap<Digest, Known>,
    signed: Option<Timestamp>,
) -> BTreeMap<Digest, Vec<Step>> {
    let became = |at: Timestamp| micros(signed.map_or(at, |until| at.max(until)));
    let mut steps: BTreeMap<Digest, Vec<Step>> = BTreeMap::new();
    for (index, (change, from)) in prepared.iter().zip(&report.changes).enumerate() {
        let leaf = change.seen.as_ref().map(|(_, _, leaf)| *leaf);
        let step = Step { change: Some(index), leaf, at: became(from.at) };
        steps.entry(change.key_hash).or_default().push(step);
    }
    for (key_hash, known) in stored {
        if known.leaf.is_some() && report.whole_buckets.contains(&bucket_of(key_hash)) {
            let gone = Step { change: None, leaf: None, at: became(report.gone_at) };
            steps.entry(*key_hash).or_insert_with(|| vec![gone]);
        }
    }
    steps
}

/// How many bytes a version says.
pub(super) fn size(
    step: &Step,
    prepared: &[Prepared<'_>],
    contents: &BTreeMap<Digest, String>,
) -> usize {
    let seen = step.change.and_then(|index| prepared.get(index)?.seen.as_ref());
    seen.and_then(|(digest, ..)| contents.get(digest)).map_or(0, String::len)
}

/// The contents that new versions name.
pub(super) fn contents_of<'c>(
    chains: &BTreeMap<Digest, Vec<Step>>,
    prepared: &[Prepared<'_>],
    contents: &'c BTreeMap<Digest, String>,
) -> BTreeMap<Digest, &'c str> {
    (chains.values().flatten())
        .filter_map(|step| prepared.get(step.change?)?.seen.as_ref())
        .filter_map(|(digest, ..)| Some((*digest, contents.get(digest)?.as_str())))
        .collect()
}

/// Versions that the same report replaces, each with when, and those that last.
#[expect(clippy::type_complexity, reason = "two lists")]
pub(super) fn split<'r>(
    chains: &BTreeMap<Digest, Vec<Step>>,
    prepared: &'r [Prepared<'r>],
    names: &'r BTreeMap<Digest, AccessKey>,
    ids: &BTreeMap<Digest, i64>,
) -> Result<(Vec<(Version<'r>, i64)>, Vec<Version<'r>>), StoreError> {
    let (mut passing, mut newest) = (Vec::new(), Vec::with_capacity(chains.len()));
    for (key_hash, versions) in chains {
        let mut after = versions.iter().skip(1);
        for step in versions {
            let change = step.change.and_then(|index| prepared.get(index));
            let key = change.map(|change| change.key).or_else(|| names.get(key_hash));
            let key = key.ok_or_else(|| StoreError::corrupt("an object without a name"))?;
            let seen = change.and_then(|change| change.seen.as_ref());
            let version = Version {
                key,
                key_hash: *key_hash,
                content: seen.and_then(|(digest, ..)| ids.get(digest).copied()),
                leaf: step.leaf,
                origin: seen.map_or(&[], |(_, origin, _)| origin),
                at: step.at,
            };
            match after.next() {
                Some(next) => passing.push((version, next.at)),
                None => newest.push(version),
            }
        }
    }
    Ok((passing, newest))
}

/// Few ranges that hold all of the buckets.
pub(super) fn ranges(touched: &BTreeSet<u8>) -> Vec<RangeInclusive<u8>> {
    if touched.len() > MANY_BUCKETS {
        return vec![0..=u8::MAX];
    }
    let mut ranges: Vec<RangeInclusive<u8>> = Vec::new();
    for bucket in touched {
        match ranges.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(*bucket) => {
                *last = *last.start()..=*bucket;
            }
            _ => ranges.push(*bucket..=*bucket),
        }
    }
    ranges
}
