//! `hanse wait`: until clusters are as one wants them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::{Cluster, WatchClustersRequest};

use crate::app::Session;
use crate::change::duration;
use crate::commands::cluster::status;
use crate::commands::revisions;
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::{self, Hub};
use crate::output;
use crate::text::{count, escape, took};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// cluster/NAME; may be given several times
    #[arg(value_name = "cluster/NAME", required_unless_present = "all", conflicts_with = "all")]
    clusters: Vec<String>,

    /// Every cluster of the fleet
    #[arg(long)]
    all: bool,

    /// What to wait for: connected, accepted, synced or revision=N
    #[arg(long = "for", value_name = "CONDITION")]
    condition: Condition,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    timeout: Duration,
}

/// What a cluster can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Connected,
    Accepted,
    Synced,
    Revision(u64),
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "connected" => Ok(Self::Connected),
            "accepted" => Ok(Self::Accepted),
            "synced" => Ok(Self::Synced),
            other => other
                .strip_prefix("revision=")
                .and_then(|number| number.parse().ok())
                .map(Self::Revision)
                .ok_or_else(|| "expected connected, accepted, synced or revision=N".to_owned()),
        }
    }
}

impl Condition {
    /// A revision that exists is there when all of it or of a later one is applied, or when the cluster
    /// is in sync: then it did not concern the cluster.
    fn holds(self, cluster: &Cluster) -> bool {
        // A row may still say so of an agent that is away, or that is ahead of a restored hub.
        let synced = cluster.phase() == Phase::Synced
            && cluster.connected
            && cluster.generation_applied == cluster.generation_desired;
        match self {
            Self::Connected => cluster.connected,
            Self::Accepted => cluster.accepted,
            Self::Synced => synced,
            Self::Revision(number) => {
                synced
                    || cluster.phase() == Phase::Synced
                        && (number..=cluster.generation_desired)
                            .contains(&cluster.generation_applied)
            }
        }
    }
}

/// Clusters that are waited for: names and what was last heard, by id.
type Waiting = BTreeMap<String, (String, String)>;

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        if let Condition::Revision(number) = self.condition {
            revisions::one(&hub, number).await?;
        }
        let mut waiting = self.named(&hub).await?;
        let watched =
            tokio::time::timeout(self.timeout, watch(&hub, self.condition, &mut waiting)).await;
        match watched {
            Ok(Ok(())) => Ok(Exit::OK),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                let mut missing: Vec<&(String, String)> = waiting.values().collect();
                missing.sort();
                let what = format!(
                    "{} not there after {}",
                    count(missing.len(), "cluster"),
                    took(self.timeout)
                );
                let details =
                    missing.iter().map(|(name, is)| format!("cluster/{name}: not yet: {is}"));
                Err(Failure::new("timeout", what)
                    .details(details)
                    .hint("hanse cluster list -o wide"))
            }
        }
    }

    async fn named(&self, hub: &Hub) -> Outcome<Waiting> {
        let known = hub.clusters().await?;
        let clusters: Vec<Cluster> = if self.all {
            known.into_iter().filter(|c| c.accepted && c.phase() != Phase::Revoked).collect()
        } else {
            let name = |word: &String| {
                let name = word.split_once('/').map_or(word.as_str(), |(_, name)| name);
                hub::named(known.clone(), name)
            };
            self.clusters.iter().map(name).collect::<Outcome<_>>()?
        };
        Ok(clusters.into_iter().map(|c| (c.id.clone(), (c.name.clone(), state(&c)))).collect())
    }
}

/// How a cluster is, and what stands in its way.
fn state(cluster: &Cluster) -> String {
    let status = status(cluster);
    if cluster.message.is_empty() { status } else { format!("{status}: {}", cluster.message) }
}

async fn watch(hub: &Hub, condition: Condition, waiting: &mut Waiting) -> Outcome<()> {
    if waiting.is_empty() {
        output::note("there is no cluster to wait for");
        return Ok(());
    }
    let mut service = hub.clusters_service();
    let mut stream = hub.call(service.watch_clusters(WatchClustersRequest {})).await?;
    while let Some(message) = stream.message().await.map_err(|status| hub.failure(&status))? {
        let Some(cluster) = message.cluster else {
            continue;
        };
        let Some((_, is)) = waiting.get_mut(&cluster.id) else {
            continue;
        };
        *is = state(&cluster);
        if condition.holds(&cluster) {
            waiting.remove(&cluster.id);
            output::line(&format!("cluster/{} condition met", escape(&cluster.name)))?;
        }
        if waiting.is_empty() {
            return Ok(());
        }
    }
    Err(Failure::new("aborted", "the hub ended the watch").hint("run the command again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_when_they_should() {
        let cluster = |phase: Phase, applied, desired| Cluster {
            connected: true,
            phase: phase.into(),
            generation_applied: applied,
            generation_desired: desired,
            ..Cluster::default()
        };
        let condition = |text: &str| text.parse::<Condition>();
        let holds = |text: &str, cluster: &Cluster| condition(text).ok().map(|c| c.holds(cluster));
        assert_eq!(holds("synced", &cluster(Phase::Synced, 4, 4)), Some(true));
        assert_eq!(holds("synced", &cluster(Phase::Syncing, 3, 4)), Some(false));
        // An agent holds a generation before it has applied it, and whatever comes of it.
        for phase in [Phase::Syncing, Phase::Failed, Phase::AwaitingConfirmation] {
            assert_eq!(holds("synced", &cluster(phase, 5, 5)), Some(false), "{phase:?}");
            assert_eq!(holds("revision=5", &cluster(phase, 5, 5)), Some(false), "{phase:?}");
        }
        // Its agent is away; what the row says was so once.
        let away = Cluster { connected: false, ..cluster(Phase::Synced, 4, 4) };
        assert_eq!(holds("synced", &away), Some(false));
        assert_eq!(holds("revision=4", &away), Some(true));
        assert_eq!(holds("revision=9", &away), Some(false));
        // An old backup was restored at the hub.
        assert_eq!(holds("synced", &cluster(Phase::Synced, 9, 4)), Some(false));
        assert_eq!(holds("revision=4", &cluster(Phase::Synced, 9, 4)), Some(false));
        assert_eq!(holds("revision=5", &cluster(Phase::Syncing, 4, 5)), Some(false));
        assert_eq!(holds("revision=4", &cluster(Phase::Synced, 4, 4)), Some(true));
        assert_eq!(holds("revision=9", &cluster(Phase::Synced, 4, 4)), Some(true));
        assert_eq!(
            holds("Connected", &Cluster { connected: true, ..Cluster::default() }),
            Some(true)
        );
        assert_eq!(holds("accepted", &Cluster::default()), Some(false));
        assert!(condition("ready").is_err() && condition("revision=x").is_err());
    }
}
