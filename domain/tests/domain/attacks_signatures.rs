//! Attacks on how many sign: what only some have signed, and signatures that do not count.

use hanse_domain::authorise::{Refused, authorise, signers_needed};
use hanse_domain::bundle::Refusal;
use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::Edit;
use hanse_domain::ids::RevisionNumber;
use hanse_domain::trust::authority::{NotAllowed, Signed, Untrusted};
use ssh_key::PrivateKey;

use crate::people::{
    ada, assert_refused, bob, eve, grant, lea, people_and_agent, rob, without_lea,
};
use crate::support::{NOW, namespace, put, sign};
use crate::world::{Agent, World};

#[test]
fn whoever_wants_more_signatures_is_told() {
    let (world, _) = people_and_agent();
    let refused = |document: Document, signers: &[&PrivateKey]| {
        let change = world.written(vec![put(document)]).unwrap();
        authorise(&world.fleet, &change, &sign(&change.bytes, signers)).unwrap_err()
    };
    let admin = || grant("x", "cluster-admin", "lea", "shop");
    assert!(refused(admin(), &[&ada()]).wants_more());
    assert!(!refused(admin(), &[&lea()]).wants_more());
    assert!(!refused(admin(), &[&eve()]).wants_more());
    let hazardous = refused(admin(), &[&ada()]);
    let Refused::NotAllowed(reasons) = hazardous else { panic!("{hazardous}") };
    assert!(matches!(reasons.as_slice(), [NotAllowed::Hazardous { threshold: 2, .. }]));
}

/// A hazard on production that only ada has signed so far.
fn half_signed(world: &World) -> (Change, Vec<u8>) {
    let change = world.written(vec![put(grant("x", "cluster-admin", "lea", "shop"))]).unwrap();
    let signatures = sign(&change.bytes, &[&ada()]);
    (change, signatures)
}

#[test]
fn what_is_half_signed_is_no_history() {
    let (mut world, _) = people_and_agent();
    // To dev-1, which it does not touch, so that nothing else of it is looked at.
    let mut agent = Agent::new(3, &world);
    agent.follow(&world);
    let (change, signatures) = half_signed(&world);
    assert!(!change.touched.contains(&agent.cluster));
    world.push(change, signatures);
    let shown = world.shown(agent.cluster);
    world.said.last_mut().unwrap().shown.insert(agent.cluster, shown);
    assert_refused!(
        agent.refusal(&world),
        Statement,
        Refusal::Untrusted(Untrusted::Incomplete {
            number: RevisionNumber(4),
            needed: 2,
            signed: 1
        })
    );
    // Neither as what came before something that is complete.
    world.commit(vec![put(namespace("more", ""))], &[&ada()]);
    assert_refused!(
        agent.refusal(&world),
        Provenance,
        Refusal::BadEvidence { number: RevisionNumber(4), why }
            if why == "statement 4 needs 2 signatures and has 1"
    );
}

#[test]
fn signatures_that_do_not_count_complete_nothing() {
    let (world, _) = people_and_agent();
    let (change, _) = half_signed(&world);
    for signers in [&[&ada(), &ada()], &[&ada(), &eve()]] {
        let statement = &change.statement;
        let signatures = sign(&change.bytes, signers);
        let signed = Signed::check(&world.fleet.trust, statement, &change.bytes, &signatures);
        let refused = signed.unwrap().known().unwrap_err();
        assert!(matches!(refused, Untrusted::Incomplete { signed: 1, .. }), "{refused}");
    }
}

#[test]
fn a_statement_says_how_many_sign_it() {
    let (world, _) = people_and_agent();
    let needed = |edits: Vec<Edit>| {
        let change = Change::propose(&world.fleet, edits, "", NOW).unwrap();
        signers_needed(&world.fleet, &change)
    };
    let admin = || put(grant("x", "cluster-admin", "lea", "shop"));
    let accept = || Edit::PutCluster(crate::people::entry(1, &[("env", "dev")]));
    assert_eq!(needed(vec![put(grant("x", "view", "lea", "shop"))]), 1);
    assert_eq!(needed(vec![accept()]), 1);
    assert_eq!(needed(vec![Edit::PutRoot(without_lea(&world).into())]), 1);
    assert_eq!(needed(vec![admin()]), 2);
    // Ada does for all of it, and bob.
    assert_eq!(needed(vec![admin(), accept()]), 2);
    // Taking it away is no hazard.
    let mut with_admin = world.clone();
    with_admin.commit(vec![admin()], &[&ada(), &bob()]);
    let edits = vec![Edit::Remove("FederatedRoleBinding/x".parse().unwrap())];
    let change = Change::propose(&with_admin.fleet, edits, "", NOW).unwrap();
    assert_eq!(signers_needed(&with_admin.fleet, &change), 1);
    // It may say more, and then more must sign.
    let edits = || vec![put(namespace("more", ""))];
    let change = Change::propose_for(&world.fleet, edits(), "", NOW, 2).unwrap();
    let signed =
        |signers: &[&PrivateKey]| authorise(&world.fleet, &change, &sign(&change.bytes, signers));
    let refused = signed(&[&ada()]).unwrap_err();
    assert!(refused.wants_more());
    insta::assert_snapshot!(refused, @"statement 4 needs 2 signatures and has 1");
    assert!(signed(&[&ada(), &rob()]).is_ok());
    // And never less, however many do.
    let change = Change::propose(&world.fleet, vec![admin()], "", NOW).unwrap();
    let signatures = sign(&change.bytes, &[&ada(), &bob()]);
    let refused = authorise(&world.fleet, &change, &signatures).unwrap_err();
    assert!(!refused.wants_more());
    insta::assert_snapshot!(refused, @"the statement says `signers 1`, and what it changes needs the signatures of 2 keys: make the change again, so that the statement says `signers 2`");
    for signers in [0, 9] {
        let refused = Change::propose_for(&world.fleet, edits(), "", NOW, signers).unwrap_err();
        assert!(refused.to_string().ends_with("signers; it is 1 to 8"), "{refused}");
    }
}

#[test]
fn the_hub_takes_nothing_away_for_who_may_not() {
    let (world, _) = people_and_agent();
    let remove = |reference: &str| {
        let edits = vec![Edit::Remove(reference.parse().unwrap())];
        let change = Change::propose(&world.fleet, edits, "", NOW).unwrap();
        authorise(&world.fleet, &change, &sign(&change.bytes, &[&lea()]))
    };
    assert!(matches!(remove("FederatedRole/reads"), Err(Refused::NotAllowed(_))));
    assert!(remove("FederatedRoleBinding/views").is_ok());
}
