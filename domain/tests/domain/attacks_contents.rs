//! Attacks on what a bundle holds. The hub is stolen, and with it a key that may sign something else.

use hanse_domain::bundle::{Condition, Offer, Refusal};
use hanse_domain::fleet::Edit;
use hanse_domain::history::changes::{Subject, Transition};
use hanse_domain::history::manifest::{Manifest, fleet_leaf};
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::ids::{Digest, RevisionNumber};
use ssh_key::PrivateKey;

use crate::people::{
    ada, assert_not_allowed, assert_refused, comes, entry, eve, goes, grant, lea, of, people,
    people_and_agent, pin, put_wrap, rob, secret, wrap, wrap_of,
};
use crate::support::{READS_PODS, cluster_id, document, namespace, put, role, sign, text};
use crate::world::{Agent, World};

/// What happens when somebody signs another manifest than the fleet's, and says why in `changes`.
fn lied<const N: usize>(
    (mut world, agent): (World, Agent),
    signers: &[&PrivateKey],
    alter: impl FnOnce(&mut Manifest),
    changes: [(Subject, Transition); N],
    contents: &[Vec<u8>],
) -> Refusal {
    let mut manifest = world.manifest(1);
    alter(&mut manifest);
    world.contents.extend(contents.iter().map(|c| (Digest::of(c), c.clone())));
    world.lie(&manifest, changes, signers, |_| ());
    agent.refusal(&world)
}

fn digest(world: &World, reference: &str) -> Digest {
    world.manifest(1).pin(&of(reference)).unwrap().digest
}

#[test]
fn a_manifest_is_of_this_cluster_and_under_the_root() {
    let world = people();
    let agent = Agent::new(1, &world);
    let to_another = world.offer_with_all(&Agent::new(2, &world));
    assert_refused!(
        agent.verify(&to_another).unwrap_err(),
        Manifest,
        Refusal::OtherCluster(id) if *id == cluster_id(2)
    );
    let honest = world.offer_with_all(&agent);
    let with = |manifest: Vec<u8>, inclusion: InclusionProof| {
        agent.verify(&Offer { manifest, inclusion, ..honest.clone() }).unwrap_err()
    };
    let mut altered = world.manifest(1);
    altered.documents.pop_first();
    let refused = with(altered.encode(), honest.inclusion.clone());
    assert_refused!(refused, Manifest, Refusal::NotIncluded);
    // A tree of its own, and the proof of another leaf.
    let own = fleet_leaf(cluster_id(1), altered.digest());
    let refused = with(altered.encode(), InclusionProof::derive(&[own], 0).unwrap());
    assert_refused!(refused, Manifest, Refusal::NotIncluded);
    let refused = with(honest.manifest.clone(), to_another.inclusion);
    assert_refused!(refused, Manifest, Refusal::NotIncluded);
    // As another cluster's leaf, and as one of an earlier statement.
    let mut renamed = world.manifest(2);
    renamed.cluster = cluster_id(1);
    let refused = with(renamed.encode(), world.fleet.inclusion(cluster_id(2)).unwrap());
    assert_refused!(refused, Manifest, Refusal::NotIncluded);
    let before = world.said[1].shown[&cluster_id(1)].clone();
    let refused = with(before.manifest, before.inclusion);
    assert_refused!(refused, Manifest, Refusal::NotIncluded);
    let refused = with(b"hanse manifest v1\n".to_vec(), honest.inclusion.clone());
    assert_refused!(refused, Manifest, Refusal::Malformed { .. });
}

/// Even whoever may sign everything signs only what is in the right form and place.
#[test]
fn contents_are_what_the_manifest_says() {
    let (world, agent) = people_and_agent();
    let mut swapped = world.offer_with_all(&Agent::new(1, &world));
    let at = swapped.contents.iter().position(|c| c.starts_with(b"apiVersion")).unwrap();
    swapped.contents[at].push(b'\n');
    let refused = Agent::new(1, &world).verify(&swapped).unwrap_err();
    assert_refused!(refused, Contents, Refusal::Missing(_));

    let put_at = |name: &str, bytes: &[u8]| {
        let (subject, digest) = (of(name), Digest::of(bytes));
        let Subject::Document(reference) = subject.clone() else { panic!("{subject}") };
        let alter = |manifest: &mut Manifest| {
            manifest.documents.insert(reference, pin(digest, 4));
        };
        let changes = [(subject, comes(digest))];
        lied((world.clone(), agent.clone()), &[&ada()], alter, changes, &[bytes.to_vec()])
    };
    let placed = |placement: &str, name: &str| {
        text("FederatedRole", name, &format!("  placement: {placement}\n{READS_PODS}"))
    };
    for elsewhere in ["{clusterNames: [dev-1]}", "{clusterSelector: {matchLabels: {env: dev}}}"] {
        let refused = put_at("FederatedRole/x", placed(elsewhere, "x").as_bytes());
        assert_refused!(refused, Contents, Refusal::NotPlaced(r) if r.name == "x");
    }
    let other = put_at("FederatedRole/x", placed("{clusterSelector: {}}", "y").as_bytes());
    assert_refused!(other, Contents, Refusal::OtherContent(_));
    let kind = put_at("FederatedRole/shop", &namespace("shop", "").bytes);
    assert_refused!(kind, Contents, Refusal::OtherContent(_));
    let broken = put_at("FederatedRole/x", b"kind: FederatedRole\n");
    assert_refused!(broken, Contents, Refusal::Document(_));
    let protected = placed("{clusterSelector: {}}", "kube-system");
    let protected = protected.replace("FederatedRole", "FederatedNamespace");
    let protected = put_at("FederatedNamespace/kube-system", protected.as_bytes());
    assert_refused!(protected, Contents, Refusal::Document(_));
    let two = [placed("{clusterSelector: {}}", "x"), placed("{clusterSelector: {}}", "y")];
    let two = put_at("FederatedRole/x", two.join("---\n").as_bytes());
    assert_refused!(two, Contents, Refusal::Document(_));

    let entry_is = |bytes: Vec<u8>| {
        let digest = Digest::of(&bytes);
        let alter = |manifest: &mut Manifest| manifest.entry = pin(digest, 4);
        let changes = [(Subject::Cluster(cluster_id(1)), comes(digest))];
        lied((world.clone(), agent.clone()), &[&ada()], alter, changes, &[bytes])
    };
    let another = entry_is(entry(2, &[("env", "prod")]).encode());
    assert_refused!(another, Manifest, Refusal::OtherCluster(id) if *id == cluster_id(2));
    let broken = entry_is(b"hanse cluster v1\n".to_vec());
    assert_refused!(broken, Contents, Refusal::Malformed { .. });
}

#[test]
fn what_is_new_is_listed_by_its_statement() {
    let grant = grant("x", "edit", "lea", "shop");
    let pinned_at = |number: u64, changes: &[(Subject, Transition)]| {
        let (mut world, agent) = people_and_agent();
        let mut manifest = world.manifest(1);
        manifest.documents.insert(grant.reference.clone(), pin(grant.digest, number));
        world.contents.insert(grant.digest, grant.bytes.to_vec());
        world.lie(&manifest, changes.to_vec(), &[&lea()], |_| ());
        agent.refusal(&world)
    };
    let subject = Subject::Document(grant.reference.clone());
    let listed = (subject.clone(), comes(grant.digest));
    // By its own statement: not at all, with other bytes, as going, and under another name.
    let other = (subject.clone(), comes(Digest([9; 32])));
    let going = (subject, goes(grant.digest));
    let elsewhere = (of("FederatedRoleBinding/y"), comes(grant.digest));
    for changes in [&[][..], &[other], &[going], &[elsewhere]] {
        let refused = pinned_at(4, changes);
        assert_refused!(refused, Provenance, Refusal::Unproven { number: RevisionNumber(4), .. });
    }
    // By one that is still to come.
    let refused = pinned_at(5, std::slice::from_ref(&listed));
    assert_refused!(refused, Provenance, Refusal::Unproven { number: RevisionNumber(5), .. });
    // By an earlier one: for who has seen it, and for who has not.
    let refused = pinned_at(2, std::slice::from_ref(&listed));
    assert_refused!(refused, Provenance, Refusal::Replayed { number: RevisionNumber(2), .. });
    let (mut world, _) = people_and_agent();
    let mut manifest = world.manifest(1);
    manifest.documents.insert(grant.reference.clone(), pin(grant.digest, 2));
    world.contents.insert(grant.digest, grant.bytes.to_vec());
    world.lie(&manifest, [listed], &[&lea()], |_| ());
    let fresh = Agent::new(1, &world);
    let refused = fresh.refusal(&world);
    assert_refused!(refused, Provenance, Refusal::Unproven { number: RevisionNumber(2), .. });
}

/// Lists that are shown are the statement's own.
#[test]
fn a_list_of_changes_is_proven() {
    let world = people();
    let agent = Agent::new(1, &world);
    let honest = world.offer_with_all(&agent);
    let altered = |alter: &dyn Fn(&mut Offer)| {
        let mut offer = honest.clone();
        alter(&mut offer);
        agent.verify(&offer).unwrap_err()
    };
    let own = altered(&|offer| offer.changes[0].transition.after = Some(Digest([9; 32])));
    assert_refused!(own, Provenance, Refusal::Unproven { number: RevisionNumber(3), .. });
    // A tree of 7 leaves has the same path to its first one as the tree of 6.
    let size = altered(&|offer| offer.evidence[1].changes[0].inclusion.tree_size += 1);
    assert_refused!(size, Provenance, Refusal::Unproven { number: RevisionNumber(2), .. });
    let of_another = altered(&|offer| offer.changes = offer.evidence[1].changes.clone());
    assert_refused!(of_another, Provenance, Refusal::Unproven { number: RevisionNumber(3), .. });
    let earlier = altered(&|offer| offer.evidence[1].changes[0].subject = of("FederatedRole/x"));
    assert_refused!(earlier, Provenance, Refusal::Unproven { number: RevisionNumber(2), .. });
    let none = altered(&|offer| offer.evidence.clear());
    assert_refused!(none, Provenance, Refusal::Unproven { .. });
    // Evidence is signed, and in its place of the history.
    let unsigned = altered(&|offer| offer.evidence[1].signatures.clear());
    assert_refused!(unsigned, Provenance, Refusal::BadEvidence { number: RevisionNumber(2), .. });
    let unknown = altered(&|offer| {
        let statement = offer.evidence[1].statement.clone();
        offer.evidence[1].signatures = sign(&statement, &[&eve()]);
    });
    assert_refused!(unknown, Provenance, Refusal::BadEvidence { number: RevisionNumber(2), .. });
    let placed =
        altered(&|offer| offer.evidence[1].inclusion = offer.evidence[0].inclusion.clone());
    assert_refused!(placed, Provenance, Refusal::BadEvidence { number: RevisionNumber(2), .. });
    let path = altered(&|offer| offer.evidence[1].inclusion.path[0] = Digest([9; 32]));
    assert_refused!(path, Provenance, Refusal::BadEvidence { number: RevisionNumber(2), .. });
    let shown = altered(&|offer| {
        let other = offer.evidence[0].shown.clone();
        offer.evidence[1].shown = other;
    });
    assert_refused!(shown, Manifest, Refusal::NotIncluded);
}

#[test]
fn what_is_older_does_not_come_back() {
    let (mut world, mut agent) = people_and_agent();
    let old = digest(&world, "FederatedRole/reads");
    let back = |manifest: &mut Manifest| {
        let reference = "FederatedRole/reads".parse().unwrap();
        manifest.documents.insert(reference, pin(old, 2));
    };
    // In the place of what replaced it.
    world.commit(vec![put(role("reads", "  rules: []\n"))], &[&ada()]);
    agent.follow(&world);
    let refused = lied((world.clone(), agent.clone()), &[&lea()], back, [], &[]);
    assert_refused!(refused, Provenance, Refusal::Replayed { number: RevisionNumber(2), .. });
    // Where it was taken away.
    world.commit(vec![Edit::Remove("FederatedRole/reads".parse().unwrap())], &[&ada()]);
    agent.follow(&world);
    let refused = lied((world.clone(), agent.clone()), &[&lea()], back, [], &[]);
    assert_refused!(refused, Provenance, Refusal::Replayed { number: RevisionNumber(2), .. });
    // With other labels, which may bring what is older.
    let relabelled = entry(1, &[("env", "prod"), ("tier", "gold")]);
    world.commit(vec![Edit::PutCluster(relabelled)], &[&rob()]);
    let refused = lied((world.clone(), agent.clone()), &[&lea()], back, [], &[]);
    assert_refused!(refused, Provenance, Refusal::Replayed { number: RevisionNumber(2), .. });
    // For an agent that has never seen it, too.
    let fresh = Agent::new(1, &world);
    let refused = lied((world, fresh), &[&lea()], back, [], &[]);
    assert_refused!(refused, Provenance, Refusal::Replayed { number: RevisionNumber(2), .. });
}

/// Who keeps the roster decides what is placed, and not what it says.
#[test]
fn the_roster_puts_nothing_older_in_the_place_of_what_is_held() {
    let (mut world, mut agent) = people_and_agent();
    let old = digest(&world, "FederatedRole/reads");
    world.commit(vec![put(role("reads", "  rules: []\n"))], &[&ada()]);
    agent.follow(&world);
    let relabelled = entry(1, &[("env", "prod"), ("tier", "gold")]);
    let own = (Subject::Cluster(cluster_id(1)), comes(relabelled.digest()));
    let alter = |manifest: &mut Manifest| {
        manifest.entry = pin(relabelled.digest(), 5);
        manifest.documents.insert("FederatedRole/reads".parse().unwrap(), pin(old, 2));
    };
    let refused = lied((world, agent), &[&rob()], alter, [own], &[relabelled.encode()]);
    assert_refused!(refused, Provenance, Refusal::Replayed { number: RevisionNumber(2), .. });
}

/// What somebody else put in the place of what was held needs the right to that, too.
#[test]
fn an_owner_follows_another() {
    // Ada gives her binding to lea's namespace, and lea changes it and takes it away.
    let history = || {
        let (mut world, _) = people_and_agent();
        world.commit(vec![put(grant("x", "view", "u", "billing"))], &[&ada()]);
        let mut agent = Agent::new(1, &world);
        agent.follow(&world);
        world.commit(vec![put(grant("x", "view", "u", "shop"))], &[&ada()]);
        (world, agent)
    };
    let (mut world, mut agent) = history();
    world.commit(vec![put(grant("x", "edit", "u", "shop"))], &[&lea()]);
    agent.clone().follow(&world);
    world.commit(vec![Edit::Remove("FederatedRoleBinding/x".parse().unwrap())], &[&lea()]);
    agent.follow(&world);
    // Without being shown what ada did, lea's right is one to what she did not find.
    let (mut world, agent) = history();
    world.commit(vec![put(grant("x", "edit", "u", "shop"))], &[&lea()]);
    let mut offer = world.offer(&agent);
    offer.evidence.clear();
    let refused = agent.verify(&offer).unwrap_err();
    assert_not_allowed(&refused, 6, Condition::Provenance, "namespace billing is outside");
    // Nor where ada changed it and kept it.
    let (mut world, agent) = people_and_agent();
    world.commit(vec![put(role("reads", "  rules: []\n"))], &[&ada()]);
    world.commit(vec![put(secret("db", "billing", 2))], &[&ada()]);
    let db = grant("db", "edit", "u", "shop");
    world.commit(vec![put(db)], &[&lea()]);
    let removed = goes(digest(&world, "FederatedSecret/db"));
    let alter = |manifest: &mut Manifest| drop(manifest.documents.pop_last());
    let refused =
        lied((world, agent), &[&lea()], alter, [(of("FederatedSecret/db"), removed)], &[]);
    assert_not_allowed(&refused, 7, Condition::Removals, "namespace billing is outside");
}

fn without(reference: &str) -> impl FnOnce(&mut Manifest) {
    let reference = reference.parse().unwrap();
    move |manifest: &mut Manifest| {
        manifest.documents.remove(&reference);
    }
}

#[test]
fn removing_needs_the_right() {
    let (world, agent) = people_and_agent();
    let reads = digest(&world, "FederatedRole/reads");
    let removes = [(of("FederatedRole/reads"), goes(reads))];
    let attack = |signers: &[&PrivateKey], removes: [_; 1]| {
        let alter = without("FederatedRole/reads");
        lied((world.clone(), agent.clone()), signers, alter, removes, &[])
    };
    let refused = attack(&[&lea()], removes.clone());
    assert_not_allowed(&refused, 4, Condition::Removals, "may not sign a FederatedRole");
    // With the roster's rights, too, while the roster stays as it is.
    let refused = attack(&[&rob()], removes);
    assert_not_allowed(&refused, 4, Condition::Removals, "none of these keys is an author");
    // As a change, after which it is not there.
    let changes = Transition { before: Some(reads), after: Some(Digest([9; 32])) };
    let refused = attack(&[&lea()], [(of("FederatedRole/reads"), changes)]);
    assert_not_allowed(&refused, 4, Condition::Removals, "may not sign a FederatedRole");
    // As if by other labels.
    let own = (Subject::Cluster(cluster_id(1)), comes(Digest([9; 32])));
    let refused = attack(&[&lea()], [own]);
    assert_not_allowed(&refused, 4, Condition::Removals, "Cluster/");
}

#[test]
fn nothing_is_left_out() {
    let state = people_and_agent();
    let refused = lied(state, &[&lea()], without("FederatedRole/reads"), [], &[]);
    let reads = of("FederatedRole/reads");
    assert_refused!(refused, Removals, Refusal::Omitted { subject } if *subject == reads);
    // With a key that may sign everything, but says nothing of it.
    let refused = lied(people_and_agent(), &[&ada()], without("FederatedRole/reads"), [], &[]);
    assert_refused!(refused, Removals, Refusal::Omitted { .. });
}

#[test]
fn no_excuse_for_leaving_out() {
    let omitted = |state: (World, Agent)| {
        let refused = lied(state, &[&lea()], without("FederatedRole/reads"), [], &[]);
        assert_refused!(refused, Removals, Refusal::Omitted { .. });
    };
    // It was changed, and is still placed here.
    let (mut world, agent) = people_and_agent();
    world.commit(vec![put(role("reads", "  rules: []\n"))], &[&ada()]);
    omitted((world, agent));
    // The labels were changed, and it is still placed here.
    let (mut world, agent) = people_and_agent();
    world.commit(vec![Edit::PutCluster(entry(1, &[("env", "test")]))], &[&rob()]);
    omitted((world, agent));
    // It had gone, and came back.
    let (mut world, _) = people_and_agent();
    world.commit(vec![Edit::Remove("FederatedRole/reads".parse().unwrap())], &[&ada()]);
    world.commit(vec![put(role("reads", READS_PODS))], &[&ada()]);
    let mut agent = Agent::new(1, &world);
    agent.follow(&world);
    omitted((world, agent));
}

/// Labels that once took a document away are no excuse for who has had it since.
#[test]
fn labels_of_the_past_are_no_excuse() {
    let (mut world, _) = people_and_agent();
    let prod = "  placement: {clusterSelector: {matchLabels: {env: prod}}}\n";
    let prod = document(&text("FederatedRole", "prod", &format!("{prod}{READS_PODS}")));
    world.commit(vec![put(prod)], &[&ada()]);
    for env in ["dev", "prod"] {
        world.commit(vec![Edit::PutCluster(entry(1, &[("env", env)]))], &[&rob()]);
    }
    let mut agent = Agent::new(1, &world);
    agent.follow(&world);
    assert_eq!(world.manifest(1).pin(&of("FederatedRole/prod")).unwrap().number.0, 4);
    let refused = lied((world, agent), &[&lea()], without("FederatedRole/prod"), [], &[]);
    assert_refused!(refused, Removals, Refusal::Omitted { .. });
}

#[test]
fn a_wrapped_key_is_its_own() {
    let wrapped = |signers: &[&PrivateKey], wrap: hanse_domain::history::wrap::Wrap| {
        let bytes = wrap.encode();
        let digest = Digest::of(&bytes);
        let alter = |manifest: &mut Manifest| {
            manifest.wraps.insert("db".to_owned(), pin(digest, 4));
        };
        let changes = [(wrap_of("db", 1), comes(digest))];
        lied(people_and_agent(), signers, alter, changes, &[bytes])
    };
    let refused = wrapped(&[&rob()], wrap("db", 1, 1, 9));
    assert_not_allowed(&refused, 4, Condition::Provenance, "none of these keys is an author");
    let refused = wrapped(&[&ada()], wrap("db", 1, 2, 2));
    assert_refused!(refused, Contents, Refusal::OtherContent(Subject::Wrap(_)));
    let refused = wrapped(&[&ada()], wrap("other", 1, 1, 1));
    assert_refused!(refused, Contents, Refusal::OtherContent(Subject::Wrap(_)));

    let (world, agent) = people_and_agent();
    let held = world.manifest(1).wraps["db"].digest;
    let remove = |manifest: &mut Manifest| manifest.wraps.clear();
    let removes = [(wrap_of("db", 1), goes(held))];
    let refused = lied((world.clone(), agent.clone()), &[&lea()], remove, removes, &[]);
    assert_not_allowed(&refused, 4, Condition::Removals, "namespace billing is outside");
    let refused = lied((world, agent), &[&ada()], remove, [], &[]);
    assert_refused!(refused, Removals, Refusal::Omitted { .. });
    // In her own namespace lea may.
    let (mut world, mut agent) = people_and_agent();
    let ours = document(&text(
        "FederatedSecret",
        "ours",
        "  placement: {clusterSelector: {matchLabels: {env: prod}}}\n  namespaces: [shop]\n  version: 1\n  keys: [k]\n  payload: YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n",
    ));
    world.commit(vec![put(ours), put_wrap(wrap("ours", 1, 1, 1))], &[&lea()]);
    agent.follow(&world);
}

/// Whoever judges a key that was wrapped long ago knows the secret as it is now, and not as it was.
#[test]
fn a_wrapped_key_stays_when_others_widen_the_secret() {
    let ours = |placement: &str, namespaces: &str| {
        let sealed = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==";
        let spec = format!(
            "  placement: {{clusterSelector: {placement}}}\n  namespaces: {namespaces}\n  version: 1\n  \
             keys: [k]\n  payload: {sealed}\n"
        );
        put(document(&text("FederatedSecret", "ours", &spec)))
    };
    for wider in [ours("{}", "[shop]"), ours("{matchLabels: {env: prod}}", "[shop, billing]")] {
        let mut world = people();
        let sealed = ours("{matchLabels: {env: prod}}", "[shop]");
        world.commit(vec![sealed, put_wrap(wrap("ours", 1, 1, 1))], &[&lea()]);
        world.commit(vec![wider], &[&ada()]);
        assert_eq!(world.manifest(1).wraps["ours"].number.0, 4);
        let mut fresh = Agent::new(1, &world);
        fresh.follow(&world);
        assert!(fresh.bundle.unwrap().wraps.contains_key("ours"));
    }
}

#[test]
fn a_sealed_secret_is_not_moved() {
    // Under another name, and in another namespace, it is another document.
    let moved = secret("db", "shop", 1);
    let (mut world, agent) = people_and_agent();
    world.force(vec![put(moved)], &[&lea()]);
    let refused = agent.refusal(&world);
    assert_not_allowed(&refused, 4, Condition::Provenance, "namespace billing is outside");
}

#[test]
fn the_roster_has_its_own_right() {
    for labels in [&[("env", "dev")][..], &[("env", "prod"), ("more", "yes")]] {
        let (mut world, agent) = people_and_agent();
        world.force(vec![Edit::PutCluster(entry(1, labels))], &[&lea()]);
        assert_not_allowed(&agent.refusal(&world), 4, Condition::Provenance, "1 of ada, rob");
    }
    // The recipient alone, to which the next secret would be sealed.
    let (mut world, agent) = people_and_agent();
    let mut other = entry(1, &[("env", "prod")]);
    other.recipient = Some(format!("age1{}", "q".repeat(58)));
    world.force(vec![Edit::PutCluster(other)], &[&lea()]);
    assert_not_allowed(&agent.refusal(&world), 4, Condition::Provenance, "1 of ada, rob");
}
