//! What pods and nodes give.

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
        for create in rights.to(Ability::CreateWorkloads) {
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
                for namespace in self.world.namespaces_with(kind, &change) {
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
        if right.names().is_none() {
            let running = Key::Accounts(Accounts::Running, right.place.namespace());
            self.add(edge, right.via, running);
        }
        let privileged = edge == Edge::EphemeralContainer;
        if right.names().is_none() && !privileged {
            return;
        }
        let mut on_a_node = false;
        for workload in world.workloads.iter().filter(|workload| {
            right.place.covers(workload.namespace)
                && right.names().is_none_or(|names| names.iter().any(|pod| workload.has_pod(pod)))
        }) {
            if right.names().is_some() {
                let to = account(world, workload.namespace, &workload.account);
                self.add(edge, right.via, to);
            }
            on_a_node |= world.unrestricted.contains(&workload.namespace);
        }
        if privileged && on_a_node {
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
