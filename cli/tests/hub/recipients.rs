//! Recipients for secrets on their way into the roster, and what ceilings would refuse.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hanse_domain::trust::recipient::{VouchKey, vouch};

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
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert!(code == 0 && stderr.contains(warning), "{stderr}");
}
