//! Recipients for secrets on their way into the roster, and what ceilings would refuse.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hanse_domain::trust::recipient::{VouchKey, vouch};
use hanse_proto::admin::cluster::Phase;

use crate::{ROLE, World};

const ONE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

#[tokio::test]
async fn a_recipient_is_taken_when_the_join_command_vouches_for_it() {
    let world = World::new().await;
    let hub = &world.running.hub.0;
    let (code, stdout, stderr) =
        world.hanse(&["join-token", "create", "cluster-3", "--accept"]).await;
    assert_eq!(code, 0, "{stderr}");
    let token = stdout.lines().nth(1).unwrap();
    let key = URL_SAFE_NO_PAD.decode(token.split_once('.').unwrap().1).unwrap();
    let key = VouchKey(key.try_into().unwrap());
    let fleet = hub.lock().unwrap().fleet.id();
    let vouched = vouch(&key, "cluster-3", &fleet, ONE).to_vec();

    // The hub puts its own in the agent's place.
    let two = ONE.replace("8p", "p8");
    hub.lock().unwrap().offered = (two, vouched.clone());
    let accept = ["cluster", "accept", "cluster-3", "--yes"];
    let (code, _, stderr) = world.hanse(&accept).await;
    assert!(code == 1 && stderr.contains("code:  other-recipient"), "{stderr}");
    let before = world.revision();

    hub.lock().unwrap().offered = (ONE.to_owned(), vouched);
    let (code, stdout, stderr) = world.hanse(&accept).await;
    assert!(code == 0 && stdout.contains("Cluster/cluster-3 configured"), "{stdout}{stderr}");
    assert_eq!(world.revision(), before + 1);
    let recipient = |name: &str| {
        let fleet = hub.lock().unwrap().fleet.clone();
        fleet.member_named(name).unwrap().entry.recipient.clone()
    };
    assert_eq!(recipient("cluster-3").as_deref(), Some(ONE));
    let (code, _, stderr) = world.hanse(&accept).await;
    assert!(code == 1 && stderr.contains("code:  accepted"), "{stderr}");

    // The join command of another cluster was made elsewhere.
    let accept = ["cluster", "accept", "cluster-1", "--yes"];
    let (code, _, stderr) = world.hanse(&accept).await;
    assert!(code == 1 && stderr.contains("code:  needs-recipient"), "{stderr}");
    assert!(stderr.contains(ONE), "{stderr}");
    let (code, _, stderr) = world.hanse(&[&accept[..], &["--recipient", ONE]].concat()).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(recipient("cluster-1").as_deref(), Some(ONE));
    let (_, stdout, _) = world.hanse(&["cluster", "list", "-o", "wide"]).await;
    assert!(stdout.contains("Accepted") && stdout.contains("Offered"), "{stdout}");
}

#[tokio::test]
async fn the_id_of_another_cluster_is_not_accepted() {
    let world = World::new().await;
    let hub = &world.running.hub.0;
    let sent = || hub.lock().unwrap().signed;
    hub.lock().unwrap().offered = (ONE.to_owned(), Vec::new());
    // Cluster-1 is shown as west, which waits to be accepted.
    hub.lock().unwrap().says = |cluster| {
        if cluster.name == "cluster-1" {
            (cluster.name, cluster.accepted) = ("west".to_owned(), false);
            cluster.phase = Phase::Pending.into();
        }
    };
    let accept = ["cluster", "accept", "west", "--yes", "--recipient", ONE];
    for args in [&accept[..], &[&accept[..4], &["--no-recipient", "--label", "a=b"]].concat()] {
        let (code, _, stderr) = world.hanse(args).await;
        assert!(code == 1 && stderr.contains("code:  other-cluster"), "{stderr}");
        assert!(stderr.contains("is that of cluster-1"), "{stderr}");
    }
    // Another is shown as cluster-1.
    hub.lock().unwrap().says = |cluster| cluster.id = cluster.id.replace("a401", "a477");
    let (code, _, stderr) =
        world.hanse(&["cluster", "accept", "cluster-1", "--yes", "--recipient", ONE]).await;
    assert!(code == 1 && stderr.contains("code:  other-cluster"), "{stderr}");
    // The same on the way of an invitation; the key of cluster-1 is not written over either.
    let joins = world.directory.path().join(".local/state/hanse/joins");
    hub.lock().unwrap().invited = "0192f0c1-2a3b-7c4d-8e5f-60718293a401".to_owned();
    for (args, code) in [
        (&["join-token", "create", "west", "--accept", "--yes"][..], "other-cluster"),
        (&["join-token", "create", "west"], "other-cluster"),
        (&["join-token", "create", "cluster-1", "--accept", "--yes"], "accepted"),
    ] {
        let (exit, stdout, stderr) = world.hanse(args).await;
        assert!(exit == 1 && stdout.is_empty(), "{stdout}");
        assert!(stderr.contains(&format!("code:  {code}")), "{args:?}: {stderr}");
        assert!(!joins.exists());
    }
    assert_eq!((sent(), world.revision()), (0, 1));
}

#[tokio::test]
async fn another_recipient_in_place_of_one_is_asked_for_in_any_case() {
    let world = World::new().await;
    let hub = &world.running.hub.0;
    let accept = ["cluster", "accept", "cluster-1", "--yes"];
    let given = |recipient| [&accept[..], &["--recipient", recipient]].concat();
    hub.lock().unwrap().offered = (ONE.to_owned(), Vec::new());
    assert_eq!(world.hanse(&given(ONE)).await.0, 0);
    let two = ONE.replace("8p", "p8");
    hub.lock().unwrap().offered = (two.clone(), Vec::new());
    let (code, _, stderr) = world.hanse(&accept).await;
    assert!(code == 1 && stderr.contains("code:  needs-recipient"), "{stderr}");
    hub.lock().unwrap().offered = (ONE.to_owned(), Vec::new());
    let (code, _, stderr) = world.hanse(&given(&two)).await;
    assert!(code == 1 && !stderr.contains("committed"), "{stderr}");
}

#[tokio::test]
async fn removals_are_confirmed_for_what_was_signed() {
    let world = World::new().await;
    let confirm = ["cluster", "confirm-removals", "cluster-1", "7"];
    world.running.hub.0.lock().unwrap().says = |cluster| cluster.generation_desired += 1;
    let (code, _, stderr) = world.hanse(&confirm).await;
    assert!(code == 1 && stderr.contains("code:  other-generation"), "{stderr}");
    assert_eq!(world.running.hub.0.lock().unwrap().signed, 0);
    world.running.hub.0.lock().unwrap().says = |_| {};
    let (code, _, stderr) = world.hanse(&confirm).await;
    assert_eq!(code, 0, "{stderr}");
    let fleet = world.running.hub.0.lock().unwrap().fleet.clone();
    let confirmed = fleet.member_named("cluster-1").unwrap().entry.confirmed_removals.unwrap();
    assert_eq!((confirmed.generation.0, confirmed.count), (1, 7));
}

#[tokio::test]
async fn a_plan_says_whose_ceiling_would_refuse_it() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    let ceiling = r#"{"namespaced": {"/secrets": ["get"]}}"#;
    ceiling.clone_into(&mut world.running.hub.0.lock().unwrap().ceiling);
    let (code, stdout, stderr) = world.hanse(&["plan", "-f", &role]).await;
    assert_eq!(code, 0, "{stderr}");
    let warning =
        "by the ceilings of cluster-1, cluster-2: ClusterRole hanse:ns:reader would be refused";
    assert!(stdout.contains(warning), "{stdout}");
    let asked = || std::mem::take(&mut world.running.hub.0.lock().unwrap().ceilings);
    assert_eq!(asked(), 1);
    // Once, also where it is planned again.
    world.intrude(&ROLE.replace("reader", "other"));
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert!(code == 0 && stderr.contains(warning), "{stderr}");
    assert!(stderr.contains("came in between"), "{stderr}");
    assert_eq!(asked(), 1);
    let (_, stdout, _) = world.hanse(&["describe", "cluster", "cluster-1"]).await;
    assert!(stdout.contains("secrets") && asked() == 1, "{stdout}");
    // Nothing is written, or nothing is planned.
    for args in [
        &["apply", "-f", &role][..],
        &["delete", "role/reader", "-y"],
        &["cluster", "list"],
        &["cluster", "label", "cluster-1", "a=b"],
    ] {
        let (code, _, stderr) = world.hanse(args).await;
        assert_eq!((code, asked()), (0, 0), "{args:?}: {stderr}");
    }
}
