//! What pods and nodes give.

use std::collections::BTreeSet;

use super::{Out, secrets};
use crate::access::escalation::ability::Ability;
use crate::access::escalation::edge::Edge;
use crate::access::escalation::graph::{Accounts, End, Key, account};
use crate::access::escalation::place::Place;
use crate::access::escalation::rights::Right;
use crate::access::escalation::world::Workload;
use crate::access::object::AccessKind;

impl Out<'_, '_, '_> {
    /// Pods of one's own: by new workloads, and by workloads that are there and can be changed.
    pub(super) fn workloads(&mut self) {
        let rights = self.rights;
        let creates = || rights.to(Ability::CreateWorkloads);
        for create in creates() {
            self.run(create, create.place);
        }
        for (ability, kind) in [
            (Ability::ChangeDeployments, AccessKind::Deployment),
            (Ability::ChangeStatefulSets, AccessKind::StatefulSet),
            (Ability::ChangeDaemonSets, AccessKind::DaemonSet),
            (Ability::ChangeReplicaSets, AccessKind::ReplicaSet),
            (Ability::ChangeCronJobs, AccessKind::CronJob),
        ] {
            for change in rights.to(ability) {
                // Whoever can make workloads there wins nothing by changing others.
                let is_less =
                    |create: Right<'_>| create.place.meet(change.place) == Some(change.place);
                if creates().any(is_less) {
                    continue;
                }
                let held = self.world.workloads_of(change.place);
                let held = held.filter(|(_, held)| held.kind == kind && change.is_on(&held.name));
                let namespaces: BTreeSet<u32> = held.map(|(namespace, _)| namespace).collect();
                for namespace in namespaces {
                    self.run(change, Place::Namespace(namespace));
                }
            }
        }
    }

    fn run(&mut self, right: Right<'_>, place: Place) {
        let accounts = Key::Accounts(Accounts::Existing, place.namespace());
        self.add(Edge::Workload, right.via, accounts);
        self.add(Edge::SecretVolume, right.via, Key::End(secrets(place)));
        if self.can_be_privileged(place) {
            self.add(Edge::PrivilegedPod, right.via, Key::AnyNode);
        }
    }

    /// Whether Pod Security lets any pod in, somewhere in a place, or can be made to.
    fn can_be_privileged(&self, place: Place) -> bool {
        let (world, rights) = (self.world, self.rights);
        let opens = |namespace: u32| {
            rights.to(Ability::ChangeNamespaces).any(|change| {
                change.place.covers(namespace) && change.is_on(world.namespace(namespace))
            })
        };
        match place {
            Place::Namespace(namespace) => {
                world.unrestricted.contains(&namespace) || opens(namespace)
            }
            Place::Cluster | Place::EveryNamespace => {
                !world.unrestricted.is_empty()
                    || rights.whole(Ability::CreateNamespaces).is_some()
                    || rights.to(Ability::ChangeNamespaces).next().is_some()
            }
        }
    }

    /// Pods that are there.
    pub(super) fn running_pods(&mut self) {
        let rights = self.rights;
        for (ability, edge) in [
            (Ability::ChangePods, Edge::PodImage),
            (Ability::Exec, Edge::Exec),
            (Ability::EphemeralContainers, Edge::EphemeralContainer),
        ] {
            for right in rights.to(ability) {
                self.enter(edge, right);
            }
        }
    }

    fn enter(&mut self, edge: Edge, right: Right<'_>) {
        let world = self.world;
        let mut on_a_node = false;
        if let Some(names) = right.names() {
            for (namespace, workload) in world.workloads_of(right.place) {
                if names.iter().any(|pod| workload.has_pod(pod)) {
                    self.add(edge, right.via, account(world, namespace, &workload.account));
                    on_a_node |= world.unrestricted.contains(&namespace);
                }
            }
        } else {
            let running = Key::Accounts(Accounts::Running, right.place.namespace());
            self.add(edge, right.via, running);
            let mut open = world.unrestricted.iter().filter(|open| right.place.covers(**open));
            on_a_node = open.any(|open| world.workloads.contains_key(open));
        }
        if edge == Edge::EphemeralContainer && on_a_node {
            self.add(edge, right.via, Key::End(End::Node));
        }
    }

    /// The kubelets of nodes. Which nodes there are is not known.
    pub(super) fn nodes_proxy(&mut self) {
        if let Some(right) = self.rights.wide(Ability::NodesProxy).next() {
            let any = right.names().is_none();
            let to = if any { Key::AnyNode } else { Key::End(End::Node) };
            self.add(Edge::NodesProxy, right.via, to);
        }
    }
}

impl Workload {
    /// Whether a pod of this name is one of its own, as far as names tell.
    fn has_pod(&self, pod: &str) -> bool {
        if self.kind == AccessKind::StatefulSet {
            let ordinal =
                pod.strip_prefix(self.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
            return ordinal.is_some_and(|ordinal| {
                !ordinal.is_empty() && ordinal.bytes().all(|b| b.is_ascii_digit())
            });
        }
        self.kind == AccessKind::Pod && self.name == pod
    }
}
