//! Watches on a real API server, with the agent's own rights.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{Bed, Outcome, SOON, binding, namespace, quota};
use hanse_agent::core::io::{Input, Live};
use hanse_agent::kube::apply::Applier;
use hanse_agent::kube::client::ClusterFacts;
use hanse_agent::kube::observe::Observer;
use hanse_domain::object::{MANAGED_LABEL, ObjectKind};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

struct Watches {
    inputs: mpsc::Receiver<Input>,
    _tasks: JoinSet<()>,
}

impl Watches {
    async fn start(bed: &Bed, streaming: bool) -> Outcome<Self> {
        let (sender, inputs) = mpsc::channel(64);
        let observer = Observer::new(bed.agent().await?, streaming, sender);
        let mut tasks = JoinSet::new();
        for kind in ObjectKind::watched() {
            let watch = observer.clone().watch(kind);
            tasks.spawn(async move { drop(watch.await) });
        }
        // Those of the inventory are there, too, and are looked at by a test of their own.
        let (sights_sender, mut sights) = mpsc::channel(64);
        for kind in hanse_agent::inventory::watched_apart() {
            let watch = observer.clone().watch_access(kind, sights_sender.clone());
            tasks.spawn(async move { drop(watch.await) });
        }
        tasks.spawn(async move { while sights.recv().await.is_some() {} });
        Ok(Self { inputs, _tasks: tasks })
    }

    async fn next(&mut self) -> Input {
        match tokio::time::timeout(SOON, self.inputs.recv()).await {
            Ok(Some(input)) => input,
            other => panic!("no input: {other:?}"),
        }
    }

    /// All kinds, each listed once.
    async fn listed(&mut self) -> Vec<(ObjectKind, Vec<Live>)> {
        let mut all = Vec::new();
        while all.len() < ObjectKind::watched().count() {
            if let Input::Listed(kind, objects) = self.next().await {
                all.push((kind, objects));
            }
        }
        all.sort_by_key(|(kind, _)| *kind);
        let kinds: Vec<ObjectKind> = all.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ObjectKind::watched().collect::<Vec<_>>());
        all
    }

    /// The next input about one object.
    async fn about(&mut self, name: &str) -> Input {
        loop {
            let input = self.next().await;
            let found = match &input {
                Input::Seen(live) => live.reference.name == name,
                Input::Gone(reference) => reference.name == name,
                _ => false,
            };
            if found {
                return input;
            }
        }
    }

    async fn quiet(&mut self) {
        let more = tokio::time::timeout(Duration::from_millis(500), self.inputs.recv()).await;
        assert!(more.is_err(), "nothing happened, yet there is {more:?}");
    }
}

#[tokio::test]
async fn lists_then_changes() -> Outcome {
    let bed = Bed::with_agent().await?;
    let applier = Applier::new(bed.agent().await?);
    for object in
        [namespace("shop"), quota("shop", "limits", "1"), binding("shop", "hanse:ns:b", "view")]
    {
        applier.apply(&object).await.unwrap();
    }
    let facts = ClusterFacts::read(&bed.agent().await?).await?;
    assert!(facts.streaming_lists && facts.version.starts_with("v1."), "{facts:?}");

    for streaming in [true, false] {
        let mut watches = Watches::start(&bed, streaming).await?;
        let all = watches.listed().await;
        first_look(&all);
        watches.quiet().await;
        changes(&bed, &mut watches).await?;
    }
    survives_an_outage(&bed).await?;
    an_idle_agent_asks_nothing(&bed).await
}

fn first_look(all: &[(ObjectKind, Vec<Live>)]) {
    let of = |kind: ObjectKind| &all.iter().find(|(k, _)| *k == kind).unwrap().1;
    let names =
        |kind| -> Vec<&str> { of(kind).iter().map(|l| l.reference.name.as_str()).collect() };
    assert!(names(ObjectKind::Namespace).contains(&"shop"));
    assert!(names(ObjectKind::Namespace).contains(&"kube-system"), "namespaces are watched whole");
    assert_eq!(names(ObjectKind::ResourceQuota), ["limits"]);
    assert!(names(ObjectKind::ClusterRole).contains(&"cluster-admin"));
    let ours =
        of(ObjectKind::RoleBinding).iter().find(|l| l.reference.name == "hanse:ns:b").unwrap();
    assert_eq!(ours.body["kind"], "RoleBinding");
    assert!(ours.body["metadata"]["managedFields"][0]["fieldsV1"].is_object());
    let admin = of(ObjectKind::ClusterRole).iter().find(|l| l.reference.name == "admin").unwrap();
    let entry = &admin.body["metadata"]["managedFields"][0];
    assert!(entry["manager"].is_string() && entry.get("fieldsV1").is_none(), "{entry}");
}

async fn changes(bed: &Bed, watches: &mut Watches) -> Outcome {
    let applier = Applier::new(bed.agent().await?);
    let made = applier.apply(&binding("shop", "hanse:ns:new", "view")).await.unwrap();
    let Input::Seen(seen) = watches.about("hanse:ns:new").await else { panic!("not seen") };
    assert_eq!(seen, made, "a watch and an apply tell the same");
    applier.remove(&made.reference, &made.uid).await.unwrap();
    let gone = watches.about("hanse:ns:new").await;
    assert!(matches!(&gone, Input::Gone(r) if *r == made.reference), "{gone:?}");

    // Only the label goes: the object is still there and must be seen as it is.
    let quotas = Api::<ResourceQuota>::namespaced(bed.admin().await?, "shop");
    let unlabel = json!({ "metadata": { "labels": { MANAGED_LABEL: null } } });
    quotas.patch("limits", &PatchParams::default(), &Patch::Merge(&unlabel)).await?;
    let Input::Seen(seen) = watches.about("limits").await else { panic!("it is not gone") };
    assert!(seen.body["metadata"]["labels"].get(MANAGED_LABEL).is_none());
    applier.apply(&quota("shop", "limits", "1")).await.unwrap();
    assert!(matches!(watches.about("limits").await, Input::Seen(_)));
    quotas.delete("limits", &DeleteParams::default()).await?;
    let gone = loop {
        // The quota controller may have written its status in between.
        match watches.about("limits").await {
            Input::Seen(_) => {}
            other => break other,
        }
    };
    assert!(matches!(&gone, Input::Gone(r) if r.name == "limits"), "{gone:?}");
    applier.apply(&quota("shop", "limits", "1")).await.unwrap();
    watches.about("limits").await;
    Ok(())
}

async fn survives_an_outage(bed: &Bed) -> Outcome {
    let mut watches = Watches::start(bed, true).await?;
    watches.listed().await;
    bed.cluster().stop().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    bed.cluster().start().await?;
    let applier = Applier::new(bed.agent().await?);
    applier.apply(&namespace("after")).await.unwrap();
    // By the watch that went on, or by a new list.
    loop {
        match watches.next().await {
            Input::Seen(live) if live.reference.name == "after" => return Ok(()),
            Input::Listed(ObjectKind::Namespace, all)
                if all.iter().any(|live| live.reference.name == "after") =>
            {
                return Ok(());
            }
            _ => {}
        }
    }
}

async fn an_idle_agent_asks_nothing(bed: &Bed) -> Outcome {
    let mut watches = Watches::start(bed, true).await?;
    watches.listed().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mark = bed.cluster().audit_mark();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let events = bed.cluster().audit_since(mark).await?;
    let ours: Vec<_> = events.iter().filter(|e| e.user.ends_with(":hanse-agent:agent")).collect();
    assert!(ours.is_empty(), "{ours:?}");
    Ok(())
}
