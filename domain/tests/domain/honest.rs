//! Whatever entitled people do, an agent that hears of it sooner or later believes it, and holds what
//! the fleet says.

use hanse_domain::authorise::authorise;
use hanse_domain::document::Document;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::plan::verify;
use proptest::prelude::*;
use ssh_key::PrivateKey;

use crate::people::{LEAS_SCOPE, RECIPIENT, ada, bob, first_root, lea, put_wrap, rob, root, wrap};
use crate::support::{READS_PODS, cluster, cluster_id, document, put, sign, text};
use crate::world::{Agent, World};

const CLUSTERS: u128 = 3;

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Act {
    Edit(Edit),
    /// A secret of lea's with its keys for the clusters that were production at first.
    Seal(usize, u64, u8),
    /// Another version of the trust root, with lea or without.
    Rotate(bool),
}

fn placement() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{clusterSelector: {}}",
        "{clusterSelector: {matchLabels: {env: prod}}}",
        "{clusterSelector: {matchLabels: {env: dev}}}",
        "{clusterNames: [c1]}",
        "{clusterNames: [c2], clusterSelector: {matchLabels: {env: prod}}}",
    ])
}

fn entry(n: u128, labels: &[(&str, &str)]) -> ClusterEntry {
    let entry = cluster(n, &format!("c{n}"), labels);
    ClusterEntry { recipient: Some(RECIPIENT.to_owned()), ..entry }
}

fn role(n: usize, placement: &str, verb: &str) -> Document {
    let rules = READS_PODS.replace("get", verb);
    document(&text(
        "FederatedRole",
        &format!("x{n}"),
        &format!("  placement: {placement}\n{rules}"),
    ))
}

fn binding(n: usize, placement: &str, namespace: &str, to: &str) -> Document {
    let spec = format!(
        "  placement: {placement}\n  roleRef: {{kind: ClusterRole, name: {to}}}\n  \
         subjects: [{{kind: User, name: u}}]\n  namespaces: [{namespace}]\n"
    );
    document(&text("FederatedRoleBinding", &format!("x{n}"), &spec))
}

fn secret(n: usize, placement: &str, namespace: &str, version: u64) -> Document {
    let spec = format!(
        "  placement: {placement}\n  namespaces: [{namespace}]\n  version: {version}\n  keys: [k]\n  \
         payload: YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n"
    );
    document(&text("FederatedSecret", &format!("x{n}"), &spec))
}

fn act() -> impl Strategy<Value = Act> {
    let few = || 0usize..3;
    let namespace = || prop::sample::select(vec!["shop", "billing"]);
    let verb = prop::sample::select(vec!["get", "list", "'*'"]);
    let to = prop::sample::select(vec!["view", "edit", "cluster-admin"]);
    let name = prop::sample::select(vec![
        "FederatedRole/x0",
        "FederatedRole/x1",
        "FederatedRoleBinding/x0",
        "FederatedRoleBinding/x1",
        "FederatedSecret/x0",
    ]);
    let labels = prop::sample::select(vec![
        &[("env", "prod")][..],
        &[("env", "dev")],
        &[("env", "prod"), ("tier", "gold")],
    ]);
    let edit = prop_oneof![
        3 => (few(), placement(), verb).prop_map(|(n, at, verb)| put(role(n, at, verb))),
        5 => (few(), placement(), namespace(), to)
            .prop_map(|(n, at, namespace, to)| put(binding(n, at, namespace, to))),
        3 => (0usize..2, placement(), namespace(), 1u64..3)
            .prop_map(|(n, at, namespace, version)| put(secret(n, at, namespace, version))),
        3 => (0usize..2, 1u64..3, 1..=CLUSTERS, any::<u8>())
            .prop_map(|(n, version, c, key)| put_wrap(wrap(&format!("x{n}"), version, c, key))),
        3 => name.prop_map(|name| Edit::Remove(name.parse().unwrap())),
        4 => (1..=CLUSTERS, labels).prop_map(|(n, labels)| {
            Edit::PutCluster(entry(n, labels))
        }),
        1 => (1..=CLUSTERS).prop_map(|n| Edit::RemoveCluster(cluster_id(n))),
    ];
    let seal =
        (0usize..2, 1u64..3, any::<u8>()).prop_map(|(n, version, key)| Act::Seal(n, version, key));
    prop_oneof![20 => edit.prop_map(Act::Edit), 3 => seal, 1 => any::<bool>().prop_map(Act::Rotate)]
}

/// Lea is an author or none; everybody else stays.
fn next_root(fleet: &Fleet, with_lea: bool) -> Edit {
    let current = fleet.trust.current();
    let head = format!("version {}\nprevious {}", current.root.version + 1, current.digest);
    let author = if with_lea { format!("author lea {LEAS_SCOPE}\n") } else { String::new() };
    let next = root(
        &head,
        &[("ada", &ada()), ("bob", &bob()), ("lea", &lea()), ("rob", &rob())],
        &format!(
            "root 1 ada bob\nroster 1 ada rob\ndanger 2 ada bob\n\
             author ada kinds=* namespaces=* clusters=* hazards=yes\n\
             author bob kinds=* namespaces=* clusters=* hazards=yes\n{author}"
        ),
    );
    Edit::PutRoot(next.into())
}

/// What can be done of some acts, by the fewest who may: lea or rob alone, ada alone, or two.
fn commit(world: &mut World, acts: Vec<Act>) {
    let edits = acts.into_iter().flat_map(|act| match act {
        Act::Edit(edit) => vec![edit],
        Act::Seal(n, version, key) => {
            let placement = "{clusterSelector: {matchLabels: {env: prod}}}";
            let keys = (2..=CLUSTERS).map(|c| put_wrap(wrap(&format!("x{n}"), version, c, key)));
            std::iter::once(put(secret(n, placement, "shop", version))).chain(keys).collect()
        }
        Act::Rotate(with_lea) => vec![next_root(&world.fleet, with_lea)],
    });
    let edits: Vec<Edit> = edits.collect();
    let Ok(change) = world.written(edits) else { return };
    if !verify(&change.fleet, &change.edits).is_empty() {
        return;
    }
    let (ada, bob, lea, rob) = (ada(), bob(), lea(), rob());
    let signers: [&[&PrivateKey]; 5] = [&[&lea], &[&rob], &[&lea, &rob], &[&ada], &[&ada, &bob]];
    let signatures = signers
        .into_iter()
        .map(|signers| sign(&change.bytes, signers))
        .find(|signatures| authorise(&world.fleet, &change, signatures).is_ok());
    world.push(change, signatures.unwrap());
}

/// Agents of these clusters hear of the newest.
fn hear(world: &World, agents: &mut [Agent], who: [bool; CLUSTERS as usize]) {
    for (agent, hears) in agents.iter_mut().zip(who) {
        let member = world.fleet.member(agent.cluster);
        let Some(member) = member.filter(|_| hears) else { continue };
        agent.follow(world);
        let bundle = agent.bundle.as_ref().unwrap();
        assert_eq!(bundle.manifest, *member.manifest);
        assert_eq!(bundle.generation, member.generation);
        assert_eq!(bundle.entry, *member.entry);
        assert!(bundle.wraps.keys().eq(member.manifest.wraps.keys()));
    }
}

fn start() -> World {
    let mut world = World::new(first_root());
    let entries = (1..=CLUSTERS).map(|n| {
        let env = if n == 1 { "dev" } else { "prod" };
        Edit::PutCluster(entry(n, &[("env", env)]))
    });
    world.commit(entries.collect(), &[&rob()]);
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_the_entitled_say_is_believed(
        steps in prop::collection::vec(
            (prop::collection::vec(act(), 1..4), any::<[bool; CLUSTERS as usize]>()),
            1..12,
        ),
    ) {
        let mut world = start();
        let mut agents: Vec<Agent> = (1..=CLUSTERS).map(|n| Agent::new(n, &world)).collect();
        for (acts, who) in steps {
            commit(&mut world, acts);
            hear(&world, &mut agents, who);
        }
        hear(&world, &mut agents, [true; CLUSTERS as usize]);
        // Somebody who begins now hears it all at once.
        let mut fresh: Vec<Agent> = (1..=CLUSTERS).map(|n| Agent::new(n, &world)).collect();
        hear(&world, &mut fresh, [true; CLUSTERS as usize]);
    }
}
