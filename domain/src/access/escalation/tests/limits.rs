//! What is not there gives nothing, and nothing can go wrong on odd input.

use super::{Lab, rule};

#[test]
fn a_role_that_is_not_there_gives_nothing_and_gives_when_it_comes() {
    let mut lab = Lab::new();
    lab.bind("", "ClusterRole/late", "user ann");
    lab.bind("shut", "Role/late", "user ann");
    assert_eq!(lab.told("user ann"), "");
    lab.role("", "late", &[rule("impersonate users root")]);
    assert_ne!(lab.told("user ann"), "");
}

#[test]
fn an_account_that_does_not_exist_can_only_be_impersonated() {
    let mut lab = Lab::new();
    lab.bind("", "ClusterRole/cluster-admin", "account shut/ghost");
    lab.grant("user ann", &["shut: create serviceaccounts/token ghost"]);
    assert_eq!(lab.told("user ann"), "");
    lab.grant("user ann", &["shut: impersonate serviceaccounts ghost"]);
    assert_ne!(lab.told("user ann"), "");
}

#[test]
fn circles_end() {
    let mut lab = Lab::empty();
    lab.namespace("a", "restricted");
    for name in ["one", "two"] {
        lab.account("a", name, false);
    }
    lab.grant("account a/one", &["a: create serviceaccounts/token two"]);
    lab.grant("account a/two", &["a: create serviceaccounts/token one"]);
    assert_eq!(lab.told("account a/one"), "");
}

#[test]
fn an_empty_cluster_has_masters_alone() {
    let lab = Lab::empty();
    let all = lab.paths(&super::Filter { holders: true, ..super::Filter::default() });
    assert!(all.iter().all(|path| path.subject.name() == "system:masters"));
    assert_eq!(lab.told("user nobody"), "");
}
