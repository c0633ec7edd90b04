//! A cluster with 10,000 bindings. Nothing is timed here; what is counted bounds the work.

use super::{Lab, rule};
use crate::access::directory::Directory;
use crate::access::escalation::graph::Graph;
use crate::access::escalation::world::World;
use crate::access::escalation::{Escalation, Filter, Target};

const TEAMS: usize = 500;

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.role("", "edit", &[rule("* pods"), rule("* deployments.apps"), rule("* secrets")]);
    lab.role("", "view", &[rule("get pods")]);
    for team in 0..TEAMS {
        let namespace = format!("team-{team}");
        lab.namespace(&namespace, "baseline");
        lab.account(&namespace, "default", false);
        for user in 0..20 {
            let role = if user < 4 { "ClusterRole/edit" } else { "ClusterRole/view" };
            lab.bind(&namespace, role, &format!("user u{user}-{team}"));
        }
    }
    lab
}

#[test]
fn edges_grow_with_bindings_and_not_with_their_square() {
    let lab = lab();
    let directory = Directory::default();
    let world = World::read(&lab.index, lab.cluster, &directory);
    let graph = Graph::grow(&world, world.by_subject.keys());
    let hops: usize = graph.hops.iter().map(Vec::len).sum();
    assert!(graph.keys.len() < 13_000, "{}", graph.keys.len());
    assert!(hops < 30_000, "{hops}");
    let paths = lab.paths(&Filter { holders: true, ..Filter::default() });
    let read = |path: &&Escalation| matches!(path.target, Target::Secrets(Some(_)));
    assert_eq!(paths.iter().filter(read).count(), 4 * TEAMS);
}
