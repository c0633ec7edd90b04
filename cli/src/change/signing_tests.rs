//! Whose keys are looked for, and who is next.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use hanse_domain::document::DocumentRef;
use hanse_domain::ids::ClusterId;

use super::*;

const ROOT: &str = "\
hanse trust-root v1
version 1
nonce 0000000000000000000000000000000000000000000000000000000000000000
key ann ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICzQCYQWVTEACmseIfWcRCmAERm17w+nbhzm7Lj7jd2R
key bob ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdcZQTHE0zWCAiZtxpy5o1g3r31XcR/MYxW2buEFIeu
root 1 ann
roster 1 bob
danger 1 bob
author ann kinds=* namespaces=* clusters=* hazards=yes
";

#[test]
fn the_keys_that_are_looked_for_are_those_that_can_count() {
    let root = TrustRoot::parse(ROOT.as_bytes()).unwrap();
    let named = |edits: &[Edit]| names(&root.names_of(&wanted(&root, edits)));
    let reference: DocumentRef = "FederatedRole/x".parse().unwrap();
    assert_eq!(named(&[Edit::Remove(reference.clone())]), "ann, bob");
    assert_eq!(named(&[Edit::RemoveCluster(ClusterId(uuid::Uuid::from_u128(1)))]), "bob");
    let swapped = ROOT.replace("root 1 ann", "root 1 bob").replace("version 1", "version 2");
    let nonce = format!("nonce {}", "0".repeat(64));
    let next = swapped.replace(&nonce, &format!("previous {}", root.digest()));
    let next = Edit::PutRoot(TrustRoot::parse(next.as_bytes()).unwrap().into());
    assert_eq!(named(std::slice::from_ref(&next)), "ann, bob", "the old root and the new one");
    // Who could still sign, once ann has.
    let ann = root.keys.get(&"ann".parse().unwrap()).unwrap().clone();
    let left =
        |edit: &Edit| names(&others(&root, std::slice::from_ref(edit), &[ann.clone()].into()));
    assert_eq!(left(&next), "bob");
    assert_eq!(left(&Edit::Remove(reference)), "bob");
    let missing = |others: &[&str]| Missing {
        why: String::new(),
        others: others.iter().map(|name| name.parse().unwrap()).collect(),
    };
    assert_eq!(missing(&["bob"]).next("ab"), "next, by bob: hanse sign ab");
    assert_eq!(missing(&["bob", "cy"]).next("ab"), "next, by one of bob, cy: hanse sign ab");
}
