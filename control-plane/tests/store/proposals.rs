//! Changes that wait for more signatures.

use bytes::Bytes;
use hanse_control_plane::store::{MostOpen, ProposalRow, StoreError};
use hanse_domain::ids::{Digest, RevisionNumber};

use crate::make::{at, statement};
use crate::place::Place;

fn proposal(mark: &str, number: u64, second: i64) -> ProposalRow {
    ProposalRow {
        digest: Digest::of(mark.as_bytes()),
        number: RevisionNumber(number),
        statement: Bytes::copy_from_slice(mark.as_bytes()),
        signatures: Bytes::from_static(b"one"),
        changes: Bytes::from_static(b"changes\0"),
        contents: vec![Bytes::new(), Bytes::from_static(b"a\0b"), Bytes::from(vec![7; 70_000])],
        author: "ada".into(),
        proposed_at: at(second),
        signed_by: "ada".into(),
        missing: "bob".into(),
    }
}

fn most(proposals: usize) -> MostOpen {
    MostOpen { proposals, bytes: 1_000_000 }
}

const HEAD: RevisionNumber = RevisionNumber(0);

pub(crate) async fn what_is_proposed_is_read_back(place: Place) {
    let store = place.open().await;
    let (older, newer) = (proposal("older", 1, 1), proposal("newer", 1, 2));
    for row in [&newer, &older] {
        assert!(store.add_proposal(row, HEAD, most(9)).await.unwrap());
    }
    assert_eq!(store.proposal_digests().await.unwrap(), [newer.digest, older.digest]);
    assert_eq!(store.proposal(&older.digest).await.unwrap().as_ref(), Some(&older));
    let head = ProposalRow { contents: Vec::new(), ..older.clone() };
    assert_eq!(store.proposal_head(&older.digest).await.unwrap(), Some(head));
    assert_eq!(store.proposal(&Digest::of(b"absent")).await.unwrap(), None);
    let again = store.add_proposal(&older, HEAD, most(9)).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");

    assert!(store.remove_proposal(&older.digest).await.unwrap());
    assert!(!store.remove_proposal(&older.digest).await.unwrap());
    assert_eq!(store.proposal_digests().await.unwrap(), [newer.digest]);
}

pub(crate) async fn only_so_many_are_open(place: Place) {
    let store = place.open().await;
    for (mark, kept) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(store.add_proposal(&proposal(mark, 1, 1), HEAD, most(2)).await.unwrap(), kept);
    }
    // Nor more bytes: each has 70 kB.
    let less = |bytes| MostOpen { proposals: 9, bytes };
    for (bytes, kept) in [(200_000, false), (220_000, true)] {
        assert_eq!(
            store.add_proposal(&proposal("c", 1, 1), HEAD, less(bytes)).await.unwrap(),
            kept
        );
    }
    // Stale ones do not count.
    let head = RevisionNumber(1);
    assert!(store.add_proposal(&proposal("d", 2, 1), head, most(2)).await.unwrap());
    assert_eq!(store.proposal_digests().await.unwrap().len(), 4);
}

pub(crate) async fn a_signature_is_added_to_what_was_seen(place: Place) {
    let store = place.open().await;
    let row = proposal("a", 1, 1);
    store.add_proposal(&row, HEAD, most(2)).await.unwrap();
    let signed = ProposalRow {
        signatures: Bytes::from_static(b"onetwo"),
        signed_by: "ada bob".into(),
        missing: "eve".into(),
        ..row.clone()
    };
    assert!(store.sign_proposal(&signed, b"one").await.unwrap());
    // Two at once, on the same picture: the second is told.
    let late = ProposalRow { signatures: Bytes::from_static(b"onesix"), ..signed.clone() };
    assert!(!store.sign_proposal(&late, b"one").await.unwrap());
    assert_eq!(store.proposal(&row.digest).await.unwrap(), Some(signed));
}

pub(crate) async fn old_ones_are_forgotten(place: Place) {
    let store = place.open().await;
    store.append(&statement(1)).await.unwrap();
    for (mark, number, second) in
        [("old", 2, 10), ("stale", 1, 20), ("fresh stale", 1, 30), ("waits", 2, 20)]
    {
        store.add_proposal(&proposal(mark, number, second), HEAD, most(9)).await.unwrap();
    }
    assert_eq!(store.prune_proposals(at(15), at(25)).await.unwrap(), 2);
    let left = ["fresh stale", "waits"].map(|mark| Digest::of(mark.as_bytes()));
    assert_eq!(store.proposal_digests().await.unwrap(), left);
}

pub(crate) async fn what_was_withdrawn_is_not_made(place: Place) {
    let store = place.open().await;
    let (made, withdrawn, later) = (proposal("a", 1, 1), proposal("b", 1, 1), proposal("c", 2, 1));
    for row in [&made, &withdrawn, &later] {
        store.add_proposal(row, HEAD, most(9)).await.unwrap();
    }
    store.remove_proposal(&withdrawn.digest).await.unwrap();
    let refused = store.append_proposed(&statement(1), &withdrawn.digest).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.head_number().await.unwrap(), HEAD);
    let passed = proposal("d", 1, 1);
    store.add_proposal(&passed, HEAD, most(9)).await.unwrap();
    store.append_proposed(&statement(1), &made.digest).await.unwrap();
    assert_eq!(store.head_number().await.unwrap(), RevisionNumber(1));
    assert_eq!(store.proposal(&made.digest).await.unwrap(), None);
    // What the one that was passed would have brought takes no place.
    let empty = ProposalRow { contents: Vec::new(), ..passed };
    assert_eq!(store.proposal(&empty.digest).await.unwrap(), Some(empty));
    assert_eq!(store.proposal(&later.digest).await.unwrap(), Some(later));
}
