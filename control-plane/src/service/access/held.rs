//! What the hub holds in memory of a cluster's inventory, beside the index: how it stands, and what its
//! agent said last.

use std::collections::BTreeMap;

use hanse_domain::access::inventory::Inventory;
use hanse_domain::access::object::AccessKind;
use hanse_domain::ids::Digest;
use jiff::{SignedDuration, Timestamp};

use crate::store::{CheckpointRow, CoverageRow, InventoryRow, Sighting, Writer};

/// How old the last word of an agent may be while its inventory counts as seen: it speaks every 60 s.
const FRESH: SignedDuration = SignedDuration::from_secs(90);
/// After so long, what was seen is written though nothing changed.
const WRITTEN: SignedDuration = SignedDuration::from_mins(10);

/// One cluster's inventory.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Of all objects that are stored.
    pub(super) root: Digest,
    pub(super) objects: u32,
    pub(super) skipped: u32,
    pub(super) unseen: BTreeMap<AccessKind, String>,
    /// Up to here everything that the store has is in the index; `None` before the first report.
    pub(super) learned_at: Option<Timestamp>,
    /// What its agent said last, on a stream to this hub.
    pub(super) said: Option<Said>,
    /// The agent has something else, and was asked for it.
    pub(super) behind: bool,
    /// A root that the agent has and that cannot be had here, since it sends what is refused.
    pub(super) unreachable: Option<Digest>,
}

/// What an agent said last, and whether that is written.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) by: Writer,
    pub(super) covered: CoverageRow,
    /// `Err`: why it is no evidence.
    pub(super) signed: Result<CheckpointRow, String>,
    pub(super) written: Option<Timestamp>,
    /// Whether the stream still runs.
    pub(super) live: bool,
}

impl Held {
    pub(super) fn empty() -> Self {
        Self {
            root: Inventory::default().root(),
            objects: 0,
            skipped: 0,
            unseen: BTreeMap::new(),
            learned_at: None,
            said: None,
            behind: false,
            unreachable: None,
        }
    }

    /// What the store says of it, beside what the agent said.
    pub(super) fn stands(&mut self, row: InventoryRow) {
        self.root = row.root;
        self.objects = row.objects;
        self.skipped = row.skipped;
        self.unseen = row.unseen;
        self.learned_at = Some(row.learned_at);
    }

    /// Whether its agent speaks to this hub and said something lately.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        let live = self.said.as_ref().filter(|said| said.live);
        live.is_some_and(|said| now.duration_since(said.covered.until) < FRESH)
    }
}

impl Held {
    /// Up to when its agent saw what is stored, without a gap: now, while it speaks to this hub.
    pub(super) fn seen(&self, now: Timestamp) -> Option<CoverageRow> {
        let said = self.said.as_ref()?;
        let goes_on = self.is_live(now) && !self.behind && self.unreachable.is_none();
        let until = if goes_on { said.covered.until.max(now) } else { said.covered.until };
        Some(CoverageRow { until, ..said.covered })
    }
}

/// Which kinds of object an agent does not see, and why, in words.
pub(super) fn told(unseen: &BTreeMap<AccessKind, String>) -> Vec<String> {
    unseen.iter().map(|(kind, why)| format!("{kind}: {why}")).collect()
}

impl Said {
    pub(super) fn is_unwritten(&self) -> bool {
        self.written.is_none_or(|written| written < self.covered.until)
    }

    /// Whether it is to be written now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let long = |written| now.duration_since(written) >= WRITTEN;
        self.is_unwritten() && (!self.live || self.written.is_none_or(long))
    }

    pub(super) fn sighting(&self) -> Sighting {
        let checkpoints = self.signed.iter().cloned().collect();
        Sighting { checkpoints, covered: Some(self.covered) }
    }
}
