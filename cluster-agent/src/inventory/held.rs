//! The objects that the keeper holds, within bounds. What is beyond them is skipped and counted: the
//! greatest keys first, so that roles and bindings stay and the same objects are skipped each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hanse_domain::access::inventory::{self, BUCKETS, Inventory, bucket_of};
use hanse_domain::access::object::{AccessKey, AccessKind, MAX_OBJECTS, Origin, leaf};
use hanse_domain::ids::Digest;
use jiff::Timestamp;

use super::io::State;
use super::report;

/// What one object costs besides its texts: its place in three maps, and its digests.
const OVERHEAD: usize = 288;
/// Most skipped objects that are told apart; more are not counted.
const MAX_SKIPPED: usize = 200_000;

const MIB: usize = 1024 * 1024;

/// How much is held at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Objects.
    pub objects: usize,
    /// Bytes in memory, as estimated.
    pub bytes: usize,
    /// Bytes of one report of everything, as estimated: there, nothing is shared.
    pub report: usize,
}

impl Default for Limits {
    /// Half of what `deploy/agent/deployment.yaml` lets the agent have is left for all the rest, and a hub
    /// takes a report of 128 MiB.
    fn default() -> Self {
        Self { objects: MAX_OBJECTS, bytes: 96 * MIB, report: 104 * MIB }
    }
}

/// One object, as the hub is told of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) at: Timestamp,
}

impl Entry {
    /// The moment that its origin names.
    pub(super) fn changed_at(&self) -> Option<Timestamp> {
        Origin::decode(&self.state.origin).ok()?.changed_at
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Held {
    limits: Limits,
    entries: BTreeMap<Arc<AccessKey>, Entry>,
    /// How many objects say the same.
    contents: BTreeMap<Arc<[u8]>, usize>,
    inventory: Inventory,
    /// Leaves that the inventory does not have yet.
    changed: Vec<(Arc<AccessKey>, Option<Digest>)>,
    bytes: usize,
    report: usize,
    /// Hashes of the keys of what is skipped.
    skipped: BTreeMap<AccessKind, BTreeSet<u64>>,
}

impl Held {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            contents: BTreeMap::new(),
            inventory: Inventory::default(),
            changed: Vec::new(),
            bytes: 0,
            report: 0,
            skipped: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: &AccessKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The keys of one kind.
    pub(super) fn of_kind(&self, kind: AccessKind) -> impl Iterator<Item = &Arc<AccessKey>> {
        let first = AccessKey { kind, namespace: String::new(), name: String::new() };
        let rest = self.entries.range::<AccessKey, _>(first..).map(|(key, _)| key);
        rest.take_while(move |key| key.kind == kind)
    }

    /// What is in these buckets.
    pub(super) fn of_buckets(
        &self,
        buckets: &BTreeSet<u8>,
    ) -> impl Iterator<Item = (&Arc<AccessKey>, &Entry)> {
        self.entries.iter().filter(|(key, _)| buckets.contains(&bucket_of(&key.hash())))
    }

    /// Whether an object is held just so.
    pub(super) fn has(&self, key: &AccessKey, content: &[u8], origin: &Origin) -> bool {
        self.get(key).is_some_and(|entry| {
            *entry.state.content == *content && *entry.state.origin == *origin.encode()
        })
    }

    /// Puts an object.
    pub(super) fn put(
        &mut self,
        key: AccessKey,
        content: &[u8],
        origin: &Origin,
        at: Timestamp,
    ) -> Arc<AccessKey> {
        self.take(&key);
        self.unskip(&key);
        let key = Arc::new(key);
        let digest = leaf(&key, &Digest::of(content), origin);
        let content = self.share(content);
        let entry = Entry { state: State { content, origin: origin.encode().into() }, at };
        self.bytes += cost(&key, &entry);
        self.report += report::cost(&key, Some(&entry.state));
        self.entries.insert(Arc::clone(&key), entry);
        self.changed.push((Arc::clone(&key), Some(digest)));
        key
    }

    /// Takes an object away, if it is there.
    pub(super) fn take(&mut self, key: &AccessKey) -> Option<Arc<AccessKey>> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.bytes = self.bytes.saturating_sub(cost(&key, &entry));
        self.report = self.report.saturating_sub(report::cost(&key, Some(&entry.state)));
        self.unshare(&entry.state.content);
        self.changed.push((Arc::clone(&key), None));
        Some(key)
    }

    /// What does not fit any more goes and is skipped: the greatest keys.
    pub(super) fn shrink(&mut self) -> Vec<Arc<AccessKey>> {
        let mut gone = Vec::new();
        while self.is_too_much()
            && let Some((key, _)) = self.entries.last_key_value()
        {
            let key = Arc::clone(key);
            self.take(&key);
            self.skip(&key);
            gone.push(key);
        }
        gone
    }

    /// Whether there is no room for an object, and nothing that would have to go for it.
    pub(super) fn is_beyond(&self, key: &AccessKey, content: &[u8], origin: &Origin) -> bool {
        let Limits { objects, bytes, report } = self.limits;
        let origin = origin.encode().len();
        let shared = self.contents.contains_key(content);
        let content_cost = if shared { 0 } else { content.len() + OVERHEAD };
        let texts = key.namespace.len() + key.name.len() + origin;
        let is_full = self.entries.len() >= objects
            || self.bytes + texts + OVERHEAD + content_cost > bytes
            || self.report + texts + content.len() + report::CHANGE_OVERHEAD > report;
        is_full && self.entries.last_key_value().is_some_and(|(last, _)| **last < *key)
    }

    fn is_too_much(&self) -> bool {
        let Limits { objects, bytes, report } = self.limits;
        self.entries.len() > objects || self.bytes > bytes || self.report > report
    }

    /// Counts an object that is not held.
    pub(super) fn skip(&mut self, key: &AccessKey) {
        if self.skipped() < MAX_SKIPPED {
            self.skipped.entry(key.kind).or_default().insert(hash(key));
        }
    }

    /// It is not to be counted any more.
    pub(super) fn unskip(&mut self, key: &AccessKey) {
        if let Some(skipped) = self.skipped.get_mut(&key.kind) {
            skipped.remove(&hash(key));
        }
    }

    /// Nothing of a kind is to be counted any more.
    pub(super) fn unskip_kind(&mut self, kind: AccessKind) {
        self.skipped.remove(&kind);
    }

    pub(super) fn skipped(&self) -> usize {
        self.skipped.values().map(BTreeSet::len).sum()
    }

    /// Brings the digests up to date.
    pub(super) fn settle(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        self.inventory.set_all(changed.iter().map(|(key, leaf)| (&**key, *leaf)));
    }

    /// As of the last `settle`.
    pub(super) fn buckets(&self) -> &[Digest; BUCKETS] {
        self.inventory.buckets()
    }

    /// As of the last `settle`.
    pub(super) fn root(&self) -> Digest {
        inventory::root(self.inventory.buckets())
    }

    fn share(&mut self, content: &[u8]) -> Arc<[u8]> {
        if let Some((shared, count)) = self.contents.get_key_value(content) {
            let (shared, count) = (Arc::clone(shared), *count);
            self.contents.insert(Arc::clone(&shared), count + 1);
            return shared;
        }
        let shared: Arc<[u8]> = content.into();
        self.bytes += shared.len() + OVERHEAD;
        self.contents.insert(Arc::clone(&shared), 1);
        shared
    }

    fn unshare(&mut self, content: &Arc<[u8]>) {
        let Some(count) = self.contents.get_mut(content) else { return };
        *count -= 1;
        if *count == 0 {
            self.contents.remove(content);
            self.bytes = self.bytes.saturating_sub(content.len() + OVERHEAD);
        }
    }
}

fn cost(key: &AccessKey, entry: &Entry) -> usize {
    key.namespace.len() + key.name.len() + entry.state.origin.len() + OVERHEAD
}

fn hash(key: &AccessKey) -> u64 {
    key.hash().0.first_chunk().copied().map_or(0, u64::from_be_bytes)
}
