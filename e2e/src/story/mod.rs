//! The demo's story. Each step types what a person would type and then looks at the clusters
//! themselves; what it says was seen there.
//!
//! ```text
//! join ─ declare ─ seal ─ tamper ─ backdoor ─ outage ─ theft ─ ask
//! ```
//!
//! Each step can be taken again: a test kills processes in the middle and takes it once more.

mod ask;
mod narrator;
mod secret;
mod steps;
mod theft;

use kube::Client;

pub use narrator::{Narrator, Printing, Silent};

use crate::agent::Agent;
use crate::hanse::Hanse;
use crate::hub::Hub;

/// The group that the examples bind.
pub const GROUP: &str = "oidc:payments";
/// The namespace of the examples.
pub const NAMESPACE: &str = "payments";
/// The cluster role that the examples' role becomes.
pub const ROLE: &str = "hanse:ns:payments-operator";
/// The role binding that the examples' binding becomes.
pub const BINDING: &str = "hanse:ns:payments-team";
/// The binding that somebody makes without telling anyone.
pub const BACKDOOR: &str = "demo-backdoor";
/// The secret that is sealed.
pub const SECRET: &str = "db-password";
/// Who gets in without being declared.
const INTRUDER: &str = "mallory";

/// A cluster of the story.
pub struct Place<'s> {
    /// Its agent.
    pub agent: &'s Agent,
    /// Its administrator's client: what the story looks with.
    pub client: Client,
    /// Whether the examples are placed there.
    pub production: bool,
}

/// Everybody in the story.
pub struct Story<'s> {
    /// The command line.
    pub hanse: &'s Hanse,
    /// The hub.
    pub hub: &'s Hub,
    /// The clusters; the first is always a production one.
    pub places: Vec<Place<'s>>,
    /// The folder with the examples.
    pub examples: String,
}

/// The steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every cluster joins.
    Join,
    /// A namespace, a role and a binding are declared for production.
    Declare,
    /// A secret is sealed to production.
    Seal,
    /// Somebody adds a subject to the binding behind the hub's back.
    Tamper,
    /// Somebody makes a binding to cluster-admin.
    Backdoor,
    /// The same edit while the hub is away.
    Outage,
    /// Somebody has the hub, with all that it has.
    Theft,
    /// Who could read the secret, before the backdoor and while it was there.
    Ask,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Join,
        Self::Declare,
        Self::Seal,
        Self::Tamper,
        Self::Backdoor,
        Self::Outage,
        Self::Theft,
        Self::Ask,
    ];
}

/// The examples of the repository.
pub fn examples() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/payments").to_owned()
}
