//! Paths in words, with the grants that make them possible.

use std::sync::Arc;

use super::edge::Edge;
use super::graph::{End, Graph, Key, bare};
use super::place::Place;
use super::rights::Via;
use super::search::Found;
use super::world::World;
use super::{Escalation, Step, Target};
use crate::access::object::AccessKey;
use crate::access::query::Grant;
use crate::access::subject::{Identity, MASTERS, Subject};
use crate::kinds::role::PolicyRule;

/// Tells paths of a graph.
pub(super) struct Teller<'t, 'd> {
    pub(super) world: &'t World<'d>,
    pub(super) graph: &'t Graph,
}

impl Teller<'_, '_> {
    /// How somebody comes to a target.
    pub(super) fn tell(&self, node: u32, found: &Found, target: &Target) -> Option<Escalation> {
        let Key::Subject(subject) = self.graph.keys.get(node as usize)? else { return None };
        let path = found.path(self.graph, node);
        let mut who = (subject.clone(), Identity::of(subject, self.world.directory));
        let mut steps: Vec<Step> = Vec::new();
        for (at, (_, hop)) in path.iter().enumerate() {
            let Some((edge, via)) = hop.step else { continue };
            // The node that a set stands for is behind hops that are no steps.
            let rest = path.get(at + 1..).unwrap_or_default();
            let behind = rest.iter().take_while(|(_, hop)| hop.step.is_none()).last();
            let to = self.graph.keys.get(behind.map_or(hop.to, |(_, hop)| hop.to) as usize)?;
            let via_node = self.graph.keys.get(hop.to as usize)?;
            let becomes = match to {
                Key::Subject(subject) => Some(subject.clone()),
                Key::Bare(name) => Some(Subject::User(name.clone())),
                Key::Role(..)
                | Key::Everything(_)
                | Key::Accounts(..)
                | Key::Users
                | Key::Groups { .. }
                | Key::Anybody
                | Key::AnyNode
                | Key::End(_) => None,
            };
            let grant = match (edge, steps.last()) {
                (Edge::NodePods, Some(before)) => before.grant.clone(),
                _ => self.grant(&who.0, &who.1, via),
            };
            let (namespace, text) = self.words(edge, via, via_node, to);
            let from = who.0.clone();
            steps.push(Step { edge, from, to: becomes.clone(), namespace, text, grant });
            if let Some(next) = becomes {
                let identity = if let Key::Bare(name) = to {
                    bare(name)
                } else {
                    Identity::of(&next, self.world.directory)
                };
                who = (next, identity);
            }
        }
        Some(Escalation { subject: subject.clone(), target: target.clone(), steps })
    }

    fn grant(&self, subject: &Subject, identity: &Identity, via: Via) -> Grant {
        let world = self.world;
        let empty = Grant {
            subject: subject.clone(),
            via_group: None,
            binding: None,
            role: None,
            rule: Arc::new(PolicyRule::default()),
            namespace: None,
            limited_to: Vec::new(),
            aggregated_from: Vec::new(),
        };
        let of_role = |number: u32, rule: u32| {
            let role = world.role(number)?;
            Some((role.key.clone(), Arc::clone(role.content.rules.get(rule as usize)?)))
        };
        match via {
            Via::Binding { bound: number, rule } => {
                let Some(bound) = world.bound(number) else { return empty };
                let Some((key, rule)) = of_role(bound.role, rule) else { return empty };
                let aggregated_from = world.aggregated_from(bound.role, &rule);
                let reached = world.bounds_of(identity);
                let by = reached.into_iter().find(|(reached, _)| *reached == number);
                Grant {
                    via_group: by.and_then(|(_, group)| group),
                    binding: Some(bound.key.clone()),
                    namespace: named(&bound.key),
                    limited_to: rule.resource_names.clone(),
                    aggregated_from,
                    role: Some(key),
                    rule,
                    ..empty
                }
            }
            Via::Role { role, place, rule } => {
                let Some((key, rule)) = of_role(role, rule) else { return empty };
                let aggregated_from = world.aggregated_from(role, &rule);
                Grant {
                    namespace: place.namespace().map(|n| world.namespace(n).to_owned()),
                    limited_to: rule.resource_names.clone(),
                    aggregated_from,
                    role: Some(key),
                    rule,
                    ..empty
                }
            }
            Via::Everything(place) => {
                let all = || vec!["*".to_owned()];
                let masters = identity.is_master() && place == Place::Cluster;
                let group = masters && *subject != Subject::Group(MASTERS.to_owned());
                Grant {
                    via_group: group.then(|| MASTERS.to_owned()),
                    namespace: place.namespace().map(|n| world.namespace(n).to_owned()),
                    rule: Arc::new(PolicyRule {
                        api_groups: all(),
                        resources: all(),
                        verbs: all(),
                        resource_names: Vec::new(),
                        non_resource_urls: Vec::new(),
                    }),
                    ..empty
                }
            }
        }
    }

    /// Where a step is made, and what it is.
    fn words(&self, edge: Edge, via: Via, through: &Key, to: &Key) -> (Option<String>, String) {
        let world = self.world;
        let place = self.place_of(via, through);
        let at = place.namespace().map(|number| world.namespace(number).to_owned());
        let wherever = match (place, &at) {
            (_, Some(namespace)) => format!("in {namespace}"),
            (Place::Cluster, None) => "in the whole cluster".to_owned(),
            (Place::EveryNamespace | Place::Namespace(_), None) => "in every namespace".to_owned(),
        };
        let whom = match to {
            Key::Subject(subject) => subject.to_string(),
            Key::Bare(name) => format!("user {name}"),
            Key::Role(role, _) => {
                world.role(*role).map_or_else(String::new, |role| role.key.to_string())
            }
            Key::Everything(_)
            | Key::Accounts(..)
            | Key::Users
            | Key::Groups { .. }
            | Key::Anybody
            | Key::AnyNode
            | Key::End(_) => String::new(),
        };
        let secrets = at.as_ref().map_or_else(
            || "the Secrets of every namespace".to_owned(),
            |namespace| format!("the Secrets of {namespace}"),
        );
        let text = match edge {
            Edge::Has if matches!(through, Key::End(End::ClusterAdmin)) => {
                "may do everything in the cluster".to_owned()
            }
            Edge::Has => format!("reads {secrets}"),
            Edge::Bind => format!("binds {whom} to itself {wherever}"),
            Edge::Escalate => format!("adds everything to a role that it has {wherever}"),
            Edge::Impersonate => format!("acts as {whom}"),
            Edge::Workload => format!("runs a pod as {whom}"),
            Edge::PodImage => format!("runs another image in a pod of {whom}"),
            Edge::Exec => format!("runs a command in a pod of {whom}"),
            Edge::EphemeralContainer if matches!(through, Key::End(End::Node)) => {
                "adds a privileged container to a pod".to_owned()
            }
            Edge::EphemeralContainer => format!("adds a container to a pod of {whom}"),
            Edge::Token => format!("asks for a token of {whom}"),
            Edge::TokenSecret => format!("reads a token of {whom} from a Secret"),
            Edge::SecretVolume => format!("runs a pod that mounts {secrets}"),
            Edge::Certificate => format!("signs a certificate for {whom}"),
            Edge::PrivilegedPod => format!("runs a privileged pod {wherever}"),
            Edge::NodesProxy => "has a kubelet run a command in a pod of its node".to_owned(),
            Edge::NodePods => format!("takes the token of {whom} from a node"),
            Edge::Webhook => "changes what others write, with a webhook".to_owned(),
            Edge::Policy => "changes what others write, with an admission policy".to_owned(),
        };
        (at, text)
    }

    /// Where a step is made: where it leads to, if that is one place, or else where its right holds.
    fn place_of(&self, via: Via, through: &Key) -> Place {
        match through {
            Key::Role(_, place) | Key::Everything(place) => *place,
            Key::Accounts(_, Some(namespace)) | Key::End(End::Secrets(namespace)) => {
                Place::Namespace(*namespace)
            }
            Key::Subject(Subject::ServiceAccount { namespace, .. }) => {
                let number = self.world.namespace_number(namespace);
                number.map_or(Place::Cluster, Place::Namespace)
            }
            Key::AnyNode => match via {
                Via::Binding { bound, .. } => {
                    self.world.bound(bound).map_or(Place::Cluster, |bound| bound.place)
                }
                Via::Role { place, .. } | Via::Everything(place) => place,
            },
            Key::Subject(Subject::User(_) | Subject::Group(_))
            | Key::Bare(_)
            | Key::Accounts(_, None)
            | Key::Users
            | Key::Groups { .. }
            | Key::Anybody
            | Key::End(End::ClusterAdmin | End::Node | End::AllSecrets) => Place::Cluster,
        }
    }
}

fn named(key: &AccessKey) -> Option<String> {
    (!key.namespace.is_empty()).then(|| key.namespace.clone())
}
