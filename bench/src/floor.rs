//! The floor probes: the same work as that of a measure, with nothing of Hanse in between.
//!
//! They write a role binding that Kubernetes itself makes and this cluster does not use, under the
//! name of Kubernetes' own field manager. The agent watches all bindings and would report any other
//! one as access that nobody declared, which would add to what is measured.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::sight::{self, BindingSight, Sights};

const NAMESPACE: &str = "kube-public";
const NAME: &str = "system:controller:bootstrap-signer";
const MANAGER: &str = "kube-controller-manager";

/// Writes and watches one binding.
#[derive(Debug)]
pub(crate) struct Floor {
    api: Api<RoleBinding>,
    sights: Sights<BindingSight>,
    count: usize,
}

impl Floor {
    /// With a client and a watch of its own.
    pub(crate) async fn new(client: &Client) -> Result<Self> {
        let api = Api::namespaced(client.clone(), NAMESPACE);
        let sights = sight::bindings(client, NAMESPACE).await?;
        let mut floor = Self { api, sights, count: 0 };
        // The first apply takes the field over from whoever had it; later ones are like each other.
        floor.apply().await?;
        Ok(floor)
    }

    /// A server-side apply → its watch event.
    pub(crate) async fn apply(&mut self) -> Result<Duration> {
        let (group, start) = self.begin();
        self.send_apply(&group).await?;
        self.seen(&group).await.map(|at| at.duration_since(start))
    }

    /// An edit → its watch event.
    pub(crate) async fn edit(&mut self) -> Result<Duration> {
        let (group, start) = self.begin();
        self.send_edit(&group).await?;
        self.seen(&group).await.map(|at| at.duration_since(start))
    }

    /// An edit → its watch event → a server-side apply → its watch event. As an agent would, it answers
    /// what the watch shows without waiting for the edit's own answer.
    pub(crate) async fn edit_and_answer(&mut self) -> Result<Duration> {
        let (group, start) = self.begin();
        let (api, edited) = (self.api.clone(), [subject("Group", &group)]);
        let sent = edit(&api, NAME, MANAGER, &edited);
        let answered = async {
            self.seen(&group).await?;
            self.count += 1;
            let group = format!("bench:floor-{}", self.count);
            self.send_apply(&group).await?;
            self.seen(&group).await
        };
        let ((), at) = tokio::try_join!(sent, answered)?;
        Ok(at.duration_since(start))
    }

    fn begin(&mut self) -> (String, Instant) {
        self.count += 1;
        self.sights.clear();
        (format!("bench:floor-{}", self.count), Instant::now())
    }

    async fn send_apply(&self, group: &str) -> Result<()> {
        let params = PatchParams::apply(MANAGER).force();
        let whole = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {
                "name": NAME,
                "namespace": NAMESPACE,
                "labels": {"hanse.dev/bench": "true"},
                "annotations": {"hanse.dev/bench": self.count.to_string()},
            },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "system:controller:bootstrap-signer",
            },
            "subjects": [subject("Group", group)],
        });
        self.api.patch(NAME, &params, &Patch::Apply(whole)).await?;
        Ok(())
    }

    async fn send_edit(&self, group: &str) -> Result<()> {
        edit(&self.api, NAME, MANAGER, &[subject("Group", group)]).await
    }

    async fn seen(&mut self, group: &str) -> Result<Instant> {
        let seen = |sight: &BindingSight| sight.name == NAME && sight.subjects == [group];
        Ok(self.sights.until(seen).await?.0)
    }
}

/// Sets a binding's subjects as `kubectl edit` would: without server-side apply.
pub(crate) async fn edit(
    api: &Api<RoleBinding>,
    name: &str,
    manager: &str,
    subjects: &[Value],
) -> Result<()> {
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let edited = api.patch(name, &params, &Patch::Merge(json!({"subjects": subjects}))).await?;
    debug_assert_eq!(edited.name_any(), name);
    Ok(())
}

/// A subject of a binding.
pub(crate) fn subject(kind: &str, name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
}

/// Appends 4 KiB and waits for the disk: what one durable commit costs here at the least.
#[derive(Debug)]
pub(crate) struct Disk(File);

impl Disk {
    /// With a file beside the hub's database.
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        Ok(Self(File::create(dir.join("fsync-probe"))?))
    }

    /// How long one takes.
    pub(crate) fn sync(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.0.seek(std::io::SeekFrom::End(0))?;
        self.0.write_all(&[7; 4096])?;
        self.0.sync_data()?;
        Ok(start.elapsed())
    }
}
