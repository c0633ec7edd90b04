//! Tokens: one use, one name, one moment.

use hanse_control_plane::store::StoreError;
use hanse_domain::ids::Digest;

use crate::make::{at, cluster_id, enrolment, joined};
use crate::place::Place;

pub(crate) async fn a_token_is_used_once(place: Place) {
    let first = place.open().await;
    let second = if place.is_sqlite() { first.clone() } else { place.open().await };
    for round in 0..5 {
        let (name, token) = (format!("prod-{round}"), Digest::of(&[round]));
        let id = cluster_id(round.into());
        first.invite(&name, &token, id, "admin", at(0), at(60)).await.unwrap();
        assert_eq!(first.token_cluster(&token, &name, at(1)).await.unwrap(), Some(id));
        let attempts = (0..16_i64).map(|attempt| {
            let store = if attempt % 2 == 0 { first.clone() } else { second.clone() };
            let name = name.clone();
            tokio::spawn(async move {
                store.enrol(&token, &name, &enrolment(), at(2 + attempt)).await.unwrap()
            })
        });
        let answers = futures::future::join_all(attempts).await;
        let won: Vec<_> = answers.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(won[0].id, id);
        assert_eq!(won[0].kubernetes_version, "v1.36.3");
        assert_eq!(won[0].certificate_fingerprint, Some(Digest::of(b"certificate")));
        assert!(won[0].joined_at.is_some());
        assert_eq!(first.cluster(id).await.unwrap().as_ref(), won.first());
        assert_eq!(first.token_cluster(&token, &name, at(3)).await.unwrap(), None);
    }
}

pub(crate) async fn wrong_tokens_have_one_answer(place: Place) {
    let store = place.open().await;
    let token = Digest::of(b"token");
    store.invite("prod", &token, cluster_id(1), "admin", at(0), at(60)).await.unwrap();
    store.invite("prod2", &Digest::of(b"2"), cluster_id(2), "admin", at(0), at(60)).await.unwrap();
    for (token, name) in
        [(Digest::of(b"other"), "prod"), (token, "prod2"), (token, "Prod"), (token, "")]
    {
        assert_eq!(store.token_cluster(&token, name, at(1)).await.unwrap(), None);
        assert_eq!(store.enrol(&token, name, &enrolment(), at(1)).await.unwrap(), None);
    }
    // None of that used it up.
    assert!(store.enrol(&token, "prod", &enrolment(), at(1)).await.unwrap().is_some());
}

pub(crate) async fn a_token_ends_at_its_time(place: Place) {
    let store = place.open().await;
    let token = Digest::of(b"token");
    store.invite("prod", &token, cluster_id(1), "admin", at(0), at(60)).await.unwrap();
    assert_eq!(store.token_cluster(&token, "prod", at(60)).await.unwrap(), None);
    assert_eq!(store.enrol(&token, "prod", &enrolment(), at(60)).await.unwrap(), None);
    let just_before = at(60) - jiff::SignedDuration::from_micros(1);
    let joined = store.enrol(&token, "prod", &enrolment(), just_before).await.unwrap();
    assert_eq!(joined.unwrap().joined_at, Some(just_before));
}

pub(crate) async fn an_invitation_can_be_repeated(place: Place) {
    let store = place.open().await;
    let (old, new, late) = (Digest::of(b"old"), Digest::of(b"new"), Digest::of(b"late"));
    let id = cluster_id(1);
    let first = store.invite("prod", &old, id, "admin", at(0), at(60)).await.unwrap();
    assert_eq!((first.id, first.joined_at, first.invited_at), (id, None, at(0)));
    let again = store.invite("prod", &new, cluster_id(2), "admin", at(5), at(65)).await.unwrap();
    assert_eq!((again.id, again.invited_at), (id, at(5)));
    assert_eq!(store.clusters().await.unwrap().len(), 1);

    assert_eq!(store.enrol(&old, "prod", &enrolment(), at(6)).await.unwrap(), None);
    let row = store.enrol(&new, "prod", &enrolment(), at(6)).await.unwrap().unwrap();
    assert_eq!(row.id, id);
    let joined = store.invite("prod", &late, cluster_id(3), "admin", at(7), at(67)).await;
    assert!(matches!(joined, Err(StoreError::Conflict { .. })), "{joined:?}");
    assert_eq!(store.token_cluster(&late, "prod", at(8)).await.unwrap(), None);
    // An id or a token that somebody else has.
    for (token, id) in [(late, id), (new, cluster_id(4))] {
        let taken = store.invite("dev", &token, id, "admin", at(7), at(67)).await;
        assert!(matches!(taken, Err(StoreError::Conflict { .. })), "{taken:?}");
    }
    assert_eq!(store.cluster_by_name("dev").await.unwrap(), None);
}

pub(crate) async fn invitations_at_once(place: Place) {
    let store = place.open().await;
    let invitations = (0..6_u8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let (token, id) = (Digest::of(&[number]), cluster_id(number.into()));
            store.invite("prod", &token, id, "admin", at(0), at(60)).await.unwrap().id
        })
    });
    let ids = futures::future::join_all(invitations).await;
    let rows = store.clusters().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(ids.into_iter().all(|id| id.unwrap() == rows[0].id));
    // The last one's token is the one that is left.
    let mut good = 0;
    for number in 0..6_u8 {
        let found = store.token_cluster(&Digest::of(&[number]), "prod", at(1)).await.unwrap();
        good += u32::from(found.is_some());
    }
    assert_eq!(good, 1);
}

pub(crate) async fn a_name_is_free_after_revocation(place: Place) {
    let store = place.open().await;
    let old = joined(&store, "prod", cluster_id(1)).await;
    store.revoke(old.id, at(10)).await.unwrap();
    let token = Digest::of(b"again");
    let new = store.invite("prod", &token, cluster_id(2), "admin", at(11), at(60)).await.unwrap();
    assert_eq!(new.id, cluster_id(2));
    // Revoked before it joined: its token is worth nothing.
    store.revoke(new.id, at(12)).await.unwrap();
    assert_eq!(store.token_cluster(&token, "prod", at(13)).await.unwrap(), None);
    assert_eq!(store.enrol(&token, "prod", &enrolment(), at(13)).await.unwrap(), None);

    let token = Digest::of(b"third");
    store.invite("prod", &token, cluster_id(3), "admin", at(14), at(60)).await.unwrap();
    let row = store.enrol(&token, "prod", &enrolment(), at(15)).await.unwrap().unwrap();
    assert_eq!(store.cluster_by_name("prod").await.unwrap(), Some(row));
    assert_eq!(store.clusters().await.unwrap().len(), 3);
}
