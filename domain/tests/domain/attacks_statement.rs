//! Attacks on the statement: who signed it, by which trust root, and in which history it is.

use hanse_domain::authorise::{Refused, authorise};
use hanse_domain::bundle::{Condition, Offer, Refusal};
use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::Edit;
use hanse_domain::history::changes::Subject;
use hanse_domain::history::log::LogProof;
use hanse_domain::history::statement::Statement;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::trust::authority::Untrusted;
use hanse_domain::trust::signature::BadSignature;
use hanse_domain::trust::walk::RootRefusal;
use ssh_key::PrivateKey;

use crate::people::{
    ada, assert_not_allowed, assert_refused, bob, comes, eve, grant, lea, people_and_agent, pin,
    rob, root, without_lea,
};
use crate::support::{NOW, READS_PODS, document, namespace, put, role, sign, sign_in, text};
use crate::world::{Agent, World};

/// An honest change of ada's that is still to be signed, and how it is refused with these signatures.
fn signed_with(signatures: impl FnOnce(&[u8]) -> Vec<u8>) -> Refusal {
    let (mut world, agent) = people_and_agent();
    let edits = vec![put(role("reads", "  rules: []\n"))];
    let change = Change::propose(&world.fleet, edits, "", NOW).unwrap();
    let signatures = signatures(&change.bytes);
    world.push(change, signatures);
    agent.refusal(&world)
}

#[test]
fn a_statement_is_signed_here_and_by_somebody_known() {
    let unsigned = signed_with(|_| Vec::new());
    assert_refused!(unsigned, Statement, Refusal::Untrusted(Untrusted::Unsigned));
    let git = signed_with(|bytes| sign_in("git", bytes, &[&ada()]));
    assert_refused!(
        git,
        Statement,
        Refusal::Untrusted(Untrusted::Signature(BadSignature::OtherNamespace { .. }))
    );
    let unknown = signed_with(|bytes| sign(bytes, &[&eve()]));
    assert_refused!(unknown, Statement, Refusal::Untrusted(Untrusted::UnknownKeys { .. }));
    let of_another = signed_with(|_| sign(b"another statement", &[&ada()]));
    assert_refused!(
        of_another,
        Statement,
        Refusal::Untrusted(Untrusted::Signature(BadSignature::DoesNotVerify { .. }))
    );
}

/// The hub would refuse it, and the agent of a cluster refuses it from a hub that does not.
fn refused_everywhere(n: u128, document: Document, signers: &[&PrivateKey], why: &str) {
    let (mut world, _) = people_and_agent();
    let mut agent = Agent::new(n, &world);
    agent.follow(&world);
    let change = world.written(vec![put(document.clone())]).unwrap();
    let refused = authorise(&world.fleet, &change, &sign(&change.bytes, signers)).unwrap_err();
    assert!(matches!(refused, Refused::NotAllowed(_)), "{refused}");
    assert!(refused.to_string().contains(why), "{refused}");
    world.force(vec![put(document)], signers);
    assert_not_allowed(&agent.refusal(&world), 4, Condition::Provenance, why);
}

#[test]
fn an_author_stays_in_the_scope() {
    let lea = lea();
    let lea = &[&lea][..];
    refused_everywhere(1, role("x", READS_PODS), lea, "it may not sign a FederatedRole");
    let elsewhere = grant("x", "view", "lea", "billing");
    refused_everywhere(1, elsewhere, lea, "namespace billing is outside of its scope");
    // Not the beginning of another name either.
    let alike = grant("x", "view", "lea", "shopping");
    refused_everywhere(1, alike, lea, "namespace shopping is outside of its scope");
    let binds =
        "  roleRef: {kind: ClusterRole, name: view}\n  subjects: [{kind: User, name: lea}]\n";
    let anywhere = document(&text(
        "FederatedRoleBinding",
        "x",
        &format!(
            "  placement: {{clusterSelector: {{matchLabels: {{env: prod}}}}}}\n  clusterWide: true\n{binds}"
        ),
    ));
    refused_everywhere(1, anywhere, lea, "only what stays in its namespaces");
    let in_shop = |placement: &str| {
        let spec = format!("  placement: {placement}\n  namespaces: [shop]\n{binds}");
        document(&text("FederatedRoleBinding", "x", &spec))
    };
    let labels = "must have the `matchLabels` env=prod";
    refused_everywhere(1, in_shop("{clusterSelector: {}}"), lea, labels);
    let other = in_shop("{clusterSelector: {matchLabels: {env: dev}}}");
    refused_everywhere(3, other, lea, labels);
    refused_everywhere(3, in_shop("{clusterNames: [dev-1]}"), lea, "`clusterNames`");
    let both = in_shop("{clusterNames: [dev-1], clusterSelector: {matchLabels: {env: prod}}}");
    refused_everywhere(3, both, lea, "`clusterNames`");
    // An override counts, wherever it matches.
    let overridden = in_shop(
        "{clusterSelector: {matchLabels: {env: prod}}}\n  overrides:\n  - clusterSelector: {matchLabels: {env: later}}\n    patch: {namespaces: [billing]}",
    );
    refused_everywhere(1, overridden, lea, "namespace billing is outside of its scope");
    // Who may change the roster is no author by that.
    refused_everywhere(1, role("x", READS_PODS), &[&rob()], "none of these keys is an author");
}

#[test]
fn a_hazard_wants_its_quorum() {
    let admin = || grant("x", "cluster-admin", "lea", "shop");
    refused_everywhere(1, admin(), &[&lea()], "its scope has `hazards=no`");
    refused_everywhere(1, admin(), &[&ada()], "needs the signatures of 2 of ada, bob");
    // Lea's signature is none of the two.
    refused_everywhere(1, admin(), &[&ada(), &lea()], "needs the signatures of 2 of ada, bob");
    // One key that signs twice is one.
    refused_everywhere(1, admin(), &[&ada(), &ada()], "needs the signatures of 2 of ada, bob");
    let (mut world, mut agent) = people_and_agent();
    world.commit(vec![put(admin())], &[&ada(), &bob()]);
    agent.follow(&world);
}

fn rotate(world: &mut World) {
    let next = without_lea(world);
    world.commit(vec![Edit::PutRoot(next.into())], &[&ada()]);
}

#[test]
fn a_removed_key_signs_nothing_more() {
    let (mut world, agent) = people_and_agent();
    let first = world.fleet.trust.fleet();
    rotate(&mut world);
    world.force(vec![put(grant("views", "edit", "lea", "shop"))], &[&lea()]);
    assert_refused!(
        agent.refusal(&world),
        Statement,
        Refusal::Untrusted(Untrusted::UnknownKeys { version: 2, .. })
    );
    // Naming the trust root that had the key does not help.
    let (mut world, agent) = people_and_agent();
    rotate(&mut world);
    let manifest = world.manifest(1);
    world.lie(&manifest, [], &[&lea()], |statement| statement.root = first);
    assert_refused!(
        agent.refusal(&world),
        Statement,
        Refusal::Untrusted(Untrusted::OtherRoot { number: RevisionNumber(5), .. })
    );
}

#[test]
fn a_removed_key_back_dates_nothing() {
    let (mut world, mut agent) = people_and_agent();
    let mut back_dated = world.clone();
    rotate(&mut world);
    // Statement 4 by the trust root that was in force for statement 4, on another history.
    back_dated.force(vec![put(grant("views", "edit", "lea", "shop"))], &[&lea()]);
    let offer = |agent: &Agent| Offer {
        log: world.log_proof(4, agent.head),
        ..back_dated.offer_with_all(&Agent { head: Agent::new(1, &world).head, ..agent.clone() })
    };
    // An agent that has seen the new root, with what the old key said behind it and in its place.
    let mut fresh = Agent::new(1, &world);
    agent.walk(&world.steps(&agent)).unwrap();
    assert_eq!(agent.head.size, 4);
    assert_refused!(
        agent.verify(&offer(&agent)).unwrap_err(),
        Statement,
        Refusal::OtherHistory { accepted: 4 }
    );
    // One that gets the root and the bundle in one go.
    fresh.walk(&world.steps(&fresh)).unwrap();
    assert_refused!(
        fresh.verify(&offer(&fresh)).unwrap_err(),
        Statement,
        Refusal::OtherHistory { accepted: 4 }
    );
    let ahead = back_dated.offer_with_all(&Agent::new(1, &world));
    assert_refused!(
        fresh.verify(&ahead).unwrap_err(),
        Statement,
        Refusal::OtherHistory { accepted: 4 }
    );
    // One that was told of the root too late does not forget what it was told before.
    let (_, mut misled) = people_and_agent();
    misled.follow(&back_dated);
    let late = world.steps(&Agent { head: Agent::new(1, &world).head, ..misled.clone() });
    let refused = misled.walk(&late).unwrap_err();
    assert!(matches!(refused, RootRefusal::OtherHistory(4)), "{refused}");
}

/// A statement that names an older number is none of that number, wherever the hub puts it.
#[test]
fn a_removed_key_takes_no_other_place() {
    let (mut world, mut agent) = people_and_agent();
    let first = world.fleet.trust.fleet();
    rotate(&mut world);
    let views = grant("views", "edit", "lea", "shop");
    let mut manifest = world.manifest(1);
    manifest.documents.insert(views.reference.clone(), pin(views.digest, 4));
    let subject = Subject::Document(views.reference.clone());
    world.lie(&manifest, [(subject, comes(views.digest))], &[&lea()], |statement| {
        statement.number = RevisionNumber(4);
        statement.root = first;
    });
    // Ada's machine knows only what this hub shows, and puts the next root on top.
    world.fleet.number = RevisionNumber(5);
    let current = world.fleet.trust.current();
    let head = format!("version 3\nprevious {}", current.digest);
    let next = root(&head, &[("ada", &ada())], "root 1 ada\nroster 1 ada\ndanger 1 ada\n");
    world.force(vec![Edit::PutRoot(next.into())], &[&ada()]);
    agent.walk(&world.steps(&agent)).unwrap();
    assert_eq!(agent.head.size, 6);
    let said = &world.said[4];
    let shown = said.shown[&agent.cluster].clone();
    let offer = Offer {
        generation: RevisionNumber(4),
        statement: said.statement.clone(),
        signatures: said.signatures.clone(),
        log: LogProof::Within(world.log.inclusion(4, 6).unwrap()),
        changes: said.changes.prove(said.changes.0.keys()),
        manifest: shown.manifest,
        inclusion: shown.inclusion,
        contents: vec![views.bytes.to_vec()],
        evidence: Vec::new(),
    };
    assert_refused!(
        agent.verify(&offer).unwrap_err(),
        Statement,
        Refusal::OtherHistory { accepted: 6 }
    );
    // Nor does it as evidence for what comes after it.
    world.contents.insert(views.digest, views.bytes.to_vec());
    world.lie(&manifest, [], &[&ada()], |_| ());
    assert_refused!(
        agent.refusal(&world),
        Provenance,
        Refusal::BadEvidence { number: RevisionNumber(4), .. }
    );
}

/// As evidence, what a removed key says now is not in the history.
#[test]
fn a_removed_key_gives_no_evidence() {
    let (mut world, agent) = people_and_agent();
    let mut back_dated = world.clone();
    rotate(&mut world);
    let grant_of = grant("views", "edit", "lea", "shop");
    back_dated.force(vec![put(grant_of.clone())], &[&lea()]);
    let mut manifest = world.manifest(1);
    manifest.documents.insert(grant_of.reference.clone(), pin(grant_of.digest, 4));
    world.lie(&manifest, [], &[&rob()], |_| ());
    let mut agent = agent;
    agent.walk(&world.steps(&agent)).unwrap();
    let mut offer = world.offer_with_all(&agent);
    offer.contents.push(grant_of.bytes.to_vec());
    assert_refused!(
        agent.verify(&offer).unwrap_err(),
        Provenance,
        Refusal::Unproven { number: RevisionNumber(4), .. }
    );
    let forged = back_dated.said.last().unwrap();
    offer.evidence[3].statement = forged.statement.clone();
    offer.evidence[3].signatures = forged.signatures.clone();
    offer.evidence[3].changes = forged.changes.prove(forged.changes.0.keys());
    assert_refused!(
        agent.verify(&offer).unwrap_err(),
        Provenance,
        Refusal::BadEvidence { number: RevisionNumber(4), .. }
    );
}

#[test]
fn the_history_is_one() {
    let (mut world, agent) = people_and_agent();
    let (mut other, _) = people_and_agent();
    // Before the fork that the agent is on: statements 3 and 4 are other ones.
    let base = {
        let mut base = World::new(crate::people::first_root());
        let all = other.fleet.members().values();
        let all = all.map(|member| Edit::PutCluster((*member.entry).clone())).collect();
        base.commit(all, &[&rob()]);
        base
    };
    let mut fork = base.clone();
    for name in ["one", "two", "three"] {
        fork.commit(vec![put(namespace(name, ""))], &[&ada()]);
    }
    world.commit(vec![put(namespace("more", ""))], &[&ada()]);
    let offer = Offer {
        log: world.log_proof(4, agent.head),
        ..fork.offer_with_all(&Agent::new(1, &world))
    };
    assert_refused!(
        agent.verify(&offer).unwrap_err(),
        Statement,
        Refusal::OtherHistory { accepted: 3 }
    );
    // With proofs of its own, which hold in that other history.
    let own = |old: u64, new: u64| fork.log.consistency(old, new).unwrap();
    for consistency in [own(3, 3), own(2, 3), own(0, 3)] {
        let log = LogProof::Ahead { peaks: fork.log.peaks(3), consistency };
        assert_refused!(
            agent.verify(&Offer { log, ..offer.clone() }).unwrap_err(),
            Statement,
            Refusal::OtherHistory { accepted: 3 }
        );
    }
    // An honest statement, after which another history would be believed.
    let honest = world.offer_with_all(&agent);
    let LogProof::Ahead { consistency, .. } = honest.log.clone() else { panic!("not ahead") };
    let log = LogProof::Ahead { peaks: fork.log.peaks(3), consistency };
    assert_refused!(
        agent.verify(&Offer { log, ..honest }).unwrap_err(),
        Statement,
        Refusal::OtherHistory { accepted: 3 }
    );
    // A history that was cut off and goes on with a number that fits.
    let mut cut = base;
    let manifest = other.manifest(1);
    cut.lie(&manifest, [], &[&ada()], |statement| statement.number = RevisionNumber(4));
    let newest = cut.said.last().unwrap();
    let cut_off = Offer {
        generation: RevisionNumber(4),
        statement: newest.statement.clone(),
        signatures: newest.signatures.clone(),
        manifest: newest.shown[&agent.cluster].manifest.clone(),
        inclusion: newest.shown[&agent.cluster].inclusion.clone(),
        ..offer
    };
    assert_refused!(
        agent.verify(&cut_off).unwrap_err(),
        Statement,
        Refusal::OtherHistory { accepted: 3 }
    );
    // Another statement with the number of the one that is held.
    other.said.pop();
    other.force(vec![put(namespace("other", ""))], &[&ada()]);
    let same = Offer { generation: RevisionNumber(3), ..other.offer_with_all(&agent) };
    assert_refused!(
        agent.verify(&same).unwrap_err(),
        Statement,
        Refusal::Forked { generation: RevisionNumber(3) }
    );
}

#[test]
fn nothing_older_comes_back() {
    let (mut world, mut agent) = people_and_agent();
    let before = world.offer_with_all(&Agent::new(1, &world));
    world.commit(vec![put(namespace("more", ""))], &[&ada()]);
    agent.follow(&world);
    assert_refused!(
        agent.verify(&before).unwrap_err(),
        Statement,
        Refusal::Older { offered: RevisionNumber(3), accepted: RevisionNumber(4) }
    );
    let as_newest = Offer { generation: RevisionNumber(5), ..before.clone() };
    assert_refused!(
        agent.verify(&as_newest).unwrap_err(),
        Statement,
        Refusal::OtherStatement { statement: RevisionNumber(3), generation: RevisionNumber(5) }
    );
    let as_same = Offer { generation: RevisionNumber(4), ..before };
    assert_refused!(agent.verify(&as_same).unwrap_err(), Statement, Refusal::Forked { .. });
}

#[test]
fn a_statement_is_of_this_fleet() {
    let (mut world, agent) = people_and_agent();
    let manifest = world.manifest(1);
    world.lie(&manifest, [], &[&ada()], |statement| statement.fleet = Digest([9; 32]));
    assert_refused!(agent.refusal(&world), Statement, Refusal::OtherFleet);
    let (mut world, agent) = people_and_agent();
    world.commit(vec![put(namespace("more", ""))], &[&ada()]);
    let mut offer = world.offer_with_all(&agent);
    offer.statement.push(b'\n');
    assert_refused!(
        agent.verify(&offer).unwrap_err(),
        Statement,
        Refusal::Malformed { condition: Condition::Statement, .. }
    );
}

/// What is signed is what is read: no other time, message or history under the same signature.
#[test]
fn every_field_is_signed() {
    let (mut world, agent) = people_and_agent();
    world.commit(vec![put(namespace("more", ""))], &[&ada()]);
    let offer = world.offer_with_all(&agent);
    let alter = |alter: &dyn Fn(&mut Statement)| {
        let mut statement = Statement::decode(&offer.statement).unwrap();
        alter(&mut statement);
        let offer = Offer { statement: statement.encode(), ..offer.clone() };
        assert_refused!(
            agent.verify(&offer).unwrap_err(),
            Statement,
            Refusal::Untrusted(Untrusted::Signature(BadSignature::DoesNotVerify { .. }))
        );
    };
    alter(&|statement| statement.message.push('!'));
    alter(&|statement| statement.signers = 2);
    alter(&|statement| statement.time += jiff::SignedDuration::from_secs(1));
    alter(&|statement| statement.history = Digest([9; 32]));
    alter(&|statement| statement.fleet_root = Digest([9; 32]));
    alter(&|statement| statement.changes = Digest([9; 32]));
    alter(&|statement| statement.change_count += 1);
}
