//! What goes into the keeper of the inventory and what comes out of it.

use std::sync::Arc;

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::inventory::BUCKETS;
use hanse_domain::access::object::{AccessKey, AccessKind};
use hanse_domain::ids::Digest;
use jiff::Timestamp;

use super::sight::Sight;

/// The digests of all buckets.
pub type Buckets = Box<[Digest; BUCKETS]>;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Everything of one kind that is there: at the start, and again after a break of its watch.
    Listed(AccessKind, Vec<Sight>),
    /// An object came or changed.
    Seen(Sight),
    /// An object went.
    Gone(AccessKey),
    /// The watch of a kind is broken: what happens is not seen until `Listed`.
    Blind {
        /// Which kind.
        kind: AccessKind,
        /// The API server said no, and will say no again.
        refused: bool,
        /// For a person.
        why: String,
    },
    /// The hub knows the cluster.
    Welcomed,
    /// The stream to the hub ended.
    Disconnected,
    /// The stream takes a part.
    Room,
    /// The hub has stored a report, and has the same root.
    Stored(u64),
    /// The hub has stored a report, and has another root.
    Wanted {
        /// Of the report.
        sequence: u64,
        /// What it has.
        buckets: Buckets,
    },
    /// The hub wants a checkpoint of the present.
    Asked,
    /// Time has passed: the moment that was last asked for with `Effect::Wake`, or a later one.
    Tick,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Tell the hub.
    Send(Box<Part>),
    /// Come back with `Input::Tick` at this moment; replaces an earlier one.
    Wake(Timestamp),
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Of the report: all its parts have the same.
    pub sequence: u64,
    /// At most [`super::MAX_PART_CHANGES`].
    pub changes: Vec<Change>,
    /// Buckets that the report holds whole.
    pub buckets: Vec<u8>,
    /// Ends the report.
    pub last: bool,
    /// What lasted until the first of the changes; on the last part, if nothing was missed.
    pub closed: Option<Checkpoint>,
    /// What is so after them; on the last part.
    pub current: Option<Checkpoint>,
}

/// The newest state of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub key: Arc<AccessKey>,
    /// What it is; nothing when it is gone.
    pub state: Option<State>,
    /// When it became so.
    pub at: Timestamp,
}

/// What an object is, in canonical encodings. Objects that say the same share their content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What it says.
    pub content: Arc<[u8]>,
    /// Since when and through whom.
    pub origin: Arc<[u8]>,
}

/// For metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Objects in the inventory.
    pub objects: usize,
    /// Objects that should be in it and are not.
    pub skipped: usize,
    /// Kinds that are not seen.
    pub unseen: usize,
    /// Reports that were sent so far.
    pub reports: u64,
}
