//! What stands in clusters, and what stood.

use hanse_control_plane::store::DriftState::{Cleared, Corrected, Open};
use hanse_control_plane::store::{
    DriftClass, DriftFilter, DriftRow, DriftState, Occurrence, Store, StoreError, Writer,
};
use hanse_domain::ids::ClusterId;
use uuid::Uuid;

use crate::make::{at, by, cluster_id, joined, occurrence};
use crate::place::Place;

const ALL: DriftFilter = DriftFilter { cluster: None, history: true };

/// What matters of rows: which occurrence, of which object, in which state.
fn brief(rows: &[DriftRow]) -> Vec<(u128, &str, DriftState)> {
    let brief = |row: &DriftRow| (row.occurrence.id.as_u128(), row.occurrence.state);
    rows.iter()
        .map(|row| (brief(row).0, row.occurrence.object.name.as_str(), brief(row).1))
        .collect()
}

/// All that stands in a cluster, by object.
async fn standing(store: &Store, cluster: ClusterId) -> Vec<DriftRow> {
    let filter = DriftFilter { cluster: Some(cluster), history: false };
    let mut rows = store.list_drift(filter, 10_000, None).await.unwrap().rows;
    rows.sort_by(|a, b| a.occurrence.object.cmp(&b.occurrence.object));
    rows
}

pub(crate) async fn an_occurrence_lives_and_ends(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let began = occurrence(1, "a", Open);
    let rows = store.record_drift(by(cluster), std::slice::from_ref(&began)).await.unwrap();
    assert_eq!(rows, [DriftRow { cluster, occurrence: began.clone() }]);
    assert_eq!(standing(&store, cluster).await, rows);

    let mut worse = occurrence(2, "a", Open);
    worse.class = DriftClass::Missing;
    let rows = store.record_drift(by(cluster), std::slice::from_ref(&worse)).await.unwrap();
    let now = &rows[0].occurrence;
    assert_eq!((now.id, now.detected_at), (began.id, began.detected_at));
    assert_eq!((now.class, &now.message, now.since), (worse.class, &worse.message, worse.since));

    let ended = occurrence(3, "a", Corrected);
    let rows = store.record_drift(by(cluster), &[ended]).await.unwrap();
    assert_eq!(brief(&rows), [(1, "a", Corrected)]);
    assert_eq!(rows[0].occurrence.resolved_at, Some(at(5_000)));
    assert_eq!(standing(&store, cluster).await, []);

    // Another of the same object, and one that the hub never saw stand.
    let more = [occurrence(4, "a", Open), occurrence(5, "b", Cleared)];
    let rows = store.record_drift(by(cluster), &more).await.unwrap();
    assert_eq!(brief(&rows), [(5, "b", Cleared), (4, "a", Open)]);
    let page = store.list_drift(ALL, 10, None).await.unwrap();
    assert_eq!(brief(&page.rows), [(5, "b", Cleared), (4, "a", Open), (1, "a", Corrected)]);
    assert_eq!(page.next, None);
    let page = store.list_drift(DriftFilter::default(), 10, None).await.unwrap();
    assert_eq!(brief(&page.rows), [(4, "a", Open)]);
    assert_eq!(store.open_drift_counts().await.unwrap(), [(cluster, 1)]);
}

pub(crate) async fn a_repeated_report_changes_nothing(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let reports = [
        vec![occurrence(1, "a", Open), occurrence(2, "b", Open)],
        vec![occurrence(3, "a", Open), occurrence(4, "b", Corrected)],
        vec![occurrence(5, "a", Corrected), occurrence(6, "c", Corrected)],
        // The id of the occurrence itself says how it ended.
        vec![occurrence(7, "d", Open)],
        vec![occurrence(7, "d", Cleared)],
        vec![occurrence(8, "e", Open)],
        // Changed and ended in one report, neither under the id of the occurrence.
        vec![occurrence(9, "e", Open), occurrence(10, "e", Corrected)],
    ];
    for report in &reports {
        assert!(!store.record_drift(by(cluster), report).await.unwrap().is_empty());
        let before = store.list_drift(ALL, 100, None).await.unwrap();
        assert_eq!(store.record_drift(by(cluster), report).await.unwrap(), []);
        assert_eq!(store.list_drift(ALL, 100, None).await.unwrap(), before);
    }
    // Nor do those that come late.
    for report in &reports {
        assert_eq!(store.record_drift(by(cluster), report).await.unwrap(), []);
    }
    let rows = store.list_drift(ALL, 100, None).await.unwrap().rows;
    let expected = [
        (8, "e", Corrected),
        (7, "d", Cleared),
        (6, "c", Corrected),
        (2, "b", Corrected),
        (1, "a", Corrected),
    ];
    assert_eq!(brief(&rows), expected);
    assert_eq!(store.record_drift(by(cluster), &[]).await.unwrap(), []);
}

pub(crate) async fn a_picture_clears_what_is_not_in_it(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let other = joined(&store, "dev", cluster_id(2)).await.id;
    store.record_drift(by(other), &[occurrence(1, "a", Open)]).await.unwrap();
    let began = [occurrence(1, "a", Open), occurrence(2, "b", Open)];
    store.record_drift(by(cluster), &began).await.unwrap();

    let picture = [occurrence(3, "b", Open), occurrence(4, "c", Open)];
    let rows = store.replace_open_drift(by(cluster), &picture, at(50)).await.unwrap();
    assert_eq!(brief(&rows), [(1, "a", Cleared), (2, "b", Open), (4, "c", Open)]);
    assert_eq!(rows[0].occurrence.resolved_at, Some(at(50)));
    assert_eq!(store.replace_open_drift(by(cluster), &picture, at(51)).await.unwrap(), []);
    let standing = standing(&store, cluster).await;
    assert_eq!(brief(&standing), [(2, "b", Open), (4, "c", Open)]);
    assert_eq!(store.open_drift_counts().await.unwrap(), [(cluster, 2), (other, 1)]);

    store.replace_open_drift(by(cluster), &[], at(60)).await.unwrap();
    assert_eq!(store.open_drift_counts().await.unwrap(), [(other, 1)]);
    // What was cleared by mistake stands again.
    let rows = store.replace_open_drift(by(cluster), &picture[1..], at(70)).await.unwrap();
    assert_eq!(brief(&rows), [(4, "c", Open)]);
    assert_eq!(rows[0].occurrence.resolved_at, None);
}

pub(crate) async fn clusters_cannot_reach_each_other(place: Place) {
    let store = place.open().await;
    let one = joined(&store, "one", cluster_id(1)).await.id;
    let two = joined(&store, "two", cluster_id(2)).await.id;
    store.record_drift(by(one), &[occurrence(1, "a", Open)]).await.unwrap();
    let before = standing(&store, one).await;
    // The same ids and objects, from another cluster.
    let forged = [occurrence(1, "a", Corrected), occurrence(1, "b", Open)];
    store.record_drift(by(two), &forged).await.unwrap();
    store.replace_open_drift(by(two), &[], at(9)).await.unwrap();
    assert_eq!(standing(&store, one).await, before);

    for unknown in [
        store.record_drift(by(cluster_id(9)), &[occurrence(1, "a", Open)]).await,
        store.replace_open_drift(by(cluster_id(9)), &[], at(9)).await,
    ] {
        assert!(matches!(unknown, Err(StoreError::CutOff)), "{unknown:?}");
    }
}

pub(crate) async fn pages_are_seamless(place: Place) {
    let store = place.open().await;
    let clusters = [
        joined(&store, "one", cluster_id(1)).await.id,
        joined(&store, "two", cluster_id(2)).await.id,
    ];
    for cluster in clusters {
        let mut report: Vec<_> =
            (1..=25).map(|id| occurrence(id, &format!("object-{id:02}"), Open)).collect();
        // Many at one moment, and the same ids in both clusters: the hardest order.
        for change in &mut report {
            change.detected_at = at(change.detected_at.as_second() % 3);
        }
        store.record_drift(by(cluster), &report).await.unwrap();
    }
    let all = store.list_drift(ALL, 1_000, None).await.unwrap().rows;
    assert_eq!(all.len(), 50);
    assert!(all.is_sorted_by(|a, b| a.occurrence.detected_at >= b.occurrence.detected_at));
    let mut paged = Vec::new();
    let mut cursor = None;
    loop {
        // An odd number, so that a page ends between two rows that differ in the cluster alone.
        let page = store.list_drift(ALL, 7, cursor).await.unwrap();
        assert!(page.rows.len() == 7 || page.next.is_none());
        paged.extend(page.rows);
        let Some(next) = page.next else { break };
        cursor = Some(next.to_string().parse().unwrap());
        // What is added meanwhile is newer, and moves nothing.
        let id = Uuid::from_u128(1_000 + paged.len() as u128);
        let name = id.to_string();
        let newer = occurrence(id.as_u128(), &name, Open);
        store.record_drift(by(clusters[0]), &[newer]).await.unwrap();
    }
    assert_eq!(paged, all);

    let filter = DriftFilter { cluster: Some(clusters[1]), history: false };
    let page = store.list_drift(filter, 30, None).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (25, None));
    assert!(page.rows.iter().all(|row| row.cluster == clusters[1]));
}

pub(crate) async fn a_large_report(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let report = |from: u128, state| -> Vec<_> {
        (0..2_500).map(|n| occurrence(from + n, &format!("object-{n:04}"), state)).collect()
    };
    let rows = store.record_drift(by(cluster), &report(1, Open)).await.unwrap();
    assert_eq!(rows.len(), 2_500);
    assert_eq!(store.record_drift(by(cluster), &report(1, Open)).await.unwrap(), []);
    let standing = standing(&store, cluster).await;
    assert!(standing.is_sorted_by(|a, b| a.occurrence.object < b.occurrence.object));
    assert_eq!(store.open_drift_counts().await.unwrap(), [(cluster, 2_500)]);
    let rows = store.record_drift(by(cluster), &report(10_000, Corrected)).await.unwrap();
    assert_eq!(rows.len(), 2_500);
    assert_eq!(store.open_drift_counts().await.unwrap(), []);
}

pub(crate) async fn history_is_forgotten(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let mut report: Vec<_> =
        (1..=9).map(|id| occurrence(id, &format!("object-{id}"), Corrected)).collect();
    for (change, second) in report.iter_mut().zip(1..) {
        change.resolved_at = Some(at(second));
    }
    report.push(occurrence(10, "standing", Open));
    store.record_drift(by(cluster), &report).await.unwrap();
    assert_eq!(store.prune_resolved_drift(at(6), 3).await.unwrap(), 3);
    assert_eq!(store.prune_resolved_drift(at(6), 3).await.unwrap(), 2);
    let left = store.list_drift(ALL, 100, None).await.unwrap().rows;
    let left: Vec<_> = left.iter().map(|row| row.occurrence.id.as_u128()).collect();
    assert_eq!(left, [10, 9, 8, 7, 6]);
}

pub(crate) async fn the_agents_newest_ids_count(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let ids = async || -> Vec<u128> {
        let ids = store.open_drift_ids(cluster).await.unwrap();
        ids.iter().map(Uuid::as_u128).collect()
    };
    let first = [occurrence(1, "b", Open), occurrence(2, "a", Open)];
    store.record_drift(by(cluster), &first).await.unwrap();
    // By kind, namespace and name.
    assert_eq!(ids().await, [2, 1]);
    // The agent was started again, and says the same under another id: nothing that anybody sees.
    let again = Occurrence { id: Uuid::from_u128(3), ..occurrence(1, "b", Open) };
    let rows = store.record_drift(by(cluster), std::slice::from_ref(&again)).await.unwrap();
    assert_eq!(rows, []);
    assert_eq!(ids().await, [2, 3]);
    assert_eq!(brief(&standing(&store, cluster).await), [(2, "a", Open), (1, "b", Open)]);
    // And once more, in a picture.
    let picture = [
        Occurrence { id: Uuid::from_u128(4), ..again.clone() },
        Occurrence { id: Uuid::from_u128(5), ..occurrence(2, "a", Open) },
    ];
    assert_eq!(store.replace_open_drift(by(cluster), &picture, at(9)).await.unwrap(), []);
    assert_eq!(ids().await, [5, 4]);
    // Back to the first id: what was said last counts.
    store.record_drift(by(cluster), &first[..1]).await.unwrap();
    assert_eq!(ids().await, [5, 1]);
}

pub(crate) async fn only_the_newest_stream_writes(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let (old, new) = (Writer { cluster, stream: 7 }, Writer { cluster, stream: 8 });
    store.record_drift(old, &[occurrence(1, "a", Open)]).await.unwrap();
    store.record_drift(new, &[occurrence(2, "b", Open)]).await.unwrap();
    let before = standing(&store, cluster).await;
    for late in [
        store.record_drift(old, &[occurrence(1, "a", Corrected)]).await,
        store.replace_open_drift(old, &[], at(9)).await,
    ] {
        assert!(matches!(late, Err(StoreError::Superseded)), "{late:?}");
    }
    assert_eq!(standing(&store, cluster).await, before);
    store.replace_open_drift(new, &[], at(9)).await.unwrap();

    // Nor do clusters that never joined, or were revoked.
    let invited = cluster_id(2);
    let token = hanse_domain::ids::Digest::of(b"token");
    store.invite("invited", &token, invited, "admin", at(0), at(60)).await.unwrap();
    store.revoke(cluster, at(10)).await.unwrap();
    for by in [by(invited), Writer { cluster, stream: 9 }] {
        for refused in [
            store.record_drift(by, &[occurrence(3, "c", Open)]).await,
            store.replace_open_drift(by, &[], at(11)).await,
        ] {
            assert!(matches!(refused, Err(StoreError::CutOff)), "{refused:?}");
        }
    }
}

pub(crate) async fn long_histories_are_cut(place: Place) {
    let store = place.open().await;
    let long = joined(&store, "long", cluster_id(1)).await.id;
    let short = joined(&store, "short", cluster_id(2)).await.id;
    let resolved = |id: u128| {
        let resolved_at = Some(at(i64::try_from(id).unwrap()));
        Occurrence { resolved_at, ..occurrence(id, &format!("object-{id}"), Corrected) }
    };
    let mut report: Vec<_> = (1..=9).map(resolved).collect();
    report.push(occurrence(10, "standing", Open));
    store.record_drift(by(long), &report).await.unwrap();
    store.record_drift(by(short), &report[..4]).await.unwrap();
    assert_eq!(store.long_drift_histories(4).await.unwrap(), [long]);
    assert_eq!(store.trim_resolved_drift(long, 4, 3).await.unwrap(), 3);
    assert_eq!(store.trim_resolved_drift(long, 4, 3).await.unwrap(), 2);
    assert_eq!(store.long_drift_histories(4).await.unwrap(), []);
    let filter = DriftFilter { cluster: Some(long), history: true };
    let left = store.list_drift(filter, 100, None).await.unwrap().rows;
    let left: Vec<_> = left.iter().map(|row| row.occurrence.id.as_u128()).collect();
    assert_eq!(left, [10, 9, 8, 7, 6]);
}
