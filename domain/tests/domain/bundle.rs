//! What an agent believes.

use std::collections::BTreeMap;
use std::sync::Arc;

use hanse_domain::bundle::{Held, Offer, Refusal, verify};
use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::manifest::{Manifest, fleet_leaf};
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{Digest, RevisionNumber};
use proptest::prelude::*;

use crate::support::{
    NOW, READS_PODS, cluster, cluster_id, document, new_fleet, put, role, text, three_clusters,
};

/// A fleet of three clusters after one change that puts a role everywhere, and what the hub then
/// offers to a cluster.
fn changed() -> (Change, Fleet) {
    let base = three_clusters();
    let change = Change::propose(
        &base,
        vec![put(role("a", READS_PODS)), put(role("b", READS_PODS))],
        "",
        NOW,
    )
    .unwrap();
    let fleet = change.fleet.clone();
    (change, fleet)
}

fn offer_to(n: u128) -> Offer {
    let (change, fleet) = changed();
    let member = fleet.member(cluster_id(n)).unwrap();
    let mut contents = change.contents;
    contents.push(member.entry.encode());
    Offer {
        generation: member.generation,
        statement: change.bytes,
        manifest: member.manifest.encode(),
        inclusion: fleet.inclusion(cluster_id(n)).unwrap(),
        contents,
    }
}

fn refusal(offer: &Offer) -> Refusal {
    verify(cluster_id(1), &Held::default(), offer).unwrap_err()
}

/// An offer whose manifest a hub made up, with a statement that has it under its root: what a stolen
/// hub can do as long as statements are not signed.
fn forged(alter: impl FnOnce(&mut Manifest), contents: Vec<Vec<u8>>) -> Offer {
    let mut offer = offer_to(1);
    let mut manifest = Manifest::decode(&offer.manifest).unwrap();
    alter(&mut manifest);
    offer.manifest = manifest.encode();
    let leaf = fleet_leaf(cluster_id(1), manifest.digest());
    offer.inclusion = InclusionProof::derive(&[leaf], 0).unwrap();
    let mut statement = Statement::decode(&offer.statement).unwrap();
    statement.fleet_root = leaf;
    offer.statement = statement.encode();
    offer.contents.extend(contents);
    offer
}

/// A forged offer in which document `a` has other bytes.
fn with_document(bytes: &[u8]) -> Offer {
    let digest = Digest::of(bytes);
    let alter = |manifest: &mut Manifest| {
        let (_, pin) = manifest.documents.iter_mut().next().unwrap();
        pin.digest = digest;
    };
    forged(alter, vec![bytes.to_vec()])
}

proptest! {
    #[test]
    fn contents_come_in_any_order(contents in Just(offer_to(1).contents).prop_shuffle()) {
        let offer = Offer { contents, ..offer_to(1) };
        let bundle = verify(cluster_id(1), &Held::default(), &offer).unwrap().unwrap();
        let names: Vec<String> = bundle.documents.iter().map(|(d, n)| format!("{}@{n}", d.reference)).collect();
        prop_assert_eq!(names, ["FederatedRole/a@2", "FederatedRole/b@2"]);
        prop_assert_eq!((bundle.generation, bundle.entry.name.as_str()), (RevisionNumber(2), "prod-1"));
        prop_assert_eq!(bundle.digest, Digest::of(&offer.manifest));
    }

    #[test]
    fn a_changed_byte_is_never_believed(part in 0usize..3, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut offer = offer_to(1);
        let bytes = match part {
            0 => &mut offer.statement,
            1 => &mut offer.manifest,
            _ => &mut offer.contents[0],
        };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // What a statement says beside its root and number is for its signature to protect.
        let believed = verify(cluster_id(1), &Held::default(), &offer).is_ok();
        prop_assert!(part == 0 || !believed);
    }
}

#[test]
fn what_is_held_need_not_travel() {
    let mut offer = offer_to(1);
    let held: BTreeMap<Digest, Arc<[u8]>> =
        offer.contents.drain(..).map(|c| (Digest::of(&c), Arc::from(c))).collect();
    let with = Held { contents: Some(&held), ..Held::default() };
    assert!(verify(cluster_id(1), &with, &offer).unwrap().is_some());
    assert!(matches!(refusal(&offer), Refusal::Missing(_)));
}

#[test]
fn a_generation_never_goes_back_and_is_one_thing() {
    let offer = offer_to(1);
    let digest = Digest::of(&offer.manifest);
    let with = |generation: u64, digest: Digest| {
        let held = Held { accepted: Some((RevisionNumber(generation), digest)), ..Held::default() };
        verify(cluster_id(1), &held, &offer)
    };
    assert!(with(2, digest).unwrap().is_none());
    assert!(with(1, digest).unwrap().is_some());
    assert!(matches!(
        with(3, digest).unwrap_err(),
        Refusal::Older { offered: RevisionNumber(2), accepted: RevisionNumber(3) }
    ));
    assert!(matches!(
        with(2, Digest([9; 32])).unwrap_err(),
        Refusal::Forked { generation: RevisionNumber(2) }
    ));
}

#[test]
fn a_statement_is_of_the_fleet_and_of_its_number() {
    let offer = offer_to(1);
    let held = |fleet: Digest| Held { fleet: Some(fleet), ..Held::default() };
    assert!(verify(cluster_id(1), &held(new_fleet().id), &offer).is_ok());
    let refused = verify(cluster_id(1), &held(Digest([9; 32])), &offer).unwrap_err();
    assert!(matches!(refused, Refusal::OtherFleet));
    let later = Offer { generation: RevisionNumber(3), ..offer };
    assert!(matches!(
        refusal(&later),
        Refusal::OtherStatement { statement: RevisionNumber(2), generation: RevisionNumber(3) }
    ));
}

#[test]
fn another_clusters_bundle_is_not_ours() {
    assert!(matches!(refusal(&offer_to(2)), Refusal::OtherCluster(id) if id == cluster_id(2)));
    let other = cluster(2, "prod-2", &[("env", "prod")]);
    let bytes = other.encode();
    let alter = |manifest: &mut Manifest| manifest.entry.digest = Digest::of(&bytes);
    let offer = forged(alter, vec![bytes.clone()]);
    assert!(matches!(refusal(&offer), Refusal::OtherCluster(id) if id == cluster_id(2)));
}

#[test]
fn a_manifest_is_under_the_root() {
    let mut offer = offer_to(1);
    let mut manifest = Manifest::decode(&offer.manifest).unwrap();
    manifest.documents.pop_first();
    offer.manifest = manifest.encode();
    assert!(matches!(refusal(&offer), Refusal::NotIncluded));
    let proof = Offer { inclusion: offer_to(2).inclusion, ..offer_to(1) };
    assert!(matches!(refusal(&proof), Refusal::NotIncluded));
}

#[test]
fn contents_are_what_the_manifest_says() {
    assert!(verify(cluster_id(1), &Held::default(), &forged(|_| (), Vec::new())).is_ok());
    let placed = |placement: &str, name: &str| {
        text("FederatedRole", name, &format!("  placement: {placement}\n{READS_PODS}"))
    };
    let elsewhere = with_document(placed("{clusterNames: [dev-1]}", "a").as_bytes());
    assert!(matches!(refusal(&elsewhere), Refusal::NotPlaced(reference) if reference.name == "a"));
    let other = with_document(placed("{clusterSelector: {}}", "c").as_bytes());
    assert!(matches!(refusal(&other), Refusal::OtherDocument(reference) if reference.name == "a"));
    assert!(matches!(refusal(&with_document(b"kind: FederatedRole\n")), Refusal::Document(_)));
    let protected =
        text("FederatedNamespace", "kube-system", "  placement: {clusterSelector: {}}\n");
    assert!(matches!(refusal(&with_document(protected.as_bytes())), Refusal::Document(_)));
    let two = format!(
        "{}---\n{}",
        placed("{clusterSelector: {}}", "a"),
        placed("{clusterSelector: {}}", "b")
    );
    assert!(matches!(refusal(&with_document(two.as_bytes())), Refusal::Document(_)));
    let mut missing = offer_to(1);
    missing.contents.remove(0);
    assert!(matches!(refusal(&missing), Refusal::Missing(_)));
}

#[test]
fn encodings_are_canonical() {
    let malformed = |alter: &dyn Fn(&mut Offer)| {
        let mut offer = offer_to(1);
        alter(&mut offer);
        matches!(refusal(&offer), Refusal::Malformed(_))
    };
    assert!(malformed(&|offer| offer.statement.push(b'\n')));
    assert!(malformed(&|offer| offer.manifest.push(b'\n')));
    let broken = b"hanse cluster v1\n".to_vec();
    let alter = |manifest: &mut Manifest| manifest.entry.digest = Digest::of(&broken);
    assert!(matches!(refusal(&forged(alter, vec![broken.clone()])), Refusal::Malformed(_)));
}

/// A cluster whose labels changed is offered what its new labels select, in one step.
#[test]
fn placement_follows_the_signed_entry() {
    let dev_only: Document = document(&text(
        "FederatedRole",
        "d",
        &format!("  placement: {{clusterSelector: {{matchLabels: {{env: dev}}}}}}\n{READS_PODS}"),
    ));
    let base = crate::support::after(&three_clusters(), vec![put(dev_only.clone())]);
    let moved = Edit::PutCluster(cluster(1, "prod-1", &[("env", "dev")]));
    let change = Change::propose(&base, vec![moved], "", NOW).unwrap();
    let member = change.fleet.member(cluster_id(1)).unwrap();
    let offer = Offer {
        generation: member.generation,
        statement: change.bytes.clone(),
        manifest: member.manifest.encode(),
        inclusion: change.fleet.inclusion(cluster_id(1)).unwrap(),
        contents: vec![member.entry.encode(), dev_only.bytes.to_vec()],
    };
    let bundle = verify(cluster_id(1), &Held::default(), &offer).unwrap().unwrap();
    assert_eq!(bundle.documents[0].1, RevisionNumber(2));
}
