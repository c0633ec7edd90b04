//! Secrets from their author's machine to what an agent opens.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;
mod values;

use hanse_domain::document::DocumentRef;
use hanse_domain::fleet::Edit;
use hanse_sealing::Identity;

use self::support::{ANN, Agents, As, ann, run, set, world};
use crate::{ROLE, World};

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
    let (code, _, stderr) = ann(&world, &["set", "db", &other]).await;
    assert!(code == 0 && stderr.contains("keys: ~ other, - password (--merge keeps"), "{stderr}");
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
