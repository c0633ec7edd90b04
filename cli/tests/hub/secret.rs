//! Secrets from their author's machine to what an agent opens.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Stdio;

use hanse_domain::document::{DocumentRef, Kind};
use hanse_domain::fleet::Edit;
use hanse_probes::canary;
use hanse_sealing::{Identity, SecretContext, SecretData, open, unwrap};
use tokio::io::AsyncWriteExt as _;

use crate::{Left, ROLE, World};

/// Agents of the two clusters.
struct Agents([Identity; 2]);

impl Agents {
    fn new() -> Self {
        Self([Identity::make_random(), Identity::make_random()])
    }

    /// Puts the recipient of one of them into the roster, signed.
    fn accept(&self, world: &World, number: usize) {
        let mut hub = world.running.hub.0.lock().unwrap();
        let member = hub.fleet.member_named(&format!("cluster-{number}")).unwrap();
        let mut entry = (*member.entry).clone();
        entry.recipient = Some(self.0[number - 1].recipient().to_string());
        hub.make(vec![Edit::PutCluster(entry)]);
    }

    /// What an agent opens, by the documents that the hub has; nothing when it cannot.
    fn open(&self, world: &World, number: usize, name: &str) -> Option<SecretData> {
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

    fn value(&self, world: &World, number: usize, key: &str) -> Option<Vec<u8>> {
        Some(self.open(world, number, "db")?.get(key)?.expose().to_vec())
    }
}

/// A world in which the first cluster has a recipient in the roster.
async fn world() -> (World, Agents) {
    let (world, agents) = (World::new().await, Agents::new());
    std::fs::create_dir(world.directory.path().join("run")).unwrap();
    agents.accept(&world, 1);
    (world, agents)
}

/// Who runs a command, and with what.
struct As<'a> {
    identity: &'a str,
    stdin: &'a [u8],
    editor: &'a str,
    passphrase: &'a str,
}

const ANN: As<'_> = As { identity: "", stdin: b"", editor: "true", passphrase: "" };

async fn run(world: &World, who: &As<'_>, args: &[&str]) -> Left {
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

async fn ann(world: &World, args: &[&str]) -> Left {
    run(world, &ANN, args).await
}

async fn set(world: &World, value: &[u8]) -> Left {
    let args = ["set", "db", "-n", "shop", "-l", "env=prod", "password=-"];
    run(world, &As { stdin: value, ..ANN }, &args).await
}

#[tokio::test]
async fn a_secret_reaches_the_clusters_that_it_is_sealed_to() {
    let (world, agents) = world().await;
    let (code, stdout, stderr) = set(&world, b"hunter2").await;
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("FederatedSecret/db created\n"), "{stdout}");
    assert!(stderr.contains("made your age identity in ") && stderr.contains("version 1"));
    assert!(stderr.contains("secret db is pending for cluster-2"), "{stderr}");
    assert!(stderr.contains("hanse cluster accept cluster-2, then hanse secret reseal db"));
    assert_eq!(agents.value(&world, 1, "password").as_deref(), Some(b"hunter2".as_slice()));
    assert_eq!(agents.open(&world, 2, "db"), None);

    let (_, stdout, stderr) = ann(&world, &["list"]).await;
    assert!(
        stdout.contains("db     shop         Opaque   1         1/2      3"),
        "{stdout}{stderr}"
    );
    let (_, stdout, _) = ann(&world, &["get", "db"]).await;
    assert!(stdout.contains("Owners:      ann\n"), "{stdout}");
    assert!(stdout.contains("cluster-1   sealed\n  cluster-2   no-recipient"), "{stdout}");
    let (_, stdout, _) = ann(&world, &["get", "db", "-o", "json"]).await;
    assert!(stdout.contains("\"payloadDigest\""), "{stdout}");
    let (code, stdout, _) = ann(&world, &["get", "db", "--reveal", "password"]).await;
    assert_eq!((code, stdout.as_str()), (0, "hunter2"));
    let (code, _, stderr) = ann(&world, &["get", "db", "--reveal", "other"]).await;
    assert!(code == 1 && stderr.contains("code:  no-such-key"), "{stderr}");

    // The second cluster has a recipient: an owner seals the same version to it, and nothing else.
    agents.accept(&world, 2);
    let (_, stdout, _) = ann(&world, &["recipients", "db"]).await;
    let state = |stdout: &str, who: &str| {
        let line = stdout.lines().find(|line| line.starts_with(who)).unwrap_or_default();
        line.split_whitespace().last().unwrap_or_default().to_owned()
    };
    assert_eq!([state(&stdout, "cluster-1"), state(&stdout, "cluster-2")], ["sealed", "pending"]);
    let before = world.running.hub.0.lock().unwrap().statements.len();
    let (code, _, stderr) = ann(&world, &["reseal", "--all"]).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(agents.value(&world, 2, "password").as_deref(), Some(b"hunter2".as_slice()));
    let contents = world.running.hub.0.lock().unwrap().statements[before].contents.clone();
    assert!(contents.len() == 1 && contents[0].starts_with(b"hanse wrap v1\n"), "{contents:?}");
    let (code, _, stderr) = ann(&world, &["reseal", "db"]).await;
    assert!(code == 0 && stderr.contains("nothing is to be done"), "{stderr}");

    // An agent makes itself a new recipient.
    let new = Agents::new();
    new.accept(&world, 1);
    let (_, stdout, _) = ann(&world, &["recipients", "db"]).await;
    assert_eq!(state(&stdout, "cluster-1"), "old-recipient");
    assert_eq!(ann(&world, &["reseal", "db"]).await.0, 0);
    assert!(new.open(&world, 1, "db").is_some());

    let (code, stdout, stderr) = ann(&world, &["history", "db"]).await;
    assert_eq!(code, 0, "{stderr}");
    let what: Vec<&str> = stdout.lines().skip(1).collect();
    assert_eq!(what.len(), 3, "{stdout}");
    assert!(what[0].contains("sealed to 1 cluster more"), "{stdout}");
    assert!(what[2].contains("created") && what[2].contains("- → 1"), "{stdout}");
    assert!(what[2].contains("ann") && what[2].contains("version 1 of secret db"), "{stdout}");

    let (code, _, stderr) = ann(&world, &["delete", "db"]).await;
    assert!(code == 1 && stderr.contains("code:  needs-yes"), "{stderr}");
    let (code, stdout, stderr) = ann(&world, &["delete", "db", "--yes"]).await;
    assert!(code == 0 && stdout.starts_with("FederatedSecret/db deleted\n"), "{stdout}{stderr}");
    assert!(
        world.running.hub.0.lock().unwrap().fleet.members().values().all(|m| m.wraps().is_empty())
    );
    let (_, stdout, _) = ann(&world, &["history", "db", "-o", "json"]).await;
    assert!(stdout.contains("\"versionAfter\": null"), "{stdout}");
}

#[tokio::test]
async fn versions_follow_each_other_and_keep_what_they_are_not_given() {
    let (world, agents) = world().await;
    agents.accept(&world, 2);
    assert_eq!(set(&world, b"one").await.0, 0);
    let more = world.file("more", "more");
    let other = format!("other=@{more}");
    let (code, _, stderr) = ann(&world, &["set", "db", "--merge", &other]).await;
    assert!(code == 0 && stderr.contains("version 1 → 2"), "{stderr}");
    let keys = |number| {
        let data = agents.open(&world, number, "db").unwrap();
        data.iter().map(|(key, _)| key.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(1), ["other", "password"]);
    let (code, _, stderr) = ann(&world, &["rotate", "db", "absent=@/dev/null"]).await;
    assert!(code == 1 && stderr.contains("hanse secret set db --merge absent=@FILE"), "{stderr}");
    let rotated = As { stdin: b"two", ..ANN };
    assert_eq!(run(&world, &rotated, &["rotate", "db", "password=-"]).await.0, 0);
    assert_eq!(agents.value(&world, 2, "password").unwrap(), b"two");
    assert_eq!(agents.value(&world, 2, "other").unwrap(), b"more");

    // All of it anew, where it was before.
    assert_eq!(ann(&world, &["set", "db", &other]).await.0, 0);
    assert_eq!((keys(1), keys(2)), (vec!["other".to_owned()], vec!["other".to_owned()]));

    // One cluster less: it is said, and its key goes.
    let (code, _, stderr) = ann(&world, &["set", "db", "--merge", "--cluster", "cluster-1"]).await;
    assert!(
        code == 0 && stderr.contains("cluster-2 is not to have secret db any more"),
        "{stderr}"
    );
    assert!(agents.open(&world, 1, "db").is_some() && agents.open(&world, 2, "db").is_none());
    let (_, stdout, _) = ann(&world, &["list", "-o", "json"]).await;
    assert!(stdout.contains("\"version\": 5") && stdout.contains("\"placed\": 1"), "{stdout}");
}

#[tokio::test]
async fn owners_come_and_go_with_a_new_key() {
    let (world, _) = world().await;
    let bob = As { identity: "bob.key", ..ANN };
    let (_, recipient, stderr) = run(&world, &bob, &["identity"]).await;
    assert!(recipient.starts_with("age1") && stderr.contains("made your age identity"), "{stderr}");
    let again = run(&world, &bob, &["identity"]).await;
    assert!(again.1 == recipient && !again.2.contains("made"), "{again:?}");
    let owner = format!("bob={}", recipient.trim());
    assert_eq!(set(&world, b"one").await.0, 0);
    let reveal = ["get", "db", "--reveal"];
    let (code, stdout, stderr) = run(&world, &bob, &reveal).await;
    assert!(code == 1 && stdout.is_empty() && stderr.contains("code:  not-an-owner"), "{stderr}");
    assert!(stderr.contains("--add-owner NAME=age1") && stderr.contains("ann"), "{stderr}");
    let (code, _, stderr) = ann(&world, &["recipients", "db", "--add-owner", &owner]).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(run(&world, &bob, &reveal).await.1, "one");
    let (code, _, stderr) = run(&world, &bob, &["recipients", "db", "--remove-owner", "ann"]).await;
    assert!(code == 0 && stderr.contains("ann could read the values of version 2"), "{stderr}");
    assert_eq!(ann(&world, &reveal).await.0, 1);
    let (code, _, stderr) = run(&world, &bob, &["recipients", "db", "--remove-owner", "bob"]).await;
    assert!(code == 2 && stderr.contains("would have no owner"), "{stderr}");
    let absent = As { identity: "absent.key", ..ANN };
    assert!(run(&world, &absent, &reveal).await.2.contains("code:  no-identity"));
}

#[tokio::test]
async fn a_passphrase_protects_an_identity() {
    let (world, _) = world().await;
    let sealed = include_bytes!("../../../sealing/tests/corpus/identity.armored");
    std::fs::write(world.directory.path().join("sealed.key"), sealed).unwrap();
    let who = As { identity: "sealed.key", stdin: b"one", ..ANN };
    let (code, _, stderr) = run(&world, &who, &["identity"]).await;
    assert!(code == 1 && stderr.contains("code:  passphrase"), "{stderr}");
    assert!(stderr.contains("HANSE_AGE_PASSPHRASE_FILE"), "{stderr}");
    world.file("wrong", "wrong\n");
    let who = As { passphrase: "wrong", ..who };
    let (code, _, stderr) = run(&world, &who, &["identity"]).await;
    assert!(
        code == 1 && stderr.contains("code:  identity") && !stderr.contains("wrong\n"),
        "{stderr}"
    );
    world.file("right", "passphrase\n");
    let who = As { passphrase: "right", ..who };
    let args = ["set", "db", "-n", "shop", "--all-clusters", "password=-"];
    assert_eq!(run(&world, &who, &args).await.0, 0);
    assert_eq!(run(&world, &who, &["get", "db", "--reveal"]).await.1, "one");
}

#[tokio::test]
async fn all_that_is_pending_is_sealed_at_once() {
    let (world, agents) = world().await;
    agents.accept(&world, 2);
    let members = 40;
    {
        let mut hub = world.running.hub.0.lock().unwrap();
        let model = (*hub.fleet.member_named("cluster-1").unwrap().entry).clone();
        let entry = |number: u8| {
            let mut entry = model.clone();
            entry.id = format!("0192f0c1-2a3b-7c4d-8e5f-60718293b0{number:02x}").parse().unwrap();
            entry.name = format!("later-{number}");
            entry.recipient = Some(Identity::make_random().recipient().to_string());
            Edit::PutCluster(entry)
        };
        hub.make((0..members).map(entry).collect());
    }
    for name in ["db", "other"] {
        let args = ["set", name, "-n", "shop", "--cluster", "cluster-1", "password=-"];
        assert_eq!(run(&world, &As { stdin: b"one", ..ANN }, &args).await.0, 0);
        // Placed elsewhere by somebody who does not own it.
        let reference: DocumentRef = format!("FederatedSecret/{name}").parse().unwrap();
        let bytes = {
            let hub = world.running.hub.0.lock().unwrap();
            hub.fleet.documents().get(&reference).unwrap().document.bytes.to_vec()
        };
        let text = String::from_utf8(bytes).unwrap();
        let everywhere = text.replace(r#"{"clusterNames":["cluster-1"]}"#, "{clusterSelector: {}}");
        world.running.hub.0.lock().unwrap().make(World::edits(&everywhere));
    }
    let (_, stdout, stderr) = ann(&world, &["list"]).await;
    assert_eq!(stdout.matches(" 1/42 ").count(), 2, "{stdout}");
    assert!(stderr.contains("hanse secret reseal --all"), "{stderr}");
    let revision = world.revision();
    let (code, stdout, stderr) = ann(&world, &["reseal", "--all"]).await;
    let two =
        "FederatedSecret/db sealed to 41 clusters\nFederatedSecret/other sealed to 41 clusters\n";
    assert!(stdout.starts_with(two), "{stdout}");
    assert!(code == 0 && stderr.contains("key of FederatedSecret/db for 41 clusters"), "{stderr}");
    assert_eq!(world.revision(), revision + 1);
    assert!(agents.open(&world, 2, "db").is_some() && agents.open(&world, 2, "other").is_some());
    assert_eq!(ann(&world, &["list"]).await.1.matches(" 42/42 ").count(), 2);
}

#[tokio::test]
async fn a_race_does_not_put_an_older_value_in_place() {
    let (world, agents) = world().await;
    assert_eq!(set(&world, b"one").await.0, 0);
    // Something else changed: the same sealed version goes on.
    world.intrude(ROLE);
    let (code, stdout, stderr) = set(&world, b"two").await;
    assert!(code == 0 && stdout.contains("revision 5 committed"), "{stdout}{stderr}");
    assert!(stderr.contains("the plan does the same"), "{stderr}");
    // The secret itself changed.
    let text = {
        let hub = world.running.hub.0.lock().unwrap();
        let reference: DocumentRef = "FederatedSecret/db".parse().unwrap();
        let bytes = hub.fleet.documents().get(&reference).unwrap().document.bytes.to_vec();
        String::from_utf8(bytes).unwrap()
    };
    for args in [&["rotate", "db", "password=-"][..], &["set", "db", "password=-"]] {
        let revision = world.revision();
        let label = format!("metadata: {{labels: {{at: \"{revision}\"}},");
        world.intrude(&text.replace("metadata: {", &label));
        let (code, _, stderr) = run(&world, &As { stdin: b"three", ..ANN }, args).await;
        assert!(code == 1 && stderr.contains("code:  stale"), "{stderr}");
        assert!(stderr.contains("somebody else changed secret db in the meantime"), "{stderr}");
    }
    assert_eq!(agents.value(&world, 1, "password").unwrap(), b"two");
}

#[tokio::test]
async fn what_makes_no_secret_is_refused_before_anything_is_asked_of_the_hub() {
    let (world, _) = world().await;
    let large = world.file("large", "");
    std::fs::File::create(&large).unwrap().set_len((1 << 20) + 1).unwrap();
    let large = format!("a=@{large}");
    let place = ["-n", "shop", "--all-clusters"];
    for (args, code) in [
        (&["set", "db", "a=@/dev/null"][..], "usage"),
        (&["set", "db", "-n", "shop", "a=@/dev/null"], "usage"),
        (&["set", "db", place[0], place[1], place[2]], "usage"),
        (&["set", "db", place[0], place[1], place[2], &large], "secret-too-large"),
        (&["set", "db", place[0], place[1], place[2], "b/d=@/dev/null"], "usage"),
        (&["set", "db", "--merge", place[0], place[1], place[2]], "not-found"),
        (
            &[
                "set",
                "db",
                "-n",
                "shop",
                "--all-clusters",
                "--type=kubernetes.io/tls",
                "a=@/dev/null",
            ],
            "secret-type",
        ),
        (&["rotate", "db"], "not-found"),
        (&["history", "db"], "not-found"),
        (&["get", "db"], "not-found"),
    ] {
        let (_, stdout, stderr) = ann(&world, args).await;
        assert!(stderr.contains(&format!("code:  {code}\n")), "{args:?}: {stderr}");
        assert!(stdout.is_empty(), "{args:?}");
    }
    assert_eq!(world.running.hub.0.lock().unwrap().signed, 0);
}

#[tokio::test]
async fn a_history_that_was_altered_later_is_not_shown() {
    let (world, _) = world().await;
    for value in [b"one", b"two"] {
        assert_eq!(set(&world, value).await.0, 0);
    }
    let alter = |signatures: &[u8]| {
        let mut hub = world.running.hub.0.lock().unwrap();
        std::mem::replace(&mut hub.statements[2].signatures, signatures.to_vec().into())
    };
    let signatures = alter(b"");
    let (code, stdout, stderr) = ann(&world, &["history", "db"]).await;
    assert!(code == 1 && stdout.is_empty() && stderr.contains("code:  untrusted-base"), "{stderr}");
    alter(&signatures);
    let (code, stdout, stderr) = ann(&world, &["history", "db"]).await;
    assert!(code == 0 && stdout.contains("new version   1 → 2"), "{stdout}{stderr}");
}

#[tokio::test]
async fn a_mebibyte_travels() {
    let (world, agents) = world().await;
    let value = vec![0xa7; (1 << 20) - "password".len()];
    let (code, _, stderr) = set(&world, &value).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(agents.value(&world, 1, "password").unwrap() == value);
    assert_eq!(ann(&world, &["rotate", "db"]).await.0, 0);
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            found.push((entry.path().display().to_string(), bytes));
        }
    }
}

#[tokio::test]
async fn no_value_is_anywhere_but_where_it_belongs() {
    let (world, agents) = world().await;
    let inputs = tempfile::tempdir().unwrap();
    let canaries: [&[u8]; 2] =
        [b"canary-58b1f0c62d9e47a3b7c4e1/+x", b"canary-second-e1c09a7d42b8f356=z"];
    let [first, second] = canaries.map(|value| String::from_utf8(value.to_vec()).unwrap());
    let input = |name: &str, text: String| {
        let path = inputs.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let from = format!("password=@{}", input("first", first.clone()));
    let literal = format!("password={first}");
    let option = format!("--{literal}");
    let env = input("env", format!("other={second}\nbad key={first}\n"));
    let good_env = input("good-env", format!("other={second}\n"));
    let editor = format!("sed -i 's|{first}|{second}|'");
    // The second time, it leaves the text as it is.
    let mark = inputs.path().join("mark").display().to_string();
    let breaks = format!("test -e {mark} && exec true; touch {mark}; echo '{first}: [' >>");
    let fails = "false".to_owned();
    let mut left = String::new();
    for (args, editor, expected) in [
        (&["set", "db", "-n", "shop", "-l", "env=prod", &from][..], "true", 0),
        (&["set", "db", &literal], "true", 2),
        (&["set", &literal, &from], "true", 2),
        (&["set", "db", "--from-literal", &literal], "true", 2),
        (&["set", "db", &first], "true", 2),
        (&["set", "db", &option], "true", 2),
        (&["set", "db", "--no-owner", "--owner", &literal, &from], "true", 2),
        (&["recipients", "db", "--add-owner", &first], "true", 2),
        (&["set", "db", "--from-env-file", &env], "true", 1),
        (&["set", "db", "--merge", "--from-env-file", &good_env], "true", 0),
        (&["set", "db", &from, &from], "true", 2),
        (&["set", "db", "--type", "kubernetes.io/tls", &from], "true", 1),
        (&["set", "db", "--type", "kubernetes.io/dockerconfigjson", &from], "true", 1),
        (&["get", "db"], "true", 0),
        (&["get", "db", "-o", "json"], "true", 0),
        (&["get", "db", "--reveal", "absent"], "true", 1),
        (&["get", "db", "--reveal"], "true", 2),
        (&["list"], "true", 0),
        (&["edit", "db"], "true", 0),
        (&["edit", "db"], &editor, 0),
        (&["edit", "db"], &breaks, 2),
        (&["edit", "db"], &fails, 1),
        (&["rotate", "db", &from], "true", 0),
        (&["recipients", "db"], "true", 0),
        (&["reseal", "--all"], "true", 0),
        (&["history", "db"], "true", 0),
        (&["delete", "db", "-y"], "true", 0),
    ] {
        let (code, stdout, stderr) = run(&world, &As { editor, ..ANN }, args).await;
        assert_eq!(code, expected, "{args:?}: {stderr}");
        left.push_str(&stdout);
        left.push_str(&stderr);
        if args == ["rotate", "db", &from] {
            let data = agents.open(&world, 1, "db").unwrap();
            assert_eq!(data.get("password").unwrap().expose(), canaries[0]);
        }
    }
    let mut places = vec![("what was printed".to_owned(), left.into_bytes())];
    files(world.directory.path(), &mut places);
    assert!(places.iter().any(|(name, _)| name.ends_with("verified")), "the cache is looked at");
    for (index, statement) in world.running.hub.0.lock().unwrap().statements.iter().enumerate() {
        let all = statement.contents.iter().chain([&statement.statement, &statement.changes]);
        places.extend(all.map(|bytes| (format!("statement {index}"), bytes.to_vec())));
    }
    for (place, bytes) in &places {
        for value in canaries {
            assert_eq!(canary::find(bytes, value), None, "{place}");
        }
    }
    assert_eq!(std::fs::read_dir(world.directory.path().join("run")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_diff_and_a_plan_show_a_secret_by_its_version() {
    let (world, _) = world().await;
    assert_eq!(set(&world, b"one").await.0, 0);
    let (_, text, _) = world.hanse(&["get", "secret", "db", "-o", "yaml"]).await;
    assert!(text.contains("payload: YWdl"), "exactly as it was written: {text}");
    assert_eq!(set(&world, b"two").await.0, 0);
    let older = world.file("older.yaml", &text);
    let (code, stdout, _) = world.hanse(&["diff", "-f", &older]).await;
    assert!(code == 1 && stdout.contains("-  payload: (sealed, version 2, sha256:"), "{stdout}");
    assert!(stdout.contains("+  payload: (sealed, version 1, sha256:"), "{stdout}");
    let (_, stdout, _) = world.hanse(&["plan", "-f", &older]).await;
    assert!(stdout.contains("FederatedSecret/db  version 2 → 1, sealed, sha256:"), "{stdout}");
    assert!(!stdout.contains("YWdl"), "{stdout}");
}
