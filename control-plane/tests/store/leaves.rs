//! What each subject is, now and before.

use hanse_control_plane::store::Leaves;
use hanse_domain::ids::RevisionNumber;

use crate::make::{Brings, statement};
use crate::place::Place;

fn texts(leaves: &Leaves) -> Vec<(&str, u64, &str)> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    leaves.rows.iter().map(|row| (row.subject.as_str(), row.number.0, text(&row.bytes))).collect()
}

pub(crate) async fn follow_changes_and_removals(place: Place) {
    let store = place.open().await;
    assert_eq!(
        store.current_leaves().await.unwrap(),
        Leaves { number: RevisionNumber(0), rows: Vec::new() }
    );
    for new in [
        statement(1).leaf("B/b", "b1").leaf("A/a", "a1").leaf("a/é", "e1"),
        statement(2).leaf("A/a", "a2").removal("B/b"),
        statement(3).leaf("B/b", "b1"),
        statement(4).removal("A/a"),
    ] {
        store.append(&new).await.unwrap();
    }
    let now = store.current_leaves().await.unwrap();
    assert_eq!(now.number, RevisionNumber(4));
    assert_eq!(texts(&now), [("B/b", 3, "b1"), ("a/é", 1, "e1")]);
    let at = async |number| store.leaves_at(RevisionNumber(number)).await.unwrap();
    assert_eq!(texts(&at(0).await), []);
    assert_eq!(texts(&at(1).await), [("A/a", 1, "a1"), ("B/b", 1, "b1"), ("a/é", 1, "e1")]);
    assert_eq!(texts(&at(2).await), [("A/a", 2, "a2"), ("a/é", 1, "e1")]);
    assert_eq!(texts(&at(3).await), [("A/a", 2, "a2"), ("B/b", 3, "b1"), ("a/é", 1, "e1")]);
}

pub(crate) async fn pages_are_seamless(place: Place) {
    let store = place.open().await;
    let subject = |number: u32| format!("Document/{number:05}");
    let mut first = statement(1);
    let mut second = statement(2);
    for number in 0..2_000 {
        first = first.leaf(&subject(number), "same text");
        if number % 3 == 0 {
            second = second.removal(&subject(number));
        }
    }
    first.contents.truncate(1);
    store.append(&first).await.unwrap();
    // A last page that is exactly full.
    assert_eq!(store.current_leaves().await.unwrap().rows.len(), 2_000);
    store.append(&second).await.unwrap();
    let found = store.current_leaves().await.unwrap().rows;
    let expected = (0..2_000).filter(|number| number % 3 != 0).map(subject);
    assert!(found.into_iter().map(|row| row.subject).eq(expected));
}

pub(crate) async fn one_subject_has_a_history(place: Place) {
    let store = place.open().await;
    for new in [
        statement(1).leaf("TrustRoot", "two").leaf("TrustRootX", "another"),
        statement(2).leaf("A/a", "a"),
        statement(3).leaf("TrustRoot", "three"),
        statement(4).removal("A/a"),
    ] {
        store.append(&new).await.unwrap();
    }
    let of = async |subject: &str, up_to| {
        let rows = store.leaves_of(subject, RevisionNumber(up_to)).await.unwrap();
        rows.into_iter().map(|row| (row.number.0, row.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(of("TrustRoot", 4).await, [(1, "two".into()), (3, "three".into())]);
    assert_eq!(of("TrustRoot", 2).await, [(1, "two".into())]);
    assert_eq!(of("A/a", 4).await, [(2, "a".into())]);
    let between = async |subject: &str, after, before| {
        let (after, before) = (RevisionNumber(after), RevisionNumber(before));
        let rows = store.leaves_between(subject, after, before).await.unwrap();
        rows.into_iter().map(|(number, digest)| (number.0, digest)).collect::<Vec<_>>()
    };
    let a = Some(crate::make::content("a").0);
    assert_eq!(between("A/a", 0, 9).await, [(2, a), (4, None)]);
    assert_eq!(between("A/a", 2, 5).await, [(4, None)]);
    assert_eq!(between("A/a", 1, 4).await, [(2, a)]);
    assert_eq!(between("A/b", 0, 9).await, []);
    assert_eq!(of("B/b", 4).await, []);
}
