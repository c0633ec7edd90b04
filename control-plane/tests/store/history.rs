//! Statements: appended one after another, all of one or nothing.

use std::time::Duration;

use bytes::Bytes;
use hanse_control_plane::store::{Store, StoreError};
use hanse_domain::ids::{Digest, RevisionNumber};
use tokio::time::timeout;

use crate::make::{Brings, cluster_id, content, marked_statement, statement};
use crate::place::Place;

pub(crate) async fn what_is_appended_is_read_back(place: Place) {
    let store = place.open().await;
    assert_eq!(store.head_number().await.unwrap(), RevisionNumber(0));
    let (one, two) = (cluster_id(1), cluster_id(2));
    let history = [
        statement(1).leaf("FederatedRole/payments", "role").bundle(one, "manifest 1"),
        statement(2).bundle(one, "manifest 1 later").bundle(two, "manifest 2"),
        statement(3),
    ];
    for new in &history {
        store.append(new).await.unwrap();
    }
    assert_eq!(store.head_number().await.unwrap(), RevisionNumber(3));
    let rows: Vec<_> = history.iter().map(|new| new.row.clone()).collect();
    assert_eq!(store.statement(RevisionNumber(2)).await.unwrap().as_ref(), Some(&rows[1]));
    assert_eq!(store.statement(RevisionNumber(4)).await.unwrap(), None);
    let asked = [3, 9, 1].map(RevisionNumber);
    let expected = [rows[0].clone(), rows[2].clone()];
    assert_eq!(store.statements(&asked).await.unwrap(), expected);
    assert_eq!(store.statements(&[]).await.unwrap(), []);
    assert_eq!(store.statement_of(&rows[1].digest).await.unwrap().as_ref(), Some(&rows[1]));
    assert_eq!(store.statement_of(&Digest::of(b"absent")).await.unwrap(), None);
    assert_eq!(store.statements_after(RevisionNumber(1), 10).await.unwrap(), rows[1..]);
    assert_eq!(store.statements_after(RevisionNumber(0), 2).await.unwrap(), rows[..2]);
    let newest = store.statements_before(None, 2).await.unwrap();
    assert_eq!(newest, [rows[2].clone(), rows[1].clone()]);
    let older = store.statements_before(Some(RevisionNumber(2)), 2).await.unwrap();
    assert_eq!(older, rows[..1]);
    let leaves = store.leaf_hashes(RevisionNumber(1), 9).await.unwrap();
    assert_eq!(leaves, [rows[1].leaf_hash, rows[2].leaf_hash]);

    let (role, bytes) = content("role");
    assert_eq!(store.content(&role).await.unwrap(), Some(bytes.clone()));
    assert_eq!(store.content(&Digest::of(b"absent")).await.unwrap(), None);
    let asked = [role, Digest::of(b"absent"), role];
    assert_eq!(store.contents(&asked).await.unwrap(), [(role, bytes)]);
    assert_eq!(store.contents(&[]).await.unwrap(), []);

    let first = store.bundle(one, RevisionNumber(1)).await.unwrap();
    assert_eq!(first.as_ref(), history[0].bundles.first());
    assert_eq!(store.latest_bundles().await.unwrap(), history[1].bundles);
    for (number, generation) in [(0, None), (1, Some(1)), (2, Some(2)), (3, Some(2))] {
        let found = store.bundle_at(one, RevisionNumber(number)).await.unwrap();
        assert_eq!(found.map(|row| row.generation.0), generation);
    }
    assert_eq!(store.bundle_at(two, RevisionNumber(1)).await.unwrap(), None);
}

pub(crate) async fn a_statement_that_is_not_the_next_is_stale(place: Place) {
    let store = place.open().await;
    let current = |result| match result {
        Err(StoreError::Stale { current }) => current.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(current(store.append(&statement(2)).await), 0);
    store.append(&statement(1)).await.unwrap();
    assert_eq!(current(store.append(&statement(1)).await), 1);
    assert_eq!(current(store.append(&marked_statement(1, "other")).await), 1);
    assert_eq!(current(store.append(&statement(3)).await), 1);
}

pub(crate) async fn one_of_eight_appenders_wins_each_number(place: Place) {
    const EACH: u64 = 10;
    // Two hubs, where there can be two.
    let first = place.open().await;
    let second = if place.is_sqlite() { first.clone() } else { place.open().await };
    let appenders = (0..8).map(|appender: u32| {
        let store = if appender.is_multiple_of(2) { first.clone() } else { second.clone() };
        tokio::spawn(async move { append_some(&store, appender, EACH).await })
    });
    let mut won = Vec::new();
    let all = futures::future::join_all(appenders);
    for wins in timeout(Duration::from_mins(1), all).await.unwrap() {
        won.extend(wins.unwrap());
    }
    won.sort_unstable();
    assert_eq!(
        won.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        (1..=80).collect::<Vec<_>>()
    );
    let stored = first.statements_after(RevisionNumber(0), 1_000).await.unwrap();
    let stored: Vec<_> = stored.into_iter().map(|row| (row.number.0, row.author)).collect();
    assert_eq!(stored, won);
}

/// Which numbers this appender was told that it won.
async fn append_some(store: &Store, appender: u32, count: u64) -> Vec<(u64, String)> {
    let mut won = Vec::new();
    let mut next = 1;
    while (won.len() as u64) < count {
        let new = marked_statement(next, &appender.to_string()).leaf("Shared/subject", "same");
        match store.append(&new).await {
            Ok(()) => {
                won.push((next, new.row.author));
                next += 1;
            }
            Err(StoreError::Stale { current }) => next = current.0 + 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    won
}

pub(crate) async fn all_or_nothing(place: Place) {
    let store = place.open().await;
    store.append(&statement(1).leaf("A/a", "before")).await.unwrap();
    // The last row refers to a manifest that nobody brought.
    let mut dangling = statement(2).leaf("A/a", "after").bundle(cluster_id(1), "manifest");
    dangling.contents.pop();
    // A subject twice.
    let twice = statement(2).leaf("A/b", "one").leaf("A/a", "after").removal("A/a");
    // A digest of a statement that is there already, as the history was.
    let mut replayed = statement(2).leaf("A/a", "after");
    replayed.row.digest = statement(1).row.digest;
    for broken in [&dangling, &twice, &replayed] {
        let result = store.append(broken).await;
        assert!(
            matches!(result, Err(StoreError::Invalid { .. } | StoreError::Conflict { .. })),
            "{result:?}"
        );
        assert_eq!(store.head_number().await.unwrap(), RevisionNumber(1));
        assert_eq!(store.statement(RevisionNumber(2)).await.unwrap(), None);
        assert_eq!(store.content(&content("after").0).await.unwrap(), None);
        let leaves = store.current_leaves().await.unwrap();
        assert_eq!(leaves.rows.len(), 1);
        assert_eq!(leaves.rows[0].bytes, "before");
        assert_eq!(store.latest_bundles().await.unwrap(), []);
    }
    store.append(&statement(2).leaf("A/a", "after")).await.unwrap();
}

pub(crate) async fn what_contradicts_itself_is_refused(place: Place) {
    let store = place.open().await;
    let mut forged = statement(1).leaf("A/a", "text");
    forged.contents[0].1 = Bytes::from_static(b"other text");
    let mut ahead = statement(1).bundle(cluster_id(1), "manifest");
    ahead.bundles[0].generation = RevisionNumber(2);
    for broken in [forged, ahead, statement(0)] {
        let result = store.append(&broken).await;
        assert!(matches!(result, Err(StoreError::Invalid { .. })), "{result:?}");
    }
    assert_eq!(store.head_number().await.unwrap(), RevisionNumber(0));

    store.append(&statement(1)).await.unwrap();
    assert_eq!(store.latest_bundles().await.unwrap(), []);
    let mut behind = statement(2).bundle(cluster_id(1), "manifest");
    behind.bundles[0].generation = RevisionNumber(1);
    let result = store.append(&behind).await;
    assert!(matches!(result, Err(StoreError::Invalid { .. })), "{result:?}");
}

pub(crate) async fn a_large_statement(place: Place) {
    let store = place.open().await;
    // More than fits into the binds of one statement, in each table.
    let mut new = statement(1);
    for number in 0..10_500 {
        new = new.leaf(&format!("Document/{number:06}"), &format!("document {}", number % 7_000));
    }
    for number in 0..5_500_u32 {
        new = new.bundle(cluster_id(number.into()), &format!("manifest {number}"));
    }
    new.contents.sort();
    new.contents.dedup();
    store.append(&new).await.unwrap();
    let leaves = store.current_leaves().await.unwrap();
    let subjects = leaves.rows.iter().map(|row| (row.subject.clone(), Some(row.digest)));
    assert!(subjects.eq(new.leaves.iter().cloned()));
    assert_eq!(store.latest_bundles().await.unwrap(), new.bundles);
    let digests: Vec<_> = new.contents.iter().map(|(digest, _)| *digest).collect();
    assert_eq!(store.contents(&digests).await.unwrap(), new.contents);
}

pub(crate) async fn damaged_content_is_not_returned(place: Place) {
    let store = place.open().await;
    store.append(&statement(1).leaf("A/a", "grants nothing")).await.unwrap();
    let (digest, _) = content("grants nothing");
    assert!(store.content(&digest).await.unwrap().is_some());
    let bytes = if place.is_sqlite() { "x'6d6f7265'" } else { r"'\x6d6f7265'" };
    assert_eq!(place.tamper(&format!("UPDATE contents SET bytes = {bytes}")).await, 1);

    let corrupt = |error| assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    corrupt(store.content(&digest).await.unwrap_err());
    corrupt(store.contents(&[digest]).await.unwrap_err());
    corrupt(store.current_leaves().await.unwrap_err());
}

pub(crate) async fn other_hubs_are_told(place: Place) {
    let store = place.open().await;
    let mut hints = store.follow().await.unwrap();
    if place.is_sqlite() {
        store.append(&statement(1)).await.unwrap();
        assert!(timeout(Duration::from_millis(50), hints.changed()).await.is_err());
        return;
    }
    let other = place.open().await;
    for number in 1..=3 {
        // Below the backstop of five seconds: it is the notification that wakes.
        assert!(timeout(Duration::from_millis(50), hints.changed()).await.is_err());
        other.append(&statement(number)).await.unwrap();
        timeout(Duration::from_secs(2), hints.changed()).await.unwrap();
        assert_eq!(store.head_number().await.unwrap(), RevisionNumber(number));
    }
}
