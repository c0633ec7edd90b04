//! What a person sees of clusters: the row, the roster and the live agent, joined.

use std::collections::BTreeMap;

use hanse_domain::fleet::Member;
use hanse_domain::history::roster::Labels;
use hanse_domain::ids::{ClusterId, Generation};
use jiff::{SignedDuration, Timestamp};

use super::ServiceError;
use super::fleet::{Current, FleetService};
use super::sessions::{Seen, Sessions};
use crate::store::{AppliedRow, ClusterRow, ProblemRow, Store};

/// How long it is shown that a replaced certificate was seen.
const CLONE_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A cluster's phase, numbered as hanse.admin.v1 `Cluster.Phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A join token was made and not used yet.
    Invited,
    /// It joined and is not in the roster.
    Pending,
    /// It has not applied its newest bundle yet.
    Syncing,
    /// It has.
    Synced,
    /// Something in its bundle was refused.
    Failed,
    /// Removals wait for a confirmation.
    AwaitingConfirmation,
    /// Its identity was revoked.
    Revoked,
}

/// What an agent said of its bundle, by its number in hanse.agent.v1 `Applied.Phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliedPhase {
    /// Nothing yet.
    Unknown,
    /// Being applied.
    Applying,
    /// All of it is there.
    Applied,
    /// Some objects were refused.
    Failed,
    /// Removals wait.
    AwaitingConfirmation,
    /// The bundle itself was refused.
    Refused,
}

impl AppliedPhase {
    /// From the number in the row.
    pub fn of(row: &AppliedRow) -> Self {
        match row.phase {
            1 => Self::Applying,
            2 => Self::Applied,
            3 => Self::Failed,
            4 => Self::AwaitingConfirmation,
            5 => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// Its row. Versions and `last_seen` are those of the live agent where there is one.
    pub row: ClusterRow,
    /// From the roster.
    pub labels: Labels,
    /// The age recipient that the roster names; empty for none.
    pub recipient: String,
    /// Where it stands.
    pub phase: Phase,
    /// In the roster.
    pub accepted: bool,
    /// Its agent has a stream to this hub.
    pub connected: bool,
    /// The generation that it should hold.
    pub desired: Generation,
    /// Drift that stands.
    pub drift_open: u32,
    /// What stands in the way, for a person.
    pub message: String,
}

/// Shows clusters and cuts them off. Clones share everything.
#[derive(Clone)]
pub struct ClusterService {
    store: Store,
    fleet: FleetService,
    sessions: Sessions,
}

impl ClusterService {
    /// From the parts that know something of clusters.
    pub fn new(store: Store, fleet: FleetService, sessions: Sessions) -> Self {
        Self { store, fleet, sessions }
    }

    /// Every cluster, by name.
    pub async fn list(&self, now: Timestamp) -> Result<Vec<ClusterView>, ServiceError> {
        let rows = self.store.clusters().await?;
        let counts: BTreeMap<ClusterId, u32> =
            self.store.open_drift_counts().await?.into_iter().collect();
        // On its way here from another hub: not newer than ours, but ours is late.
        let newest = rows.iter().map(|row| row.applied.generation).max();
        if newest > Some(self.fleet.current().fleet.number) {
            self.fleet.catch_up().await?;
        }
        let current = self.fleet.current();
        Ok(rows
            .into_iter()
            .map(|row| {
                let seen = self.sessions.seen(row.id);
                let drift = counts.get(&row.id).copied().unwrap_or(0);
                let contested = self.sessions.is_contested(row.id, now);
                view(row, &current, seen, drift, contested, now)
            })
            .collect())
    }

    /// The Ceilings of clusters as JSON, up to so many bytes of them all.
    pub async fn ceilings(&self, most: usize) -> Result<BTreeMap<ClusterId, String>, ServiceError> {
        Ok(self.store.ceilings(most).await?)
    }

    /// The id of the cluster that has the name now.
    pub async fn named(&self, name: &str) -> Result<ClusterId, ServiceError> {
        let row = self.store.cluster_by_name(name).await?;
        row.map(|row| row.id)
            .ok_or_else(|| ServiceError::NotFound(format!("there is no cluster {name}")))
    }

    /// Names by id, the revoked ones too.
    pub async fn names(&self) -> Result<BTreeMap<ClusterId, String>, ServiceError> {
        let rows = self.store.clusters().await?;
        Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
    }

    /// One cluster's name.
    pub async fn name(&self, id: ClusterId) -> Result<Option<String>, ServiceError> {
        Ok(self.store.cluster(id).await?.map(|row| row.name))
    }

    /// Cuts a cluster off: its stream ends and its certificate is not accepted any more.
    pub async fn revoke(
        &self,
        by: &str,
        id: ClusterId,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let row = self.store.revoke(id, now).await?;
        let row = row.ok_or_else(|| ServiceError::NotFound(format!("there is no cluster {id}")))?;
        tracing::info!(cluster.id = %id, "cluster {} ({id}) was revoked by {by}", row.name);
        self.sessions.revoke(id);
        self.sessions.changed(id);
        Ok(())
    }
}

fn view(
    mut row: ClusterRow,
    current: &Current,
    seen: Option<Seen>,
    drift_open: u32,
    contested: bool,
    now: Timestamp,
) -> ClusterView {
    let member = current.fleet.member(row.id);
    let desired = member.map_or(Generation::default(), |member| member.generation);
    let ahead = member.and_then(|member| ahead(&row, member, seen.as_ref()));
    let phase = phase(&row, member, ahead);
    let message = match identity_warning(&row, phase, contested, now) {
        Some(warning) => {
            let more = message(&row, phase, ahead, desired);
            if more.is_empty() { warning } else { format!("{warning}; {more}") }
        }
        None => message(&row, phase, ahead, desired),
    };
    let connected = seen.is_some();
    if let Some(seen) = seen {
        for (kept, newer) in [
            (&mut row.agent_version, seen.agent_version),
            (&mut row.kubernetes_version, seen.kubernetes_version),
        ] {
            if !newer.is_empty() {
                *kept = newer;
            }
        }
        // HTTP/2 pings are answered as long as there is a connection.
        row.last_seen = Some(now);
    }
    ClusterView {
        labels: member.map(|member| member.entry.labels.clone()).unwrap_or_default(),
        recipient: member.and_then(|m| m.entry.recipient.clone()).unwrap_or_default(),
        accepted: member.is_some(),
        row,
        phase,
        connected,
        desired,
        drift_open,
        message,
    }
}

/// The generation that the agent holds, where it is newer than what this hub has.
fn ahead(row: &ClusterRow, member: &Member, seen: Option<&Seen>) -> Option<Generation> {
    let held = seen.and_then(|seen| seen.ahead).max(Some(row.applied.generation));
    held.filter(|held| *held > member.generation)
}

fn phase(row: &ClusterRow, member: Option<&Member>, ahead: Option<Generation>) -> Phase {
    if row.revoked_at.is_some() {
        return Phase::Revoked;
    }
    if row.joined_at.is_none() {
        return Phase::Invited;
    }
    let Some(member) = member else {
        return Phase::Pending;
    };
    if ahead.is_some() {
        return Phase::Failed;
    }
    let applied = &row.applied;
    let newest = applied.generation == member.generation && applied.digest == Some(member.digest);
    match AppliedPhase::of(applied) {
        AppliedPhase::Refused => Phase::Failed,
        AppliedPhase::Applied if newest => Phase::Synced,
        AppliedPhase::Failed if newest => Phase::Failed,
        AppliedPhase::AwaitingConfirmation if newest => Phase::AwaitingConfirmation,
        AppliedPhase::Applied
        | AppliedPhase::Failed
        | AppliedPhase::AwaitingConfirmation
        | AppliedPhase::Applying
        | AppliedPhase::Unknown => Phase::Syncing,
    }
}

/// What looks like a second holder of the cluster's identity.
fn identity_warning(
    row: &ClusterRow,
    phase: Phase,
    contested: bool,
    now: Timestamp,
) -> Option<String> {
    if phase == Phase::Revoked {
        return None;
    }
    let cloned = row.clone_seen.filter(|at| now.duration_since(*at) < CLONE_SHOWN);
    if let Some(at) = cloned {
        let name = &row.name;
        return Some(format!(
            "a certificate that had been replaced was shown at {at:.0}: this cluster's identity may be \
             cloned; unless its agent was put back from a backup, `hanse cluster revoke {name}` and \
             join it again"
        ));
    }
    contested.then(|| {
        "two agents had this cluster's identity within the last 5 minutes; the one that came last is \
         served"
            .to_owned()
    })
}

fn message(
    row: &ClusterRow,
    phase: Phase,
    ahead: Option<Generation>,
    desired: Generation,
) -> String {
    if let Some(ahead) = ahead {
        return format!(
            "this cluster holds generation {ahead}, newer than this hub's {desired}: the hub was \
             restored from an older state"
        );
    }
    let name = &row.name;
    match phase {
        Phase::Invited => "waits for `hanse-agent join` in the cluster".to_owned(),
        Phase::Pending => format!("waits for `hanse cluster accept {name}`"),
        Phase::AwaitingConfirmation => {
            let count = row.applied.removals_waiting;
            format!("{count} removals wait for `hanse cluster confirm-removals {name} {count}`")
        }
        Phase::Failed | Phase::Syncing => {
            if row.applied.message.is_empty() {
                first_problem(&row.applied.problems)
            } else {
                row.applied.message.clone()
            }
        }
        // What has no effect, or what was refused while somebody else was the hub.
        Phase::Synced => row.applied.message.clone(),
        Phase::Revoked => String::new(),
    }
}

/// The first of the problems, as "kind name: message".
fn first_problem(problems: &[ProblemRow]) -> String {
    let Some(first) = problems.first() else {
        return String::new();
    };
    let object = &first.object;
    let slash = if object.namespace.is_empty() { "" } else { "/" };
    let (kind, namespace, name) = (&object.kind, &object.namespace, &object.name);
    let more = match problems.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    format!("{kind} {namespace}{slash}{name}: {}{more}", first.message)
}
