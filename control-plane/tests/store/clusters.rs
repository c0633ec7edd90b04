//! What clusters say of themselves, and what revocation ends.

use hanse_control_plane::store::{AppliedRow, FenceRow, ObjectKey, ProblemRow, StoreError, Writer};
use hanse_domain::ids::{Digest, RevisionNumber};

use crate::make::{at, by, cluster_id, joined};
use crate::place::Place;

fn applied() -> AppliedRow {
    AppliedRow {
        generation: RevisionNumber(7),
        digest: Some(Digest::of(b"manifest")),
        phase: 3,
        problems: vec![ProblemRow {
            object: ObjectKey { name: "a".into(), ..ObjectKey::default() },
            message: "refused \"a\"".into(),
        }],
        removals_waiting: 2,
        objects: u32::MAX,
        message: "one object was refused".into(),
        refused_condition: 4,
        secrets_pending: vec!["db \"password\"".into()],
    }
}

pub(crate) async fn reports_are_kept(place: Place) {
    let store = place.open().await;
    let before = joined(&store, "prod", cluster_id(1)).await;
    assert_eq!(before.applied, AppliedRow::default());
    store.record_applied(by(before.id), &applied(), at(5)).await.unwrap();
    let fingerprint = Digest::of(b"renewed");
    let joining = before.certificate_fingerprint.unwrap();
    assert!(store.replace_certificate(before.id, &joining, &fingerprint, at(99)).await.unwrap());
    // The answer may have been lost: the one that was used is good for another, a third one is not.
    for (used, replaced) in [(joining, true), (Digest::of(b"third"), false)] {
        let done = store.replace_certificate(before.id, &used, &fingerprint, at(99)).await.unwrap();
        assert_eq!(done, replaced);
    }

    let mut expected = before;
    expected.applied = applied();
    expected.last_seen = Some(at(5));
    expected.stream = 1;
    expected.certificate_fingerprint = Some(fingerprint);
    expected.certificate_used = Some(joining);
    expected.certificate_expires_at = Some(at(99));
    assert_eq!(store.cluster(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.cluster_by_name("prod").await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.clusters().await.unwrap(), [expected]);

    assert_eq!(store.cluster(cluster_id(9)).await.unwrap(), None);
    let unknown = store.record_applied(by(cluster_id(9)), &applied(), at(5)).await;
    assert!(matches!(unknown, Err(StoreError::CutOff)), "{unknown:?}");
}

pub(crate) async fn a_fence_and_a_recipient_are_kept(place: Place) {
    let store = place.open().await;
    let row = joined(&store, "prod", cluster_id(1)).await;
    assert_eq!((row.recipient_offered.as_str(), row.recipient_vouch), ("age1first", vec![0, 255]));
    assert_eq!(row.fence, None);
    let fence = FenceRow {
        state: 2,
        model: "bind".into(),
        problem: "changed \"x\"".into(),
        ceiling_digest: Digest::of(b"{}").to_string(),
        ceiling_generation: 7,
    };
    store.record_fence(by(row.id), &fence, "{}").await.unwrap();
    let second = joined(&store, "second", cluster_id(2)).await;
    store.record_fence(by(second.id), &fence, "{\"ä\":1}").await.unwrap();
    joined(&store, "third", cluster_id(3)).await;
    // As many as fit, in bytes.
    for (most, found) in [(1, 0), (2, 1), (9, 1), (10, 2), (usize::MAX, 2)] {
        let ceilings = store.ceilings(most).await.unwrap();
        assert_eq!(ceilings.len(), found, "{most}");
        assert!(ceilings.get(&row.id).is_none_or(|ceiling| ceiling == "{}"));
    }
    // The same recipient again keeps what vouches for it, another one does not.
    store.record_recipient(by(row.id), "age1first").await.unwrap();
    let kept = store.cluster(row.id).await.unwrap().unwrap();
    assert_eq!((kept.fence, kept.recipient_vouch), (Some(fence.clone()), vec![0, 255]));
    store.record_recipient(by(row.id), "age1second").await.unwrap();
    let kept = store.cluster(row.id).await.unwrap().unwrap();
    assert_eq!((kept.recipient_offered.as_str(), kept.recipient_vouch), ("age1second", vec![]));

    store.revoke(row.id, at(9)).await.unwrap();
    for refused in [
        store.record_fence(by(row.id), &fence, "").await,
        store.record_recipient(by(row.id), "age1third").await,
    ] {
        assert!(matches!(refused, Err(StoreError::CutOff)), "{refused:?}");
    }
}

pub(crate) async fn touching_never_goes_back(place: Place) {
    let store = place.open().await;
    let one = joined(&store, "one", cluster_id(1)).await.id;
    let two = joined(&store, "two", cluster_id(2)).await.id;
    let seen = [(two, at(20)), (one, at(10)), (two, at(15)), (cluster_id(9), at(5))];
    store.touch(&seen).await.unwrap();
    store.touch(&[(one, at(9)), (two, at(21))]).await.unwrap();
    store.touch(&[]).await.unwrap();
    let last_seen = store.clusters().await.unwrap().into_iter().map(|row| row.last_seen);
    assert_eq!(last_seen.collect::<Vec<_>>(), [Some(at(10)), Some(at(21))]);
}

pub(crate) async fn a_revoked_cluster_gets_nothing(place: Place) {
    let store = place.open().await;
    let row = joined(&store, "prod", cluster_id(1)).await;
    assert_eq!(store.revoke(cluster_id(9), at(9)).await.unwrap(), None);
    let revoked = store.revoke(row.id, at(10)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(10)));
    // Twice: since the first time.
    assert_eq!(store.revoke(row.id, at(11)).await.unwrap(), Some(revoked.clone()));
    let refused = store.record_applied(by(row.id), &applied(), at(12)).await;
    assert!(matches!(refused, Err(StoreError::CutOff)), "{refused:?}");
    let fingerprint = Digest::of(b"renewed");
    let used = row.certificate_fingerprint.unwrap();
    assert!(!store.replace_certificate(row.id, &used, &fingerprint, at(99)).await.unwrap());
    assert_eq!(store.cluster(row.id).await.unwrap(), Some(revoked));
    assert_eq!(store.cluster_by_name("prod").await.unwrap(), None);
}

pub(crate) async fn a_late_report_does_not_land_on_a_newer(place: Place) {
    let store = place.open().await;
    let cluster = joined(&store, "prod", cluster_id(1)).await.id;
    let report = async |stream, phase| {
        let applied = AppliedRow { phase, ..applied() };
        store.record_applied(Writer { cluster, stream }, &applied, at(5)).await
    };
    report(3, 1).await.unwrap();
    report(4, 2).await.unwrap();
    // Of the same generation, from a stream that was superseded.
    let late = report(3, 1).await;
    assert!(matches!(late, Err(StoreError::Superseded)), "{late:?}");
    let row = store.cluster(cluster).await.unwrap().unwrap();
    assert_eq!((row.applied.phase, row.stream), (2, 4));
    report(4, 3).await.unwrap();
}

pub(crate) async fn a_certificate_that_was_replaced_is_forgotten(place: Place) {
    let store = place.open().await;
    let row = joined(&store, "prod", cluster_id(1)).await;
    let (old, new) = (row.certificate_fingerprint.unwrap(), Digest::of(b"new"));
    assert!(store.replace_certificate(row.id, &old, &new, at(99)).await.unwrap());
    let shows = async |certificate: &Digest| {
        store.cluster(row.id).await.unwrap().unwrap().shows(certificate)
    };
    // Used by nobody yet, or by one that is not the newest.
    store.forget_used_certificate(row.id, &old).await.unwrap();
    assert!(shows(&old).await && shows(&new).await);
    store.forget_used_certificate(row.id, &new).await.unwrap();
    assert!(!shows(&old).await && shows(&new).await);
    assert!(!store.replace_certificate(row.id, &old, &Digest::of(b"3"), at(99)).await.unwrap());

    for (noted, kept) in [(20, 20), (10, 20), (30, 30)] {
        store.note_clone(row.id, at(noted)).await.unwrap();
        let row = store.cluster(row.id).await.unwrap().unwrap();
        assert_eq!(row.clone_seen, Some(at(kept)));
    }
}
