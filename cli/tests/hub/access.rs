//! Questions about access, as the program asks and answers them.

use hanse_proto::admin::access_subject::Kind;
use hanse_proto::admin::{
    AccessObjectReference, AccessRule, AccessSubject, ClusterView, Decision, DecisionResponse,
    Difference, DifferenceResponse, Escalation, EscalationResponse, Grant, GrantResponse,
    InventoryStatus, PreviewAccessResponse, Violation, ViolationResponse, WatchViolationsResponse,
    decision_response, difference_response, escalation_response, grant_response,
    preview_access_response, violation_response, watch_violations_response,
};

use super::fake::Access;
use super::{ROLE, World};

fn anna() -> AccessSubject {
    let kind = Kind::User.into();
    AccessSubject { kind, name: "anna".into(), ..AccessSubject::default() }
}

fn grant(cluster: &str) -> Grant {
    let reference = |kind: &str, namespace: &str, name: &str| {
        let [kind, namespace, name] = [kind, namespace, name].map(str::to_owned);
        Some(AccessObjectReference { kind, namespace, name })
    };
    Grant {
        cluster: cluster.into(),
        subject: Some(anna()),
        via_group: "sre".into(),
        binding: reference("RoleBinding", "payments", "sre"),
        role: reference("ClusterRole", "", "=view"),
        rule: Some(AccessRule { verbs: vec!["get".into()], ..AccessRule::default() }),
        namespace: "payments".into(),
        ..Grant::default()
    }
}

fn view(cluster: &str) -> ClusterView {
    ClusterView {
        cluster: cluster.into(),
        covered: true,
        caveats: vec!["only RBAC is looked at".into()],
        ..ClusterView::default()
    }
}

fn decided(cluster: &str, allowed: bool) -> Vec<DecisionResponse> {
    let grants = if allowed { vec![grant(cluster)] } else { Vec::new() };
    let decision = Decision { cluster: cluster.into(), allowed, grants, ..Decision::default() };
    let parts =
        [decision_response::Part::Decision(decision), decision_response::Part::View(view(cluster))];
    parts.map(|part| DecisionResponse { part: Some(part) }).to_vec()
}

fn violation(id: &str, resolved: bool) -> Violation {
    let at = Some(pbjson_types::Timestamp { seconds: 5, nanos: 0 });
    Violation {
        id: id.into(),
        cluster: "cluster-1".into(),
        invariant: "only-sre".into(),
        subject: Some(anna()),
        what: "can get secrets in namespace payments".into(),
        grant: Some(grant("cluster-1")),
        since: at,
        resolved_at: at.filter(|_| resolved),
        ..Violation::default()
    }
}

fn grants(parts: impl IntoIterator<Item = grant_response::Part>) -> Vec<GrantResponse> {
    parts.into_iter().map(|part| GrantResponse { part: Some(part) }).collect()
}

async fn world(access: impl FnOnce(&mut Access)) -> World {
    let world = World::new().await;
    access(&mut world.running.hub.0.lock().unwrap().access);
    world
}

fn asked(world: &World) -> String {
    world.running.hub.0.lock().unwrap().access.asked.concat()
}

#[tokio::test]
async fn rows_go_to_stdout_and_what_was_not_seen_to_stderr() {
    use grant_response::Part;
    let world = world(|access| {
        access.grants = grants([Part::Grant(grant("cluster-1")), Part::View(view("cluster-1"))]);
    })
    .await;
    let question = ["who-can", "get", "secrets", "-n", "payments", "--at", "2026-03-03"];
    let (code, stdout, stderr) = world.hanse(&question).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.starts_with("CLUSTER     SUBJECT     BY GROUP   NAMESPACE   BINDING"),
        "{stdout}"
    );
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    let said = "Who can get secrets in namespace payments, at 2026-03-03T00:00:00Z\n";
    assert!(stderr.starts_with(said), "{stderr}");
    assert!(stderr.contains("What this answer cannot see:\n  cluster-1: only RBAC"), "{stderr}");
    assert!(asked(&world).contains("seconds: 1772496000"), "{}", asked(&world));
    let (_, stdout, stderr) = world.hanse(&[&question[..], &["-o", "json"]].concat()).await;
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["question"]["scope"]["at"], "2026-03-03T00:00:00Z");
    assert_eq!(json["grants"][0]["viaGroup"], "sre");
    assert_eq!(json["views"][0]["caveats"][0], "only RBAC is looked at");
    assert_eq!(stderr, "");
    let (_, stdout, _) = world.hanse(&["what-can", "anna", "-o", "csv"]).await;
    assert!(stdout.contains("ClusterRole,,'=view,"), "{stdout}");
    let (_, stdout, _) = world.hanse(&["access", "matrix", "secrets"]).await;
    assert!(stdout.contains("user anna   (all)"), "{stdout}");
}

#[tokio::test]
async fn an_answer_about_no_cluster_is_an_error() {
    let world = World::new().await;
    for (args, exit) in [
        (&["who-can", "get", "secrets"][..], 1),
        (&["can-i", "get", "secrets", "--as", "anna"], 3),
        (&["access", "explain", "anna", "get", "secrets"], 1),
        (&["access", "matrix"], 1),
        (&["access", "violations"], 3),
        (&["access", "diff", "--from", "2h"], 3),
        (&["access", "escalations"], 1),
        (&["access", "status"], 1),
    ] {
        let (code, _, stderr) = world.hanse(args).await;
        assert!(code == exit && stderr.contains("code:  no-clusters"), "{args:?} {code} {stderr}");
    }
}

#[tokio::test]
async fn any_no_is_exit_code_1() {
    let world = world(|access| access.decisions = decided("cluster-1", true)).await;
    let question = ["can-i", "get", "secrets", "-n", "payments", "--as", "user:anna"];
    let (code, stdout, stderr) = world.hanse(&question).await;
    assert!(code == 0 && stdout.contains("yes"), "{stdout}{stderr}");
    world.running.hub.0.lock().unwrap().access.decisions.extend(decided("cluster-2", false));
    let (code, stdout, _) = world.hanse(&question).await;
    assert!(code == 1 && stdout.contains("cluster-2   all         no"), "{stdout}");
    let (code, stdout, _) = world.hanse(&["access", "explain", "anna", "get", "secrets"]).await;
    assert_eq!(code, 0);
    assert!(
        stdout.contains("\ncluster-1: yes\n  User anna can get secrets, but only in namespace"),
        "{stdout}"
    );
    assert!(stdout.contains("\ncluster-2: no\n"), "{stdout}");
    for (args, said) in [
        (&["can-i", "read", "secrets", "--as", "anna"][..], "reading is get, list and watch"),
        (&["can-i", "get", "secrets", "--as", "groups:sre"], "write group:sre"),
        (&["can-i", "get", "secrets", "--as", "anna", "--at", "2999-01-01"], "is in the future"),
        (&["can-i", "get", "nodes", "-n", "a", "--as", "anna"], "leave -n out"),
        (&["can-i", "get", "secrets"], "--as <SUBJECT>"),
    ] {
        let (code, _, stderr) = world.hanse(args).await;
        assert!(code == 2 && stderr.contains(said), "{args:?}: {code} {stderr}");
    }
}

#[tokio::test]
async fn differences_and_paths_and_inventories() {
    let world = world(|access| {
        let difference = Difference { added: true, grant: Some(grant("cluster-1")) };
        let parts = [
            difference_response::Part::Difference(difference),
            difference_response::Part::View(view("cluster-1")),
        ];
        access.differences = parts.map(|part| DifferenceResponse { part: Some(part) }).to_vec();
        let cluster = "cluster-1".to_owned();
        let target = "node".to_owned();
        let path = Escalation { cluster, subject: Some(anna()), target, ..Escalation::default() };
        let parts = [
            escalation_response::Part::Escalation(path),
            escalation_response::Part::View(view("cluster-1")),
        ];
        access.escalations = parts.map(|part| EscalationResponse { part: Some(part) }).to_vec();
        let cluster = "cluster-1".to_owned();
        access.inventories =
            vec![InventoryStatus { cluster, live: true, ..InventoryStatus::default() }];
    })
    .await;
    let (code, stdout, stderr) = world.hanse(&["access", "diff", "--from", "2h"]).await;
    assert!(code == 1 && stdout.contains("\n+   cluster-1"), "{stdout}{stderr}");
    let (code, _, stderr) = world.hanse(&["access", "diff", "--from", "2h", "--to", "3h"]).await;
    assert!(code == 2 && stderr.contains("is not before"), "{stderr}");
    let (code, stdout, stderr) = world.hanse(&["access", "escalations", "--to", "node"]).await;
    assert!(code == 0 && stdout.contains("a node    has it directly"), "{stdout}{stderr}");
    let (code, stdout, stderr) = world.hanse(&["access", "status"]).await;
    assert!(code == 0 && stdout.contains("cluster-1   Live"), "{stdout}{stderr}");
}

#[tokio::test]
async fn violations_that_stand_are_exit_code_1() {
    let parts = |violation| {
        let parts = [
            violation_response::Part::Violation(violation),
            violation_response::Part::View(view("cluster-1")),
        ];
        parts.map(|part| ViolationResponse { part: Some(part) }).to_vec()
    };
    let world = world(|access| access.violations = parts(violation("a", false))).await;
    let (code, stdout, stderr) = world.hanse(&["access", "violations"]).await;
    assert!(code == 1 && stdout.contains("Stands"), "{stdout}{stderr}");
    world.running.hub.0.lock().unwrap().access.violations = parts(violation("a", true));
    let (code, stdout, stderr) = world.hanse(&["access", "violations", "--history"]).await;
    assert!(code == 0 && stdout.contains("Ended"), "{stdout}{stderr}");
}

#[tokio::test]
async fn nothing_found_where_nothing_is_seen_is_exit_code_3() {
    for (unseen, expected) in [("Pod: forbidden", 0), ("Role: forbidden", 3), ("New: forbidden", 3)]
    {
        let view = ClusterView { unseen: vec![unseen.into()], ..view("cluster-1") };
        let part = Some(violation_response::Part::View(view));
        let world = world(|access| access.violations = vec![ViolationResponse { part }]).await;
        let (code, stdout, stderr) = world.hanse(&["access", "violations"]).await;
        assert_eq!(code, expected, "{unseen}: {stdout}{stderr}");
    }
}

#[tokio::test]
async fn a_watch_comes_back_and_shows_nothing_twice() {
    use watch_violations_response::Event;
    let event = |event| WatchViolationsResponse { event: Some(event) };
    let stands = event(Event::Violation(violation("a", false)));
    let ended = event(Event::Violation(violation("a", true)));
    let synced = event(Event::Synced(true));
    let world = world(|access| {
        access.watched = vec![vec![stands.clone(), synced.clone(), ended], vec![stands, synced]];
    })
    .await;
    let (code, stdout, stderr) = world.hanse(&["access", "violations", "--watch"]).await;
    assert!(code == 3 && stderr.contains("code:  permission-denied"), "{stderr}");
    let states: Vec<&str> = stdout.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(states, ["Stands", "Ended"], "{stdout}");
    assert!(stderr.contains("connecting again"), "{stderr}");
}

#[tokio::test]
async fn groups_are_read_from_files() {
    let world = World::new().await;
    let file = world.file("groups.csv", "group,user\nsre,anna\nsre,ben\nall,group:sre\n");
    let (code, stdout, stderr) = world.hanse(&["groups", "import", &file]).await;
    assert_eq!(
        (code, stdout.as_str()),
        (0, "directory default: 2 groups with 3 memberships\n"),
        "{stderr}"
    );
    {
        let state = world.running.hub.0.lock().unwrap();
        let sre = &state.access.imported[0].groups[1];
        assert_eq!((sre.group.as_str(), sre.users.join(",")), ("sre", "anna,ben".to_owned()));
    }
    let empty = world.file("empty.csv", "group,user\n");
    let (code, _, stderr) = world.hanse(&["groups", "import", &empty]).await;
    assert!(code == 1 && stderr.contains("--allow-empty"), "{stderr}");
    let (code, _, stderr) = world.hanse(&["groups", "import", &empty, "--allow-empty"]).await;
    assert_eq!(code, 0, "{stderr}");
    let (code, stdout, stderr) = world.hanse(&["groups", "list"]).await;
    assert!(code == 0 && stdout.is_empty() && stderr.contains("no groups are known"), "{stderr}");
}

#[tokio::test]
async fn a_violated_invariant_needs_a_yes() {
    let violated = preview_access_response::Part::Violated(violation("a", false));
    let preview = vec![PreviewAccessResponse { part: Some(violated) }];
    let world = world(|access| access.preview = preview).await;
    let role = world.file("role.yaml", ROLE);
    let (code, stdout, _) = world.hanse(&["plan", "-f", &role]).await;
    assert!(
        code == 0 && stdout.contains("‼ violates invariant only-sre: user anna: can"),
        "{stdout}"
    );
    let (_, stdout, _) = world.hanse(&["plan", "-f", &role, "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["access"]["violated"][0]["invariant"], "only-sre");
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert!(code == 1 && stderr.contains("the plan has 1 hazard"), "{stderr}");
    assert_eq!(world.revision(), 1);
    assert_eq!(world.hanse(&["apply", "-f", &role, "--yes"]).await.0, 0);
}

#[tokio::test]
async fn an_older_hub_costs_one_warning() {
    let world = world(|access| access.older = true).await;
    let role = world.file("role.yaml", ROLE);
    let (code, stdout, stderr) = world.hanse(&["plan", "-f", &role]).await;
    assert!(code == 0 && stdout.matches("warning:").count() == 1, "{stdout}{stderr}");
    assert!(stdout.contains("is not known: this hub is older and cannot say"), "{stdout}");
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = world.hanse(&["who-can", "get", "secrets"]).await;
    assert!(code == 1 && stderr.contains("code:  unimplemented"), "{stderr}");
}
