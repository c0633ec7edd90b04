//! Statements, manifests and roster entries have one encoding each, and nothing else is one.

use hanse_domain::document::{DocumentRef, Kind};
use hanse_domain::history::changes::{Changes, MAX_CHANGES_BYTES, Subject, Transition, WrapRef};
use hanse_domain::history::encoding::Malformed;
use hanse_domain::history::manifest::{Manifest, Pin};
use hanse_domain::history::roster::{ClusterEntry, ConfirmedRemovals, MAX_ENTRY_BYTES};
use hanse_domain::history::statement::{MAX_MESSAGE_BYTES, MAX_SIGNERS, Statement};
use hanse_domain::history::wrap::{MAX_WRAP_BYTES, Wrap};
use hanse_domain::ids::{Digest, RevisionNumber};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::support::{NOW, cluster, cluster_id};

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn reference() -> impl Strategy<Value = DocumentRef> {
    (prop::sample::select(Kind::ALL.to_vec()), "[a-z0-9]{1,5}([.-][a-z0-9]{1,3})?")
        .prop_map(|(kind, name)| DocumentRef { kind, name })
}

fn pin() -> impl Strategy<Value = Pin> {
    (digest(), any::<u64>())
        .prop_map(|(digest, number)| Pin { digest, number: RevisionNumber(number) })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let documents = prop::collection::btree_map(reference(), pin(), 0..6);
    let wraps = prop::collection::btree_map("[a-z0-9]{1,5}", pin(), 0..3);
    (any::<u128>(), pin(), documents, wraps).prop_map(|(id, entry, documents, wraps)| Manifest {
        cluster: cluster_id(id),
        entry,
        documents,
        wraps,
    })
}

fn entry() -> impl Strategy<Value = ClusterEntry> {
    let labels = prop::collection::btree_map(
        "([a-z]{1,4}\\.[a-z]{2}/)?[a-zA-Z0-9]{1,6}",
        "([a-zA-Z0-9]{1,3}([._-][a-z0-9]{1,2})?)?",
        0..4,
    );
    let confirmed = prop::option::of((any::<u64>(), any::<u32>()));
    let name = "[a-z]([a-z0-9-]{0,10}[a-z0-9])?";
    (any::<u128>(), name, labels, prop::option::of(recipient()), confirmed).prop_map(
        |(id, name, labels, recipient, confirmed)| ClusterEntry {
            recipient,
            confirmed_removals: confirmed.map(|(generation, count)| ConfirmedRemovals {
                generation: RevisionNumber(generation),
                count,
            }),
            ..ClusterEntry::new(cluster_id(id), name, labels)
        },
    )
}

fn transition() -> impl Strategy<Value = Transition> {
    (prop::option::of(digest()), prop::option::of(digest()))
        .prop_filter("must differ", |(before, after)| before != after)
        .prop_map(|(before, after)| Transition { before, after })
}

fn recipient() -> impl Strategy<Value = String> {
    "age1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58}"
}

fn wrap() -> impl Strategy<Value = Wrap> {
    let key = prop::collection::vec(any::<u8>(), 0..40);
    ("[a-z0-9]{1,5}(\\.[a-z]{1,3})?", any::<u64>(), any::<u128>(), recipient(), key).prop_map(
        |(secret, version, id, recipient, key)| Wrap {
            reference: WrapRef { secret, cluster: cluster_id(id) },
            version,
            recipient,
            key,
        },
    )
}

fn changes() -> impl Strategy<Value = Changes> {
    let subject = prop_oneof![
        any::<u128>().prop_map(|id| Subject::Cluster(cluster_id(id))),
        reference().prop_map(Subject::Document),
        Just(Subject::TrustRoot),
        ("[a-z0-9]{1,5}", any::<u128>()).prop_map(|(secret, id)| {
            Subject::Wrap(WrapRef { secret, cluster: cluster_id(id) })
        }),
    ];
    prop::collection::btree_map(subject, transition(), 0..5).prop_map(Changes)
}

fn statement() -> impl Strategy<Value = Statement> {
    let message = ".{0,40}|[\u{0}-\u{1f}\u{2028}\"\\\\\u{1f600}]{0,10}";
    let digests = (digest(), digest(), digest(), digest(), digest());
    let numbers = (1u64.., 1..=MAX_SIGNERS, any::<u64>());
    (digests, numbers, 0i64..4_000_000_000_000_000, message).prop_map(
        |(
            (fleet, root, history, changes, fleet_root),
            (number, signers, change_count),
            time,
            message,
        )| {
            Statement {
                fleet,
                root,
                number: RevisionNumber(number),
                history,
                time: Timestamp::from_microsecond(time).unwrap(),
                message,
                signers,
                change_count,
                changes,
                fleet_root,
            }
        },
    )
}

/// An encoding with one byte changed, added or taken away is refused, or is another value's encoding.
fn canonical<T: PartialEq>(
    value: &T,
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, Malformed>,
    (at, byte, how): (usize, u8, u8),
) -> Result<(), TestCaseError> {
    let bytes = encode(value);
    prop_assert!(decode(&bytes).unwrap() == *value);
    let mut changed = bytes.clone();
    let at = at % bytes.len();
    match how % 3 {
        0 => changed[at] = byte,
        1 => changed.insert(at, byte),
        _ => {
            changed.remove(at);
        }
    }
    if let Ok(other) = decode(&changed) {
        prop_assert_eq!(encode(&other), changed.clone());
        prop_assert_eq!(other == *value, changed == bytes);
    }
    Ok(())
}

/// Bytes that an encoding has somewhere are more likely to be accepted than any bytes.
fn mutation() -> impl Strategy<Value = (usize, u8, u8)> {
    let byte = prop_oneof![
        Just(b' '),
        Just(b'\n'),
        Just(b'-'),
        Just(b'0'),
        Just(b'+'),
        b'0'..=b'9',
        b'a'..=b'z',
        b'A'..=b'F',
        any::<u8>()
    ];
    (any::<usize>(), byte, any::<u8>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn manifests_are_canonical(value in manifest(), mutation in mutation()) {
        canonical(&value, Manifest::encode, Manifest::decode, mutation)?;
    }

    #[test]
    fn entries_are_canonical(value in entry(), mutation in mutation()) {
        canonical(&value, ClusterEntry::encode, ClusterEntry::decode, mutation)?;
    }

    #[test]
    fn statements_are_canonical(value in statement(), mutation in mutation()) {
        canonical(&value, Statement::encode, Statement::decode, mutation)?;
    }

    #[test]
    fn lists_of_changes_are_canonical(value in changes(), mutation in mutation()) {
        canonical(&value, Changes::encode, Changes::decode, mutation)?;
    }

    #[test]
    fn wrapped_keys_are_canonical(value in wrap(), mutation in mutation()) {
        canonical(&value, Wrap::encode, Wrap::decode, mutation)?;
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Manifest::decode(&bytes), ClusterEntry::decode(&bytes), Statement::decode(&bytes));
    }
}

fn small_statement() -> Statement {
    Statement {
        fleet: Digest([1; 32]),
        root: Digest([1; 32]),
        number: RevisionNumber(1),
        history: Digest([2; 32]),
        time: NOW,
        message: "a".to_owned(),
        signers: 1,
        change_count: 1,
        changes: Digest([4; 32]),
        fleet_root: Digest([3; 32]),
    }
}

fn small_changes() -> Changes {
    let transition = Transition { before: None, after: Some(Digest([7; 32])) };
    Changes([(Subject::Cluster(cluster_id(1)), transition)].into())
}

#[test]
fn every_single_byte_of_a_statement_counts() {
    let value = small_statement();
    let bytes = value.encode();
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut changed = bytes.clone();
            changed[at] = byte;
            if let Ok(other) = Statement::decode(&changed) {
                assert_eq!(other.encode(), changed);
                assert_eq!(other == value, changed == bytes);
            }
        }
    }
}

#[test]
fn encodings_are_bounded() {
    let message =
        |length: usize| Statement { message: "x".repeat(length), ..small_statement() }.encode();
    assert!(Statement::decode(&message(MAX_MESSAGE_BYTES)).is_ok());
    insta::assert_snapshot!(Statement::decode(&message(MAX_MESSAGE_BYTES + 1)).unwrap_err(), @"not a valid statement: line 7: a message over 4096 bytes");
    let mut large = small_changes().encode();
    large.resize(MAX_CHANGES_BYTES + 1, b'\n');
    insta::assert_snapshot!(Changes::decode(&large).unwrap_err(), @"not a valid list of changes: 8388609 bytes, more than 8388608");
    large.truncate(MAX_WRAP_BYTES + 1);
    insta::assert_snapshot!(Wrap::decode(&large).unwrap_err(), @"not a valid wrapped key: 8193 bytes, more than 8192");
    let mut large = cluster(1, "a", &[]).encode();
    large.resize(MAX_ENTRY_BYTES + 1, b'\n');
    insta::assert_snapshot!(ClusterEntry::decode(&large).unwrap_err(), @"not a valid roster entry: 65537 bytes, more than 65536");
}

#[test]
fn what_is_not_canonical_is_told() {
    let text = String::from_utf8(small_statement().encode()).unwrap();
    let refused = |from: &str, to: &str| {
        Statement::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused("number 1", "number 01"), @"not a valid statement: not in canonical order or form");
    insta::assert_snapshot!(refused("number 1\n", ""), @"not a valid statement: line 4: `number` expected");
    insta::assert_snapshot!(refused("message \"a\"", "message \"\\u0061\""), @"not a valid statement: not in canonical order or form");
    insta::assert_snapshot!(refused("v1", "v2"), @"not a valid statement: another header line");
    insta::assert_snapshot!(refused("changes 1", "changes"), @"not a valid statement: line 9: a number and a digest expected");
    insta::assert_snapshot!(refused("signers 1\n", ""), @"not a valid statement: line 8: `signers` expected");
    insta::assert_snapshot!(refused("signers 1", "signers 0"), @"not a valid statement: line 8: 0 signers; it is 1 to 8");
    insta::assert_snapshot!(refused("signers 1", "signers 9"), @"not a valid statement: line 8: 9 signers; it is 1 to 8");
    insta::assert_snapshot!(refused("number 1", "number 0"), @"not a valid statement: number 0");
    let text = String::from_utf8(small_changes().encode()).unwrap();
    let refused = |from: &str, to: &str| {
        Changes::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused(" - ", " x "), @"not a valid list of changes: line 2: not 64 hexadecimal digits in lower case");
    insta::assert_snapshot!(refused("Cluster/", "Klaster/"), @"not a valid list of changes: line 2: not a document reference like FederatedRole/payments");
    insta::assert_snapshot!(refused("Cluster/", "Wrap/"), @"not a valid list of changes: line 2: not a wrapped key like Wrap/SECRET/CLUSTER");
    insta::assert_snapshot!(refused("Cluster/", "Wrap/A/"), @"not a valid list of changes: line 2: not a wrapped key like Wrap/SECRET/CLUSTER");
    insta::assert_snapshot!(refused(&format!("- {}", Digest([7; 32])), "- -"), @"not a valid list of changes: line 2: a change that changes nothing");
    insta::assert_snapshot!(refused(&format!("- {}", Digest([7; 32])), "-"), @"not a valid list of changes: line 2: a subject and two digests expected");
    let entry = String::from_utf8(cluster(1, "a", &[("b", "c")]).encode()).unwrap();
    let refused = |from: &str, to: &str| {
        ClusterEntry::decode(entry.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused("name a", "name A"), @"not a valid roster entry: line 3: `A` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit");
    insta::assert_snapshot!(refused("label b c", "label b c\nlabel a c"), @"not a valid roster entry: not in canonical order or form");
    insta::assert_snapshot!(refused("label b c", "label b c d"), @"not a valid roster entry: line 4: a key and a value");
}

#[test]
fn recipients_and_wrapped_keys_are_told_apart() {
    let recipient = crate::people::RECIPIENT;
    let entry = ClusterEntry {
        recipient: Some(recipient.to_owned()),
        confirmed_removals: Some(ConfirmedRemovals { generation: RevisionNumber(7), count: 40 }),
        ..cluster(1, "a", &[("b", "c")])
    };
    let text = String::from_utf8(entry.encode()).unwrap();
    insta::assert_snapshot!(text, @r#"
    hanse cluster v1
    id 00000000-0000-0000-0000-000000000001
    name a
    label b c
    recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
    confirm-removals 7 40
    "#);
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        ClusterEntry::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused("age1", "AGE1"), @"not a valid roster entry: line 5: this is no age recipient: it is age1 and 58 letters and digits");
    insta::assert_snapshot!(refused("recipient age1", "recipient  age1"), @"not a valid roster entry: line 5: this is no age recipient: it is age1 and 58 letters and digits");
    insta::assert_snapshot!(refused("8p\n", "8p\nrecipient x\n"), @"not a valid roster entry: line 6: unexpected line");
    insta::assert_snapshot!(refused("removals 7 40", "removals 7"), @"not a valid roster entry: line 6: a generation and a number");
    insta::assert_snapshot!(refused("removals 7 40", "removals 7 4294967296"), @"not a valid roster entry: line 6: number too large to fit in target type");
    let wrap = crate::people::wrap("db", 3, 1, 7);
    let text = String::from_utf8(wrap.encode()).unwrap();
    insta::assert_snapshot!(text, @r#"
    hanse wrap v1
    secret db
    version 3
    cluster 00000000-0000-0000-0000-000000000001
    recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
    key Bw==
    "#);
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Wrap::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused("secret db", "secret DB"), @"not a valid wrapped key: line 2: `DB` is not a DNS subdomain: DNS labels with '.' between, at most 253 characters");
    insta::assert_snapshot!(refused("version 3", "version 03"), @"not a valid wrapped key: not in canonical order or form");
    insta::assert_snapshot!(refused("version 3", "version x"), @"not a valid wrapped key: line 3: invalid digit found in string");
    insta::assert_snapshot!(refused("cluster 0", "cluster F"), @"not a valid wrapped key: line 4: not a UUID in lower case with hyphens");
    insta::assert_snapshot!(refused("recipient age1", "recipient age2"), @"not a valid wrapped key: line 5: this is no age recipient: it is age1 and 58 letters and digits");
    insta::assert_snapshot!(refused("key Bw==", "key Bw="), @"not a valid wrapped key: line 6: Invalid padding");
    insta::assert_snapshot!(refused("key Bw==", "key Bx=="), @"not a valid wrapped key: line 6: Invalid last symbol 120, offset 1.");
    insta::assert_snapshot!(refused("key Bw==\n", "key Bw==\n\n"), @"not a valid wrapped key: line 7: unexpected line");
}
