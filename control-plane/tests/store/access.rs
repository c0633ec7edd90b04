//! Reports of access, what agents signed and saw, violations, and groups of people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use hanse_control_plane::store::{
    AccessChange, AccessContents, AccessReport, CheckpointRow, CoverageRow, MAX_DIRECTORIES,
    NewViolation, Recorded, Settled, Sighting, Standing, Store, StoreError, ViolationFilter,
    ViolationRow, Writer,
};
use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, Origin, RawSubject, RoleReference,
};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;

use crate::make::{at, by, cluster_id, joined};
use crate::place::Place;

/// Names as no API server has them, and that a hub must take from an agent.
const ODD: [&str; 4] = ["a", "é\u{1b}[31m 'x' \"y\" 1 2", "12 3 4", "\u{10ffff}\n%s\\x00$1"];

/// One of the objects of a test.
pub(crate) fn key(number: usize) -> AccessKey {
    let kind = AccessKind::ALL[number % AccessKind::ALL.len()];
    let name = format!("{}{number}", ODD[number % ODD.len()]);
    if kind.is_namespaced() {
        AccessKey::namespaced(kind, ODD[number / 2 % ODD.len()], name)
    } else {
        AccessKey::cluster(kind, name)
    }
}

/// Something that an object of a kind may say.
pub(crate) fn content(kind: AccessKind, number: usize) -> AccessContent {
    if !matches!(kind, AccessKind::ClusterRoleBinding | AccessKind::RoleBinding) {
        return AccessContent::Namespace { labels: [("n".into(), number.to_string())].into() };
    }
    AccessContent::Binding {
        role: RoleReference { kind: "Role".into(), name: format!("role {number}") },
        subjects: vec![RawSubject {
            kind: "User".into(),
            namespace: String::new(),
            name: format!("\0 {}", ODD[number % ODD.len()]),
        }],
    }
}

/// Where an object may come from.
pub(crate) fn origin(number: usize) -> Origin {
    Origin {
        uid: format!("uid {number}"),
        created_at: Some(at(0)),
        changed_at: None,
        manager: ODD[number % ODD.len()].into(),
        source: String::new(),
        revision: None,
    }
}

fn report(changes: Vec<AccessChange>) -> AccessReport {
    AccessReport {
        changes,
        whole_buckets: BTreeSet::new(),
        gone_at: at(0),
        unseen: BTreeMap::new(),
        skipped: 0,
    }
}

fn seen(number: usize, second: i64) -> AccessChange {
    let key = key(number);
    let content = Arc::new(content(key.kind, number));
    AccessChange { key, seen: Some((content, origin(0))), at: at(second) }
}

async fn record(store: &Store, cluster: ClusterId, report: &AccessReport) -> Recorded {
    store.record_access(by(cluster), report, &Sighting::default(), at(100)).await.unwrap()
}

async fn current(store: &Store, cluster: ClusterId) -> BTreeMap<AccessKey, Arc<AccessContent>> {
    let mut contents = AccessContents::default();
    let states = store.current_access(cluster, &mut contents).await.unwrap();
    states.into_iter().map(|state| (state.key, state.content)).collect()
}

pub(crate) async fn a_report_is_read_back(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    assert_eq!(store.access_root(cluster).await.unwrap(), None);
    assert_eq!(store.access_buckets(cluster).await.unwrap(), None);
    assert_eq!(current(&store, cluster).await, BTreeMap::new());

    let mut first = report((0..20).map(|number| seen(number, 1)).collect());
    first.unseen.insert(AccessKind::Pod, "pods \0 are forbidden".into());
    first.skipped = 3;
    let done = record(&store, cluster, &first).await;
    assert_eq!((done.objects, done.learned_at, done.changed.len()), (20, at(100), 20));
    let row = store.access_root(cluster).await.unwrap().unwrap();
    assert_eq!((row.root, row.objects, row.skipped), (done.root, 20, 3));
    assert_eq!((&row.unseen, row.learned_at), (&first.unseen, at(100)));
    assert_eq!(store.access_roots().await.unwrap(), [row]);
    let buckets = store.access_buckets(cluster).await.unwrap().unwrap();
    let root = Digest::of_parts(&[b"hanse inventory v1\n", &buckets]);
    assert_eq!(root, done.root);
    let objects = current(&store, cluster).await;
    assert!(done.changed.iter().all(|(key, now)| objects.get(key) == now.as_ref()));

    // What is equal is stored once, and is one in memory.
    let other = joined(&store, "dev", cluster_id(2)).await.id;
    record(&store, other, &report(vec![seen(3, 1), seen(16, 1)])).await;
    let mut contents = AccessContents::default();
    let ours = store.current_access(cluster, &mut contents).await.unwrap();
    let theirs = store.current_access(other, &mut contents).await.unwrap();
    for state in &theirs {
        let same = ours.iter().find(|ours| ours.key == state.key).unwrap();
        assert!(Arc::ptr_eq(&same.content, &state.content));
    }
    let twice = "SELECT content FROM access_objects GROUP BY content HAVING COUNT(*) > 1";
    let shared = format!("UPDATE access_contents SET json = json WHERE id IN ({twice})");
    assert!(place.tamper(&shared).await >= 2);
}

pub(crate) async fn what_is_not_in_a_whole_bucket_is_gone(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    record(&store, cluster, &report((0..40).map(|number| seen(number, 1)).collect())).await;
    let mut whole = report((0..40).step_by(2).map(|number| seen(number, 1)).collect());
    whole.whole_buckets = (0..=u8::MAX).collect();
    whole.gone_at = at(50);
    let done = record(&store, cluster, &whole).await;
    assert_eq!((done.objects, done.changed.len()), (20, 20));
    assert!(done.changed.iter().all(|(_, now)| now.is_none()));
    assert_eq!(record(&store, cluster, &whole).await.changed, []);

    let empty = AccessReport { changes: Vec::new(), ..whole };
    assert_eq!(record(&store, cluster, &empty).await.objects, 0);
    let nothing = joined(&store, "dev", cluster_id(2)).await.id;
    let never = record(&store, nothing, &report(Vec::new())).await;
    assert_eq!(record(&store, cluster, &empty).await.root, never.root);
}

pub(crate) async fn only_the_newest_stream_reports_access(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let change = report(vec![seen(1, 1)]);
    let none = Sighting::default();
    let newer = Writer { cluster, stream: 7 };
    store.record_access(newer, &change, &none, at(2)).await.unwrap();
    let late = store.record_access(by(cluster), &change, &none, at(2)).await;
    assert!(matches!(late, Err(StoreError::Superseded)), "{late:?}");
    let late = store.extend_access(by(cluster), &none, at(2)).await;
    assert!(matches!(late, Err(StoreError::Superseded)), "{late:?}");
    let unknown = store.record_access(by(cluster_id(9)), &change, &none, at(2)).await;
    assert!(matches!(unknown, Err(StoreError::CutOff)), "{unknown:?}");

    for name in ["a\0b", &"x".repeat(5_000)] {
        let mut bad = report(vec![seen(2, 1), seen(3, 1)]);
        bad.changes[1].key.name = name.into();
        let refused = store.record_access(newer, &bad, &none, at(3)).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
        assert_eq!(current(&store, cluster).await.len(), 1);
    }
}

pub(crate) async fn what_a_cluster_says_is_bounded(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let long = |letter: &str| AccessContent::Namespace {
        labels: [("n".into(), letter.repeat(200 * 1024))].into(),
    };
    // The same text each time: what is counted is what objects say, not what is stored of it.
    let says = |numbers: std::ops::Range<usize>, letter: &str| {
        let content = Arc::new(long(letter));
        let changes = numbers.map(|number| AccessChange {
            seen: Some((Arc::clone(&content), origin(1))),
            ..seen(number, 1)
        });
        report(changes.collect())
    };
    let none = Sighting::default();
    let most = 128 * 1024 * 1024 / (200 * 1024 + 64);
    store.record_access(by(cluster), &says(0..most, "a"), &none, at(2)).await.unwrap();
    let refused = store.record_access(by(cluster), &says(most..most + 2, "a"), &none, at(3)).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    // What takes the place of something counts as one.
    store.record_access(by(cluster), &says(0..most, "b"), &none, at(4)).await.unwrap();
    let gone = AccessChange { seen: None, ..seen(0, 1) };
    let mut report = says(most..most + 1, "a");
    report.changes.push(gone);
    store.record_access(by(cluster), &report, &none, at(5)).await.unwrap();
}

pub(crate) async fn a_large_inventory(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let change = |number: usize| {
        let key = AccessKey::namespaced(AccessKind::RoleBinding, "a", number.to_string());
        let content = Arc::new(content(key.kind, number % 5_000));
        AccessChange { key, seen: Some((content, origin(0))), at: at(1) }
    };
    let all = report((0..12_000).map(change).collect());
    assert_eq!(record(&store, cluster, &all).await.objects, 12_000);
    assert_eq!(current(&store, cluster).await.len(), 12_000);
    assert_eq!(record(&store, cluster, &all).await.changed, []);
    let mut none = report(Vec::new());
    none.whole_buckets = (0..=u8::MAX).collect();
    let done = record(&store, cluster, &none).await;
    assert_eq!((done.objects, done.changed.len()), (0, 12_000));
    // All keys at once.
    let keys: Vec<AccessKey> = all.changes.iter().map(|change| change.key.clone()).collect();
    record(&store, cluster, &all).await;
    assert_eq!(store.provenance(cluster, &keys, None).await.unwrap().len(), 12_000);
}

pub(crate) async fn damaged_access_is_not_returned(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    record(&store, cluster, &report(vec![seen(5, 1)])).await;
    let damage = "UPDATE access_contents SET json = replace(json, 'role 5', 'role 6')";
    assert_eq!(place.tamper(damage).await, 1);
    let found = store.current_access(cluster, &mut AccessContents::default()).await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
    assert_eq!(place.tamper("UPDATE access_objects SET kind = 77").await, 1);
    let found = store.current_access(cluster, &mut AccessContents::default()).await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
}

fn checkpoint(root: &str, from: i64, until: i64) -> CheckpointRow {
    CheckpointRow {
        root: Digest::of(root.as_bytes()),
        from: at(from),
        until: at(until),
        checkpoint: Bytes::from(format!("{root} {from} {until}")),
        signature: Bytes::from_static(b"\0signature"),
    }
}

fn covered(from: i64, until: i64) -> CoverageRow {
    CoverageRow { from: at(from), until: at(until) }
}

pub(crate) async fn what_was_signed_and_seen_is_kept(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let sight = async |checkpoints: &[CheckpointRow], from: i64, until: i64, now: i64| {
        let checkpoints = checkpoints.to_vec();
        let sighting = Sighting { checkpoints, covered: Some(covered(from, until)) };
        store.extend_access(by(cluster), &sighting, at(now)).await.unwrap();
    };
    sight(&[checkpoint("a", 10, 20)], 10, 20, 20).await;
    sight(&[checkpoint("a", 10, 60)], 20, 60, 60).await;
    // An older one that comes late takes nothing back.
    sight(&[checkpoint("a", 10, 30)], 20, 30, 61).await;
    let last = store.checkpoint_covering(cluster, at(60)).await.unwrap();
    assert_eq!(last, Some(checkpoint("a", 10, 60)));
    sight(&[checkpoint("a", 10, 69), checkpoint("b", 70, 75)], 60, 75, 75).await;
    // After a gap.
    sight(&[checkpoint("c", 100, 110)], 100, 110, 110).await;
    let other = joined(&store, "dev", cluster_id(2)).await.id;
    assert_eq!(store.checkpoint_covering(other, at(15)).await.unwrap(), None);

    let covering = async |second: i64| {
        let row = store.checkpoint_covering(cluster, at(second)).await.unwrap();
        row.map(|row| String::from_utf8(row.checkpoint.to_vec()).unwrap())
    };
    assert_eq!(covering(9).await, None);
    assert_eq!(covering(10).await.unwrap(), "a 10 69");
    assert_eq!(covering(69).await.unwrap(), "a 10 69");
    assert_eq!(covering(70).await.unwrap(), "b 70 75");
    assert_eq!(covering(80).await, None);
    assert_eq!(covering(110).await.unwrap(), "c 100 110");

    let between = async |from: i64, until: i64| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (from, until) = (at(from), at(until));
            let page = store.checkpoints_between(cluster, from, until, after.as_ref(), 1).await;
            let page = page.unwrap();
            let Some(last) = page.last().cloned() else { return all };
            all.extend(page);
            after = Some(last);
        }
    };
    let expected = [checkpoint("a", 10, 69), checkpoint("b", 70, 75), checkpoint("c", 100, 110)];
    assert_eq!(between(0, 500).await, expected);
    assert_eq!(between(69, 70).await, expected[..2]);
    assert_eq!(between(76, 99).await, []);
    assert_eq!(between(72, 100).await, expected[1..]);

    assert_eq!(
        store.coverage(cluster, None, 10).await.unwrap(),
        [covered(100, 110), covered(10, 75)]
    );
    assert_eq!(store.coverage(cluster, Some(at(100)), 10).await.unwrap(), [covered(10, 75)]);
    let before = async |second: i64, known_at: Option<Timestamp>| {
        store.coverage_before(cluster, at(second), known_at).await.unwrap()
    };
    assert_eq!(before(9, None).await, None);
    assert_eq!(before(90, None).await, Some(covered(10, 75)));
    assert_eq!(before(105, None).await, Some(covered(100, 110)));
    // The hub did not know of it yet, or not of all of it.
    assert_eq!(before(105, Some(at(109))).await, Some(covered(10, 75)));
    assert_eq!(before(30, Some(at(25))).await, Some(covered(10, 25)));

    store.compact_access(at(75), 10).await.unwrap();
    assert_eq!(between(0, 500).await, expected[1..]);
    assert_eq!(store.coverage(cluster, None, 10).await.unwrap().len(), 2);
    store.compact_access(at(76), 10).await.unwrap();
    assert_eq!(between(0, 500).await, expected[2..]);
    assert_eq!(store.coverage(cluster, None, 10).await.unwrap(), [covered(100, 110)]);
    store.compact_access(at(70), 10).await.unwrap();
    assert_eq!(store.access_history_from().await.unwrap(), Some(at(76)));
}

fn violation(number: u8, detail: &str) -> NewViolation {
    NewViolation {
        identity: Digest([number; 32]),
        invariant: format!("invariant {}", number % 2),
        detail: Bytes::copy_from_slice(detail.as_bytes()),
        since: at(number.into()),
    }
}

async fn settled(
    store: &Store,
    cluster: ClusterId,
    violations: &[NewViolation],
    second: i64,
) -> Settled {
    let standing = Standing { violations, kept: &BTreeSet::new(), learned_at: None };
    store.settle_violations(cluster, standing, at(second)).await.unwrap().unwrap()
}

pub(crate) async fn violations_that_are_not_looked_for_stand(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    settled(&store, cluster, &[violation(1, "x"), violation(2, "x")], 10).await;
    let kept = BTreeSet::from(["invariant 1".to_owned()]);
    let standing = Standing { violations: &[violation(3, "x")], kept: &kept, learned_at: None };
    let settled = store.settle_violations(cluster, standing, at(11)).await.unwrap().unwrap();
    let numbers = [&settled.began, &settled.ended]
        .map(|rows| rows.iter().map(|row| row.identity.0[0]).collect::<Vec<_>>());
    assert_eq!(numbers, [vec![3], vec![2]]);
}

pub(crate) async fn a_hub_that_lags_behind_settles_nothing(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let first = record(&store, cluster, &report(vec![seen(1, 1)])).await.learned_at;
    let newer = record(&store, cluster, &report(vec![seen(2, 1)])).await.learned_at;
    assert!(first < newer);
    let kept = BTreeSet::new();
    let settle = async |learned_at| {
        let violations = &[violation(1, "x")];
        let standing = Standing { violations, kept: &kept, learned_at: Some(learned_at) };
        store.settle_violations(cluster, standing, at(500)).await.unwrap()
    };
    assert_eq!(settle(first).await, None);
    let standing = store.list_violations(&ViolationFilter::default(), 1, None).await.unwrap();
    assert_eq!(standing.rows, []);
    assert_eq!(settle(newer).await.unwrap().began.len(), 1);
}

pub(crate) async fn violations_begin_and_end(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let other = joined(&store, "dev", cluster_id(2)).await.id;
    let settle = async |cluster, standing: &[NewViolation], second| {
        settled(&store, cluster, standing, second).await
    };
    let numbers =
        |rows: &[ViolationRow]| -> Vec<u8> { rows.iter().map(|row| row.identity.0[0]).collect() };
    let came = settle(cluster, &[violation(1, "x"), violation(2, "y")], 10).await;
    assert_eq!((numbers(&came.began), numbers(&came.ended)), (vec![1, 2], vec![]));
    assert_eq!(settle(other, &[violation(1, "x")], 11).await.began.len(), 1);
    let same = settle(cluster, &[violation(2, "z"), violation(1, "x")], 12).await;
    assert_eq!((same.began, same.ended), (vec![], vec![]));
    let went = settle(cluster, &[violation(2, "z"), violation(3, "w")], 20).await;
    assert_eq!((numbers(&went.began), numbers(&went.ended)), (vec![3], vec![1]));
    assert_eq!(went.ended[0].resolved_at, Some(at(20)));
    // Once more is another time.
    let again = settle(cluster, &[violation(1, "x"), violation(2, "z")], 30).await;
    assert_ne!(again.began[0].id, went.ended[0].id);

    let list = async |filter: ViolationFilter| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = store.list_violations(&filter, 1, after).await.unwrap();
            assert!(page.rows.len() <= 1);
            all.extend(page.rows);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    };
    let ours = ViolationFilter { cluster: Some(cluster), ..ViolationFilter::default() };
    let standing = list(ours.clone()).await;
    assert_eq!(numbers(&standing), [1, 2]);
    assert_eq!(standing[1].detail, "z");
    assert_eq!((standing[1].since, standing[1].detected_at), (at(2), at(10)));
    assert_eq!(list(ViolationFilter { history: true, ..ours.clone() }).await.len(), 4);
    let mut then = list(ViolationFilter { at: Some(at(20)), ..ours.clone() }).await;
    then.sort_by_key(|row| row.identity);
    assert_eq!(numbers(&then), [2, 3]);
    let named = ViolationFilter { invariant: Some("invariant 1".into()), ..Default::default() };
    assert_eq!(numbers(&list(named).await), [1, 1]);
    let mut everywhere = list(ViolationFilter::default()).await;
    everywhere.sort_by(|one, other| one.invariant.cmp(&other.invariant));
    assert_eq!(numbers(&everywhere), [2, 1, 1]);

    store.compact_access(at(20), 10).await.unwrap();
    assert_eq!(list(ViolationFilter { history: true, ..ours }).await.len(), 3);
    // Two hubs that find the same at once.
    let (a, b) = (place.open().await, place.open().await);
    let standing = [violation(8, "x"), violation(9, "x")];
    let (one, two) =
        tokio::join!(settled(&a, other, &standing, 40), settled(&b, other, &standing, 40));
    assert_eq!(one.began.len() + two.began.len(), 2);
}

pub(crate) async fn a_directory_is_imported_again(place: Place) {
    let store = place.open().await;
    let import = async |directory: &str, bytes: &[u8], second| {
        store.import_groups(directory, bytes, "ada", at(second)).await
    };
    assert!(import("corp", b"one", 10).await.unwrap());
    assert!(!import("corp", b"one", 11).await.unwrap());
    assert!(import("corp", b"two", 20).await.unwrap());
    // Two in one microsecond, or a clock that goes back.
    assert!(import("corp", b"three", 20).await.unwrap());
    assert!(import("lab", b"\0\xff", 30).await.unwrap());
    let groups = async |moment: Option<Timestamp>| -> Vec<(String, Bytes)> {
        let rows = store.groups_at(moment).await.unwrap();
        rows.into_iter().map(|row| (row.directory, row.bytes)).collect()
    };
    let corp = |text: &'static [u8]| ("corp".to_owned(), Bytes::from_static(text));
    assert_eq!(groups(Some(at(9))).await, []);
    assert_eq!(groups(Some(at(19))).await, [corp(b"one")]);
    assert_eq!(groups(Some(at(20))).await, [corp(b"two")]);
    let lab = ("lab".to_owned(), Bytes::from_static(b"\0\xff"));
    assert_eq!(groups(None).await, [corp(b"three"), lab]);
    let row = store.groups_at(None).await.unwrap().remove(0);
    assert_eq!((row.until, row.imported_by.as_str()), (None, "ada"));
    assert_eq!(row.imported_at.as_microsecond(), at(20).as_microsecond() + 1);
    let digests = store.group_digests().await.unwrap();
    assert_eq!(digests[0], ("corp".to_owned(), Digest::of(b"three")));

    store.compact_access(at(20), 10).await.unwrap();
    assert_eq!(groups(Some(at(19))).await, []);
    assert_eq!(groups(Some(at(20))).await, [corp(b"two")]);
    for number in 2..MAX_DIRECTORIES {
        assert!(import(&format!("other {number:03}"), b"", 40).await.unwrap());
    }
    let refused = import("one more", b"", 40).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    let refused = import("a\0b", b"", 40).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
}

pub(crate) async fn nothing_is_kept_of_a_revoked_cluster(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let other = joined(&store, "dev", cluster_id(2)).await.id;
    for id in [cluster, other] {
        record(&store, id, &report((0..20).map(|number| seen(number, 1)).collect())).await;
        let mut gone = report((0..20).map(|number| seen(number, 2)).collect());
        gone.changes.iter_mut().for_each(|change| change.seen = None);
        record(&store, id, &gone).await;
        record(&store, id, &report(vec![seen(3, 5)])).await;
        settled(&store, id, &[violation(1, "x")], 5).await;
    }
    store.revoke(cluster, at(200)).await.unwrap();
    while store.compact_access(at(199), 5).await.unwrap() > 0 {}
    assert_eq!(current(&store, cluster).await.len(), 1);
    while store.compact_access(at(200), 5).await.unwrap() > 0 {}
    assert_eq!(store.access_root(cluster).await.unwrap(), None);
    assert_eq!(current(&store, cluster).await.len(), 0);
    assert_eq!(current(&store, other).await.len(), 1);
    let all = ViolationFilter { history: true, ..ViolationFilter::default() };
    assert_eq!(store.list_violations(&all, 10, None).await.unwrap().rows.len(), 1);
    assert_eq!(place.tamper("DELETE FROM access_past").await, 0);
}

/// Reports name contents while others forget them: nothing that is named may be missing.
pub(crate) async fn reports_and_compaction_at_once(place: Place) {
    let store = place.open().await;
    let mut reports = Vec::new();
    for number in 1..4_u128 {
        let cluster = joined(&store, &format!("c{number}"), cluster_id(number)).await.id;
        let store = place.open().await;
        reports.push(tokio::spawn(async move {
            for step in 0..80 {
                // Few contents, each of which everybody comes to say and then says no more.
                let changes = (0..3).map(|slot: usize| {
                    let key = AccessKey::cluster(AccessKind::Namespace, slot.to_string());
                    let seen = Some((Arc::new(content(key.kind, step % 4)), origin(0)));
                    AccessChange { key, seen, at: at(i64::try_from(step).unwrap()) }
                });
                record(&store, cluster, &report(changes.collect())).await;
            }
        }));
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let forget = tokio::spawn({
        let store = place.open().await;
        async move {
            while stopped.is_empty() {
                store.compact_access(at(1_000_000), 20).await.unwrap();
            }
        }
    });
    for report in reports {
        report.await.unwrap();
    }
    stop.send(()).unwrap();
    forget.await.unwrap();
    for number in 1..4 {
        assert_eq!(current(&store, cluster_id(number)).await.len(), 3);
    }
}
