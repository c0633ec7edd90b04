//! The program as it is run, against a hub in this process: connection, commit, races, exit codes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod fake;
mod recipients;
mod secret;
mod trust;

use std::path::{Path, PathBuf};
use std::process::Output;

use fake::Running;
use hanse_domain::fleet::Edit;
use hanse_domain::parse::parse_files;
use hanse_domain::trust::root::TrustRoot;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::drift::State;
use hanse_proto::admin::watch_drift_response::Event;
use hanse_proto::admin::{Drift, DryRunResponse, Synced, WatchDriftResponse};

const ROLE: &str = "\
apiVersion: hanse.dev/v1alpha1
kind: FederatedRole
metadata: {name: reader}
spec:
  placement: {clusterSelector: {matchLabels: {env: prod}}}
  rules:
    - {apiGroups: [''], resources: [pods], verbs: [get]}
";

struct World {
    running: Running,
    directory: tempfile::TempDir,
}

/// What a command left: exit code, stdout, stderr.
type Left = (i32, String, String);

impl World {
    async fn new() -> Self {
        Self::with(fake::ann_alone).await
    }

    async fn with(root: impl Fn(&Path) -> TrustRoot) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let running = Running::start(directory.path(), root(directory.path())).await;
        std::fs::write(directory.path().join("config.yaml"), running.config()).unwrap();
        Self { running, directory }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    async fn hanse(&self, args: &[&str]) -> Left {
        let output: Output = tokio::process::Command::new(env!("CARGO_BIN_EXE_hanse"))
            .args(args)
            .env("HANSE_CONFIG", self.directory.path().join("config.yaml"))
            .env_remove("KUBECTL_EXTERNAL_DIFF")
            .env("TMPDIR", self.directory.path())
            .env("HOME", self.directory.path())
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("SSH_AUTH_SOCK")
            .env("KUBE_EDITOR", "sed -i -E 's/verbs: .(get|list)/verbs: [watch/'")
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn intrude(&self, yaml: &str) {
        self.running.hub.0.lock().unwrap().intruder = Some(Self::edits(yaml));
    }

    fn edits(yaml: &str) -> Vec<Edit> {
        let documents = parse_files([("test", yaml.as_bytes())]).unwrap();
        documents.into_iter().map(|document| Edit::Put(document.into())).collect()
    }

    fn revision(&self) -> u64 {
        self.running.hub.0.lock().unwrap().fleet.number.0
    }
}

#[tokio::test]
async fn apply_says_what_became_of_it_and_where() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    let (code, stdout, stderr) = world.hanse(&["diff", "-f", &role]).await;
    assert!(code == 1 && stdout.contains("+++ files/FederatedRole/reader"), "{stdout}{stderr}");
    let (code, stdout, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        stdout,
        "FederatedRole/reader created\nrevision 2 committed: reaches cluster-1, cluster-2\n"
    );
    assert!(stderr.contains("+ ClusterRole hanse:ns:reader"), "{stderr}");
    assert!(stderr.contains("cluster-1: applied in "), "{stderr}");
    assert!(stderr.contains("cluster-2: offline: gets it when it connects"), "{stderr}");
    let (code, stdout, _) = world.hanse(&["apply", "-f", &role]).await;
    assert_eq!((code, stdout.as_str()), (0, "FederatedRole/reader unchanged\n"));
    let (code, stdout, _) = world.hanse(&["diff", "-f", &role]).await;
    assert_eq!((code, stdout.as_str()), (0, ""));
    let (_, stdout, _) = world.hanse(&["get", "role", "reader", "-o", "yaml"]).await;
    assert_eq!(stdout, ROLE);
}

#[tokio::test]
async fn a_cluster_that_refuses_or_waits_has_not_applied_it() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    let stands = |phase| world.running.hub.0.lock().unwrap().phase = phase;
    stands(Phase::Failed);
    let (code, stdout, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert!(stdout.contains("revision 2 committed"), "{stdout}");
    assert!(stderr.contains("cluster-1: failed: denied by policy"), "{stderr}");
    assert!(code == 1 && stderr.contains("code:  not-applied"), "{stderr}");
    stands(Phase::AwaitingConfirmation);
    let (code, _, stderr) = world.hanse(&["delete", "role", "reader", "--yes"]).await;
    assert!(stderr.contains("hanse cluster confirm-removals cluster-1 7"), "{stderr}");
    assert!(code == 0 && !stderr.contains("applied in"), "{stderr}");
    let wait = ["wait", "cluster/cluster-1", "--for=synced", "--timeout", "300ms"];
    let (code, stdout, stderr) = world.hanse(&wait).await;
    assert!(code == 1 && stdout.is_empty(), "{stdout}");
    assert!(stderr.contains("cluster/cluster-1: not yet: AwaitingConfirmation"), "{stderr}");
}

#[tokio::test]
async fn a_name_is_not_that_of_a_revoked_cluster() {
    let world = World::new().await;
    world.running.hub.0.lock().unwrap().revoked = true;
    let (_, stdout, stderr) = world.hanse(&["cluster", "list"]).await;
    assert!(stderr.contains("not shown: 1 revoked cluster"), "{stderr}");
    assert!(!stdout.contains("Revoked") && stdout.contains("cluster-1"), "{stdout}");
    let (_, stdout, _) = world.hanse(&["cluster", "list", "--all"]).await;
    assert!(stdout.contains("Revoked"), "{stdout}");
    let (_, stdout, stderr) = world.hanse(&["get", "cluster", "cluster-1"]).await;
    assert!(!stdout.contains("Revoked") && stdout.contains("Synced"), "{stdout}{stderr}");
    let (_, stdout, _) = world.hanse(&["get", "clusters", "-o", "name"]).await;
    assert_eq!(stdout, "cluster/cluster-1\ncluster/cluster-2\n");
    let (code, _, stderr) = world.hanse(&["wait", "cluster/cluster-1", "--for=accepted"]).await;
    assert_eq!(code, 0, "{stderr}");
    let (_, _, stderr) = world.hanse(&["cluster", "accept", "cluster-1"]).await;
    assert!(stderr.contains("code:  accepted"), "{stderr}");
    let (_, _, stderr) = world.hanse(&["cluster", "accept", "clutser-1"]).await;
    assert!(stderr.contains("did you mean `cluster-1`"), "{stderr}");
}

#[tokio::test]
async fn a_dry_run_takes_silence_for_no_consent() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    let apply = ["apply", "-f", &role, "--dry-run=server"];
    let answer = |number: u8, tried, unavailable: &str| DryRunResponse {
        cluster: format!("cluster-{number}"),
        tried,
        unavailable: unavailable.to_owned(),
        problems: Vec::new(),
    };
    let says = |answers: &[DryRunResponse]| {
        answers.clone_into(&mut world.running.hub.0.lock().unwrap().dry_run);
    };
    says(&[answer(1, 1, "")]);
    let (code, stdout, stderr) = world.hanse(&apply).await;
    assert!(code == 0 && stdout.contains("created (server dry run)"), "{stderr}");
    assert!(stderr.contains("√ cluster-1") && stderr.contains("‼ cluster-2: the hub"), "{stderr}");
    says(&[answer(1, 0, ""), answer(2, 0, "not connected")]);
    let (code, stdout, stderr) = world.hanse(&apply).await;
    assert!(code == 1 && stdout.is_empty() && stderr.contains("code:  not-asked"), "{stderr}");
    assert!(stderr.contains("‼ cluster-1: it tried nothing") && !stderr.contains('√'), "{stderr}");
    says(&[answer(1, 1, ""), answer(2, 0, "its ledger is torn")]);
    let (code, _, stderr) = world.hanse(&apply).await;
    assert!(code == 1 && stderr.contains("code:  would-be-refused"), "{stderr}");
    assert!(stderr.contains("× cluster-2: its agent refuses it: its ledger is torn"), "{stderr}");
    assert_eq!(world.revision(), 1);
}

#[tokio::test]
async fn near_names_are_named_and_an_edited_text_outlives_a_failed_commit() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    assert_eq!(world.hanse(&["apply", "-f", &role]).await.0, 0);
    for command in ["get", "describe", "edit", "delete"] {
        let (_, _, stderr) = world.hanse(&[command, "role/raeder"]).await;
        assert!(stderr.contains("did you mean `reader`"), "{command}: {stderr}");
    }
    world.intrude(&ROLE.replace("[get]", "[list]"));
    let (code, _, stderr) = world.hanse(&["edit", "role", "reader"]).await;
    assert!(code == 1 && stderr.contains("code:  stale"), "{stderr}");
    let kept = |stderr: &str| {
        let path = stderr.lines().find_map(|line| line.strip_prefix("your text is kept in "))?;
        std::fs::read_to_string(path).ok()
    };
    assert_eq!(kept(&stderr), Some(ROLE.replace("[get]", "[watch]")));
    let (code, _, stderr) = world.hanse(&["edit", "role", "reader"]).await;
    assert_eq!((code, kept(&stderr)), (0, None), "{stderr}");
    let left = std::fs::read_dir(world.directory.path()).unwrap().flatten();
    let texts = left.filter(|f| f.file_name().to_string_lossy().starts_with("hanse-edit-"));
    assert_eq!(texts.count(), 1);
}

#[tokio::test]
async fn hazards_and_removals_need_yes_where_nobody_can_be_asked() {
    let world = World::new().await;
    let wide = world.file("wide.yaml", &ROLE.replace("[pods]", "['*']"));
    let (code, stdout, stderr) = world.hanse(&["apply", "-f", &wide]).await;
    assert!(code == 1 && stdout.is_empty() && stderr.contains("code:  needs-yes"), "{stderr}");
    assert_eq!(world.revision(), 1);
    assert_eq!(world.hanse(&["apply", "-f", &wide, "--yes"]).await.0, 0);
    let (code, _, stderr) = world.hanse(&["delete", "role", "reader"]).await;
    assert!(code == 1 && stderr.contains("code:  needs-yes"), "{stderr}");
    let (code, stdout, _) = world.hanse(&["delete", "role/reader", "-y"]).await;
    assert!(code == 0 && stdout.starts_with("FederatedRole/reader deleted\n"), "{stdout}");
    let (code, _, stderr) = world.hanse(&["delete", "role/reader", "-y"]).await;
    assert!(code == 1 && stderr.contains("code:  not-found"), "{stderr}");
}

#[tokio::test]
async fn a_race_is_planned_again_and_goes_on_when_nothing_else_would_happen() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    world.intrude(&ROLE.replace("reader", "other"));
    let (code, stdout, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("revision 3 committed"), "{stdout}");
    assert!(stderr.contains("revision 2 came in between; the plan does the same"), "{stderr}");
}

#[tokio::test]
async fn a_race_that_changes_the_plan_is_refused_where_nobody_can_be_asked() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    world.intrude(&ROLE.replace("[get]", "[list]"));
    let (code, stdout, stderr) = world.hanse(&["apply", "-f", &role, "--yes"]).await;
    assert!(code == 1 && stdout.is_empty(), "{stdout}");
    assert!(stderr.contains("What differs in the plan:"), "{stderr}");
    assert!(stderr.contains("code:  stale") && !stderr.contains("nothing was"), "{stderr}");
    assert!(stderr.contains("statement 2 (") && stderr.contains("has left this"), "{stderr}");
    assert_eq!(world.revision(), 2);
}

#[tokio::test]
async fn a_signature_that_is_out_is_not_forgotten() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    world.running.hub.0.lock().unwrap().deaf = true;
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert!(code == 1 && stderr.contains("has left this machine"), "{stderr}");
    assert!(!stderr.contains("nothing was"), "{stderr}");
    let out = stderr.split("statement 2 (").nth(1).unwrap().split(')').next().unwrap().to_owned();
    let other = world.file("other.yaml", &ROLE.replace("reader", "other"));
    let (code, _, stderr) = world.hanse(&["apply", "-f", &other]).await;
    let warning = format!("signed another statement 2 before, {out}");
    assert!(code == 0 && stderr.contains(&warning), "{stderr}");
    let (code, _, stderr) = world.hanse(&["apply", "-f", &role]).await;
    assert!(code == 0 && !stderr.contains("warning"), "{stderr}");
}

#[tokio::test]
async fn a_plan_file_is_carried_out_once() {
    let world = World::new().await;
    let role = world.file("role.yaml", ROLE);
    let file = world.directory.path().join("plan.json").display().to_string();
    let (code, stdout, _) =
        world.hanse(&["plan", "-f", &role, "-o", &file, "--detailed-exitcode"]).await;
    assert!(code == 2 && stdout.contains("Plan: 2 to add"), "{stdout}");
    let (code, stdout, stderr) = world.hanse(&["apply", &file]).await;
    assert!(code == 0 && stdout.contains("revision 2 committed"), "{stderr}");
    let (code, _, stderr) = world.hanse(&["apply", &file]).await;
    assert!(code == 1 && stderr.contains("code:  stale"), "{stderr}");
}

#[tokio::test]
async fn the_join_command_is_alone_on_stdout() {
    let world = World::new().await;
    let args = ["join-token", "create", "cluster-3", "--accept", "--label", "env=test"];
    let (code, stdout, stderr) = world.hanse(&args).await;
    assert_eq!(code, 0, "{stderr}");
    let (fleet, history) = {
        let fleet = &world.running.hub.0.lock().unwrap().fleet;
        (fleet.id(), fleet.history)
    };
    let (command, token) = stdout.split_once('\n').unwrap();
    let expected = format!(
        "hanse-agent join --hub 127.0.0.1:1 --ca-hash sha256:00 --fleet sha256:{fleet} --history \
         2:{history} --cluster cluster-3 --context cluster-3 --token-file - <<'TOKEN'"
    );
    assert_eq!(command, expected);
    let key = token.strip_prefix("the-token.").unwrap().strip_suffix("\nTOKEN\n").unwrap();
    assert_eq!(key.len(), 43, "{token}");
    assert!(stderr.contains("hanse cluster accept cluster-3") && !stderr.contains(key), "{stderr}");
    assert!(stderr.contains("Cluster/cluster-3 accepted"), "{stderr}");
    assert!(!stderr.contains("the-token") && stderr.contains("history"), "{stderr}");
    let (_, stdout, _) = world.hanse(&["get", "clusters", "-l", "env=test", "-o", "name"]).await;
    assert_eq!(stdout, "cluster/cluster-3\n");
}

#[tokio::test]
async fn troubles_have_their_codes() {
    let world = World::new().await;
    let nowhere = world.file(
        "nowhere.yaml",
        &world.running.config().replace(&world.running.address.to_string(), "127.0.0.1:1"),
    );
    for (args, exit, code) in [
        (&["--context", "other-ca", "get", "all"][..], 1, "tls"),
        (&["--context", "expired", "get", "all"], 4, "certificate-expired"),
        (&["--context", "absent", "get", "all"], 4, "not-logged-in"),
        (&["--config", &nowhere, "get", "all"], 1, "hub-unreachable"),
        (&["--config", &nowhere, "drift"], 3, "hub-unreachable"),
        (&["revisions"], 1, "permission-denied"),
        (&["revisions", "7"], 1, "not-found"),
        (&["get", "pods"], 2, "usage"),
    ] {
        let (exited, stdout, stderr) = world.hanse(args).await;
        assert!(stderr.contains(&format!("code:  {code}\n")), "{args:?}: {stderr}");
        assert!(exited == exit && stdout.is_empty(), "{args:?}: {exited} {stdout}");
    }
}

#[tokio::test]
async fn clusters_are_waited_for() {
    let world = World::new().await;
    let (code, stdout, _) = world.hanse(&["wait", "cluster/cluster-1", "--for=synced"]).await;
    assert_eq!((code, stdout.as_str()), (0, "cluster/cluster-1 condition met\n"));
    let (code, _, stderr) =
        world.hanse(&["wait", "--all", "--for=connected", "--timeout", "300ms"]).await;
    assert!(code == 1 && stderr.contains("cluster/cluster-2: not yet"), "{stderr}");
}

#[tokio::test]
async fn a_watch_of_drift_outlives_the_connection_and_ends_with_a_refusal() {
    let world = World::new().await;
    let drift = |id: &str, state: State| {
        let drift = Drift {
            id: id.into(),
            cluster: format!("at-{id}"),
            state: state.into(),
            ..Drift::default()
        };
        Ok(WatchDriftResponse { event: Some(Event::Drift(drift)) })
    };
    let synced = || Ok(WatchDriftResponse { event: Some(Event::Synced(Synced {})) });
    let first = vec![
        drift("a", State::Open),
        drift("b", State::Open),
        synced(),
        Err(tonic::Status::unavailable("the hub is going down")),
    ];
    let second = vec![drift("a", State::Open), drift("c", State::Open), synced()];
    world.running.hub.0.lock().unwrap().drift = vec![second, first];
    let (code, stdout, stderr) = world.hanse(&["drift", "--watch"]).await;
    let shown: Vec<&str> = stdout.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!((code, shown), (3, vec!["at-a", "at-b", "at-c"]), "{stderr}");
    assert_eq!(stderr.matches("connecting again").count(), 2, "{stderr}");
    assert!(stderr.contains("connected again, watching for changes; 1 case ended"), "{stderr}");
    assert!(stderr.contains("code:  permission-denied"), "{stderr}");
}
