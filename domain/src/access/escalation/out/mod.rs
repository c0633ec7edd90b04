//! The edges that lead from somebody's rights.

mod identity;
mod pods;
mod rbac;

use super::ability::Ability;
use super::edge::Edge;
use super::graph::{End, Graph, Hop, Key};
use super::place::Place;
use super::rights::{Right, Rights, Via};
use super::world::World;

/// All edges.
pub(super) fn of(world: &World<'_>, graph: &mut Graph, rights: &Rights<'_>) -> Vec<Hop> {
    let mut out = Out { world, graph, rights, hops: Vec::new() };
    let everything = rights.whole(Ability::Everything).map(|right| right.via);
    let everything = everything.or(rights.is_master.then_some(Via::Everything(Place::Cluster)));
    if let Some(via) = everything {
        // Nothing is nearer, and nothing is further.
        out.add(Edge::Has, via, Key::End(End::ClusterAdmin));
    } else if !rights.is_empty() {
        out.held();
        out.bind();
        out.escalate();
        out.impersonate();
        out.certificate();
        out.tokens();
        out.workloads();
        out.running_pods();
        out.nodes_proxy();
        out.admission();
    }
    out.hops
}

struct Out<'o, 'w, 'd> {
    world: &'w World<'d>,
    graph: &'o mut Graph,
    rights: &'o Rights<'w>,
    hops: Vec<Hop>,
}

impl Out<'_, '_, '_> {
    fn add(&mut self, edge: Edge, via: Via, to: Key) {
        let to = self.graph.number(to);
        self.hops.push(Hop { to, step: Some((edge, via)) });
    }

    /// The Secrets that bindings give themselves.
    fn held(&mut self) {
        for right in self.rights.to(Ability::ReadSecrets) {
            if right.names().is_none() {
                self.add(Edge::Has, right.via, Key::End(secrets(right.place)));
            }
        }
    }

    /// What changes the requests of others.
    fn admission(&mut self) {
        let create = self.rights.whole(Ability::CreateWebhooks);
        let webhooks = create.or_else(|| self.rights.wide(Ability::ChangeWebhooks).next());
        let bindings = self.rights.whole(Ability::CreatePolicyBindings);
        let policies = self.rights.whole(Ability::CreatePolicies).filter(|_| bindings.is_some());
        for (edge, right) in [(Edge::Webhook, webhooks), (Edge::Policy, policies)] {
            if let Some(Right { via, .. }) = right {
                self.add(edge, via, Key::End(End::ClusterAdmin));
            }
        }
    }
}

/// The Secrets of a place.
fn secrets(place: Place) -> End {
    place.namespace().map_or(End::AllSecrets, End::Secrets)
}
