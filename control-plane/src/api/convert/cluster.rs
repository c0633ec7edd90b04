//! Clusters as people see them.

use hanse_proto::admin;

use super::time;
use crate::service::clusters::{ClusterView, Phase};
use crate::store::FenceRow;

/// A cluster as proto has it.
pub(in crate::api) fn cluster(view: ClusterView) -> admin::Cluster {
    let row = view.row;
    admin::Cluster {
        id: row.id.to_string(),
        name: row.name,
        labels: view.labels.into_iter().collect(),
        phase: phase(view.phase).into(),
        accepted: view.accepted,
        connected: view.connected,
        last_seen: row.last_seen.map(time),
        generation_desired: view.desired.0,
        generation_applied: row.applied.generation.0,
        drift_open: view.drift_open,
        agent_version: row.agent_version,
        kubernetes_version: row.kubernetes_version,
        joined_at: row.joined_at.map(time),
        certificate_expires_at: row.certificate_expires_at.map(time),
        message: view.message,
        removals_waiting: row.applied.removals_waiting,
        objects: row.applied.objects,
        recipient: view.recipient,
        recipient_offered: row.recipient_offered,
        recipient_vouch: row.recipient_vouch.into(),
        fence: row.fence.map(fence),
        refused_condition: u32::try_from(row.applied.refused_condition).unwrap_or_default(),
        secrets_pending: row.applied.secrets_pending,
    }
}

fn fence(row: FenceRow) -> admin::Fence {
    admin::Fence {
        state: row.state.into(),
        model: row.model,
        problem: row.problem,
        // It is long, and read only when it is asked for.
        ceiling: String::new(),
        ceiling_generation: row.ceiling_generation,
    }
}

const fn phase(phase: Phase) -> admin::cluster::Phase {
    match phase {
        Phase::Invited => admin::cluster::Phase::Invited,
        Phase::Pending => admin::cluster::Phase::Pending,
        Phase::Syncing => admin::cluster::Phase::Syncing,
        Phase::Synced => admin::cluster::Phase::Synced,
        Phase::Failed => admin::cluster::Phase::Failed,
        Phase::AwaitingConfirmation => admin::cluster::Phase::AwaitingConfirmation,
        Phase::Revoked => admin::cluster::Phase::Revoked,
    }
}
