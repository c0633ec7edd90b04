//! A federation with a past: authors with all rights and with few, one whose key was taken away again,
//! and clusters that hold different things.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use hanse_domain::fleet::Edit;
use hanse_domain::ids::ClusterId;
use hanse_domain::parse;
use hanse_domain::trust::root::{Quorum, TrustRoot};
use hanse_e2e::{Federation, Hanse, Hub, Settings};
use hanse_signing::{Key, KeyFile, make_key_file};
use tempfile::TempDir;

/// What `lim` may sign.
const LIMITED: &str = "kinds=FederatedRoleBinding namespaces=payments clusters=* hazards=no";
/// What the others may.
const ALL: &str = "kinds=* namespaces=* clusters=* hazards=yes";

pub(crate) struct World {
    pub(crate) federation: Federation,
    pub(crate) keys: Keys,
    /// Of the clusters, in order: two in production, one for tests.
    pub(crate) ids: Vec<ClusterId>,
    /// The number of the statement that took `old` out of the trust root.
    pub(crate) removal_of_old: u64,
    pub(crate) dir: TempDir,
}

/// Everybody who signs.
pub(crate) struct Keys {
    /// Everything, from the first trust root on.
    pub(crate) admin: Key,
    /// Bindings in one namespace.
    pub(crate) lim: Key,
    /// Everything, until it was removed.
    pub(crate) old: Key,
    /// Known to no trust root.
    pub(crate) thief: Key,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let settings =
            Settings { clusters: 3, dir: dir.path().join("f"), shared_etcd: true, database: None };
        let federation = Federation::start(&settings).await?;
        let hanse = &federation.hanse;
        federation.join_all(|index| if index < 2 { "env=prod" } else { "env=test" }).await?;
        let keys = Keys::make(dir.path(), &federation.hub)?;
        edit_root(hanse, dir.path(), |root| keys.let_in(root)).await?;
        apply(&as_old(&federation.hub, dir.path())?, dir.path(), &[role("dev", "get")]).await?;
        let documents = [
            namespace("payments", "{}"),
            namespace("shop", "{}"),
            namespace("lab", "{matchLabels: {env: test}}"),
            binding("devs", "payments", "devs"),
            binding("shop-devs", "shop", "devs"),
            binding("readers", "payments", "auditors"),
        ];
        apply(hanse, dir.path(), &documents).await?;
        edit_root(hanse, dir.path(), |root| remove(root, "old")).await?;
        let removal_of_old = newest(hanse).await?;
        apply(hanse, dir.path(), &[binding("readers", "payments", "controllers")]).await?;
        let ids = cluster_ids(hanse).await?;
        Ok(Self { federation, keys, ids, removal_of_old, dir })
    }
}

impl Keys {
    /// The administrator's, and new ones.
    pub(crate) fn make(dir: &Path, hub: &Hub) -> Result<Self> {
        let make = |name: &str| -> Result<Key> {
            make_key_file(&dir.join(name), name, None)?;
            open(&dir.join(name))
        };
        Ok(Self {
            admin: open(&hub.author().join("admin.key"))?,
            lim: make("lim")?,
            old: make("old")?,
            thief: make("thief")?,
        })
    }

    /// Lets `lim` and `old` in.
    pub(crate) fn let_in(&self, root: &mut TrustRoot) {
        for (name, key, scope) in [("lim", &self.lim, LIMITED), ("old", &self.old, ALL)] {
            root.keys.insert(name.parse().unwrap(), key.public_key().clone());
            root.authors.insert(name.parse().unwrap(), scope.parse().unwrap());
        }
        root.danger.names.insert("old".parse().unwrap());
    }
}

fn open(path: &Path) -> Result<Key> {
    Ok(KeyFile::read(path)?.open(None)?)
}

fn remove(root: &mut TrustRoot, name: &str) {
    let name = name.parse().unwrap();
    root.keys.remove(&name);
    root.authors.remove(&name);
    root.danger.names.remove(&name);
}

/// Hazards take two from now on: the administrator and `lim`, who may not sign one by itself.
pub(crate) fn two_for_danger(root: &mut TrustRoot) {
    let names = ["admin", "lim"].map(|name| name.parse().unwrap());
    root.danger = Quorum { threshold: 2, names: names.into() };
}

/// `hanse trust edit --file`, signed by the administrator.
pub(crate) async fn edit_root(
    hanse: &Hanse,
    dir: &Path,
    edit: impl FnOnce(&mut TrustRoot),
) -> Result<()> {
    let text = hanse.ok(&["trust", "show", "-o", "text"]).await?.stdout;
    let mut root = TrustRoot::decode(text.as_bytes())?;
    edit(&mut root);
    let file = dir.join("root");
    std::fs::write(&file, root.encode())?;
    hanse.ok(&["trust", "edit", "--file", file.to_str().unwrap(), "--yes"]).await?;
    Ok(())
}

/// `hanse apply`, and waits until every cluster has it.
pub(crate) async fn apply(hanse: &Hanse, dir: &Path, documents: &[String]) -> Result<()> {
    let file = file(dir, documents)?;
    hanse.ok(&["apply", "-f", file.to_str().unwrap(), "--yes"]).await?;
    settled(hanse).await
}

pub(crate) fn file(dir: &Path, documents: &[String]) -> Result<PathBuf> {
    let file = dir.join("documents.yaml");
    std::fs::write(&file, documents.join("---\n"))?;
    Ok(file)
}

pub(crate) async fn settled(hanse: &Hanse) -> Result<()> {
    hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "60s"]).await?;
    Ok(())
}

/// The command line of the first administrator, signing with `old`.
fn as_old(hub: &Hub, dir: &Path) -> Result<Hanse> {
    let text = std::fs::read_to_string(hub.config())?;
    let key = format!("signingKey: {}", dir.join("old").display());
    let text: Vec<String> = text
        .lines()
        .map(|line| match line.find("signingKey:") {
            Some(at) => format!("{}{key}", &line[..at]),
            None => line.to_owned(),
        })
        .collect();
    let config = dir.join("old.yaml");
    std::fs::write(&config, text.join("\n") + "\n")?;
    Hanse::new(&config)
}

/// The number of the newest statement.
pub(crate) async fn newest(hanse: &Hanse) -> Result<u64> {
    let status = hanse.json(&["revisions", "-o", "json"]).await?;
    let number = status.pointer("/revisions/0/number").context("no revision")?;
    let text = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
    Ok(text.parse()?)
}

async fn cluster_ids(hanse: &Hanse) -> Result<Vec<ClusterId>> {
    let list = hanse.json(&["cluster", "list", "-o", "json"]).await?;
    let mut ids = Vec::new();
    for name in ["cluster-1", "cluster-2", "cluster-3"] {
        let clusters = list["clusters"].as_array().context("no clusters")?;
        let cluster = clusters.iter().find(|c| c["name"] == name).context("no such cluster")?;
        ids.push(cluster["id"].as_str().context("no id")?.parse()?);
    }
    Ok(ids)
}

/// The edit that puts a document in place.
pub(crate) fn put(text: &str) -> Edit {
    let mut documents = parse::parse_files([("stolen.yaml", text.as_bytes())]).unwrap();
    Edit::Put(Arc::new(documents.pop().unwrap()))
}

fn head(kind: &str, name: &str, selector: &str) -> String {
    format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  \
         placement: {{clusterSelector: {selector}}}\n"
    )
}

pub(crate) fn namespace(name: &str, selector: &str) -> String {
    head("FederatedNamespace", name, selector) + "  podSecurity: restricted\n"
}

pub(crate) fn role(name: &str, verb: &str) -> String {
    head("FederatedRole", name, "{}")
        + &format!("  rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [{verb}]}}]\n")
}

/// Binds a group to the role `dev`.
pub(crate) fn binding(name: &str, namespace: &str, group: &str) -> String {
    head("FederatedRoleBinding", name, "{}")
        + &format!(
            "  subjects: [{{kind: Group, name: {group}}}]\n  \
             roleRef: {{kind: FederatedRole, name: dev}}\n  namespaces: [{namespace}]\n"
        )
}

/// Binds the thief to cluster-admin: in one namespace, or in all of the cluster.
pub(crate) fn owner(namespace: Option<&str>) -> String {
    let scope = namespace.map_or("clusterWide: true".to_owned(), |n| format!("namespaces: [{n}]"));
    head("FederatedRoleBinding", "owner", "{}")
        + &format!(
            "  subjects: [{{kind: User, name: thief}}]\n  \
             roleRef: {{kind: ClusterRole, name: cluster-admin}}\n  {scope}\n"
        )
}
