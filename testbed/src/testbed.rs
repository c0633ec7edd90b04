//! Several clusters in one folder, started and ended together.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::{join_all, try_join_all};

use crate::cluster::Cluster;
use crate::control_plane::Layout;
use crate::error::{Context, Error, Result};
use crate::etcd::Etcd;
use crate::manifest::{Lock, Manifest};
use crate::process::{Identity, Lifetime};
use crate::service::Service;
use crate::{kube_binary, ports};

/// How often clusters are started on other ports when someone else took theirs.
const PORT_TRIES: usize = 5;

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder for everything; made if it is missing.
    pub dir: PathBuf,
    /// The clusters' names: lower-case letters, digits and dashes.
    pub names: Vec<String>,
    /// Whether the clusters live in one etcd, each under a prefix of its own. It is cheaper, and an
    /// outage of one cluster is then one of its API server alone.
    pub shared_etcd: bool,
    /// Whether the clusters end with this program.
    pub lifetime: Lifetime,
}

impl Options {
    /// `clusters` clusters, `cluster-1` and so on, that share an etcd and end with this program.
    pub fn new(dir: impl Into<PathBuf>, clusters: usize) -> Self {
        Self {
            dir: dir.into(),
            names: (1..=clusters).map(|number| format!("cluster-{number}")).collect(),
            shared_etcd: true,
            lifetime: Lifetime::Guarded,
        }
    }
}

/// Running clusters. Dropping it kills them, unless they are detached.
#[derive(Debug)]
pub struct Testbed {
    dir: PathBuf,
    kubernetes: String,
    lifetime: Lifetime,
    shared_etcd: bool,
    clusters: Vec<Cluster>,
    etcds: Vec<Arc<Etcd>>,
}

impl Testbed {
    /// Starts the clusters and waits until each is ready.
    ///
    /// Until it returns the clusters are guarded, whatever their lifetime: who interrupts it leaves
    /// nothing running.
    pub async fn up(options: Options) -> Result<Self> {
        check_names(&options.names)?;
        fs::create_dir_all(&options.dir).path("make", &options.dir)?;
        let dir = fs::canonicalize(&options.dir).path("find", &options.dir)?;
        let _lock = Lock::take(&dir).await?;
        match Manifest::read(&dir)? {
            Some(left) if left.is_abandoned() => left.clear(&dir)?,
            Some(_) => return Err(occupied(&dir)),
            None => (),
        }
        let kube = kube_binary::locate().await?;
        let mut testbed = Self::start_on_free_ports(&kube, &dir, &options, ports::free).await?;
        testbed.kubernetes = testbed.ask_version().await?;
        testbed.save()?;
        testbed.settle();
        Ok(testbed)
    }

    /// The testbed in a folder, to look at it or, if it is detached, to change it.
    pub fn attach(dir: &Path) -> Result<Self> {
        let nothing = || {
            Error::new(format!("cannot use {}", dir.display()), "there is no testbed in it")
                .hint(format!("testbed up --clusters 2 --dir {}", dir.display()))
        };
        let manifest = Manifest::read(dir)?.ok_or_else(nothing)?;
        let dir = fs::canonicalize(dir).path("find", dir)?;
        let etcds: Vec<_> =
            manifest.etcds.into_iter().map(|etcd| Arc::new(Etcd::from_record(etcd))).collect();
        let mut clusters = Vec::with_capacity(manifest.clusters.len());
        for record in manifest.clusters {
            let Some(etcd) = etcds.get(record.etcd).cloned() else {
                let why = format!("{} lives in an etcd that it does not list", record.name);
                return Err(Error::new("cannot understand testbed.json", why));
            };
            clusters.push(Cluster::from_record(&dir, record, etcd, manifest.shared_etcd));
        }
        Ok(Self {
            dir,
            kubernetes: manifest.kubernetes,
            lifetime: manifest.lifetime,
            shared_etcd: manifest.shared_etcd,
            clusters,
            etcds,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The Kubernetes version of the clusters, such as `v1.36.3`.
    pub fn kubernetes(&self) -> &str {
        &self.kubernetes
    }

    /// Whether the clusters end with the program that started them.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// The clusters, in the order of their names' list.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The cluster of this name.
    pub fn cluster(&self, name: &str) -> Result<&Cluster> {
        let names: Vec<_> = self.clusters.iter().map(Cluster::name).collect();
        self.clusters.iter().find(|cluster| cluster.name() == name).ok_or_else(|| {
            Error::new(format!("no cluster is named {name}"), "it is not in this testbed")
                .hint(format!("take one of: {}", names.join(", ")))
        })
    }

    /// Starts what does not run of these clusters, waits until they are ready, and notes it.
    pub async fn start<'a>(&self, clusters: impl IntoIterator<Item = &'a Cluster>) -> Result<()> {
        try_join_all(clusters.into_iter().map(Cluster::start)).await?;
        self.save()?;
        self.settle();
        Ok(())
    }

    /// Writes `testbed.json` anew. Who stops or starts single clusters and wants others to see it
    /// calls this.
    pub fn save(&self) -> Result<()> {
        self.manifest(self.lifetime).write(&self.dir)
    }

    /// Ends the clusters and removes what they made in the folder.
    pub async fn down(self) -> Result<()> {
        self.end().await?;
        self.manifest(self.lifetime).remove(&self.dir)
    }

    /// Ends the clusters and leaves their files.
    pub async fn end(&self) -> Result<()> {
        // What is about to be thrown away needs no good order.
        join_all(self.clusters.iter().map(Cluster::kill))
            .await
            .into_iter()
            .collect::<Result<()>>()?;
        for etcd in &self.etcds {
            etcd.service().kill().await?;
        }
        Ok(())
    }

    fn manifest(&self, lifetime: Lifetime) -> Manifest {
        let index = |cluster: &Cluster| {
            self.etcds.iter().position(|etcd| Arc::ptr_eq(etcd, cluster.etcd())).unwrap_or_default()
        };
        Manifest {
            kubernetes: self.kubernetes.clone(),
            lifetime,
            owner: Identity::of(std::process::id()).filter(|_| lifetime == Lifetime::Guarded),
            shared_etcd: self.shared_etcd,
            clusters: self.clusters.iter().map(|c| c.record(index(c))).collect(),
            etcds: self.etcds.iter().map(|etcd| etcd.record()).collect(),
        }
    }

    /// Gives the clusters the lifetime that was asked for.
    fn settle(&self) {
        if self.lifetime == Lifetime::Detached {
            self.services().for_each(Service::detach);
        }
    }

    fn services(&self) -> impl Iterator<Item = &Service> {
        self.clusters.iter().flat_map(Cluster::services)
    }

    /// Starts the clusters on ports from `find`; on others if someone else was quicker.
    async fn start_on_free_ports(
        kube: &Path,
        dir: &Path,
        options: &Options,
        mut find: impl FnMut(usize) -> Result<Vec<u16>>,
    ) -> Result<Self> {
        let mut tries = 1;
        loop {
            let ports = find(Self::ports_needed(options))?;
            let testbed = Self::prepare(kube, dir, options, ports)?;
            // So that whoever comes next knows what to remove, should this program be killed now.
            testbed.manifest(Lifetime::Guarded).write(dir)?;
            match try_join_all(testbed.clusters.iter().map(Cluster::start)).await {
                Ok(_) => return Ok(testbed),
                Err(error) => {
                    if tries == PORT_TRIES || !testbed.services().any(Service::lost_its_port) {
                        return Err(error);
                    }
                }
            }
            tries += 1;
        }
    }

    /// One for each API server, and one for clients and one for peers of each etcd.
    fn ports_needed(options: &Options) -> usize {
        let etcds = if options.shared_etcd { 1 } else { options.names.len() };
        options.names.len() + 2 * etcds
    }

    /// Prepares the clusters on these ports. Nothing is started.
    fn prepare(kube: &Path, dir: &Path, options: &Options, ports: Vec<u16>) -> Result<Self> {
        let mut ports = ports.into_iter();
        let mut port = || ports.next().unwrap_or_default();
        let (mut clusters, mut etcds) = (vec![], vec![]);
        for name in &options.names {
            let etcd = match etcds.first() {
                Some(etcd) if options.shared_etcd => Arc::clone(etcd),
                _ => {
                    let home = if options.shared_etcd { dir } else { &dir.join(name) };
                    let etcd = Etcd::prepare(kube, &home.join("etcd"), port(), port())?;
                    let etcd = Arc::new(etcd);
                    etcds.push(Arc::clone(&etcd));
                    etcd
                }
            };
            let layout = Layout::new(dir, name, port());
            clusters.push(Cluster::prepare(kube, layout, etcd, options.shared_etcd)?);
        }
        Ok(Self {
            dir: dir.into(),
            kubernetes: String::new(),
            lifetime: options.lifetime,
            shared_etcd: options.shared_etcd,
            clusters,
            etcds,
        })
    }

    async fn ask_version(&self) -> Result<String> {
        let Some(cluster) = self.clusters.first() else {
            return Ok(String::new());
        };
        let version = cluster.client().await?.apiserver_version().await;
        Ok(version.doing(|| format!("cannot ask {} for its version", cluster.name()))?.git_version)
    }
}

fn occupied(dir: &Path) -> Error {
    let dir = dir.display();
    Error::new(format!("cannot use {dir}"), "there is a testbed in it")
        .hint(format!("testbed status --dir {dir}; testbed down --dir {dir}"))
}

fn check_names(names: &[String]) -> Result<()> {
    let bad = |why: String| Err(Error::new("cannot name the clusters", why));
    if names.is_empty() {
        return bad("a testbed has at least one".into());
    }
    for (index, name) in names.iter().enumerate() {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if name.is_empty() || name.len() > 40 || !plain || name == "etcd" {
            return bad(format!("`{name}` is not up to 40 lower-case letters, digits and dashes"));
        }
        if names.iter().take(index).any(|other| other == name) {
            return bad(format!("`{name}` is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn names_are_plain_and_differ() {
        let check = |names: &[&str]| {
            check_names(&names.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert!(check(&["a", "b-2"]).is_ok());
        for bad in [&[][..], &["a", "a"], &["../a"], &["A"], &[""], &["etcd"]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_given_up() -> Result<()> {
        let doing = || "cannot prepare the test".into();
        let kube = kube_binary::locate().await?;
        // Which of the three ports is taken decides whether etcd or the API server ends.
        for taken in [0, 2] {
            let dir = tempfile::tempdir().doing(doing)?;
            let other = TcpListener::bind("127.0.0.1:0").doing(doing)?;
            let port = other.local_addr().doing(doing)?.port();
            let mut tries = 0;
            let find = |count| {
                tries += 1;
                let mut ports = ports::free(count)?;
                if let (1, Some(slot)) = (tries, ports.get_mut(taken)) {
                    *slot = port;
                }
                Ok(ports)
            };
            let options = Options::new(dir.path(), 1);
            let testbed = Testbed::start_on_free_ports(&kube, dir.path(), &options, find).await?;
            assert!(testbed.clusters().iter().all(|c| c.is_running() && c.port() != port));
            assert!(tries > 1, "the first try cannot have worked");
        }
        Ok(())
    }
}
