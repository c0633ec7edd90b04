//! The ledger in a real cluster, with the agent's own rights.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Bed, Outcome};
use hanse_agent::core::io::Failure;
use hanse_agent::core::ledger::{Ledger, Recorded};
use hanse_agent::kube::NAMESPACE;
use hanse_agent::kube::ledger::{HEAD, LedgerKeys, LedgerStore, LoadError};
use hanse_domain::object::{ObjectKind, ObjectRef};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

fn ledger(generation: u64, bytes: usize) -> Ledger {
    Ledger {
        generation,
        statement: "statement".into(),
        contents: vec!["\"ä€\n\"".repeat(bytes / 8)],
        objects: vec![Recorded::new(&ObjectRef::cluster(ObjectKind::Namespace, "shop"), "uid")],
        ..Ledger::default()
    }
}

#[tokio::test]
async fn the_ledger_keeps_what_it_is_given() -> Outcome {
    let bed = Bed::with_agent().await?;
    round_trip(&bed).await?;
    large(&bed).await?;
    damage(&bed).await?;
    forged(&bed).await?;
    two_writers(&bed).await?;
    lost_answers(&bed).await
}

fn keys() -> LedgerKeys {
    LedgerKeys::new(vec![[7; 32].into()])
}

async fn round_trip(bed: &Bed) -> Outcome {
    let mut store = LedgerStore::new(bed.agent().await?, keys());
    assert_eq!(store.load().await?, None);
    store.write(&ledger(1, 100)).await.unwrap();
    let mark = bed.cluster().audit_mark();
    store.write(&ledger(2, 100)).await.unwrap();
    let events = bed.cluster().audit_since(mark).await?;
    let calls = events.iter().filter(|e| e.user.ends_with(":hanse-agent:agent")).count();
    assert_eq!(calls, 1, "one write is one request");
    let mut other = LedgerStore::new(bed.agent().await?, keys());
    assert_eq!(other.load().await?, Some(ledger(2, 100)));
    let head = maps(bed).await?.get(HEAD).await?;
    let data = head.data.unwrap_or_default();
    assert_eq!(data.get("generation").map(String::as_str), Some("2"));
    assert_eq!(data.get("digest").map(String::len), Some(64));
    Ok(())
}

async fn large(bed: &Bed) -> Outcome {
    let mut store = LedgerStore::new(bed.agent().await?, keys());
    store.load().await?;
    for (generation, bytes) in [(3, 3_000_000), (4, 1_500_000)] {
        store.write(&ledger(generation, bytes)).await.unwrap();
        let loaded = LedgerStore::new(bed.agent().await?, keys()).load().await?;
        assert!(loaded == Some(ledger(generation, bytes)), "generation {generation} differs");
    }
    assert!(names(bed).await?.len() > 2, "it is in pieces");
    store.write(&ledger(5, 10)).await.unwrap();
    assert_eq!(names(bed).await?, [HEAD], "pieces that nobody needs are gone");
    Ok(())
}

async fn damage(bed: &Bed) -> Outcome {
    let mut store = LedgerStore::new(bed.agent().await?, keys());
    store.load().await?;
    store.write(&ledger(6, 1_500_000)).await.unwrap();
    let piece = names(bed).await?.pop().unwrap_or_default();
    let maps = maps(bed).await?;
    let torn = Patch::Merge(json!({ "data": { "ledger": "torn" } }));
    maps.patch(&piece, &PatchParams::default(), &torn).await?;
    damaged(bed, 6).await?;
    maps.delete(&piece, &DeleteParams::default()).await?;
    damaged(bed, 6).await?;

    // What is damaged can be written over.
    let mut store = LedgerStore::new(bed.agent().await?, keys());
    assert!(store.load().await.is_err());
    store.write(&ledger(7, 10)).await.unwrap();
    assert_eq!(LedgerStore::new(bed.agent().await?, keys()).load().await?, Some(ledger(7, 10)));

    // Sound by itself, but not what was written.
    let other = serde_json::to_string(&ledger(99, 10))?;
    let edited = Patch::Merge(json!({ "data": { "ledger": other } }));
    maps.patch(HEAD, &PatchParams::default(), &edited).await?;
    damaged(bed, 7).await?;
    Ok(())
}

/// Whoever has the agent's token can write a ledger, and not one that the agent believes.
async fn forged(bed: &Bed) -> Outcome {
    let mut ours = LedgerStore::new(bed.agent().await?, keys());
    let _ = ours.load().await;
    ours.write(&ledger(8, 10)).await.unwrap();
    let thief = LedgerKeys::new(vec![[9; 32].into()]);
    let mut store = LedgerStore::new(bed.agent().await?, thief);
    let _ = store.load().await;
    store.write(&ledger(u64::MAX, 10)).await.unwrap();
    damaged(bed, 0).await
}

async fn damaged(bed: &Bed, expected: u64) -> Outcome {
    match LedgerStore::new(bed.agent().await?, keys()).load().await {
        Err(LoadError::Damaged { generation, .. }) if generation == expected => Ok(()),
        other => panic!("{:?}", other.map(|l| l.map(|l| l.generation))),
    }
}

async fn two_writers(bed: &Bed) -> Outcome {
    let (mut first, mut second) = (
        LedgerStore::new(bed.agent().await?, keys()),
        LedgerStore::new(bed.agent().await?, keys()),
    );
    let _ = first.load().await;
    let _ = second.load().await;
    second.write(&ledger(8, 10)).await.unwrap();
    let lost = first.write(&ledger(9, 10)).await;
    assert!(matches!(lost, Err(Failure::Conflict(_))), "{lost:?}");
    second.write(&ledger(10, 10)).await.unwrap();
    assert_eq!(LedgerStore::new(bed.agent().await?, keys()).load().await?, Some(ledger(10, 10)));

    // Both believe that there is none.
    maps(bed).await?.delete(HEAD, &DeleteParams::default()).await?;
    let (mut first, mut second) = (
        LedgerStore::new(bed.agent().await?, keys()),
        LedgerStore::new(bed.agent().await?, keys()),
    );
    assert_eq!((first.load().await?, second.load().await?), (None, None));
    first.write(&ledger(11, 10)).await.unwrap();
    let lost = second.write(&ledger(12, 10)).await;
    assert!(matches!(lost, Err(Failure::Conflict(_))), "{lost:?}");
    Ok(())
}

/// A write whose answer did not come has had its effect all the same.
async fn lost_answers(bed: &Bed) -> Outcome {
    let mut store = LedgerStore::new(bed.agent().await?, keys());
    store.load().await?;
    store.write(&ledger(13, 10)).await.unwrap();
    // As if our own write had come through: the head changes, its writer stays.
    let touch = Patch::Merge(json!({ "metadata": { "annotations": { "touched": "yes" } } }));
    maps(bed).await?.patch(HEAD, &PatchParams::default(), &touch).await?;
    store.write(&ledger(14, 10)).await.unwrap();
    maps(bed).await?.delete(HEAD, &DeleteParams::default()).await?;
    store.write(&ledger(15, 10)).await.unwrap();
    assert_eq!(LedgerStore::new(bed.agent().await?, keys()).load().await?, Some(ledger(15, 10)));

    bed.cluster().stop().await?;
    let away = store.write(&ledger(16, 10)).await;
    assert!(matches!(away, Err(Failure::Unavailable(_))), "{away:?}");
    bed.cluster().start().await?;
    store.write(&ledger(16, 10)).await.unwrap();
    Ok(())
}

async fn maps(bed: &Bed) -> Outcome<Api<ConfigMap>> {
    Ok(Api::namespaced(bed.admin().await?, NAMESPACE))
}

async fn names(bed: &Bed) -> Outcome<Vec<String>> {
    let list = maps(bed).await?.list(&ListParams::default()).await?;
    let names = list.items.into_iter().filter_map(|map| map.metadata.name);
    Ok(names.filter(|name| name.starts_with(HEAD)).collect())
}
