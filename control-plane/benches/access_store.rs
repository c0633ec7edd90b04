//! What the store of access costs on SQLite: reports coming in, a hub's cold start, one change, and a
//! question about the past. `CLUSTERS` (1,000) times `OBJECTS` (1,000) rows, of which half say what no
//! other says.
//!
//! ```text
//! cargo bench -p hanse-control-plane --bench access_store
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and prints what it found"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Arc;
use std::time::Instant;

use hanse_control_plane::store::{
    AccessChange, AccessContents, AccessMoment, AccessReport, EnrolmentRow, Sighting, Store, Writer,
};
use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, Origin, RawSubject, RoleReference,
};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::{Span, Timestamp};
use uuid::Uuid;

#[tokio::main]
async fn main() {
    let (clusters, objects) = (count("CLUSTERS"), count("OBJECTS"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hanse.db");
    let url = format!("sqlite:{}", file.display());
    let store = Store::open(&url).await.unwrap();
    let now = Timestamp::from_second(1_790_000_000).unwrap();

    let began = Instant::now();
    for number in 0..clusters {
        let cluster = join(&store, number, now).await;
        let changes = (0..objects).map(|object| change(number, object, 0, now)).collect();
        let writer = Writer { cluster, stream: 1 };
        store.record_access(writer, &report(changes), &Sighting::default(), now).await.unwrap();
    }
    let rows = clusters * objects;
    let per_row = began.elapsed().as_micros() / rows as u128;
    println!("first reports: {rows} rows, {per_row} µs a row");
    store.close().await;
    let bytes = file.metadata().unwrap().len();
    println!("on disk: {} bytes a row", bytes / rows as u64);

    let began = Instant::now();
    let store = Store::open(&url).await.unwrap();
    let ids: Vec<ClusterId> =
        store.access_roots().await.unwrap().iter().map(|r| r.cluster).collect();
    let halves = ids.chunks(ids.len().div_ceil(2)).map(|half| {
        let (store, half) = (store.clone(), half.to_vec());
        tokio::spawn(async move {
            let (mut contents, mut read) = (AccessContents::default(), 0);
            for cluster in half {
                read += store.current_access(cluster, &mut contents).await.unwrap().len();
            }
            read
        })
    });
    let mut read = 0;
    for half in halves.collect::<Vec<_>>() {
        read += half.await.unwrap();
    }
    assert_eq!(read, rows);
    println!("cold start: {} ms for {read} rows, without the index", began.elapsed().as_millis());

    let (cluster, changes) = (*ids.first().unwrap(), 500);
    let began = Instant::now();
    for round in 1..=changes {
        let at = now.checked_add(Span::new().seconds(i64::try_from(round).unwrap())).unwrap();
        let one = report(vec![change(0, round % objects, round, at)]);
        let writer = Writer { cluster, stream: 1 };
        store.record_access(writer, &one, &Sighting::default(), at).await.unwrap();
    }
    println!("one change: {} µs, synced", began.elapsed().as_micros() / changes as u128);

    let began = Instant::now();
    let moment = AccessMoment { at: now, known_at: None };
    let mut contents = AccessContents::default();
    let past = store.access_at(cluster, moment, &mut contents).await.unwrap().len();
    println!("a cluster in the past: {} ms for {past} rows", began.elapsed().as_millis());
}

fn count(name: &str) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

async fn join(store: &Store, number: usize, now: Timestamp) -> ClusterId {
    let name = format!("cluster-{number:05}");
    let token = Digest::of(name.as_bytes());
    let id = ClusterId(Uuid::from_u128(number as u128 + 1));
    let until = now.checked_add(Span::new().hours(1)).unwrap();
    let enrolment = EnrolmentRow {
        cluster_uid: name.clone(),
        agent_version: String::new(),
        kubernetes_version: String::new(),
        certificate_fingerprint: Digest::of(b"certificate"),
        certificate_expires_at: until,
        recipient: String::new(),
        recipient_vouch: Vec::new(),
    };
    store.invite(&name, &token, id, "bench", now, until).await.unwrap();
    store.enrol(&token, &name, &enrolment, now).await.unwrap().unwrap().id
}

fn report(changes: Vec<AccessChange>) -> AccessReport {
    AccessReport {
        changes,
        whole_buckets: BTreeSet::new(),
        gone_at: Timestamp::UNIX_EPOCH,
        unseen: BTreeMap::new(),
        skipped: 0,
    }
}

/// A binding: every other one says what is said in each cluster.
fn change(cluster: usize, object: usize, round: usize, at: Timestamp) -> AccessChange {
    let namespace = format!("team-{:03}", object % 50);
    let key =
        AccessKey::namespaced(AccessKind::RoleBinding, namespace, format!("binding-{object}"));
    let user = match object % 2 {
        0 => format!("person-{object}-{round}@example.org"),
        _ => format!("person-{object}-{cluster}-{round}@example.org"),
    };
    let subject = RawSubject { kind: "User".into(), namespace: String::new(), name: user };
    let role = RoleReference { kind: "ClusterRole".into(), name: format!("role-{}", object % 40) };
    let content = AccessContent::Binding { role, subjects: vec![subject] };
    let origin = Origin {
        uid: Uuid::from_u128((cluster * 1_000_003 + object) as u128).to_string(),
        created_at: Some(at),
        changed_at: Some(at),
        manager: "kubectl-client-side-apply".into(),
        source: String::new(),
        revision: None,
    };
    AccessChange { key, seen: Some((Arc::new(content), origin)), at }
}
