//! I2: no secret's value is where it must not be. Secrets of every shape go through set, rotate, edit,
//! reseal, drift, errors and a backup, each with a value of 32 random bytes that is nowhere else; then
//! everything is searched that the hub, the agents and the command line have left behind, at their
//! most talkative, in every encoding. What the API server, etcd and an agent's memory hold is left
//! out: there the values have to be.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::significant_drop_tightening,
    reason = "a test fails by panicking"
)]

mod search;
mod story;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use hanse_testbed::{KUBE_VARIABLE, locate_kube};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};

use search::{Search, memory_has};
use story::SECRETS;
use world::World;

/// Tells the inner test where its world is.
const DIR: &str = "HANSE_CANARY_DIR";
/// The folders that programs are told of, and what tells them.
const FOLDERS: [(&str, &str); 5] = [
    ("HOME", "home"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_RUNTIME_DIR", "run"),
    ("TMPDIR", "tmp"),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_found_where_it_must_not_be() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "everybody_at_their_most_talkative", "--ignored", "--nocapture"]);
    for (variable, folder) in FOLDERS {
        let path = dir.path().join(folder);
        std::fs::create_dir(&path)?;
        command.env(variable, path);
    }
    command.env(DIR, dir.path()).env(KUBE_VARIABLE, locate_kube().await?);
    command.env("HANSE_LOG", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    let status = tokio::task::spawn_blocking(move || command.status()).await??;
    ensure!(status.success(), "see above");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other test runs it, with folders and logs of its own"]
async fn everybody_at_their_most_talkative() -> Result<()> {
    let dir = PathBuf::from(std::env::var_os(DIR).context("run the other test")?);
    let world = World::start(&dir).await?;
    story::made(&world).await?;
    story::changed(&world).await?;
    story::moved(&world).await?;
    story::drifted(&world).await?;
    story::refused(&world).await?;
    controls(&world)?;
    let mut leaks = in_the_hubs_memory(&world)?;
    story::damaged(&world).await?;
    story::backed_up(&world).await?;
    shown(&world).await?;

    leaks.extend(in_the_hubs_memory(&world)?);
    let search = Search::of(world.canaries.lock().unwrap().clone());
    for cluster in ["cluster-1", "cluster-2"] {
        in_a_cluster(&world, &search, cluster).await?;
    }
    search.absent("the agents' metrics", &world.metrics().await?);
    search.absent("what the commands printed", &world.printed.lock().unwrap());
    on_disk(&world, &search)?;
    leaks.extend(search.leaks());
    assert_eq!(leaks, Vec::<String>::new());
    Ok(())
}

/// That what is searched for would be found.
fn controls(world: &World) -> Result<()> {
    let leaky = world.dir.join("inputs").join("leaky");
    let canaries = world.canaries.lock().unwrap().clone();
    let search = Search::of(canaries.clone());
    assert!(canaries.len() >= 10, "{}", canaries.len());
    for canary in &canaries {
        for (encoding, needle) in hanse_probes::canary::needles(&canary.value) {
            let text = [b"level=info value=".as_slice(), &needle, b" at=7\n"].concat();
            std::fs::write(&leaky, &text)?;
            let found = search.find(&std::fs::read(&leaky)?);
            assert_eq!(found, Some(format!("{} as {encoding:?}", canary.name)));
        }
    }
    // This program has the values, and the hub has the statements.
    search.absent_in_memory("here", std::process::id())?;
    assert!(!search.leaks().is_empty(), "the memory of this program is searched");
    assert!(memory_has(world.hub_pid()?, b"hanse wrap v1")?, "the memory of the hub is searched");
    Ok(())
}

fn in_the_hubs_memory(world: &World) -> Result<Vec<String>> {
    let search = Search::of(world.canaries.lock().unwrap().clone());
    let bytes = search.absent_in_memory("the hub's memory", world.hub_pid()?)?;
    assert!(bytes > 1 << 20, "{bytes}");
    Ok(search.leaks())
}

/// What the hub says to a person, in every way that there is.
async fn shown(world: &World) -> Result<()> {
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["cluster", "list", "-o", "json"],
        vec!["describe", "cluster", "cluster-1"],
        vec!["describe", "cluster", "cluster-2"],
        vec!["drift", "--history", "-o", "json"],
        vec!["drift", "--history"],
        vec!["revisions", "-o", "json"],
        vec!["get", "all", "-o", "yaml"],
        vec!["secret", "list"],
    ];
    for secret in SECRETS {
        commands.push(vec!["secret", "get", secret, "-o", "json"]);
        commands.push(vec!["secret", "history", secret, "-o", "json"]);
        commands.push(vec!["get", "secret", secret, "-o", "yaml"]);
        commands.push(vec!["describe", "secret", secret]);
    }
    for command in commands {
        // `drift` ends with 1 when there is some.
        let printed = world.run(&command, b"").await?;
        assert!(printed.code <= 1 && printed.stdout.len() > 20, "{command:?}: {printed:?}");
    }
    Ok(())
}

/// Everything in a cluster but the values of Secrets: the agent's ledger, Events, and of Secrets what
/// is around the values.
async fn in_a_cluster(world: &World, search: &Search, cluster: &str) -> Result<()> {
    let client = world.client(cluster).await?;
    let mut seen = 0;
    for (group, version, kind) in [
        ("", "v1", "ConfigMap"),
        ("", "v1", "Event"),
        ("events.k8s.io", "v1", "Event"),
        ("", "v1", "Namespace"),
        ("", "v1", "ServiceAccount"),
        ("", "v1", "Secret"),
        ("coordination.k8s.io", "v1", "Lease"),
        ("fence.hanse.dev", "v1alpha1", "Ceiling"),
        ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
        ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
        for mut object in api.list(&ListParams::default()).await? {
            if kind == "Secret" {
                let fields = object.data.as_object_mut().context("no fields")?;
                fields.remove("data");
            }
            let place = format!("{kind} {:?} of {cluster}", object.metadata.name);
            search.absent(&place, &serde_json::to_vec(&object)?);
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
    let audit = world.federation.testbed.cluster(cluster)?.audit_log();
    search.absent("the API server's audit log", &std::fs::read(audit)?);
    Ok(())
}

/// All folders but those of the clusters, and what people had as files.
fn on_disk(world: &World, search: &Search) -> Result<()> {
    let hub = world.federation.hub.log();
    let logs = std::fs::read_to_string(&hub)?;
    assert!(logs.contains("TRACE"), "the hub says everything");
    for (_, folder) in FOLDERS {
        search.absent_below(&world.dir.join(folder))?;
    }
    for entry in std::fs::read_dir(world.dir.join("world"))? {
        let path = entry?.path();
        if path.ends_with("clusters") {
            continue;
        }
        if path.is_dir() {
            let bytes = search.absent_below(&path)?;
            assert!(bytes > 1000, "{}", path.display());
        } else {
            search.absent(&path.display().to_string(), &std::fs::read(&path)?);
        }
    }
    let backups = search.absent_below(&world.dir.join("backup"))?;
    assert!(backups > 100_000, "{backups}");
    for cluster in ["cluster-1", "cluster-2"] {
        let log = world.federation.agent(cluster)?.log();
        assert!(std::fs::read_to_string(log)?.contains("TRACE"), "{cluster} says everything");
    }
    in_shared_memory(search)
}

/// Where the editor's file was, if it was not in the folder that it is told of.
fn in_shared_memory(search: &Search) -> Result<()> {
    let Ok(entries) = std::fs::read_dir("/dev/shm") else { return Ok(()) };
    for entry in entries {
        let path: PathBuf = entry?.path();
        let ours = |path: &Path| path.file_name()?.to_str().map(|n| n.starts_with("hanse-"));
        if path.is_dir() && ours(&path) == Some(true) {
            search.absent_below(&path)?;
        }
    }
    Ok(())
}
