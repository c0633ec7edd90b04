//! What is measured on: one real cluster with an etcd of its own, a hub on `SQLite`, one agent, and the
//! documents that the measures work with.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use hanse_e2e::{Federation, Settings};
use kube::Client;

use crate::admin::Admin;
use crate::process;

/// The cluster's name.
pub(crate) const CLUSTER: &str = "cluster-1";
/// The federated namespace with all bindings of the benchmark.
pub(crate) const NAMESPACE: &str = "bench";
/// The binding that P4 changes.
pub(crate) const CHANGED: &str = "changed";
/// The binding whose drift is only reported.
pub(crate) const REPORTED: &str = "reported";
/// Before the name of a binding in its cluster.
pub(crate) const PREFIX: &str = "hanse:ns:";
/// The subject of every binding but the one that P4 changes.
pub(crate) const GROUP: &str = "bench:a";
/// The agent puts one object right 300 times without a pause and then once a second; staying below
/// measures what a person sees and not that limit.
const EDITS_PER_BINDING: usize = 250;
/// Between two things, so that what the first one leaves behind (the agent's record, its report to the
/// hub) is not measured with the second.
const SETTLE: Duration = Duration::from_millis(60);

/// Everything that runs.
pub(crate) struct World {
    pub(crate) federation: Federation,
    pub(crate) client: Client,
    pub(crate) admin: Admin,
    pub(crate) hub_pid: u32,
}

impl World {
    /// Starts it all in a folder and declares what is needed for this many repetitions.
    pub(crate) async fn start(dir: &Path, repetitions: usize) -> Result<Self> {
        let settings = Settings {
            clusters: 1,
            dir: dir.join("federation"),
            shared_etcd: false,
            database: None,
        };
        let federation = Federation::start(&settings).await?;
        federation.join_all(|_| "env=bench").await?;
        let file = dir.join("documents.yaml");
        std::fs::write(&file, documents(repetitions))?;
        let file = file.display().to_string();
        let hanse = &federation.hanse;
        hanse.ok(&["apply", "-f", &file, "--yes", "--timeout", "60s"]).await?;
        hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "60s"]).await?;
        let client = federation.client(CLUSTER).await?;
        let admin = Admin::connect(&federation.hub.config()).await?;
        let hub_pid = process::hub(federation.hub.dir())?;
        Ok(Self { federation, client, admin, hub_pid })
    }
}

/// Waits until what was measured last has left nothing to do.
pub(crate) async fn settle() {
    tokio::time::sleep(SETTLE).await;
}

/// The binding that a correction is measured on: a fresh one before the agent's limit is reached.
pub(crate) fn enforced(series: &str, repetition: usize) -> String {
    format!("{series}-{}", repetition / EDITS_PER_BINDING)
}

/// The series of bindings that are put right.
pub(crate) const SERIES: [&str; 2] = ["isolated", "repeated"];

fn documents(repetitions: usize) -> String {
    let mut all = vec![
        format!(
            "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\n\
             metadata: {{name: {NAMESPACE}}}\nspec:\n{PLACED}  podSecurity: baseline\n"
        ),
        format!(
            "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {{name: reader}}\n\
             spec:\n{PLACED}  rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [get]}}]\n"
        ),
        binding(CHANGED, GROUP, "Enforce"),
        binding(REPORTED, GROUP, "Report"),
    ];
    for series in SERIES {
        for first in (0..repetitions.max(1)).step_by(EDITS_PER_BINDING) {
            all.push(binding(&enforced(series, first), GROUP, "Enforce"));
        }
    }
    all.join("---\n")
}

const PLACED: &str = "  placement: {clusterSelector: {matchLabels: {env: bench}}}\n";

/// The document of a binding with one group.
pub(crate) fn binding(name: &str, group: &str, drift: &str) -> String {
    format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: {name}}}\n\
         spec:\n{PLACED}  drift: {drift}\n  subjects: [{{kind: Group, name: \"{group}\"}}]\n\
         \x20 roleRef: {{kind: FederatedRole, name: reader}}\n  namespaces: [{NAMESPACE}]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_valid_and_every_repetition_has_its_binding() {
        let text = documents(501);
        let parsed = hanse_domain::parse::parse_files([("bench.yaml", text.as_bytes())]);
        let names: Vec<String> =
            parsed.unwrap_or_default().into_iter().map(|d| d.reference.name).collect();
        assert_eq!(names.len(), 4 + 2 * 3, "{names:?}");
        assert!((0..501).all(|i| names.contains(&enforced("repeated", i))));
    }
}
