//! What happens to the secrets.

use std::path::Path;

use anyhow::{Context as _, Result};
use hanse_domain::ids::Digest;
use hanse_e2e::poll;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::world::{NAMESPACE, World, private_key};

/// Those that live to the end.
pub(crate) const SECRETS: [&str; 4] = ["db", "app", "pull", "web"];
const WHERE: [&str; 6] = ["-n", NAMESPACE, "-l", "env=prod", "--yes", "--timeout=30s"];

fn set<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["secret", "set", name], more, &WHERE].concat()
}

/// A secret of each shape, from each source.
pub(crate) async fn made(world: &World) -> Result<()> {
    world.join("cluster-1", "env=prod").await?;
    let namespace = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {{name: {NAMESPACE}}}\n\
         spec: {{placement: {{clusterSelector: {{}}}}, podSecurity: restricted}}\n"
    );
    let file = world.input("namespace.yaml", namespace.as_bytes())?;
    world.ok(&["apply", "-f", &file, "--yes"], b"").await?;

    let stdin = world.bytes("stdin");
    let value = world.bytes("file");
    let from = format!("file=@{}", world.input("file", &value)?);
    world.ok(&set("db", &["password=-", &from]), &stdin).await?;
    world.holds("cluster-1", "db", &stdin).await?;
    world.holds("cluster-1", "db", &value).await?;

    let env = world.text("env");
    let file = world.input("env", format!("# login\nUSER=app\nPASSWORD={env}\n").as_bytes())?;
    world.ok(&set("app", &["--from-env-file", &file]), b"").await?;
    world.holds("cluster-1", "app", env.as_bytes()).await?;

    let docker = world.text("docker");
    let login = ["--docker-username", "ci", "--docker-password-file", "-"];
    world.ok(&set("pull", &login), docker.as_bytes()).await?;
    world.holds("cluster-1", "pull", docker.as_bytes()).await?;

    let tls = world.bytes("tls");
    let key = world.input("web.key", private_key(&tls).as_bytes())?;
    let certificate = world.federation.hub.dir().join("ca.crt").display().to_string();
    world.ok(&set("web", &["--tls-cert", &certificate, "--tls-key", &key]), b"").await?;
    world.holds("cluster-1", "web", &tls).await
}

/// New values, and the same values under a new key.
pub(crate) async fn changed(world: &World) -> Result<()> {
    let rotated = world.bytes("rotated");
    world.ok(&["secret", "rotate", "db", "password=-", "--yes"], &rotated).await?;
    world.holds("cluster-1", "db", &rotated).await?;
    world.ok(&["secret", "rotate", "db", "--yes"], b"").await?;

    let edited = world.text("edited");
    let script = format!(
        "#!/bin/sh\ntext=$(sed 's/PASSWORD\":.*/PASSWORD\": {edited}/' \"$1\")\n\
         printf '%s\\n' \"$text\" > \"$1\"\n"
    );
    let editor = world.input("editor", script.as_bytes())?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&editor, executable)?;
    world.ok(&["secret", "edit", "app", "--yes"], b"").await?;
    world.holds("cluster-1", "app", edited.as_bytes()).await?;

    // An owner sees it, who asks for it.
    let reveal = ["secret", "get", "app", "--reveal", "PASSWORD"];
    let revealed = world.quietly(&reveal, b"").await?;
    assert_eq!(revealed.stdout.trim_end(), edited, "{}", revealed.stderr);
    Ok(())
}

/// A cluster that joins late, and whose label changes.
pub(crate) async fn moved(world: &World) -> Result<()> {
    world.join("cluster-2", "env=prod").await?;
    world.ok(&["secret", "reseal", "--all", "--yes"], b"").await?;
    let rotated = value(world, "rotated");
    world.holds("cluster-2", "db", &rotated).await?;
    let label = |label| ["cluster", "label", "cluster-2", label, "--yes", "--timeout=30s"];
    world.ok(&label("env=test"), b"").await?;
    world.lacks("cluster-2", "db").await?;
    world.ok(&label("env=prod"), b"").await?;
    world.ok(&["secret", "reseal", "--all", "--yes"], b"").await?;
    world.holds("cluster-2", "db", &rotated).await?;
    world.settled().await
}

/// Somebody in the cluster overwrites a Secret, and deletes one.
pub(crate) async fn drifted(world: &World) -> Result<()> {
    let overwritten = world.bytes("overwritten");
    let client = world.client("cluster-1").await?;
    let api = Api::<Secret>::namespaced(client, NAMESPACE);
    let patch: Secret = Secret {
        data: Some([("password".to_owned(), ByteString(overwritten))].into()),
        ..Secret::default()
    };
    let params =
        PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    api.patch("db", &params, &Patch::Merge(&patch)).await?;
    world.holds("cluster-1", "db", &value(world, "rotated")).await?;
    world.delete("cluster-1", "app").await?;
    world.holds("cluster-1", "app", &value(world, "edited")).await?;
    for (name, class) in [("db", "CLASS_MODIFIED"), ("app", "CLASS_MISSING")] {
        poll::until(&format!("drift of {name}"), || async {
            let all = world.federation.hanse.drift(true).await?;
            let is = |d: &serde_json::Value| d["object"]["name"] == name && d["class"] == class;
            Ok(all.iter().any(is).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// What goes wrong with values at hand.
pub(crate) async fn refused(world: &World) -> Result<()> {
    // A Secret of that name is there, of somebody else.
    let theirs = Secret {
        metadata: ObjectMeta { name: Some("theirs".into()), ..ObjectMeta::default() },
        data: Some([("key".to_owned(), ByteString(world.bytes("theirs")))].into()),
        ..Secret::default()
    };
    let api = Api::<Secret>::namespaced(world.client("cluster-1").await?, NAMESPACE);
    api.create(&PostParams::default(), &theirs).await?;
    // Another type than the ceiling allows.
    for (name, more) in
        [("theirs", vec!["key=-"]), ("odd", vec!["key=-", "--type=example.com/odd"])]
    {
        let value = world.bytes("refused");
        let printed = world.run(&set(name, &more), &value).await?;
        assert_eq!(printed.code, 1, "{name}: {}", printed.stderr);
        assert!(printed.stderr.contains(name), "{}", printed.stderr);
        world.ok(&["secret", "delete", name, "--yes", "--timeout=30s"], b"").await?;
    }
    world.settled().await?;
    // Values where the command line does not take them.
    let literal = format!("password={}", world.text("literal"));
    let printed = world.run(&set("db", &[&literal]), b"").await?;
    assert_ne!(printed.code, 0);
    let printed = world.run(&["secret", "set", &literal, "-n", NAMESPACE], b"").await?;
    assert_ne!(printed.code, 0);
    // A document with the values in it.
    let plain = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: plain}}\nstringData: {{key: {}}}\n",
        world.text("plain")
    );
    let file = world.input("plain.yaml", plain.as_bytes())?;
    let printed = world.run(&["apply", "-f", &file, "--yes"], b"").await?;
    assert_ne!(printed.code, 0);
    // Somebody who is no owner.
    let other = world.dir.join("home").join("other.key").display().to_string();
    world.ok(&["secret", "identity", "--identity", &other], b"").await?;
    let reveal = ["secret", "get", "db", "--reveal", "password", "--identity", &other];
    let printed = world.run(&reveal, b"").await?;
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""), "{}", printed.stderr);
    Ok(())
}

/// A wrapped key is damaged in the agent's ledger and in the hub's database.
pub(crate) async fn damaged(world: &World) -> Result<()> {
    world.kill_agent("cluster-1").await?;
    let maps = Api::<ConfigMap>::namespaced(world.client("cluster-1").await?, "hanse-agent");
    let ledger = maps.get("hanse-ledger").await?;
    let text = ledger.data.unwrap_or_default().remove("ledger").context("a ledger in pieces")?;
    let broken = damage(&text).context("no wrapped key in the ledger")?;
    let digest = Digest::of(broken.as_bytes()).to_string();
    let data = json!({ "data": { "ledger": broken, "digest": digest } });
    maps.patch("hanse-ledger", &PatchParams::default(), &Patch::Merge(data)).await?;

    world.federation.hub.stop().await?;
    let database = world.federation.hub.dir().join("hanse.db");
    let kept = damage_wraps(&database).await?;
    assert!(!kept.is_empty(), "no wrapped key in the database");
    // Whether it serves what is damaged not at all, or all of it but that.
    let served = world.federation.hub.start().await.is_ok();
    world.start_agent("cluster-1")?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    if served {
        world.federation.hub.stop().await?;
    }
    restore(&database, kept).await?;
    world.federation.hub.start().await?;
    world.settled().await?;
    world.holds("cluster-1", "db", &value(world, "rotated")).await
}

/// The last character of the first wrapped key is another one.
fn damage(text: &str) -> Option<String> {
    let wrap = text.find("hanse wrap v1")?;
    let key = wrap + text.get(wrap..)?.find("key ")? + 24;
    let mut broken = text.to_owned();
    let other = if text.get(key..=key)? == "A" { "B" } else { "A" };
    broken.replace_range(key..=key, other);
    Some(broken)
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

async fn open(database: &Path) -> Result<SqliteConnection> {
    Ok(SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(database)).await?)
}

/// Damages every wrapped key; returns what they were.
async fn damage_wraps(database: &Path) -> Result<Rows> {
    let mut connection = open(database).await?;
    let all: Rows =
        sqlx::query_as("SELECT digest, bytes FROM contents").fetch_all(&mut connection).await?;
    let mut kept = Vec::new();
    for (digest, bytes) in all {
        let Some(broken) = std::str::from_utf8(&bytes).ok().and_then(damage) else { continue };
        put(&mut connection, &digest, broken.as_bytes()).await?;
        kept.push((digest, bytes));
    }
    connection.close().await?;
    Ok(kept)
}

async fn restore(database: &Path, kept: Rows) -> Result<()> {
    let mut connection = open(database).await?;
    for (digest, bytes) in kept {
        put(&mut connection, &digest, &bytes).await?;
    }
    connection.close().await?;
    Ok(())
}

async fn put(connection: &mut SqliteConnection, digest: &[u8], bytes: &[u8]) -> Result<()> {
    let update = sqlx::query("UPDATE contents SET bytes = $1 WHERE digest = $2");
    update.bind(bytes).bind(digest).execute(connection).await?;
    Ok(())
}

/// A copy of the hub's folder, and of its database, while it runs.
pub(crate) async fn backed_up(world: &World) -> Result<()> {
    let backup = world.dir.join("backup");
    std::fs::create_dir(&backup)?;
    for entry in std::fs::read_dir(world.federation.hub.dir())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), backup.join(entry.file_name()))?;
        }
    }
    let mut connection = open(&world.federation.hub.dir().join("hanse.db")).await?;
    let copy = backup.join("vacuumed.db").display().to_string();
    sqlx::query("VACUUM INTO $1").bind(copy).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// The newest value of this name.
fn value(world: &World, name: &str) -> Vec<u8> {
    let canaries = world.canaries.lock().unwrap();
    canaries.iter().rev().find(|canary| canary.name == name).unwrap().value.clone()
}
