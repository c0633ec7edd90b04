//! `testbed.json`: what a testbed runs, where, and how to start it again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cluster::ClusterRecord;
use crate::error::{Context, Result};
use crate::etcd::EtcdRecord;
use crate::process::{Identity, Lifetime};
use crate::service::ServiceRecord;

const FILE: &str = "testbed.json";
const LOCK: &str = ".testbed.lock";

/// What `testbed.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Such as `v1.36.3`.
    pub kubernetes: String,
    /// `guarded` if the clusters end with `owner`.
    pub lifetime: Lifetime,
    /// The program that started it.
    pub owner: Option<Identity>,
    /// Whether the clusters live in one etcd.
    pub shared_etcd: bool,
    /// The clusters.
    pub clusters: Vec<ClusterRecord>,
    /// The etcds that they live in.
    pub etcds: Vec<EtcdRecord>,
}

impl Manifest {
    /// The manifest in a testbed's folder; `None` if there is none.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).path("read", &path)?;
        serde_json::from_str(&text).map(Some).path("understand", &path)
    }

    /// Whether any of its programs runs.
    pub fn is_running(&self) -> bool {
        let servers = self.clusters.iter().flat_map(|c| [&c.apiserver, &c.controller_manager]);
        let all = self.etcds.iter().map(|etcd| &etcd.service).chain(servers);
        all.filter_map(|service| service.process).any(|process| process.is_running())
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let text = serde_json::to_string_pretty(self).path("write", &path)?;
        let part = dir.join(format!("{FILE}.part"));
        fs::write(&part, text + "\n").path("write", &part)?;
        fs::rename(&part, &path).path("write", &path)
    }

    /// Whether it is what a program left that was to end its clusters, and ended itself.
    pub(crate) fn is_abandoned(&self) -> bool {
        let owned = self.owner.is_some_and(|owner| owner.is_running());
        self.lifetime == Lifetime::Guarded && !owned && !self.is_running()
    }

    /// Removes what a testbed made in its folder, and the folder if nothing else is in it.
    pub(crate) fn remove(&self, dir: &Path) -> Result<()> {
        self.clear(dir)?;
        remove(&dir.join(LOCK))?;
        let _ = fs::remove_dir(dir);
        Ok(())
    }

    /// Removes what a testbed made in its folder, but for the lock.
    pub(crate) fn clear(&self, dir: &Path) -> Result<()> {
        for cluster in &self.clusters {
            remove(&dir.join(&cluster.name))?;
            remove(&cluster.kubeconfig)?;
        }
        for etcd in &self.etcds {
            remove(&etcd.dir)?;
        }
        remove(&dir.join(FILE))
    }
}

impl ServiceRecord {
    /// Whether the process of this record runs.
    pub fn is_running(&self) -> bool {
        self.process.is_some_and(|process| process.is_running())
    }
}

/// Held while a testbed's folder is changed, so that two commands do not change it at once.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits for the folder, which must exist.
    pub(crate) async fn take(dir: &Path) -> Result<Self> {
        let path: PathBuf = dir.join(LOCK);
        let file = File::create(&path).path("lock", &path)?;
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
        locked.await.path("lock", &path)?.path("lock", &path).map(Self)
    }
}

fn remove(path: &Path) -> Result<()> {
    let done = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.path("remove", path),
    }
}
