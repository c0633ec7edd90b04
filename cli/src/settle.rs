//! After a commit: what each touched cluster makes of it, for as long as one is willing to wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hanse_domain::change::Change;
use hanse_domain::ids::ClusterId;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::{Cluster, WatchClustersRequest};

use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::output;
use crate::text::{count, escape, took};

/// How long a phase may still be the one from before the commit.
const GRACE: Duration = Duration::from_millis(1500);

/// Code of the failure after which the change is committed nevertheless.
pub(crate) const NOT_APPLIED: &str = "not-applied";

/// What one cluster has said so far.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Applied(Duration),
    Offline,
    Revoked,
    Failed(String),
    Waits(u32),
}

/// Where a cluster stands with respect to a generation. `generation_applied` is the generation that
/// the agent holds, whatever became of it; only the phase says that all of it is there.
fn said(cluster: &Cluster, generation: u64, elapsed: Duration) -> Said {
    if cluster.phase() == Phase::Revoked {
        return Said::Revoked;
    }
    if cluster.generation_applied > cluster.generation_desired && !cluster.message.is_empty() {
        // The hub is the one that is behind, says so, and delivers nothing.
        return Said::Failed(cluster.message.clone());
    }
    let held = cluster.generation_applied >= generation;
    match cluster.phase() {
        Phase::Failed if held => Said::Failed(cluster.message.clone()),
        Phase::AwaitingConfirmation if held => Said::Waits(cluster.removals_waiting),
        Phase::Synced if held => Said::Applied(elapsed),
        _ if !cluster.connected => Said::Offline,
        // It refused the bundle as a whole, and holds the one before.
        Phase::Failed if cluster.generation_desired >= generation => {
            Said::Failed(cluster.message.clone())
        }
        Phase::Unspecified
        | Phase::Invited
        | Phase::Pending
        | Phase::Syncing
        | Phase::Synced
        | Phase::Failed
        | Phase::AwaitingConfirmation
        | Phase::Revoked => Said::Nothing,
    }
}

/// Waits until every touched cluster has applied the change or is known not to, and says for each
/// how it went. `Err` when one failed.
pub(crate) async fn settle(
    hub: &Hub,
    change: &Change,
    began: Instant,
    limit: Duration,
) -> Outcome<()> {
    let generation = change.statement.number.0;
    let mut states: BTreeMap<ClusterId, Said> =
        change.touched.iter().map(|id| (*id, Said::Nothing)).collect();
    if states.is_empty() {
        return Ok(());
    }
    let deadline = tokio::time::Instant::from_std(began + limit);
    let watched =
        tokio::time::timeout_at(deadline, watch(hub, generation, began, &mut states)).await;
    if let Ok(Err(failure)) = watched {
        output::warn(&format!("what the clusters did is not known: {}", failure.summary()));
        return Ok(());
    }
    report(change, &states, limit)
}

async fn watch(
    hub: &Hub,
    generation: u64,
    began: Instant,
    states: &mut BTreeMap<ClusterId, Said>,
) -> Outcome<()> {
    let mut service = hub.clusters_service();
    let mut stream = hub.call(service.watch_clusters(WatchClustersRequest {})).await?;
    loop {
        let open = states.values().any(|state| match state {
            Said::Nothing => true,
            Said::Failed(_) | Said::Waits(_) => began.elapsed() < GRACE,
            Said::Applied(_) | Said::Offline | Said::Revoked => false,
        });
        if !open {
            return Ok(());
        }
        let Ok(message) = tokio::time::timeout(GRACE, stream.message()).await else {
            continue;
        };
        let message = message.map_err(|status| hub.failure(&status))?;
        let Some(message) = message else {
            return Err(Failure::new("aborted", "the hub ended the watch"));
        };
        let Some(cluster) = message.cluster else {
            continue;
        };
        if let Some(state) = cluster.id.parse().ok().and_then(|id| states.get_mut(&id))
            && !matches!(state, Said::Applied(_))
        {
            *state = said(&cluster, generation, began.elapsed());
        }
    }
}

fn report(change: &Change, states: &BTreeMap<ClusterId, Said>, limit: Duration) -> Outcome<()> {
    let mut failed = 0;
    for (id, state) in states {
        let name =
            change.fleet.member(*id).map_or_else(|| id.to_string(), |m| m.entry.name.clone());
        failed += usize::from(matches!(state, Said::Failed(_)));
        output::note(&format!("  {}: {}", escape(&name), describe(&name, state, limit)));
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(
        NOT_APPLIED,
        format!("the revision is committed, and {} could not apply it", count(failed, "cluster")),
    )
    .hint("hanse describe cluster NAME"))
}

fn describe(name: &str, state: &Said, limit: Duration) -> String {
    match state {
        Said::Applied(elapsed) => format!("applied in {}", took(*elapsed)),
        Said::Offline => "offline: gets it when it connects".to_owned(),
        Said::Revoked => "revoked: it gets nothing any more".to_owned(),
        Said::Failed(message) => format!("failed: {}", escape(message)),
        Said::Waits(removals) => format!(
            "waits before it removes {}: hanse cluster confirm-removals {} {removals}",
            count(*removals as usize, "object"),
            escape(name)
        ),
        Said::Nothing => format!("nothing heard within {}: see `hanse cluster list`", took(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(connected: bool, applied: u64, phase: Phase) -> Cluster {
        Cluster {
            connected,
            generation_applied: applied,
            generation_desired: 5,
            phase: phase.into(),
            message: "why".to_owned(),
            removals_waiting: 7,
            ..Cluster::default()
        }
    }

    /// As agents and the hub have it: an agent holds a generation before anything of it is applied.
    #[test]
    fn a_cluster_has_said_what_it_has_said() {
        let at = Duration::from_millis(8);
        let failed = || Said::Failed("why".to_owned());
        for (cluster, expected) in [
            (cluster(true, 5, Phase::Synced), Said::Applied(at)),
            (cluster(false, 5, Phase::Synced), Said::Applied(at)),
            (cluster(true, 5, Phase::Syncing), Said::Nothing),
            (cluster(true, 5, Phase::Failed), failed()),
            (cluster(false, 5, Phase::Failed), failed()),
            (cluster(true, 5, Phase::AwaitingConfirmation), Said::Waits(7)),
            (cluster(false, 5, Phase::AwaitingConfirmation), Said::Waits(7)),
            (cluster(true, 4, Phase::Syncing), Said::Nothing),
            (cluster(true, 4, Phase::Synced), Said::Nothing),
            (cluster(false, 4, Phase::Syncing), Said::Offline),
            (cluster(false, 5, Phase::Syncing), Said::Offline),
            // The bundle itself was refused.
            (cluster(true, 4, Phase::Failed), failed()),
            (cluster(false, 4, Phase::Failed), Said::Offline),
            // An old backup was restored at the hub: nothing is delivered.
            (cluster(true, 9, Phase::Synced), failed()),
            (cluster(false, 4, Phase::Revoked), Said::Revoked),
        ] {
            assert_eq!(said(&cluster, 5, at), expected, "{cluster:?}");
        }
        // Another hub made a generation that this one is about to see.
        let later = Cluster { message: String::new(), ..cluster(true, 9, Phase::Synced) };
        assert_eq!(said(&later, 5, at), Said::Applied(at));
        // The failure is one of an older generation.
        assert_eq!(said(&cluster(true, 4, Phase::Failed), 6, at), Said::Nothing);
        assert_eq!(said(&cluster(true, 5, Phase::Failed), 6, at), Said::Nothing);
        assert_eq!(said(&cluster(true, 5, Phase::AwaitingConfirmation), 6, at), Said::Nothing);
    }

    #[test]
    fn each_says_what_to_do_next() {
        let shown = |state| describe("prod-1", &state, Duration::from_secs(10));
        insta::assert_snapshot!(shown(Said::Applied(Duration::from_millis(8))), @"applied in 8 ms");
        insta::assert_snapshot!(shown(Said::Offline), @"offline: gets it when it connects");
        insta::assert_snapshot!(shown(Said::Revoked), @"revoked: it gets nothing any more");
        insta::assert_snapshot!(shown(Said::Failed("a\u{1b}".into())), @r"failed: a\u{1b}");
        insta::assert_snapshot!(shown(Said::Waits(7)), @"waits before it removes 7 objects: hanse cluster confirm-removals prod-1 7");
        insta::assert_snapshot!(shown(Said::Nothing), @"nothing heard within 10.0 s: see `hanse cluster list`");
    }
}
