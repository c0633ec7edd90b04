//! What goes into the core and what comes out of it. The core itself does no IO: the loop in `run`
//! carries the inputs in and the effects out.

use std::collections::BTreeMap;

use hanse_domain::bundle::{Condition, Offer};
use hanse_domain::document::DocumentRef;
use hanse_domain::drift::{DriftClass, Finding};
use hanse_domain::ids::{Digest, Generation};
use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use hanse_domain::trust::walk::RootStep;
use jiff::Timestamp;
use serde_json::Value;

use super::ledger::Ledger;
pub use super::secrets::Sealed;

/// An object as the cluster has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Which one.
    pub reference: ObjectRef,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// The whole object, `managedFields` included.
    pub body: Value,
}

/// What a look at a Secret found, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nobody has written it since.
    Unchanged,
    /// Somebody has.
    Changed,
    /// It is not there.
    Gone,
}

/// A Secret as it was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// Why a request to the API server failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The API server said no, and will say no again to the same request: 403, 404, 422.
    Refused(String),
    /// It was away or busy: try again.
    Unavailable(String),
    /// A precondition failed: the object is another one by now.
    Conflict(String),
}

impl Failure {
    /// For a person.
    pub fn text(&self) -> &str {
        let (Self::Refused(why) | Self::Unavailable(why) | Self::Conflict(why)) = self;
        why
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Everything of one kind that is there: at the start, and again after a break of its watch.
    Listed(ObjectKind, Vec<Live>),
    /// An object came or changed.
    Seen(Live),
    /// An object went.
    Gone(ObjectRef),
    /// The watch of a kind failed once, and it is listed anew; if that fails, too, it is `Blind`.
    Interrupted(ObjectKind, Failure),
    /// The watch of a kind is broken: what happens is not seen until `Sighted`.
    Blind(ObjectKind, Failure),
    /// The watch of a kind works (again).
    Sighted(ObjectKind),
    /// The stream to the hub is up.
    Connected,
    /// The hub knows the cluster; `drift_wanted`: it has another picture of the drift.
    Welcomed {
        /// Send all of it.
        drift_wanted: bool,
    },
    /// The stream to the hub ended.
    Disconnected,
    /// The hub sent trust roots that the agent may lack.
    TrustRoots {
        /// The first one; empty when the agent has it.
        first: Vec<u8>,
        /// Each further one, in order.
        steps: Vec<RootStep>,
    },
    /// The hub sent a bundle.
    Offered(Offer),
    /// How the fence stands: nothing when the agent may write, and why not otherwise.
    Fence(Option<String>),
    /// A look at a Secret ended.
    Probed(ObjectRef, Result<Probe, Failure>),
    /// The hub has stored a report.
    DriftStored(u64),
    /// An apply ended.
    Applied(ObjectRef, Result<Live, Failure>),
    /// A removal ended; an object that was gone already counts as removed.
    Removed(ObjectRef, Result<(), Failure>),
    /// The ledger was written.
    LedgerWritten(Result<(), Failure>),
    /// The hub asks what the API server would say to a bundle.
    DryRunAsked {
        /// To be given back.
        id: u64,
        /// The bundle as it would be.
        offer: Offer,
    },
    /// Time has passed: the moment that was last asked for with `Effect::Wake`, or a later one.
    Tick,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Server-side apply with our field manager, by force. Ends in `Input::Applied`.
    Apply {
        /// What to apply.
        object: Object,
        /// We have not made it yet. Of a kind that is watched by our label alone, one without the
        /// label may be there: then it is not ours, and the answer is `Failure::Refused`.
        first: bool,
    },
    /// Writes a Secret without reading it. Ends in `Input::Applied`.
    WriteSecret {
        /// Without its data.
        object: Object,
        /// From which its data comes.
        sealed: Sealed,
        /// As it was last written; nothing when we have not made it yet.
        record: Option<Written>,
    },
    /// Looks whether somebody wrote a Secret since. Ends in `Input::Probed`.
    ProbeSecret {
        /// Without its data.
        object: Object,
        /// From which its data comes.
        sealed: Sealed,
        /// As it was last written.
        record: Written,
        /// Only look, and write nothing.
        dry_run: bool,
    },
    /// Delete, if it still has this uid. Ends in `Input::Removed`.
    Remove {
        /// Which one.
        object: ObjectRef,
        /// `metadata.uid`
        uid: String,
    },
    /// Write the ledger. Ends in `Input::LedgerWritten`; at most one at a time.
    WriteLedger(Ledger),
    /// Tell the hub, if it is there.
    Send(Report),
    /// Dry-run these objects and send the result with this id.
    DryRun {
        /// From the hub.
        id: u64,
        /// What to try, or why the bundle as a whole would be refused.
        objects: Result<Vec<Object>, String>,
        /// What is known already to be refused.
        problems: Vec<(ObjectRef, String)>,
    },
    /// Come back with `Input::Tick` at this moment; replaces an earlier one.
    Wake(Timestamp),
    /// Something that a person in the cluster should see: a log line and a Kubernetes Event.
    Notice(Notice),
}

/// What the hub is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// First on a stream.
    Hello {
        /// What the ledger holds.
        held: Option<(Generation, Digest)>,
        /// Over the open drift.
        drift_digest: Digest,
        /// The newest trust root that is known; 0 for none.
        root_version: u64,
        /// How many statements are accepted as the history.
        log_size: u64,
    },
    /// How far the bundle has come.
    Applied(Progress),
    /// The newest state of each object that changed.
    Drift {
        /// For the acknowledgement.
        sequence: u64,
        /// At most [`super::MAX_REPORT_ITEMS`].
        items: Vec<DriftRecord>,
        /// Begins a full picture.
        first: bool,
        /// Ends a full picture.
        last: bool,
    },
}

/// How far a bundle has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Which bundle.
    pub held: Option<(Generation, Digest)>,
    /// How far.
    pub phase: ProgressPhase,
    /// What the API server refused, at most 20.
    pub problems: BTreeMap<ObjectRef, String>,
    /// Removals that wait for a confirmation.
    pub removals_waiting: u32,
    /// For a person.
    pub message: String,
    /// Objects of ours.
    pub objects: u32,
    /// Which condition the newest offer failed; nothing when it was accepted.
    pub refused: Option<Condition>,
    /// Secrets that are placed here and cannot be opened, at most 100.
    pub secrets_pending: Vec<String>,
}

/// How far a bundle has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressPhase {
    /// Accepted, persisted, and being applied.
    Applying,
    /// All of it is there.
    Applied,
    /// Some of it was refused.
    Failed,
    /// Removals wait for a confirmation.
    AwaitingConfirmation,
    /// The bundle itself was refused; the last good one stays.
    Refused,
}

/// One occurrence of drift.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftRecord {
    /// Of this occurrence: a UUID made from the object and the moment.
    pub id: String,
    /// Which object.
    pub object: ObjectRef,
    /// The document that declares it; nothing for unmanaged access.
    pub source: Option<DocumentRef>,
    /// What differs.
    pub finding: Finding,
    /// When it was seen.
    pub detected_at: Timestamp,
    /// How it stands.
    pub state: DriftState,
    /// Why it was not put right.
    pub message: String,
}

/// How a drift stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftState {
    /// It is there.
    Open,
    /// The agent put it right.
    Corrected(Timestamp),
    /// It went away without the agent.
    Cleared(Timestamp),
}

/// Something that a person in the cluster should see.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A bundle was accepted and all of it is there.
    BundleApplied(Generation),
    /// A bundle, or a trust root, was refused.
    BundleRefused(Condition, String),
    /// Another trust root is in force from here on.
    TrustRootChanged(u64),
    /// The agent writes nothing, since its fence does not stand.
    FenceBroken(String),
    /// The fence stands (again).
    FenceStands,
    /// Drift was seen.
    DriftSeen(ObjectRef, DriftClass, Option<String>),
    /// Drift was put right.
    DriftCorrected(ObjectRef, DriftClass, Option<String>),
    /// The API server refused an object.
    ObjectRefused(ObjectRef, String),
    /// Removals wait.
    RemovalsWaiting(u32),
    /// An object was removed.
    Removed(ObjectRef),
}
