//! One hub and one cluster that has joined, and short ways to write documents.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses some of it, and fails by panicking"
)]

use anyhow::Result;
use hanse_e2e::{Federation, Hanse, Settings, poll};
use tempfile::TempDir;

/// A federation of one cluster, `cluster-1`, with the label env=prod.
pub(crate) struct One {
    pub(crate) federation: Federation,
    pub(crate) dir: TempDir,
}

impl One {
    pub(crate) async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let settings =
            Settings { clusters: 1, dir: dir.path().join("f"), shared_etcd: false, database: None };
        let federation = Federation::start(&settings).await?;
        federation.join_all(|_| "env=prod").await?;
        Ok(Self { federation, dir })
    }

    pub(crate) fn hanse(&self) -> &Hanse {
        &self.federation.hanse
    }

    pub(crate) async fn client(&self) -> Result<kube::Client> {
        self.federation.client("cluster-1").await
    }

    /// `hanse apply`, and waits until the cluster has it.
    pub(crate) async fn apply(&self, documents: &[String]) -> Result<String> {
        let file = self.dir.path().join("documents.yaml");
        std::fs::write(&file, documents.join("---\n"))?;
        let printed = self.hanse().ok(&["apply", "-f", file.to_str().unwrap(), "--yes"]).await?;
        self.settled().await?;
        Ok(printed.stdout + &printed.stderr)
    }

    pub(crate) async fn settled(&self) -> Result<()> {
        self.hanse().ok(&["wait", "--all", "--for=synced", "--timeout", "30s"]).await?;
        Ok(())
    }

    /// Waits until the hub says this of the cluster.
    pub(crate) async fn cluster_is(
        &self,
        test: impl Fn(&serde_json::Value) -> bool,
    ) -> Result<serde_json::Value> {
        let (found, _) = poll::until("the hub's word of the cluster", || async {
            let list = self.hanse().json(&["cluster", "list", "-o", "json"]).await?;
            let cluster = list.pointer("/clusters/0").cloned().unwrap_or_default();
            if test(&cluster) { Ok(Some(cluster)) } else { anyhow::bail!("{cluster}") }
        })
        .await?;
        Ok(found)
    }
}

const PLACED: &str = "  placement: {clusterSelector: {matchLabels: {env: prod}}}\n";

pub(crate) fn namespace(name: &str) -> String {
    format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {{name: {name}}}\nspec:\n{PLACED}\
         \x20 podSecurity: restricted\n  resourceQuota: {{hard: {{pods: 10, requests.cpu: 1000m}}}}\n\
         \x20 networkPolicy: {{allow: [SameNamespace, DNS]}}\n\
         \x20 limitRange: {{limits: [{{type: Container, default: {{cpu: 100m}}}}]}}\n"
    )
}

pub(crate) fn role(name: &str, drift: &str) -> String {
    format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {{name: {name}}}\nspec:\n{PLACED}\
         \x20 drift: {drift}\n  rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [get]}}]\n"
    )
}

pub(crate) fn binding(name: &str, role: &str, namespace: &str) -> String {
    format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {{name: {name}}}\nspec:\n{PLACED}\
         \x20 subjects: [{{kind: Group, name: {name}}}]\n  roleRef: {{kind: FederatedRole, name: {role}}}\n\
         \x20 namespaces: [{namespace}]\n"
    )
}
