//! A hub that lies, and people who sign together.

use hanse_domain::ids::Digest;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::signature::append;

use crate::fake::{ann_and_bob, key};
use crate::{ROLE, World};

fn untrusted(left: &(i32, String, String)) -> bool {
    left.0 == 1 && left.2.contains("code:  untrusted-base") && left.2.contains("nothing was signed")
}

/// What the hub does, on what an author's machine then says no to, before any key is used.
async fn refused(world: &World, says: &str) {
    let role = world.file("role.yaml", ROLE);
    let wide = ["apply", "-f", &role, "--yes"];
    let left = world.hanse(&wide).await;
    assert!(untrusted(&left) && left.2.contains(says), "{left:?}");
    assert_eq!(world.running.hub.0.lock().unwrap().signed, 0);
    let left = world.hanse(&["get", "all"]).await;
    assert!(untrusted(&left), "{left:?}");
}

#[tokio::test]
async fn what_nobody_signed_is_not_built_on() {
    let world = World::new().await;
    let other = ROLE.replace("reader", "other");
    world.running.hub.0.lock().unwrap().make_signed(World::edits(&other), |_| Vec::new());
    refused(&world, "statement 2: the statement is not signed").await;
}

#[tokio::test]
async fn a_key_that_the_trust_root_does_not_have_counts_for_nothing() {
    let world = World::new().await;
    let stranger = key(world.directory.path(), "stranger");
    let other = ROLE.replace("reader", "other");
    let sign = |bytes: &[u8]| stranger.sign(bytes).unwrap();
    world.running.hub.0.lock().unwrap().make_signed(World::edits(&other), sign);
    refused(&world, "statement 2: no signature is by a key of the trust root").await;
}

#[tokio::test]
async fn contents_that_were_swapped_are_seen() {
    let world = World::new().await;
    let hub = &world.running.hub.0;
    let other = ROLE.replace("reader", "other");
    hub.lock().unwrap().make(World::edits(&other));
    hub.lock().unwrap().statements[1].contents = vec![other.replace("get", "delete").into()];
    refused(&world, "statement 2: the statement does not fit its contents").await;
}

#[tokio::test]
async fn a_scope_counts_for_what_others_signed_too() {
    let world = World::with(ann_and_bob).await;
    let bob = key(world.directory.path(), "bob");
    let other = ROLE.replace("reader", "other");
    let sign = |bytes: &[u8]| bob.sign(bytes).unwrap();
    world.running.hub.0.lock().unwrap().make_signed(World::edits(&other), sign);
    refused(&world, "bob may not sign FederatedRole/other").await;
}

#[tokio::test]
async fn another_fleet_is_not_taken_for_the_pinned_one() {
    let world = World::new().await;
    let config = world.running.config();
    let (before, after) = config.split_once("sha256:").unwrap();
    let id = world.running.hub.0.lock().unwrap().fleet.id().to_string();
    let other = format!("{before}sha256:{after}").replace(&id, &"0".repeat(64));
    world.file("config.yaml", &other);
    refused(&world, "another fleet").await;
}

#[tokio::test]
async fn what_was_verified_is_not_asked_for_again_and_not_given_up() {
    let world = World::new().await;
    let hub = &world.running.hub.0;
    for number in 0..5 {
        hub.lock().unwrap().make(World::edits(&ROLE.replace("reader", &format!("r-{number}"))));
    }
    let sent = || std::mem::take(&mut hub.lock().unwrap().sent);
    assert_eq!(world.hanse(&["get", "all"]).await.0, 0);
    assert_eq!(sent(), 6);
    let (code, stdout, stderr) = world.hanse(&["get", "all", "-o", "name"]).await;
    assert!(code == 0 && stdout.contains("r-4"), "{stderr}");
    assert_eq!(sent(), 1, "the newest again, to see that it is the same");
    hub.lock().unwrap().make(World::edits(ROLE));
    assert_eq!(world.hanse(&["get", "all"]).await.0, 0);
    assert_eq!(sent(), 2);

    // An old backup was put in place, and then somebody went on from there.
    hub.lock().unwrap().go_back(4);
    let role = world.file("role.yaml", &ROLE.replace("reader", "late"));
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role, "--yes"]).await;
    assert!(code == 1 && stderr.contains("code:  hub-behind"), "{stderr}");
    for number in 10..14 {
        hub.lock().unwrap().make(World::edits(&ROLE.replace("reader", &format!("r-{number}"))));
    }
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role, "--yes"]).await;
    assert!(code == 1 && stderr.contains("code:  other-history"), "{stderr}");
    let forget = stderr.split("rm ").nth(1).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(hub.lock().unwrap().signed, 0);

    // What was kept is damaged: begun anew. Forgotten: begun anew, too.
    let bytes = std::fs::read(&forget).unwrap();
    std::fs::write(&forget, &bytes[..bytes.len() - 1]).unwrap();
    let (code, _, stderr) = world.hanse(&["get", "all"]).await;
    assert!(code == 0 && stderr.contains("verified anew"), "{stderr}");
    std::fs::remove_file(&forget).unwrap();
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert_eq!(code, 0, "{stderr}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&forget).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_context_without_a_fleet_takes_the_first_that_it_sees() {
    let world = World::new().await;
    let (code, _, stderr) = world.hanse(&["--context", "unpinned", "get", "all"]).await;
    let id = world.running.hub.0.lock().unwrap().fleet.id();
    assert!(code == 0 && stderr.contains(&format!("it is sha256:{id}")), "{stderr}");
    let (code, _, stderr) = world.hanse(&["--context", "unpinned", "get", "all"]).await;
    assert!(code == 0 && !stderr.contains("sha256"), "{stderr}");
}

#[tokio::test]
async fn a_hazard_waits_for_a_second_key() {
    let world = World::with(ann_and_bob).await;
    let hub = &world.running.hub.0;
    let wide = world.file("wide.yaml", &ROLE.replace("[pods]", "['*']"));
    let apply = ["apply", "-f", &wide, "--yes", "-m", "let them in"];
    let (code, stdout, stderr) = world.hanse(&apply).await;
    assert!(code == 0 && stdout.contains("(proposed)\nproposed as "), "{stdout}{stderr}");
    assert!(stderr.contains("needs a second key: FederatedRole/reader needs"), "{stderr}");
    let digest = proposed(&stdout);
    assert!(stderr.contains(&format!("next, by bob: hanse sign {digest}")), "{stderr}");
    let whole = whole(&world);
    assert_eq!((world.revision(), hub.lock().unwrap().waits_for()), (1, 2));

    let proposals = hub.lock().unwrap().proposals.clone();
    // A signature of ann's alone does not do, twice neither.
    let (code, _, stderr) = world.hanse(&["sign", &whole, "--yes"]).await;
    assert!(code == 1 && stderr.contains("ann signed it already"), "{stderr}");
    let (_, stdout, _) = world.hanse(&["proposals"]).await;
    assert!(stdout.contains(&digest), "{stdout}");
    let (code, stdout, stderr) = world.hanse(&["proposals", "show", &digest]).await;
    assert!(code == 0 && stdout.contains("ClusterRole hanse:ns:reader"), "{stdout}{stderr}");
    // Who has signed and what is missing is what this machine has found, not what the hub says.
    assert!(stdout.contains("Signed by:  ann\n") && !stdout.contains("zoe"), "{stdout}");
    assert!(stdout.contains("FederatedRole/reader needs the signatures of 2"), "{stdout}");
    let (_, stdout, _) = world.hanse(&["proposals", "show", &digest, "-o", "json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&shown["digest"], &shown["signedBy"][0]), (&(&*whole).into(), &"ann".into()));

    let (code, _, stderr) = world.hanse(&["--context", "bob", "sign", &digest]).await;
    assert!(code == 1 && stderr.contains("code:  needs-yes"), "{stderr}");
    // The beginning of a digest is no answer to a question that nobody was asked.
    let before = hub.lock().unwrap().signed;
    for args in [&["sign", &digest, "-y"][..], &["sign", "--rebase", &digest, "-y"]] {
        let (code, _, stderr) = world.hanse(&[&["--context", "bob"], args].concat()).await;
        assert!(code == 1 && stderr.contains("code:  needs-digest"), "{stderr}");
        assert!(stderr.contains(&format!("{whole} --yes")), "{stderr}");
        assert!(stderr.contains("Message:    let them in"), "{stderr}");
    }
    assert_eq!(hub.lock().unwrap().signed, before);
    let (code, stdout, stderr) = world.hanse(&["--context", "bob", "sign", &whole, "-y"]).await;
    assert!(code == 0 && stdout.contains("revision 2 committed"), "{stdout}{stderr}");
    assert!(stderr.contains("‼") && stderr.contains("cluster-1: applied in"), "{stderr}");
    assert_eq!(world.hanse(&["get", "all"]).await.0, 0);

    // It is there already: what was proposed on the old base is stale, and can be taken back.
    hub.lock().unwrap().proposals = proposals;
    let (code, _, stderr) = world.hanse(&["--context", "bob", "sign", &whole, "-y"]).await;
    assert!(code == 1 && stderr.contains("code:  stale"), "{stderr}");
    let (code, _, stderr) = world.hanse(&["proposals", "withdraw", &digest]).await;
    assert!(code == 0 && hub.lock().unwrap().proposals.is_empty(), "{stderr}");
}

#[tokio::test]
async fn a_proposal_is_not_what_the_hub_makes_of_it() {
    let world = World::with(ann_and_bob).await;
    let hub = &world.running.hub.0;
    let wide = world.file("wide.yaml", &ROLE.replace("[pods]", "['*']"));
    assert_eq!(world.hanse(&["apply", "-f", &wide, "--yes"]).await.0, 0);
    let digest = whole(&world);
    let sent = || hub.lock().unwrap().signed;
    let before = sent();
    // A signature that is of something else.
    let bob = key(world.directory.path(), "bob");
    let forged = bob.sign(b"something else").unwrap();
    let honest = hub.lock().unwrap().proposals[0].clone();
    hub.lock().unwrap().proposals[0].signatures = append(&honest.signatures, &forged).into();
    let sign = ["--context", "bob", "sign", &digest, "-y"];
    let (code, _, stderr) = world.hanse(&sign).await;
    assert!(code == 1 && stderr.contains("code:  untrusted-proposal"), "{stderr}");
    // No signature, and one of somebody's whom the trust root does not name.
    let stranger = key(world.directory.path(), "stranger").sign(&honest.statement).unwrap();
    for signatures in [Vec::new(), stranger] {
        hub.lock().unwrap().proposals[0].signatures = signatures.into();
        for args in
            [&sign[..], &["proposals", "show", &digest], &["sign", "--rebase", &digest, "-y"]]
        {
            let (code, stdout, stderr) = world.hanse(args).await;
            assert!(code == 1 && stdout.is_empty(), "{stdout}");
            assert!(stderr.contains("code:  untrusted-proposal"), "{stderr}");
        }
    }
    // Other contents.
    hub.lock().unwrap().proposals[0].signatures = honest.signatures.clone();
    hub.lock().unwrap().proposals[0].contents = vec![ROLE.replace("get", "list").into()];
    let (code, _, stderr) = world.hanse(&sign).await;
    assert!(code == 1 && stderr.contains("code:  untrusted-proposal"), "{stderr}");
    assert_eq!(sent(), before);
}

#[tokio::test]
async fn who_may_not_sign_hears_it_from_their_own_program() {
    let world = World::with(ann_and_bob).await;
    let signed = || world.running.hub.0.lock().unwrap().signed;
    let role = world.file("role.yaml", ROLE);
    let (code, _, stderr) = world.hanse(&["--context", "bob", "apply", "-f", &role]).await;
    assert!(code == 1 && stderr.contains("code:  out-of-scope"), "{stderr}");
    assert!(
        stderr.contains("namespaces=shop") && stderr.contains("nothing was committed"),
        "{stderr}"
    );
    key(world.directory.path(), "stranger");
    let (code, _, stderr) = world.hanse(&["--context", "stranger", "apply", "-f", &role]).await;
    assert!(code == 1 && stderr.contains("code:  no-signing-key"), "{stderr}");
    assert_eq!(signed(), 0);
}

/// The digest of the proposal that waits.
fn whole(world: &World) -> String {
    let hub = world.running.hub.0.lock().unwrap();
    Digest::of(&hub.proposals.last().unwrap().statement).to_string()
}

/// The digest in "proposed as DIGEST: …".
fn proposed(stdout: &str) -> String {
    stdout.split("proposed as ").nth(1).unwrap().split(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_proposal_is_made_anew_on_a_fleet_that_moved_on() {
    let world = World::with(ann_and_bob).await;
    let wide = world.file("wide.yaml", &ROLE.replace("[pods]", "['*']"));
    let (_, stdout, _) = world.hanse(&["apply", "-f", &wide, "--yes"]).await;
    let (digest, old) = (proposed(&stdout), whole(&world));
    let other = world.file("other.yaml", &ROLE.replace("reader", "other"));
    assert_eq!(world.hanse(&["apply", "-f", &other]).await.0, 0);
    let (code, _, stderr) = world.hanse(&["--context", "bob", "sign", &old, "-y"]).await;
    assert!(code == 1 && stderr.contains(&format!("hanse sign --rebase {digest}")), "{stderr}");
    let (code, stdout, stderr) = world.hanse(&["sign", "--rebase", &old, "-y"]).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(proposed(&stdout) != digest && stderr.contains("Signed by:  ann"), "{stderr}");
    let again = whole(&world);
    let (code, stdout, stderr) = world.hanse(&["--context", "bob", "sign", &again, "-y"]).await;
    assert!(code == 0 && stdout.contains("revision 3 committed"), "{stdout}{stderr}");

    // What somebody else changed meanwhile is not written over.
    let (_, stdout, _) = world.hanse(&["apply", "-f", &wide.clone(), "--yes"]).await;
    assert!(stdout.contains("unchanged"), "{stdout}");
    let wider = world.file("wide.yaml", &ROLE.replace("[pods]", "['*']").replace("get", "list"));
    assert_eq!(world.hanse(&["apply", "-f", &wider, "--yes"]).await.0, 0);
    let digest = whole(&world);
    assert_eq!(world.hanse(&["delete", "role/reader", "-y"]).await.0, 0);
    let (code, _, stderr) = world.hanse(&["sign", "--rebase", &digest, "-y"]).await;
    assert!(code == 1 && stderr.contains("somebody else changed FederatedRole/reader"), "{stderr}");
}

#[tokio::test]
async fn a_key_is_rotated_with_the_old_one_and_the_new_one() {
    let world = World::new().await;
    key(world.directory.path(), "new");
    let public = world.directory.path().join("new.pub").display().to_string();
    let rotate = ["trust", "rotate", "ann", "--key", &public];
    let (code, _, stderr) = world.hanse(&rotate).await;
    assert!(code == 1 && stderr.contains("code:  needs-yes"), "{stderr}");
    assert!(stderr.contains("+ key ann ssh-ed25519"), "{stderr}");
    let (code, stdout, stderr) = world.hanse(&[&rotate[..], &["--yes"]].concat()).await;
    assert!(code == 0 && stdout.contains("TrustRoot configured"), "{stdout}{stderr}");
    let (code, stdout, _) = world.hanse(&["trust", "show", "-o", "json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let new = std::fs::read_to_string(&public).unwrap();
    assert!(code == 0 && new.starts_with(shown["keys"][0]["key"].as_str().unwrap()), "{stdout}");
    assert_eq!((&shown["version"], &shown["versions"][1]["since"]), (&2.into(), &2.into()));
    // The old key signs nothing any more, and the new one does.
    let role = world.file("role.yaml", ROLE);
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert!(code == 1 && stderr.contains("code:  no-signing-key"), "{stderr}");
    world.file("config.yaml", &world.running.config().replace("\"ann\"", "\"new\""));
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert_eq!(code, 0, "{stderr}");
}

#[tokio::test]
async fn a_trust_root_is_edited_and_waits_for_the_second_person() {
    let world = World::with(ann_and_bob).await;
    let (_, text, _) = world.hanse(&["trust", "show", "-o", "text"]).await;
    let bad = world.file("root", &text.replace("roster 1 ann", "roster 2 ann"));
    let (code, _, stderr) = world.hanse(&["trust", "edit", "--file", &bad, "-y"]).await;
    assert!(code == 1 && stderr.contains("code:  invalid-trust-root"), "{stderr}");
    let same = world.file("root", &text);
    let (code, _, stderr) = world.hanse(&["trust", "edit", "--file", &same, "-y"]).await;
    assert!(code == 1 && stderr.contains("code:  no-changes"), "{stderr}");
    let good = world.file("root", &text.replace("roster 1 ann", "roster 1 ann bob"));
    let (code, stdout, stderr) = world.hanse(&["trust", "edit", "--file", &good, "-y"]).await;
    assert!(code == 0 && stderr.contains("+ roster 1 ann bob"), "{stderr}");
    proposed(&stdout);
    let whole = whole(&world);
    assert_eq!(world.running.hub.0.lock().unwrap().waits_for(), 2);
    let sign = ["--context", "bob", "trust", "sign", "-y"];
    let (code, _, stderr) = world.hanse(&sign).await;
    assert!(code == 1 && stderr.contains("code:  needs-digest"), "{stderr}");
    let (code, stdout, stderr) = world.hanse(&[&sign[..], &[&whole]].concat()).await;
    assert!(code == 0 && stdout.contains("revision 2 committed"), "{stdout}{stderr}");
    let (code, stdout, _) = world.hanse(&["trust", "show"]).await;
    assert!(code == 0 && stdout.contains("1 of 2") && stdout.contains("ann, bob"), "{stdout}");
}

#[tokio::test]
async fn init_makes_a_key_and_a_trust_root_or_takes_a_key() {
    let world = World::new().await;
    let folder = world.directory.path();
    let out = folder.join("trust-root").display().to_string();
    let init = ["init", "--author", "ada", "--out", &out];
    let (code, stdout, stderr) = world.hanse(&init).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, format!("hanse-control-plane init --dir hub --trust-root {out}\n"));
    let root = TrustRoot::decode(&std::fs::read(&out).unwrap()).unwrap();
    let made = key(folder, "signing-key");
    assert_eq!(root.keys.values().next(), Some(made.public_key()));
    assert!(stderr.contains(&format!("sha256:{}", root.digest())), "{stderr}");
    let (code, _, stderr) = world.hanse(&init).await;
    assert!(code == 1 && stderr.contains("exists already"), "{stderr}");
    let (other, public) = (folder.join("other"), folder.join("ann.pub").display().to_string());
    let other = other.display().to_string();
    let (code, _, stderr) = world.hanse(&["init", "--key", &public, "--out", &other]).await;
    let taken = TrustRoot::decode(&std::fs::read(&other).unwrap()).unwrap();
    assert!(code == 0 && taken.keys.values().next() != Some(made.public_key()), "{stderr}");
    assert_ne!(taken.origin, root.origin);
    let (code, _, stderr) = world.hanse(&["init", "--agent", "--out", "x"]).await;
    assert!(code == 1 && stderr.contains("SSH_AUTH_SOCK is not set"), "{stderr}");
}

#[tokio::test]
async fn a_revision_is_shown_as_it_was_signed() {
    let world = World::new().await;
    let hub = &world.running.hub.0;
    let role = world.file("role.yaml", ROLE);
    assert_eq!(world.hanse(&["apply", "-f", &role, "-m", "let them read"]).await.0, 0);
    let (code, stdout, stderr) = world.hanse(&["revisions", "2"]).await;
    assert!(code == 0 && stdout.contains("  let them read"), "{stdout}{stderr}");
    assert!(
        stdout.contains("Signed by: ann") && stdout.contains("+ FederatedRole/reader"),
        "{stdout}"
    );
    let other = hub.lock().unwrap().statements[0].clone();
    hub.lock().unwrap().statements[1].signatures = other.signatures.clone();
    let (code, _, stderr) = world.hanse(&["revisions", "2"]).await;
    assert!(code == 1 && stderr.contains("code:  untrusted-base"), "{stderr}");
    let changes = hub.lock().unwrap().statements[1].changes.clone();
    hub.lock().unwrap().statements[0].changes = changes;
    let (code, _, stderr) = world.hanse(&["describe", "revision", "1"]).await;
    assert!(code == 1 && stderr.contains("of other changes"), "{stderr}");
}
