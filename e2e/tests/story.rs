//! The demo's story, in peace and with the hub, an agent or an API server killed at a random moment of
//! every step: it always ends in the same state.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::Result;
use hanse_e2e::story::{self, Place, Silent, Step, Story};
use hanse_e2e::{Federation, Settings};
use hanse_testbed::Postgres;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

async fn federation(dir: &std::path::Path, database: Option<String>) -> Result<Federation> {
    let settings = Settings { clusters: 3, dir: dir.to_owned(), shared_etcd: true, database };
    Federation::start(&settings).await
}

async fn story(federation: &Federation) -> Result<Story<'_>> {
    let mut places = Vec::new();
    for (index, agent) in federation.agents.iter().enumerate() {
        let client = federation.client(agent.cluster()).await?;
        places.push(Place { agent, client, production: index < 2 });
    }
    Ok(Story {
        hanse: &federation.hanse,
        hub: &federation.hub,
        places,
        examples: story::examples(),
    })
}

/// Everything of ours in a cluster, without what differs from run to run.
async fn state(client: &kube::Client) -> Result<Value> {
    let rbac = "rbac.authorization.k8s.io";
    let mut all = Vec::new();
    for (group, kind) in [
        ("", "Namespace"),
        ("", "ResourceQuota"),
        ("", "LimitRange"),
        ("networking.k8s.io", "NetworkPolicy"),
        (rbac, "ClusterRole"),
        (rbac, "ClusterRoleBinding"),
        (rbac, "RoleBinding"),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let params = ListParams::default().labels("hanse.dev/managed=true");
        for object in
            Api::<DynamicObject>::all_with(client.clone(), &resource).list(&params).await?
        {
            let mut value = serde_json::to_value(&object)?;
            let metadata = json!({
                "name": object.metadata.name,
                "namespace": object.metadata.namespace,
                "labels": object.metadata.labels,
                "annotations": object.metadata.annotations,
            });
            if let Some(map) = value.as_object_mut() {
                map.insert("metadata".to_owned(), metadata);
                map.remove("status");
            }
            all.push(value);
        }
    }
    Ok(all.into())
}

async fn states(story: &Story<'_>) -> Result<Vec<Value>> {
    let mut states = Vec::new();
    for place in &story.places {
        states.push(state(&place.client).await?);
    }
    Ok(states)
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Hub,
    Agent,
    ApiServer,
}

/// Kills the victim a moment after now, and starts it again.
async fn strike(federation: &Federation, victim: Victim, after: Duration) -> Result<()> {
    tokio::time::sleep(after).await;
    let away = Duration::from_millis(300);
    match victim {
        Victim::Hub => {
            federation.hub.kill().await?;
            tokio::time::sleep(away).await;
            federation.hub.start().await
        }
        Victim::Agent => {
            let agent = federation.agent("cluster-1")?;
            // Before it has joined there is nothing to kill.
            if agent.is_running() {
                agent.kill().await?;
                tokio::time::sleep(away).await;
                agent.start()?;
            }
            Ok(())
        }
        Victim::ApiServer => {
            let cluster = federation.testbed.cluster("cluster-1")?;
            cluster.kill().await?;
            tokio::time::sleep(away).await;
            Ok(cluster.start().await?)
        }
    }
}

/// What a person would do: read the error, wait a moment, type it again. For up to half a minute after
/// its start an API server does not find the Ceiling's kind, and denies writes of federated objects.
async fn again(story: &Story<'_>, step: Step) -> Result<()> {
    let mut last = Ok(());
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        last = story.take(step, &mut Silent).await;
        if last.is_ok() {
            break;
        }
    }
    last
}

/// Takes every step while the victim is struck in it, again until it succeeds, and compares.
async fn under_fire(victim: Victim, expected: &[Value], federation: &Federation) -> Result<()> {
    let story = story(federation).await?;
    for step in Step::ALL {
        // The hub's own outage is part of these.
        if step == Step::Theft || matches!((victim, step), (Victim::Hub, Step::Outage)) {
            story.take(step, &mut Silent).await?;
            continue;
        }
        // A moment that nobody chose; it is in the message when something fails.
        let after = Duration::from_millis(u64::from(rand::random::<u16>()) % 400);
        let mut silent = Silent;
        let (taken, struck) =
            tokio::join!(story.take(step, &mut silent), strike(federation, victim, after));
        struck?;
        if let Err(first) = taken {
            again(&story, step).await.map_err(|second| {
                anyhow::anyhow!(
                    "{victim:?} in {step:?} after {after:?}: {second:#}\nbefore that: {first:#}"
                )
            })?;
        }
    }
    for place in story.places.iter().filter(|place| place.production) {
        story.is_declared(place).await?;
    }
    let found = states(&story).await?;
    assert_eq!(found, expected, "{victim:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_ends_in_the_same_state_whoever_is_killed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let peace = federation(&dir.path().join("peace"), None).await?;
    let story = story(&peace).await?;
    for step in Step::ALL {
        story.take(step, &mut Silent).await?;
    }
    let expected = states(&story).await?;
    let Some(Value::Array(first)) = expected.first() else { panic!("no state") };
    assert!(
        first.len() >= 6,
        "the namespace, its guard rails, the role and the binding: {first:?}"
    );
    assert_eq!(expected.last(), Some(&json!([])), "nothing where nothing is placed");
    drop(story);
    drop(peace);
    for victim in [Victim::Hub, Victim::Agent, Victim::ApiServer] {
        let federation = federation(&dir.path().join(format!("{victim:?}")), None).await?;
        under_fire(victim, &expected, &federation).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_the_same_on_postgresql() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let postgres = Postgres::start(&dir.path().join("pg")).await?;
    let url = postgres.create_database("hanse").await?;
    let federation = federation(&dir.path().join("f"), Some(url)).await?;
    let story = story(&federation).await?;
    // A thief who has one hub of PostgreSQL's has no database: that is told of SQLite.
    for step in Step::ALL.into_iter().filter(|step| *step != Step::Theft) {
        story.take(step, &mut Silent).await?;
    }
    Ok(())
}
