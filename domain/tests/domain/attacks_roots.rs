//! Attacks on the trust root: which version follows which, who has signed it, and where it was said.

use hanse_domain::authorise::{authorise, signers_needed};
use hanse_domain::change::{Change, ChangeError};
use hanse_domain::fleet::Edit;
use hanse_domain::history::changes::{Subject, Transition};
use hanse_domain::ids::Digest;
use hanse_domain::trust::authority::{NotAllowed, Untrusted};
use hanse_domain::trust::chain::BrokenChain;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::walk::{RootRefusal, RootStep, begin};
use ssh_key::PrivateKey;

use crate::people::{ada, bob, eve, first_root, lea, people, people_and_agent, rob, root};
use crate::support::{NOW, sign};
use crate::world::{Agent, World};

const ROLES: &str = "roster 1 eve\ndanger 1 eve\nauthor eve kinds=* namespaces=* clusters=* \
                     hazards=yes\n";

/// What follows the world's trust root: eve in every role, but for who may replace it.
fn eves(world: &World, version: u64, previous: Digest, roots: &str) -> TrustRoot {
    assert_eq!(world.fleet.trust.current().root.version, 1);
    let keys = [("ada", &ada()), ("bob", &bob()), ("eve", &eve())];
    root(
        &format!("version {version}\nprevious {previous}"),
        &keys,
        &format!("root {roots}\n{ROLES}"),
    )
}

/// A statement that puts a trust root in place, whatever that is, as a step of its own.
fn step(world: &mut World, next: &TrustRoot, signers: &[&PrivateKey]) -> RootStep {
    let before = world.fleet.trust.current().digest;
    let transition = Transition { before: Some(before), after: Some(next.digest()) };
    let manifest = world.manifest(1);
    let head = Agent::new(1, world).head;
    world.lie(&manifest, [(Subject::TrustRoot, transition)], signers, |_| ());
    let said = world.said.last().unwrap();
    RootStep {
        statement: said.statement.clone(),
        signatures: said.signatures.clone(),
        log: world.log_proof(world.log.len(), head),
        change: said.changes.prove([&Subject::TrustRoot]).pop().unwrap(),
        root: next.encode(),
    }
}

fn refused(next: &TrustRoot, signers: &[&PrivateKey]) -> RootRefusal {
    let mut world = people();
    let step = step(&mut world, next, signers);
    Agent::new(1, &world).walk(&[step]).unwrap_err()
}

#[test]
fn a_root_follows_the_one_in_force() {
    let world = people();
    let first = world.fleet.id();
    let good = eves(&world, 2, first, "1 eve");
    let mut agent = Agent::new(1, &world);
    let mut after = world.clone();
    let honest = step(&mut after, &good, &[&ada(), &eve()]);
    agent.walk(std::slice::from_ref(&honest)).unwrap();
    assert_eq!((agent.trust.current().digest, agent.head.size), (good.digest(), 4));
    // Again: it is no step any more.
    let again = agent.walk(&[honest]).unwrap_err();
    assert!(
        matches!(again, RootRefusal::Broken(BrokenChain::Skipped { offered: 2, current: 2 })),
        "{again}"
    );

    let skipped = refused(&eves(&world, 3, first, "1 eve"), &[&ada(), &eve()]);
    assert!(
        matches!(skipped, RootRefusal::Broken(BrokenChain::Skipped { offered: 3, current: 1 })),
        "{skipped}"
    );
    let lower = refused(&first_root(), &[&ada(), &eve()]);
    assert!(
        matches!(lower, RootRefusal::Broken(BrokenChain::Skipped { offered: 1, current: 1 })),
        "{lower}"
    );
    let other = refused(&eves(&world, 2, Digest([9; 32]), "1 eve"), &[&ada(), &eve()]);
    assert!(matches!(other, RootRefusal::Broken(BrokenChain::OtherPrevious(2))), "{other}");
}

#[test]
fn a_lower_version_is_no_way_back() {
    let mut world = people();
    let second = eves(&world, 2, world.fleet.id(), "1 ada");
    world.commit(vec![Edit::PutRoot(second.clone().into())], &[&ada()]);
    let mut agent = Agent::new(1, &world);
    agent.walk(&world.steps(&agent)).unwrap();
    let back = step(&mut world, &first_root(), &[&ada()]);
    let refused = agent.walk(&[back]).unwrap_err();
    assert!(
        matches!(refused, RootRefusal::Broken(BrokenChain::Skipped { offered: 1, current: 2 })),
        "{refused}"
    );
}

#[test]
fn both_quorums_sign() {
    let world = people();
    let first = world.fleet.id();
    let quorum = |refusal: RootRefusal, wanted: &str| {
        let RootRefusal::NotAllowed(NotAllowed::Quorum { threshold, names, .. }) = refusal else {
            panic!("{refusal}")
        };
        assert_eq!(format!("{threshold} of {names}"), wanted);
    };
    // Not the old one's: somebody who is in the new one only, or has another right.
    quorum(refused(&eves(&world, 2, first, "1 eve"), &[&eve()]), "1 of ada, bob");
    quorum(refused(&eves(&world, 2, first, "1 eve"), &[&eve(), &rob(), &lea()]), "1 of ada, bob");
    // Not the new one's.
    quorum(refused(&eves(&world, 2, first, "1 eve"), &[&ada()]), "1 of eve");
    quorum(refused(&eves(&world, 2, first, "2 ada eve"), &[&ada(), &bob()]), "2 of ada, eve");
    quorum(refused(&eves(&world, 2, first, "2 ada eve"), &[&ada(), &ada()]), "2 of ada, eve");
    // The hub says the same.
    let edits = vec![Edit::PutRoot(eves(&world, 2, first, "1 eve").into())];
    let change = Change::propose(&world.fleet, edits, "", NOW).unwrap();
    for signers in [&[&eve()][..], &[&ada()]] {
        assert!(authorise(&world.fleet, &change, &sign(&change.bytes, signers)).is_err());
    }
    assert!(authorise(&world.fleet, &change, &sign(&change.bytes, &[&ada(), &eve()])).is_ok());
    // Where the old keys must be two of the new quorum, the statement says so.
    let two = |roots: &str| {
        let edits = vec![Edit::PutRoot(eves(&world, 2, first, roots).into())];
        signers_needed(&world.fleet, &Change::propose(&world.fleet, edits, "", NOW).unwrap())
    };
    assert_eq!(["1 eve", "2 ada eve", "2 ada bob", "2 ada bob eve"].map(two), [1, 1, 2, 1]);
    let edits = vec![Edit::PutRoot(eves(&world, 2, first, "1 ada").into())];
    let change = Change::propose_for(&world.fleet, edits, "", NOW, 2).unwrap();
    let mut half = world.clone();
    half.push(change.clone(), sign(&change.bytes, &[&ada()]));
    let mut agent = Agent::new(1, &half);
    let refused = agent.walk(&half.steps(&agent)).unwrap_err();
    assert!(
        matches!(refused, RootRefusal::Untrusted(Untrusted::Incomplete { signed: 1, .. })),
        "{refused}"
    );
    // What takes a key away wants that key no more, and a new one takes no part before it is there.
    let broken = vec![Edit::PutRoot(eves(&world, 3, first, "1 eve").into())];
    let broken = Change::propose(&world.fleet, broken, "", NOW).unwrap_err();
    assert!(matches!(broken, ChangeError::TrustRoot(_)), "{broken}");
}

#[test]
fn its_statement_says_so_and_is_in_the_history() {
    let mut world = people();
    let next = eves(&world, 2, world.fleet.id(), "1 eve");
    let honest = step(&mut world, &next, &[&ada(), &eve()]);
    let walk = |step: RootStep| Agent::new(1, &world).walk(&[step]).unwrap_err();
    // Another root than the statement's.
    let other = eves(&people(), 2, people().fleet.id(), "1 ada");
    let refused = walk(RootStep { root: other.encode(), ..honest.clone() });
    assert!(matches!(refused, RootRefusal::OtherStatement(4)), "{refused}");
    // A change that the statement does not list, and one that is not about the root.
    let mut listed = honest.change.clone();
    listed.transition.after = Some(other.digest());
    let step = RootStep { root: other.encode(), change: listed, ..honest.clone() };
    let refused = walk(step);
    assert!(matches!(refused, RootRefusal::OtherStatement(4)), "{refused}");
    let mut elsewhere = honest.change.clone();
    elsewhere.subject = crate::people::of("FederatedRole/x");
    let refused = walk(RootStep { change: elsewhere, ..honest.clone() });
    assert!(matches!(refused, RootRefusal::OtherStatement(4)), "{refused}");
    // Not signed by the statement's own bytes.
    let signatures = sign(b"else", &[&ada(), &eve()]);
    let refused = walk(RootStep { signatures, ..honest.clone() });
    assert!(matches!(refused, RootRefusal::Untrusted(_)), "{refused}");

    // Another history than the one that was accepted: behind the head, and before it.
    let (mut longer, mut agent) = people_and_agent();
    longer.commit(vec![crate::support::put(crate::support::namespace("n", ""))], &[&ada()]);
    agent.follow(&longer);
    let refused = agent.walk(std::slice::from_ref(&honest)).unwrap_err();
    assert!(matches!(refused, RootRefusal::OtherHistory(4)), "{refused}");
    let log = longer.log_proof(4, agent.head);
    let refused = agent.walk(&[RootStep { log, ..honest.clone() }]).unwrap_err();
    assert!(matches!(refused, RootRefusal::OtherHistory(4)), "{refused}");
}

#[test]
fn versions_are_put_in_place_one_after_the_other() {
    let mut world = people();
    let second = eves(&world, 2, world.fleet.id(), "1 ada");
    let chain = world.fleet.trust.followed_by(second.clone().into(), world.fleet.number).unwrap();
    let head = format!("version 3\nprevious {}", second.digest());
    let third = root(&head, &[("ada", &ada()), ("eve", &eve())], &format!("root 1 ada\n{ROLES}"));
    let refused = chain.followed_by(third.into(), world.fleet.number).unwrap_err();
    assert_eq!(refused, BrokenChain::BackDated(3));
    world.commit(vec![Edit::PutRoot(second.into())], &[&ada()]);
    let (number, trust) = (world.fleet.number, &world.fleet.trust);
    assert_eq!(trust.in_force(number).root.version, 1);
    assert_eq!(trust.in_force(number.next()).root.version, 2);
}

#[test]
fn the_first_is_the_pinned_one() {
    let pinned = first_root().digest();
    assert_eq!(begin(pinned, &first_root().encode()).unwrap().fleet(), pinned);
    let mut other = first_root();
    other.roster.threshold = 2;
    let refused = begin(pinned, &other.encode()).unwrap_err();
    assert!(matches!(refused, RootRefusal::NotPinned { pinned: p, .. } if p == pinned));
    let second = eves(&people(), 2, pinned, "1 ada");
    let refused = begin(second.digest(), &second.encode()).unwrap_err();
    assert!(matches!(refused, RootRefusal::Broken(BrokenChain::NotFirst(2))), "{refused}");
    let broken = b"hanse trust-root v1\n";
    let refused = begin(Digest::of(broken), broken).unwrap_err();
    assert!(matches!(refused, RootRefusal::Malformed(_)), "{refused}");
}
