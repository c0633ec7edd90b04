//! The attacks, each with the condition that it fails.

mod contents;
mod provenance;
mod removals;
mod roots;
mod statements;

use anyhow::Result;
use hanse_domain::ids::ClusterId;
use hanse_e2e::thief::{Known, Past};
use hanse_proto::agent::session_response::Message;
use hanse_signing::Key;

use crate::world::{Keys, binding, owner, put, role};

/// Something that a thief tries.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What stops it, as `docs/trust.md` numbers the conditions.
    pub(crate) condition: u32,
    /// What the agent says of it.
    pub(crate) says: &'static str,
    pub(crate) make: fn(&Heist<'_>) -> Result<Vec<Message>>,
}

/// What a thief knows and has.
pub(crate) struct Heist<'h> {
    pub(crate) past: &'h Past,
    pub(crate) keys: &'h Keys,
    pub(crate) removal_of_old: u64,
    /// The cluster that is attacked, which is in production.
    pub(crate) here: ClusterId,
    /// The cluster for tests.
    pub(crate) there: ClusterId,
    /// What the attacked agent has.
    pub(crate) known: Known,
}

impl Heist<'_> {
    /// What the attacked agent is shown of a history.
    fn show(&self, past: &Past) -> Result<Vec<Message>> {
        past.messages(self.here, self.known)
    }
}

/// All that a thief wants, in the name of whoever holds a key.
fn all_at_once(past: &Past, keys: &[&Key]) -> Result<Past> {
    past.and(past.draft(loot())?, keys)
}

/// A binding to cluster-admin, and rights that no fence would stop.
fn loot() -> Vec<hanse_domain::fleet::Edit> {
    vec![
        put(&owner(None)),
        put(&role("loot", "list")),
        put(&binding("thieves", "payments", "thieves")),
    ]
}

/// Something that `lim` may sign.
fn within_limits(group: &str) -> Vec<hanse_domain::fleet::Edit> {
    vec![put(&binding("readers", "payments", group))]
}

/// Every attack that fails however many must sign what is dangerous.
pub(crate) fn all() -> Vec<Attack> {
    let mut all = Vec::new();
    all.extend(statements::ALL);
    all.extend(contents::ALL);
    all.extend(provenance::ALL);
    all.extend(removals::ALL);
    all.extend(roots::ALL);
    all
}

pub(crate) use provenance::{ALONE_WITH_DANGER, RECIPIENT};
