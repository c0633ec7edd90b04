//! Whose signatures count for what: trust roots, quorums and scopes.

use std::collections::BTreeSet;

use hanse_domain::ids::Digest;
use hanse_domain::trust::root::{KeyName, MAX_ROOT_BYTES, Quorum, TrustRoot};
use hanse_domain::trust::scope::Scope;
use insta::assert_snapshot;

use crate::people::{LEAS_SCOPE, first_root, grant, secret};
use crate::support::{document, key, namespace, public, role, text};

fn names(names: &[&str]) -> BTreeSet<KeyName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_quorum_is_met_by_its_own_names() {
    let quorum = Quorum { threshold: 2, names: names(&["a", "b", "c"]) };
    assert!(!quorum.is_met(&names(&[])));
    assert!(!quorum.is_met(&names(&["a"])));
    assert!(!quorum.is_met(&names(&["a", "x", "y"])));
    assert!(quorum.is_met(&names(&["a", "c"])));
    assert!(quorum.is_met(&names(&["a", "b", "c", "x"])));
}

#[test]
fn a_key_is_one_name() {
    let root = first_root();
    let keys = [key(2), key(9)].map(|key| public(&key)).into();
    assert_eq!(root.names_of(&keys), names(&["bob"]));
    let text = String::from_utf8(root.encode()).unwrap();
    let twice = text.replace(&public(&key(2)).to_string(), &public(&key(1)).to_string());
    assert_snapshot!(TrustRoot::decode(twice.as_bytes()).unwrap_err(), @"not a valid trust root: line 5: the key of bob has another name already");
    assert_snapshot!(TrustRoot::parse(twice.as_bytes()).unwrap_err(), @"not a valid trust root: line 5: the key of bob has another name already");
}

#[test]
fn a_trust_root_has_one_encoding() {
    let root = first_root();
    assert_eq!(TrustRoot::decode(&root.encode()).unwrap(), root);
    let lines = String::from_utf8(root.encode()).unwrap();
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.swap(3, 4);
    let swapped = format!("{}\n", lines.join("\n"));
    assert_eq!(TrustRoot::parse(swapped.as_bytes()).unwrap(), root);
    assert_snapshot!(TrustRoot::decode(swapped.as_bytes()).unwrap_err(), @"not a valid trust root: not in canonical order or form");
}

#[test]
fn what_is_wrong_with_a_trust_root_is_told() {
    let text = String::from_utf8(first_root().encode()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        TrustRoot::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    let nonce = Digest([1; 32]);
    assert_snapshot!(refused("v1", "v2"), @"not a valid trust root: another header line");
    assert_snapshot!(refused("version 1", "version 0"), @"not a valid trust root: version 1 has a `nonce`, later ones have `previous`");
    assert_snapshot!(refused("version 1", "version 2"), @"not a valid trust root: version 1 has a `nonce`, later ones have `previous`");
    assert_snapshot!(refused(&format!("nonce {nonce}"), &format!("previous {nonce}")), @"not a valid trust root: version 1 has a `nonce`, later ones have `previous`");
    assert_snapshot!(refused("key ada ssh-ed25519", "key ada ssh-rsa"), @"not a valid trust root: line 4: not an OpenSSH public key of the form `TYPE BASE64`");
    assert_snapshot!(refused("key ada ", "key Ada "), @"not a valid trust root: line 4: `Ada` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit");
    assert_snapshot!(refused("key ada ", "key bob "), @"not a valid trust root: line 5: bob has a key already");
    assert_snapshot!(refused("root 1 ada bob", "root 0 ada bob"), @"not a valid trust root: line 8: root asks for 0 signatures and names 2 keys");
    assert_snapshot!(refused("root 1 ada bob", "root 3 ada bob"), @"not a valid trust root: line 8: root asks for 3 signatures and names 2 keys");
    assert_snapshot!(refused("root 1 ada bob", "root 5 ada bob lea rob"), @"not a valid trust root: line 8: 5 keys, more than 4");
    assert_snapshot!(refused("root 1 ada bob", "root 2 ada ada"), @"not a valid trust root: line 8: ada is here twice");
    assert_snapshot!(refused("root 1 ada bob", "root 1 ada eve"), @"not a valid trust root: line 8: there is no key with the name eve");
    assert_snapshot!(refused("root 1 ada bob", "root ada bob"), @"not a valid trust root: line 8: invalid digit found in string");
    assert_snapshot!(refused("root 1 ada bob", "root 1"), @"not a valid trust root: line 8: root asks for 1 signature and names 0 keys");
    assert_snapshot!(refused("danger 2 ada bob\n", ""), @"not a valid trust root: line 10: `danger` expected");
    assert_snapshot!(refused("author bob", "author ada"), @"not a valid trust root: line 12: ada is an author already");
    assert_snapshot!(refused("author bob", "author eve"), @"not a valid trust root: line 12: there is no key with the name eve");
    assert_snapshot!(refused("hazards=no\n", "hazards=no\nmore\n"), @"not a valid trust root: line 14: unexpected line");
    let mut long = text.clone().into_bytes();
    long.resize(MAX_ROOT_BYTES + 1, b'\n');
    assert_snapshot!(TrustRoot::decode(&long).unwrap_err(), @"not a valid trust root: 262145 bytes, more than 262144");
}

#[test]
fn what_is_wrong_with_a_scope_is_told() {
    assert_eq!(LEAS_SCOPE.parse::<Scope>().unwrap().to_string(), LEAS_SCOPE);
    let all = "kinds=* namespaces=* clusters=* hazards=yes";
    assert_eq!(all.parse::<Scope>().unwrap(), Scope::everything());
    let refused = |text: &str| text.parse::<Scope>().unwrap_err().to_string();
    assert_snapshot!(refused(""), @"not a scope: `kinds=` expected; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused("namespaces=* kinds=* clusters=* hazards=yes"), @"not a scope: `kinds=` expected; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused("kinds=*  namespaces=* clusters=* hazards=yes"), @"not a scope: `namespaces=` expected; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&format!("{all} more")), @"not a scope: more words than four; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&all.replace("kinds=*", "kinds=Pod")), @"not a scope: there is no kind Pod; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&all.replace("kinds=*", "kinds=")), @"not a scope: there is no kind ; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&all.replace("namespaces=*", "namespaces=Shop")), @"not a scope: `Shop` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&all.replace("namespaces=*", "namespaces=*-shop")), @"not a scope: `*-shop` is not a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&all.replace("clusters=*", "clusters=env")), @"not a scope: a label is KEY=VALUE; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&all.replace("clusters=*", "clusters=env=p=q")), @"not a scope: `p=q` is not a label value: at most 63 of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
    assert_snapshot!(refused(&all.replace("hazards=yes", "hazards=maybe")), @"not a scope: `hazards=` is yes or no; write kinds=… namespaces=… clusters=… hazards=yes|no, in this order, with * for all");
}

#[test]
fn a_scope_covers_what_it_says() {
    let scope: Scope = LEAS_SCOPE.parse().unwrap();
    let covers = |document| scope.excludes(&document).unwrap_or_default();
    let on_prod = |kind: &str, name: &str, spec: &str| {
        let placement = "  placement: {clusterSelector: {matchLabels: {env: prod, more: x}}}\n";
        document(&text(kind, name, &format!("{placement}{spec}")))
    };
    assert_snapshot!(covers(grant("x", "view", "u", "shop")), @"");
    assert_snapshot!(covers(grant("x", "view", "u", "shop-eu")), @"");
    assert_snapshot!(covers(on_prod("FederatedNamespace", "shop", "")), @"");
    assert_snapshot!(covers(on_prod("FederatedNamespace", "shops", "")), @"namespace shops is outside of its scope");
    assert_snapshot!(covers(namespace("shop", "")), @"its `clusterSelector` must have the `matchLabels` env=prod");
    assert_snapshot!(covers(secret("x", "billing", 1)), @"namespace billing is outside of its scope");
    assert_snapshot!(covers(role("shop", "  rules: []\n")), @"it may not sign a FederatedRole");
    // A name says nothing of the labels that a cluster will have.
    let named =
        document(&text("FederatedNamespace", "shop", "  placement: {clusterNames: [prod-1]}\n"));
    assert_snapshot!(covers(named), @"it may not place by `clusterNames`, only by a `clusterSelector` with the `matchLabels` env=prod");
}
