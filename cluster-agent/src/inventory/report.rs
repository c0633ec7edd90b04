//! A report on its way to the hub: taken as a picture when it begins, and cut into parts as the stream
//! takes them. The picture shares what the keeper holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::object::AccessKey;
use jiff::Timestamp;

use super::io::{Change, Part, State};

/// Most changes in one part.
pub const MAX_PART_CHANGES: usize = 1000;
/// Most bytes of changes in one part, beyond the first change.
pub const MAX_PART_BYTES: usize = 768 * 1024;
/// What a change takes besides its texts.
pub(super) const CHANGE_OVERHEAD: usize = 64;

/// What the hub was not told yet: when the newest change of each object was.
pub(super) type Pending = BTreeMap<Arc<AccessKey>, Timestamp>;

/// One report.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) sequence: u64,
    /// It says the root alone.
    silent: bool,
    changes: std::vec::IntoIter<Change>,
    buckets: Vec<u8>,
    closed: Option<Checkpoint>,
    /// Nothing once the last part is sent.
    current: Option<Checkpoint>,
    /// What becomes untold again if the hub does not store it.
    pub(super) untold: Pending,
    /// When the last part was sent.
    pub(super) sent: Option<Timestamp>,
}

impl Report {
    pub(super) fn new(
        sequence: u64,
        changes: Vec<Change>,
        buckets: Vec<u8>,
        closed: Option<Checkpoint>,
        current: Checkpoint,
        untold: Pending,
    ) -> Self {
        let silent = changes.is_empty();
        let changes = changes.into_iter();
        let current = Some(current);
        Self { sequence, silent, changes, buckets, closed, current, untold, sent: None }
    }

    /// Whether it says nothing of what changed.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether the hub has not got all of it.
    pub(super) const fn has_parts(&self) -> bool {
        self.sent.is_none()
    }

    /// The next part.
    pub(super) fn next_part(&mut self, now: Timestamp) -> Option<Part> {
        if self.sent.is_some() {
            return None;
        }
        let mut changes = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.changes.as_slice().first() {
            bytes += cost(&next.key, next.state.as_ref());
            let is_full = changes.len() >= MAX_PART_CHANGES || bytes > MAX_PART_BYTES;
            if is_full && !changes.is_empty() {
                break;
            }
            changes.extend(self.changes.next());
        }
        let last = self.changes.as_slice().is_empty();
        if last {
            self.sent = Some(now);
        }
        Some(Part {
            sequence: self.sequence,
            changes,
            buckets: self.buckets.clone(),
            last,
            closed: self.closed.take_if(|_| last),
            current: self.current.take_if(|_| last),
        })
    }
}

/// How many bytes a change takes.
pub(super) fn cost(key: &AccessKey, state: Option<&State>) -> usize {
    let texts = state.map_or(0, |state| state.content.len() + state.origin.len());
    key.namespace.len() + key.name.len() + texts + CHANGE_OVERHEAD
}
