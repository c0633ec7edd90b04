//! Agents that open what is sealed to them, and people who run `hanse secret`.

use std::process::Stdio;

use hanse_domain::document::{DocumentRef, Kind};
use hanse_domain::fleet::Edit;
use hanse_sealing::{Identity, SecretContext, SecretData, open, unwrap};
use tokio::io::AsyncWriteExt as _;

use crate::{Left, World};

pub(super) struct Agents([Identity; 2]);

impl Agents {
    pub(super) fn new() -> Self {
        Self([Identity::make_random(), Identity::make_random()])
    }

    /// Puts the recipient of one of them into the roster, signed.
    pub(super) fn accept(&self, world: &World, number: usize) {
        let mut hub = world.running.hub.0.lock().unwrap();
        let member = hub.fleet.member_named(&format!("cluster-{number}")).unwrap();
        let mut entry = (*member.entry).clone();
        entry.recipient = Some(self.0[number - 1].recipient().to_string());
        hub.make(vec![Edit::PutCluster(entry)]);
    }

    /// What an agent opens, by the documents that the hub has; nothing when it cannot.
    pub(super) fn open(&self, world: &World, number: usize, name: &str) -> Option<SecretData> {
        let hub = world.running.hub.0.lock().unwrap();
        let member = hub.fleet.member_named(&format!("cluster-{number}")).unwrap();
        let wrap = &member.wraps().get(name)?.wrap;
        let reference = DocumentRef { kind: Kind::FederatedSecret, name: name.to_owned() };
        let document = &hub.fleet.documents().get(&reference)?.document;
        let secret = document.secret()?;
        let context = SecretContext {
            fleet: hub.fleet.id().0,
            name: name.to_owned(),
            namespaces: secret.namespaces.iter().cloned().collect(),
            secret_type: secret.secret_type.clone(),
            version: secret.version,
        };
        let key = unwrap(&wrap.key, &context, &self.0[number - 1]).ok()?;
        open(&context, &secret.payload, &key).ok()
    }

    pub(super) fn value(&self, world: &World, number: usize, key: &str) -> Option<Vec<u8>> {
        Some(self.open(world, number, "db")?.get(key)?.expose().to_vec())
    }
}

/// A world in which the first cluster has a recipient in the roster.
pub(super) async fn world() -> (World, Agents) {
    let (world, agents) = (World::new().await, Agents::new());
    std::fs::create_dir(world.directory.path().join("run")).unwrap();
    agents.accept(&world, 1);
    (world, agents)
}

/// Who runs a command, and with what.
pub(super) struct As<'a> {
    pub(super) identity: &'a str,
    pub(super) stdin: &'a [u8],
    pub(super) editor: &'a str,
    pub(super) passphrase: &'a str,
}

pub(super) const ANN: As<'_> = As { identity: "", stdin: b"", editor: "true", passphrase: "" };

pub(super) async fn run(world: &World, who: &As<'_>, args: &[&str]) -> Left {
    let folder = world.directory.path();
    let file = |name: &str| {
        if name.is_empty() { String::new() } else { folder.join(name).display().to_string() }
    };
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_hanse"))
        .arg("secret")
        .args(args)
        .env("HANSE_CONFIG", folder.join("config.yaml"))
        .env("TMPDIR", folder)
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder.join("run"))
        .env("USER", "ann")
        .env("HANSE_AGE_IDENTITY", file(who.identity))
        .env("HANSE_AGE_PASSPHRASE_FILE", file(who.passphrase))
        .env("KUBE_EDITOR", who.editor)
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that reads nothing may be gone already.
    let _ = stdin.write_all(who.stdin).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

pub(super) async fn ann(world: &World, args: &[&str]) -> Left {
    run(world, &ANN, args).await
}

pub(super) async fn set(world: &World, value: &[u8]) -> Left {
    let args = ["set", "db", "-n", "shop", "-l", "env=prod", "password=-"];
    run(world, &As { stdin: value, ..ANN }, &args).await
}
