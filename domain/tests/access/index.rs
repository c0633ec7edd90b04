//! What an index keeps, and what it takes.

use hanse_domain::access::index::{Footprint, Index};
use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, RawSubject, RoleReference,
};
use hanse_domain::ids::ClusterId;
use hanse_domain::kinds::role::PolicyRule;

use crate::policy::CLUSTER;

type Object = (AccessKey, AccessContent);

fn role(name: &str, verb: &str) -> Object {
    let rules = vec![PolicyRule { verbs: vec![verb.to_owned()], ..PolicyRule::default() }];
    let content = AccessContent::Role { rules, labels: [].into(), aggregates: None };
    (AccessKey::cluster(AccessKind::ClusterRole, name), content)
}

fn binding(n: usize, user: &str) -> Object {
    let role = RoleReference { kind: "ClusterRole".to_owned(), name: format!("r{}", n % 7) };
    let subject =
        RawSubject { kind: "User".to_owned(), namespace: String::new(), name: user.to_owned() };
    let content = AccessContent::Binding { role, subjects: vec![subject] };
    let namespace = format!("ns{}", n % 5);
    (AccessKey::namespaced(AccessKind::RoleBinding, namespace, format!("b{n}")), content)
}

fn cluster(n: u128) -> ClusterId {
    ClusterId(uuid::Uuid::from_u128(n))
}

fn shop(bindings: usize) -> Vec<Object> {
    (0..7)
        .map(|n| role(&format!("r{n}"), "get"))
        .chain((0..bindings).map(|n| binding(n, &format!("u{}", n % 20))))
        .collect()
}

#[test]
fn a_binding_takes_twelve_bytes() {
    let mut index = Index::default();
    index.load(CLUSTER, shop(10_000));
    let loaded = index.footprint();
    assert_eq!((loaded.bindings, loaded.binding_bytes), (10_000, 12 * 10_000 + 8 * 5));
    assert_eq!(loaded.role_bytes, 7 * 16);
    for n in 10_000..10_010 {
        let (key, content) = binding(n, "new");
        index.apply(CLUSTER, &key, Some(&content));
    }
    assert!(index.footprint().binding_bytes <= 130_000, "{:?}", index.footprint());
}

/// Another cluster that says the same takes what is its own.
#[test]
fn clusters_share_what_they_have_in_common() {
    let mut index = Index::default();
    index.load(cluster(1), shop(1000));
    let one = index.footprint();
    index.load(cluster(2), shop(1000));
    let two = index.footprint();
    assert_eq!((two.symbols, two.symbol_bytes), (one.symbols, one.symbol_bytes));
    assert_eq!(two.binding_bytes, 2 * one.binding_bytes);

    let fork = index.fork(cluster(2));
    assert_eq!(fork.clusters().collect::<Vec<_>>(), [cluster(2)]);
    assert_eq!(fork.footprint().symbols, one.symbols);
    index.remove_cluster(cluster(1));
    index.remove_cluster(cluster(2));
    assert_eq!(index.footprint().symbols, Index::default().footprint().symbols);
}

#[test]
fn what_comes_and_goes_takes_no_memory() {
    let mut index = Index::default();
    index.load(CLUSTER, shop(500));
    let churn = |index: &mut Index, round: usize| -> Footprint {
        for n in 0..50 {
            let (key, content) = binding(n, &format!("u{round}-{n}"));
            index.apply(CLUSTER, &key, Some(&content));
            let (key, content) = role(&format!("new-{round}"), &format!("v{round}-{n}"));
            index.apply(CLUSTER, &key, Some(&content));
            index.apply(CLUSTER, &key, None);
            let (key, content) = binding(1000 * round + n, "passing");
            index.apply(CLUSTER, &key, Some(&content));
            index.apply(CLUSTER, &key, None);
            let (key, content) = binding(n, "u");
            index.apply(CLUSTER, &key, Some(&content));
        }
        index.load(cluster(2), shop(200));
        index.remove_cluster(cluster(2));
        index.footprint()
    };
    let first = churn(&mut index, 1);
    let after = (2..20).map(|round| churn(&mut index, round)).last().unwrap();
    assert_eq!(after.symbols, first.symbols);
    assert!(after.bytes() <= first.bytes() + 1024, "{after:?} after {first:?}");
}

#[test]
fn what_cannot_be_is_not_there() {
    let mut index = Index::default();
    let (key, content) = binding(1, "anna");
    let nowhere = AccessKey { namespace: String::new(), ..key.clone() };
    index.apply(CLUSTER, &nowhere, Some(&content));
    let (role_key, role_content) = role("r", "get");
    let somewhere = AccessKey { namespace: "ci".to_owned(), ..role_key.clone() };
    index.apply(CLUSTER, &somewhere, Some(&role_content));
    index.apply(CLUSTER, &key, Some(&role_content));
    assert_eq!(index.objects(CLUSTER).count(), 0);
    let as_role = AccessKey { kind: AccessKind::Role, ..role_key.clone() };
    index.apply(CLUSTER, &role_key, Some(&role_content));
    assert!(index.role(CLUSTER, &role_key).is_some());
    assert!(index.role(CLUSTER, &as_role).is_none());

    // A content that is none of its kind's takes the one before it along.
    index.apply(CLUSTER, &role_key, Some(&content));
    assert!(index.role(CLUSTER, &role_key).is_none());
}
