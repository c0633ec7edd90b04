//! The watches of the inventory on a real API server, with the agent's own rights.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Bed, Outcome, SOON};
use hanse_agent::inventory::{self, Effect, Found, Input, Keeper, Part, Sight};
use hanse_agent::kube::observe::Observer;
use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind};
use hanse_domain::ids::Digest;
use hanse_domain::object::ObjectKind;
use jiff::Timestamp;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const CANARY: &str = "canary-7d1f0b52";

/// The watches and a keeper behind them, as `run` has them; and a hub that wants everything.
struct Agent {
    core: mpsc::Receiver<hanse_agent::core::io::Input>,
    sights: mpsc::Receiver<Input>,
    keeper: Keeper,
    wake: Option<Timestamp>,
    /// What was sent, by object.
    told: BTreeMap<AccessKey, String>,
    current: Option<Checkpoint>,
    /// Everything that was sent, as text.
    all: String,
    _tasks: JoinSet<()>,
}

impl Agent {
    async fn start(bed: &Bed, streaming: bool) -> Outcome<Self> {
        let (sender, core) = mpsc::channel(64);
        let (sights_sender, sights) = mpsc::channel(64);
        let observer = Observer::new(bed.agent().await?, streaming, sender);
        let mut tasks = JoinSet::new();
        for kind in ObjectKind::watched() {
            let watch = observer.clone().watch(kind);
            tasks.spawn(async move { drop(watch.await) });
        }
        for kind in inventory::watched_apart() {
            let watch = observer.clone().watch_access(kind, sights_sender.clone());
            tasks.spawn(async move { drop(watch.await) });
        }
        let cluster = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap();
        let mut agent = Self {
            core,
            sights,
            keeper: Keeper::new(Digest::of(b"fleet"), cluster),
            wake: None,
            told: BTreeMap::new(),
            current: None,
            all: String::new(),
            _tasks: tasks,
        };
        agent.feed(Input::Welcomed);
        Ok(agent)
    }

    fn feed(&mut self, input: Input) {
        let effects = self.keeper.handle(input, Timestamp::now());
        for effect in effects {
            match effect {
                Effect::Wake(at) => self.wake = Some(at),
                Effect::Send(part) => self.take(*part),
            }
        }
        if self.keeper.has_part() {
            self.feed(Input::Room);
        }
    }

    fn take(&mut self, part: Part) {
        for bucket in &part.buckets {
            self.told.retain(|key, _| {
                hanse_domain::access::inventory::bucket_of(&key.hash()) != *bucket
            });
        }
        for change in &part.changes {
            let key = (*change.key).clone();
            match &change.state {
                Some(state) => {
                    let content = String::from_utf8(state.content.to_vec()).unwrap();
                    self.all.push_str(&content);
                    self.all.push_str(&String::from_utf8_lossy(&state.origin));
                    self.told.insert(key, content);
                }
                None => drop(self.told.remove(&key)),
            }
        }
        if let Some(current) = part.current {
            let first = self.current.is_none();
            self.current = Some(current);
            let sequence = part.sequence;
            if first {
                let buckets = Box::new([Digest::of(b"none"); 256]);
                self.feed(Input::Wanted { sequence, buckets });
            } else {
                self.feed(Input::Stored(sequence));
            }
        }
    }

    /// Goes on until it is so.
    async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + SOON * 2;
        while !done(self) {
            let wake = self.wake.map_or(Duration::from_mins(1), |wake| {
                Duration::try_from(wake.duration_since(Timestamp::now())).unwrap_or_default()
            });
            let input = tokio::select! {
                Some(input) = self.core.recv() => inventory::input_of(&input),
                Some(input) = self.sights.recv() => Some(input),
                () = tokio::time::sleep(wake) => Some(Input::Tick),
                () = tokio::time::sleep_until(deadline) => {
                    panic!("it never came: {what}; {:?}; {:#?}", self.current, self.told)
                }
            };
            if let Some(input) = input {
                self.feed(input);
            }
        }
    }

    fn runs_as(&self, kind: AccessKind, name: &str) -> Option<String> {
        let told = self.told.get(&AccessKey::namespaced(kind, "shop", name))?;
        match AccessContent::decode(told.as_bytes()).unwrap() {
            AccessContent::Workload { service_account } => Some(service_account),
            other @ (AccessContent::Namespace { .. }
            | AccessContent::ServiceAccount { .. }
            | AccessContent::Role { .. }
            | AccessContent::Binding { .. }) => panic!("{other:?}"),
        }
    }
}

fn api(client: &Client, group: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    Api::namespaced_with(client.clone(), "shop", &resource)
}

async fn make(client: &Client, kind: AccessKind, name: &str, spec: Value) -> Outcome {
    let (group, version, kind, plural) = kind.resource();
    let api_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut body = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {
            "name": name, "namespace": "shop",
            "annotations": { "note": CANARY }, "labels": { "note": CANARY },
        },
    });
    if !spec.is_null() {
        body["spec"] = spec;
    }
    let object = serde_json::from_value(body)?;
    api(client, group, kind, plural).create(&PostParams::default(), &object).await?;
    Ok(())
}

fn pod_spec(account: Option<&str>) -> Value {
    let mut spec = json!({
        "containers": [{
            "name": "c", "image": "registry.invalid/c", "args": [CANARY],
            "env": [{ "name": "PASSWORD", "value": CANARY }],
        }],
        "restartPolicy": "Never",
    });
    if let Some(account) = account {
        spec["serviceAccountName"] = json!(account);
    }
    spec
}

fn template(account: Option<&str>, restart: &str) -> Value {
    let mut spec = pod_spec(account);
    spec["restartPolicy"] = json!(restart);
    json!({ "metadata": { "labels": { "app": "x" }, "annotations": { "n": CANARY } }, "spec": spec })
}

async fn make_workloads(client: &Client) -> Outcome {
    let selector = json!({ "matchLabels": { "app": "x" } });
    let always = |account| template(account, "Always");
    make(client, AccessKind::ServiceAccount, "builder", Value::Null).await?;
    let spec = json!({ "replicas": 0, "selector": selector, "template": always(Some("builder")) });
    make(client, AccessKind::Deployment, "d", spec.clone()).await?;
    make(client, AccessKind::ReplicaSet, "r", spec.clone()).await?;
    let mut set = spec.clone();
    set["serviceName"] = json!("s");
    make(client, AccessKind::StatefulSet, "s", set).await?;
    let daemon = json!({ "selector": selector, "template": always(None) });
    make(client, AccessKind::DaemonSet, "ds", daemon).await?;
    let job = json!({ "template": template(Some("builder"), "Never") });
    make(client, AccessKind::Job, "j", job.clone()).await?;
    let cron = json!({ "schedule": "0 0 1 1 *", "jobTemplate": { "spec": job } });
    make(client, AccessKind::CronJob, "c", cron).await?;
    Ok(())
}

#[tokio::test]
async fn the_inventory_sees_what_gives_access_and_nothing_else() -> Outcome {
    let bed = Bed::with_agent().await?;
    let admin = bed.admin().await?;
    let secret = json!({ "metadata": { "name": "s" }, "stringData": { "k": CANARY } });
    let shop = json!({ "metadata": { "name": "shop", "labels": { "team": "shop" } } });
    Api::<k8s_openapi::api::core::v1::Namespace>::all(admin.clone())
        .create(&PostParams::default(), &serde_json::from_value(shop)?)
        .await?;
    Api::<k8s_openapi::api::core::v1::Secret>::namespaced(admin.clone(), "shop")
        .create(&PostParams::default(), &serde_json::from_value(secret)?)
        .await?;
    make_workloads(&admin).await?;

    let mut roots = Vec::new();
    for streaming in [true, false] {
        let mut agent = Agent::start(&bed, streaming).await?;
        agent.until("all of it", |agent| agent.told.len() > 100).await;
        first_look(&agent);
        let current = agent.current.clone().unwrap();
        assert_eq!((current.skipped, current.unseen.len()), (0, 0));
        assert_eq!(current.objects, u32::try_from(agent.told.len())?);
        changes(&admin, &mut agent).await?;
        // Labels of workloads, their environment, arguments and annotations, and no Secret.
        assert!(!agent.all.contains(CANARY));
        roots.push(agent.current.unwrap().root);
    }
    assert_eq!(roots.first(), roots.last(), "both ways of listing come to the same root");
    taken_away(&bed).await
}

fn first_look(agent: &Agent) {
    for (kind, name, account) in [
        (AccessKind::Deployment, "d", "builder"),
        (AccessKind::ReplicaSet, "r", "builder"),
        (AccessKind::StatefulSet, "s", "builder"),
        (AccessKind::DaemonSet, "ds", "default"),
        (AccessKind::Job, "j", "builder"),
        (AccessKind::CronJob, "c", "builder"),
    ] {
        assert_eq!(agent.runs_as(kind, name).as_deref(), Some(account), "{kind} {name}");
    }
    let told = |key: AccessKey| agent.told.get(&key).cloned();
    let shop = told(AccessKey::cluster(AccessKind::Namespace, "shop")).unwrap();
    assert!(shop.contains(r#""team":"shop""#), "{shop}");
    let admin = told(AccessKey::cluster(AccessKind::ClusterRole, "admin")).unwrap();
    assert!(admin.contains("aggregates") && admin.contains("matchLabels"), "{admin}");
    let binding = AccessKey::cluster(AccessKind::ClusterRoleBinding, "cluster-admin");
    assert!(told(binding).unwrap().contains("system:masters"));
    let builder = AccessKey::namespaced(AccessKind::ServiceAccount, "shop", "builder");
    assert_eq!(told(builder).unwrap(), r#"{"is":"serviceAccount"}"#);
}

async fn changes(admin: &Client, agent: &mut Agent) -> Outcome {
    let kind = AccessKind::Pod;
    make(admin, kind, "bare", pod_spec(Some("builder"))).await?;
    agent.until("a bare pod", |agent| agent.runs_as(kind, "bare").is_some()).await;
    // What ended runs as nobody: the API server says that it is gone from what is watched.
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(admin.clone(), "shop");
    let ended = json!({ "status": { "phase": "Failed" } });
    let patch = kube::api::Patch::Merge(&ended);
    pods.patch_status("bare", &kube::api::PatchParams::default(), &patch).await?;
    agent.until("its end", |agent| agent.runs_as(kind, "bare").is_none()).await;
    pods.delete("bare", &DeleteParams::default().grace_period(0)).await?;
    Ok(())
}

/// Without the right to see workloads all the rest goes on.
async fn taken_away(bed: &Bed) -> Outcome {
    let bindings = Api::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>::all(bed.admin().await?);
    bindings.delete("hanse-agent-inventory", &DeleteParams::default()).await?;
    // The API server's own picture of it takes a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut agent = Agent::start(bed, true).await?;
    agent.until("all that may be seen", |agent| agent.told.len() > 100).await;
    let unseen = agent.current.clone().unwrap().unseen;
    let kinds: Vec<AccessKind> = unseen.keys().copied().collect();
    assert_eq!(kinds, inventory::watched_apart().collect::<Vec<_>>());
    assert!(unseen.values().all(|why| why.contains("forbidden")), "{unseen:?}");
    assert!(agent.told.keys().all(|key| !kinds.contains(&key.kind)));

    bed.apply(&hanse_agent::kube::install::rights(
        hanse_agent::kube::writers::Model::Bind,
        &hanse_agent::kube::install::ceiling_spec(&hanse_agent::kube::install::default_ceiling()?)?,
    )?)
    .await?;
    agent
        .until("it is seen again", |agent| {
            agent.current.as_ref().is_some_and(|current| current.unseen.is_empty())
        })
        .await;
    assert_eq!(agent.runs_as(AccessKind::Deployment, "d").as_deref(), Some("builder"));
    Ok(())
}

#[test]
fn what_is_too_large_is_skipped_and_named_once() {
    let rules: Vec<Value> =
        (0..20_000).map(|n| json!({ "verbs": [format!("verb-{n}")] })).collect();
    let role = json!({ "metadata": { "name": "huge" }, "rules": rules });
    let sight = Sight::of(AccessKind::ClusterRole, &role).unwrap();
    assert_eq!((sight.key.name.as_str(), sight.found), ("huge", Found::Skipped));
    let long = json!({ "metadata": { "name": "n".repeat(2000) } });
    assert_eq!(Sight::of(AccessKind::ClusterRole, &long).unwrap().found, Found::Skipped);
    assert_eq!(Sight::of(AccessKind::ClusterRole, &json!({ "metadata": {} })), None);
}
