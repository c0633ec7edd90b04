//! The clusters of the demo: new ones, or those of existing kubeconfig contexts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hanse_e2e::Agent;
use hanse_testbed::Testbed;
use kube::config::{KubeConfigOptions, Kubeconfig};

type Clusters = Vec<(Agent, kube::Client)>;

/// Those of a testbed.
pub(super) async fn of_testbed(testbed: &Testbed, dir: &Path) -> Result<Clusters> {
    let mut clusters = Vec::new();
    for cluster in testbed.clusters() {
        let agent =
            Agent::new(cluster.name(), cluster.kubeconfig(), None, &agent_dir(dir, cluster.name()));
        clusters.push((agent, cluster.client().await?));
    }
    Ok(clusters)
}

/// Those of contexts in the kubeconfig that kubectl would use.
pub(super) async fn existing(contexts: &[&str], dir: &Path) -> Result<Clusters> {
    let mut clusters = Vec::new();
    for context in contexts {
        let kubeconfig = Kubeconfig::read().context("cannot read the kubeconfig")?;
        let options = KubeConfigOptions {
            context: Some((*context).to_owned()),
            ..KubeConfigOptions::default()
        };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .with_context(|| format!("the context {context} cannot be used"))?;
        let name = cluster_name(context);
        let agent = Agent::new(&name, &kubeconfig_path(), Some(context), &agent_dir(dir, &name));
        clusters.push((agent, kube::Client::try_from(config)?));
    }
    Ok(clusters)
}

/// A cluster name is a DNS label; a context may be anything.
fn cluster_name(context: &str) -> String {
    let lower = context.to_lowercase();
    let label: String =
        lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    label.trim_matches('-').to_owned()
}

fn kubeconfig_path() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    std::env::var_os("KUBECONFIG").map_or_else(|| home.join(".kube/config"), PathBuf::from)
}

fn agent_dir(dir: &Path, cluster: &str) -> PathBuf {
    dir.join("agents").join(cluster)
}
