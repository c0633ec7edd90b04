//! A whole federation: clusters, a hub, an agent a cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hanse_testbed::{Lifetime, Options, Testbed};

use crate::agent::Agent;
use crate::hanse::Hanse;
use crate::hub::Hub;

/// What to start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many clusters.
    pub clusters: usize,
    /// Where everything lies.
    pub dir: PathBuf,
    /// Whether clusters share one etcd: cheaper, but a fault of it is everybody's.
    pub shared_etcd: bool,
    /// The hub's database; SQLite in the hub's folder when there is none.
    pub database: Option<String>,
}

/// A federation that runs.
#[derive(Debug)]
pub struct Federation {
    /// The clusters.
    pub testbed: Testbed,
    /// The hub.
    pub hub: Hub,
    /// The agents, one for each cluster, in the same order.
    pub agents: Vec<Agent>,
    /// The command line of the first administrator.
    pub hanse: Hanse,
}

impl Federation {
    /// Starts clusters and a hub; nothing has joined yet.
    pub async fn start(settings: &Settings) -> Result<Self> {
        let mut options = Options::new(settings.dir.join("clusters"), settings.clusters);
        options.shared_etcd = settings.shared_etcd;
        options.lifetime = Lifetime::Guarded;
        let testbed = Testbed::up(options).await?;
        let (hub, _) = Hub::init(&settings.dir.join("hub"), settings.database.as_deref()).await?;
        hub.start().await?;
        let hanse = hub.hanse()?;
        let agents = testbed
            .clusters()
            .iter()
            .map(|cluster| {
                let dir = agent_dir(&settings.dir, cluster.name());
                Agent::new(cluster.name(), cluster.kubeconfig(), None, &dir)
            })
            .collect();
        Ok(Self { testbed, hub, agents, hanse })
    }

    /// Lets every cluster join with these labels and starts its agent; returns when all are synced.
    pub async fn join_all(&self, labels: impl Fn(usize) -> &'static str) -> Result<()> {
        for (index, agent) in self.agents.iter().enumerate() {
            agent.join(&self.hanse, &[labels(index)]).await?;
            agent.start()?;
        }
        self.hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "60s"]).await?;
        Ok(())
    }

    /// The agent of a cluster.
    pub fn agent(&self, cluster: &str) -> Result<&Agent> {
        self.agents.iter().find(|a| a.cluster() == cluster).context("no such agent")
    }

    /// A client of a cluster, as its administrator.
    pub async fn client(&self, cluster: &str) -> Result<kube::Client> {
        Ok(self.testbed.cluster(cluster)?.client().await?)
    }
}

/// Where an agent's folder is.
fn agent_dir(dir: &Path, cluster: &str) -> PathBuf {
    dir.join("agents").join(cluster)
}
