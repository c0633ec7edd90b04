//! The program itself: `join`, `check`, `run` and `token` with a real cluster and a hub of the tests.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;
#[path = "common/hub.rs"]
mod hub;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Bed, Outcome, eventually};
use hanse_agent::fence;
use hanse_agent::identity::store::IdentityStore;
use hanse_agent::identity::{Identity, is_private};
use hanse_agent::kube::{NAMESPACE, install};
use hanse_domain::ids::Digest;
use hanse_proto::agent::session_request::Message as Sent;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use tokio::process::{Child, Command};

struct Ran {
    ok: bool,
    out: String,
    err: String,
}

fn agent(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanse-agent"));
    command.args(args).env_remove("KUBECONFIG").env("HANSE_LOG", "debug,hyper=info,h2=info");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn ran(mut command: Command) -> Ran {
    let output = tokio::time::timeout(Duration::from_mins(1), command.output());
    let output = output.await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}

struct Story {
    bed: Bed,
    hub: Arc<hub::Control>,
    dir: tempfile::TempDir,
}

impl Story {
    fn dir(&self) -> String {
        self.dir.path().join("east").display().to_string()
    }

    fn join(&self, more: &[&str]) -> Command {
        let (hash, kubeconfig) = (self.hub.ca.hash().to_string(), self.kubeconfig());
        let mut command = agent(&["join", "--hub", &self.hub.address, "--cluster", "east"]);
        command.args(["--ca-hash", &hash, "--kubeconfig", &kubeconfig, "--token", "hjt_secret"]);
        command.args(["--fleet", &fleet(), "--dir", &self.dir()]).args(more);
        command
    }

    fn kubeconfig(&self) -> String {
        self.bed.cluster().kubeconfig().display().to_string()
    }

    fn run(&self) -> Child {
        let log = std::fs::File::create(self.dir.path().join("run.log")).unwrap();
        agent(&["run", "--dir", &self.dir()]).stderr(log).spawn().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("run.log")).unwrap()
    }

    fn hellos(&self) -> usize {
        let received = self.hub.received.lock().unwrap();
        received.iter().filter(|m| matches!(m, Sent::Hello(_))).count()
    }
}

/// The fleet of the tests' hub.
fn fleet() -> String {
    format!("sha256:{}", Digest::of(b"root"))
}

#[tokio::test]
async fn a_cluster_joins_and_runs() -> Outcome {
    let story = Story {
        bed: Bed::up().await?,
        hub: hub::start(Duration::from_hours(24)).await,
        dir: tempfile::tempdir()?,
    };
    wrong_calls_do_no_harm(&story).await?;
    the_fence_is_printed(&story).await?;
    joins_once(&story).await?;
    check_finds_what_is_wrong(&story).await?;
    the_ceiling_is_the_administrators(&story).await?;
    the_token_is_renewed(&story).await;
    runs_and_ends(&story).await?;
    waits_for_the_cluster(&story).await?;
    another_cluster_is_refused(&story).await;
    joins_for_the_cluster(&story).await
}

async fn wrong_calls_do_no_harm(story: &Story) -> Outcome {
    let hash = format!("sha256:{}", "0".repeat(64));
    let wrong = ran(story_with_hash(story, &hash)).await;
    assert!(!wrong.ok && wrong.err.contains("hint: the token was not sent"), "{}", wrong.err);
    let dry = ran(story.join(&["--dry-run"])).await;
    assert!(dry.ok, "{}", dry.err);
    assert!(story.hub.tokens.lock().unwrap().is_empty(), "no token was sent");
    assert!(!Path::new(&story.dir()).exists());
    let namespaces = Api::<Namespace>::all(story.bed.admin().await?);
    assert!(namespaces.get_opt(NAMESPACE).await?.is_none(), "nothing was written");

    let mut other = story.join(&[]);
    other.args(["--cluster", "west"]);
    let other = ran(other).await;
    assert!(!other.ok, "an argument twice: {}", other.err);
    Ok(())
}

fn story_with_hash(story: &Story, hash: &str) -> Command {
    let kubeconfig = story.kubeconfig();
    let mut command = agent(&["join", "--hub", &story.hub.address, "--cluster", "east"]);
    command.args(["--ca-hash", hash, "--kubeconfig", &kubeconfig, "--token", "hjt_secret"]);
    command.args(["--fleet", &fleet(), "--dir", &story.dir()]);
    command
}

async fn the_fence_is_printed(story: &Story) -> Outcome {
    let printed = ran(story.join(&["--fence", "print"])).await;
    assert!(printed.ok, "{}", printed.err);
    for part in ["name: hanse-fence-guard", "kind: Ceiling", "impersonate:user-info"] {
        assert!(printed.out.contains(part), "{part}: {}", printed.out);
    }
    assert!(printed.err.contains("--fence apply --model impersonate"), "{}", printed.err);
    let bind = ran(story.join(&["--fence", "print", "--model", "bind"])).await;
    assert!(bind.out.contains("escalate, bind") && !bind.out.contains("impersonate:user-info"));
    assert!(story.hub.tokens.lock().unwrap().is_empty(), "no token was sent");
    let namespaces = Api::<Namespace>::all(story.bed.admin().await?);
    assert!(namespaces.get_opt(NAMESPACE).await?.is_none(), "nothing was written");
    // What is printed can be applied as it is.
    let bed = Bed::up().await?;
    let file = story.dir.path().join("fence.yaml");
    std::fs::write(&file, &printed.out)?;
    let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&printed.out)?;
    assert!(objects.len() >= 13, "{}", objects.len());
    for object in objects {
        let object: DynamicObject = serde_json::from_value(object)?;
        eventually("the object is taken", async || {
            Ok(bed.apply(std::slice::from_ref(&object)).await.is_ok())
        })
        .await?;
    }
    let writers = bed.writers().await?;
    eventually("the fence", async || Ok(fence::check(&writers).await?.broken().is_empty())).await
}

/// It stays as it is when somebody joins again, and what the ceiling user holds follows it.
async fn the_ceiling_is_the_administrators(story: &Story) -> Outcome {
    let admin = story.bed.admin().await?;
    let ceiling = install::default_ceiling()?;
    let (ceilings, name) = install::api_of(&admin, &ceiling)?;
    let changed = serde_json::json!({ "spec": { "namespaced": { "batch/jobs": ["suspend"] } } });
    let merge = Patch::Merge(&changed);
    ceilings.patch(&name, &PatchParams::default(), &merge).await?;
    let check = ran(agent(&["check", "--dir", &story.dir()])).await;
    assert!(check.ok && check.out.contains("it lacks 1 of"), "{}", check.out);
    assert!(check.out.contains("suspend jobs.batch"), "the ceiling in words: {}", check.out);
    let again = ran(story.join(&["--force"])).await;
    assert!(again.ok && again.err.contains("stays as it is"), "{}", again.err);
    let check = ran(agent(&["check", "--dir", &story.dir()])).await;
    assert!(check.ok && !check.out.contains("it lacks"), "{}", check.out);

    let bad = story.dir.path().join("ceiling.yaml");
    std::fs::write(&bad, "kind: Ceiling\n")?;
    let refused = ran(story.join(&["--force", "--ceiling", &bad.display().to_string()])).await;
    assert!(!refused.ok && refused.err.contains("this is no Ceiling"), "{}", refused.err);

    // Without a fence it is said loudly, and kept for `run`.
    let unfenced = ran(story.join(&["--force", "--fence", "none"])).await;
    assert!(unfenced.ok && unfenced.err.contains("THERE IS NO FENCE"), "{}", unfenced.err);
    let settings = std::fs::read_to_string(Path::new(&story.dir()).join("settings.json"))?;
    assert!(settings.contains("\"allowUnfenced\": true"), "{settings}");
    let bind = ran(story.join(&["--force", "--model", "bind"])).await;
    assert!(bind.ok && bind.err.contains("the fence stands (model bind)"), "{}", bind.err);
    assert!(bind.err.contains("ClusterRole hanse-ceiling of the other model is removed"));
    let settings = std::fs::read_to_string(Path::new(&story.dir()).join("settings.json"))?;
    assert!(settings.contains("\"allowUnfenced\": false"), "{settings}");
    Ok(())
}

async fn joins_once(story: &Story) -> Outcome {
    let joined = ran(story.join(&[])).await;
    assert!(joined.ok, "{}", joined.err);
    assert_eq!(joined.out, format!("hanse-agent run --dir {}\n", story.dir()));
    for expected in [
        "ClusterRole hanse-agent",
        "hanse cluster accept east",
        "hanse-agent token",
        "the fence stands (model impersonate)",
        "roles in a namespace may:",
        "Ceiling hanse is made",
    ] {
        assert!(joined.err.contains(expected), "{expected}: {}", joined.err);
    }
    assert!(!joined.err.contains("hjt_secret") && !joined.err.contains("PRIVATE"));
    assert_eq!(*story.hub.tokens.lock().unwrap(), ["hjt_secret"]);
    let dir = story.dir();
    let identity = Identity::load(Path::new(&dir))?;
    assert_eq!(identity.facts.cluster_name, "east");
    assert!(is_private(Path::new(&dir))?);
    for file in std::fs::read_dir(&dir)? {
        assert!(is_private(&file?.path())?);
    }
    let again = ran(story.join(&[])).await;
    assert!(!again.ok && again.err.contains("holds an identity already"), "{}", again.err);
    assert_eq!(story.hub.tokens.lock().unwrap().len(), 1);
    Ok(())
}

async fn check_finds_what_is_wrong(story: &Story) -> Outcome {
    let good = ran(agent(&["check", "--dir", &story.dir()])).await;
    assert!(good.ok, "{}\n{}", good.out, good.err);
    assert!(good.out.contains("no right that it must not have"), "{}", good.out);

    // An administrator has rights that the agent must not have.
    let kubeconfig = story.kubeconfig();
    let args = ["check", "--dir", &story.dir(), "--kubeconfig", &kubeconfig, "-o", "json"];
    let powerful = ran(agent(&args)).await;
    assert!(!powerful.ok);
    let json: serde_json::Value = serde_json::from_str(&powerful.out)?;
    assert_eq!(json["ok"], false);
    let sections: Vec<&str> =
        json["checks"].as_array().unwrap().iter().filter_map(|c| c["section"].as_str()).collect();
    assert!(sections.contains(&"fence") && sections.contains(&"rights"), "{sections:?}");
    assert!(powerful.out.contains("get secrets"), "{}", powerful.out);

    let nobody = ran(agent(&["check", "--dir", "/nowhere"])).await;
    assert!(!nobody.ok && nobody.out.contains("hint:"), "{}", nobody.out);
    Ok(())
}

async fn the_token_is_renewed(story: &Story) {
    let file = Path::new(&story.dir()).join("token");
    let before = std::fs::read(&file).unwrap();
    let (dir, kubeconfig) = (story.dir(), story.kubeconfig());
    let renewed = ran(agent(&["token", "--dir", &dir, "--kubeconfig", &kubeconfig])).await;
    assert!(renewed.ok, "{}", renewed.err);
    assert_ne!(std::fs::read(&file).unwrap(), before);
}

async fn terminate(child: &mut Child) -> std::process::ExitStatus {
    let begin = Instant::now();
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(6), child.wait()).await.unwrap().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    ended
}

async fn runs_and_ends(story: &Story) -> Outcome {
    let mut child = story.run();
    eventually("the agent's hello", async || Ok(story.hellos() == 1)).await?;
    story.hub.hang_up();
    eventually("a second hello", async || Ok(story.hellos() == 2)).await?;
    assert!(child.try_wait()?.is_none());
    let ended = terminate(&mut child).await;
    assert!(ended.success(), "{ended}: {}", story.log());
    let log = story.log();
    assert!(log.contains("cluster.id") && log.contains(hub::CLUSTER), "{log}");
    for secret in ["PRIVATE KEY", "hjt_", "eyJ"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    Ok(())
}

async fn waits_for_the_cluster(story: &Story) -> Outcome {
    story.bed.cluster().stop().await?;
    let before = story.hellos();
    let mut child = story.run();
    let log = || async { Ok(story.log().contains("waiting for the API server")) };
    eventually("a warning", log).await?;
    assert!(child.try_wait()?.is_none(), "it waits");
    story.bed.cluster().start().await?;
    eventually("the agent's hello", async || Ok(story.hellos() > before)).await?;
    assert_eq!(story.log().matches("waiting for the API server").count(), 1);
    story.hub.refuse.store(true, Ordering::SeqCst);
    story.hub.hang_up();
    let told = || async { Ok(story.log().contains("the hub refuses this agent")) };
    eventually("the refusal in the log", told).await?;
    assert!(child.try_wait()?.is_none(), "the last good state stays enforced");
    story.hub.refuse.store(false, Ordering::SeqCst);
    assert!(terminate(&mut child).await.success());
    Ok(())
}

async fn another_cluster_is_refused(story: &Story) {
    let file = Path::new(&story.dir()).join("identity.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let identity = Identity::load(Path::new(&story.dir())).unwrap();
    let uid = &identity.facts.cluster_uid;
    std::fs::write(&file, text.replace(uid, "another-uid")).unwrap();
    let refused = ran(agent(&["run", "--dir", &story.dir()])).await;
    assert!(!refused.ok && refused.err.contains("this is another cluster"), "{}", refused.err);
    std::fs::write(&file, text).unwrap();
}

async fn joins_for_the_cluster(story: &Story) -> Outcome {
    let joined = ran(story.join(&["--in-cluster", "--force"])).await;
    assert!(joined.ok, "{}", joined.err);
    assert!(
        joined.out.starts_with("kubectl apply -f deploy/agent/deployment.yaml"),
        "{}",
        joined.out
    );
    let secrets = Api::<Secret>::namespaced(story.bed.admin().await?, NAMESPACE);
    for (name, expected) in [
        ("hanse-agent-identity", &["agent.pem"][..]),
        ("hanse-agent-pins", &["ca.crt", "identity.json"]),
        ("hanse-agent-age", &["age.key"]),
    ] {
        let secret = secrets.get(name).await?;
        let files: Vec<String> = secret.data.unwrap_or_default().into_keys().collect();
        assert_eq!(files, expected);
    }

    // A renewed certificate is stored with the agent's own rights, which do not let it read.
    let identity = story.hub.identity("uid");
    let kept_by_agent = IdentityStore::Secret(story.bed.agent().await?);
    kept_by_agent.save(&identity).await?;
    let own = Api::<Secret>::namespaced(story.bed.agent().await?, NAMESPACE);
    assert!(own.get("hanse-agent-identity").await.is_err(), "the agent cannot read it");
    let kept = secrets.get("hanse-agent-identity").await?.data.unwrap_or_default();
    let pem = String::from_utf8(kept["agent.pem"].0.clone())?;
    assert!(pem.contains(identity.credentials.chain_pem.trim()));
    secrets.delete("hanse-agent-identity", &DeleteParams::default()).await?;
    Ok(())
}
