//! What an author proposes is what the hub takes, and nothing else.

use hanse_domain::change::{Change, ChangeError, MAX_BUNDLE_ITEMS};
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::{Changes, Transition};
use hanse_domain::history::statement::{MAX_MESSAGE_BYTES, Statement};
use hanse_domain::ids::{Digest, RevisionNumber};
use proptest::prelude::*;

use crate::fleet::edit;
use crate::support::{NOW, READS_PODS, after, cluster, new_fleet, put, role, three_clusters};

fn proposed() -> (Fleet, Change) {
    let base = three_clusters();
    let edits = vec![put(role("a", READS_PODS)), put(role("b", READS_PODS))];
    let change = Change::propose(&base, edits, "why", NOW).unwrap();
    (base, change)
}

/// The error of a statement that was altered before it was encoded.
fn altered(alter: impl FnOnce(&mut Statement)) -> ChangeError {
    let (base, change) = proposed();
    let mut statement = change.statement;
    alter(&mut statement);
    let changes = change.changes.encode();
    Change::check(&base, &statement.encode(), &changes, &change.contents).unwrap_err()
}

/// The error of a statement whose list of changes was altered before the statement was made.
fn listing(alter: impl FnOnce(&mut Changes)) -> ChangeError {
    let (base, change) = proposed();
    let mut changes = change.changes;
    alter(&mut changes);
    let statement = of(change.statement, &changes);
    Change::check(&base, &statement, &changes.encode(), &change.contents).unwrap_err()
}

/// The bytes of a statement with other changes.
fn of(mut statement: Statement, changes: &Changes) -> Vec<u8> {
    statement.change_count = changes.0.len() as u64;
    statement.changes = changes.root();
    statement.encode()
}

fn check(base: &Fleet, change: &Change, contents: &[Vec<u8>]) -> Result<Change, ChangeError> {
    Change::check(base, &change.bytes, &change.changes.encode(), contents)
}

fn with_contents(contents: &[Vec<u8>]) -> String {
    let (base, change) = proposed();
    check(&base, &change, contents).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn what_is_proposed_is_accepted(steps in prop::collection::vec(prop::collection::vec(edit(), 1..6), 1..6), shuffle in any::<bool>()) {
        let mut base = new_fleet();
        for edits in steps {
            let Ok(proposed) = Change::propose(&base, edits, "message", NOW) else { continue };
            let mut contents = proposed.contents.clone();
            if shuffle {
                contents.reverse();
            }
            let checked = check(&base, &proposed, &contents).unwrap();
            prop_assert_eq!(checked.fleet.root(), proposed.fleet.root());
            prop_assert_eq!(&checked.touched, &proposed.touched);
            prop_assert_eq!(&checked.statement, &proposed.statement);
            prop_assert_eq!(&checked.contents, &proposed.contents);
            base = checked.fleet;
        }
    }
}

#[test]
fn a_statement_says_what_its_contents_make() {
    let (base, change) = proposed();
    assert!(check(&base, &change, &change.contents).is_ok());
    let [a, b] = change.contents.as_slice() else { panic!("two contents") };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let other = text(a).replace("get", "list").into_bytes();
    insta::assert_snapshot!(with_contents(&[other, b.clone()]), @"the statement does not fit its contents: the content of FederatedRole/a is missing");
    insta::assert_snapshot!(with_contents(std::slice::from_ref(b)), @"the statement does not fit its contents: the content of FederatedRole/a is missing");
    insta::assert_snapshot!(with_contents(&[a.clone(), b.clone(), b"more".to_vec()]), @"the statement does not fit its contents: contents that the statement does not name");
}

#[test]
fn a_subject_has_its_own_content() {
    // Names exchanged: the digests are there, but of the other document.
    let error = listing(|changes| {
        let mut transitions: Vec<_> = changes.0.values().copied().collect();
        transitions.reverse();
        for (transition, reversed) in changes.0.values_mut().zip(transitions) {
            *transition = reversed;
        }
    });
    insta::assert_snapshot!(error, @"the statement does not fit its contents: the content of FederatedRole/a is FederatedRole/b");
    let (base, change) = proposed();
    let invalid = b"kind: FederatedRole\n".to_vec();
    let mut changes = change.changes;
    changes.0.retain(|subject, _| subject.to_string().ends_with("/a"));
    for transition in changes.0.values_mut() {
        transition.after = Some(Digest::of(&invalid));
    }
    let statement = of(change.statement, &changes);
    let error = Change::check(&base, &statement, &changes.encode(), &[invalid]).unwrap_err();
    assert!(matches!(error, ChangeError::Document(_)), "{error}");
}

#[test]
fn a_statement_is_of_its_base() {
    let nine = Some(Digest([9; 32]));
    let before = listing(|c| c.0.values_mut().for_each(|t| t.before = nine));
    insta::assert_snapshot!(before, @"the statement does not fit its contents: FederatedRole/a is not as the statement says");
    insta::assert_snapshot!(altered(|s| s.fleet_root = Digest([9; 32])), @"the statement does not fit its contents: another fleet root");
    let stale = altered(|s| s.number = RevisionNumber(9));
    assert!(
        matches!(
            stale,
            ChangeError::Stale { number: RevisionNumber(9), current: RevisionNumber(1) }
        ),
        "{stale}"
    );
    let same = altered(|s| s.number = RevisionNumber(1));
    assert!(matches!(same, ChangeError::Stale { .. }), "{same}");
    let history = altered(|s| s.history = Digest([9; 32]));
    assert!(matches!(history, ChangeError::Stale { .. }), "{history}");
    insta::assert_snapshot!(history, @"the statement is number 2 on another history; the fleet is at 1");
    let fleet = altered(|s| s.fleet = Digest([9; 32]));
    assert!(matches!(fleet, ChangeError::OtherFleet), "{fleet}");
    let empty = listing(|c| c.0.clear());
    assert!(matches!(empty, ChangeError::Empty), "{empty}");
    let removes = Transition { before: nine, after: None };
    let removes = listing(|c| c.0.values_mut().for_each(|t| *t = removes));
    assert!(matches!(removes, ChangeError::Inconsistent(_)), "{removes}");
    insta::assert_snapshot!(altered(|s| s.changes = Digest([9; 32])), @"the statement does not fit its contents: another list of changes");
    insta::assert_snapshot!(altered(|s| s.change_count = 3), @"the statement does not fit its contents: another list of changes");
    insta::assert_snapshot!(altered(|s| s.root = Digest([9; 32])), @"the statement does not fit its contents: another trust root than the one in force");
    let (base, mut change) = proposed();
    change.bytes.remove(0);
    let malformed = check(&base, &change, &change.contents).unwrap_err();
    assert!(matches!(malformed, ChangeError::Malformed(_)), "{malformed}");
}

#[test]
fn edits_that_change_nothing_are_no_change() {
    let (_, change) = proposed();
    let again = vec![
        put(role("a", READS_PODS)),
        Edit::PutCluster(cluster(1, "prod-1", &[("env", "prod")])),
        Edit::Remove("FederatedRole/z".parse().unwrap()),
    ];
    let error = Change::propose(&change.fleet, again, "", NOW).unwrap_err();
    assert!(matches!(error, ChangeError::Empty), "{error}");
}

#[test]
fn of_several_edits_of_one_subject_the_last_counts() {
    let (_, change) = proposed();
    let a = || Edit::Remove("FederatedRole/a".parse().unwrap());
    // Taking away and putting back the same is nothing.
    let error =
        Change::propose(&change.fleet, vec![a(), put(role("a", READS_PODS))], "", NOW).unwrap_err();
    assert!(matches!(error, ChangeError::Empty), "{error}");
    let two = vec![put(role("a", "  rules: []\n")), a()];
    let removed = Change::propose(&change.fleet, two, "", NOW).unwrap();
    assert!(removed.contents.is_empty() && removed.edits.len() == 1);
    assert!(!removed.fleet.documents().keys().any(|reference| reference.name == "a"));
}

#[test]
fn what_cannot_be_read_again_is_not_proposed() {
    let base = three_clusters();
    let message = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let error =
        Change::propose(&base, vec![put(role("a", READS_PODS))], &message, NOW).unwrap_err();
    insta::assert_snapshot!(error, @"not a valid statement: a message over 4096 bytes");
}

#[test]
fn a_message_that_becomes_too_long_is_refused() {
    let edits = vec![put(role("a", READS_PODS))];
    let error = Change::propose(&three_clusters(), edits, &"\u{1}".repeat(2_000), NOW).unwrap_err();
    insta::assert_snapshot!(error, @"not a valid statement: 12447 bytes, more than 8192: write a shorter message, without control characters");
}

#[test]
fn a_cluster_is_not_made_to_hold_more_than_can_be_shown_at_once() {
    let names = |from: usize, to: usize| {
        let one = |i| put(role(&format!("r{i}"), "  rules: []\n"));
        (from..to).map(one).collect::<Vec<_>>()
    };
    let base = after(&three_clusters(), names(0, MAX_BUNDLE_ITEMS));
    let error = Change::propose(&base, names(MAX_BUNDLE_ITEMS, MAX_BUNDLE_ITEMS + 1), "", NOW);
    insta::assert_snapshot!(error.unwrap_err(), @"cluster prod-1 would have to hold 4001 documents and keys of secrets, more than 4000: place fewer on it, or put more into each");
}

#[test]
fn a_cluster_is_not_made_to_hold_more_than_an_agent_takes() {
    let base = three_clusters();
    let long = |i: usize| {
        let filler = format!("  # {}\n", "x".repeat(250_000));
        put(role(&format!("r{i}"), &(READS_PODS.to_owned() + &filler)))
    };
    let fits = Change::propose(&base, (0..40).map(long).collect(), "much", NOW).unwrap();
    assert!(check(&base, &fits, &fits.contents).is_ok());
    let error = Change::propose(&base, (0..60).map(long).collect(), "much", NOW).unwrap_err();
    assert!(matches!(error, ChangeError::TooMuch { .. }), "{error}");
    assert!(error.to_string().contains("place fewer or smaller documents"), "{error}");
}
