//! Paths of escalations: who can reach what, by themselves or by becoming somebody else.
//!
//! ```text
//! bindings ─→ abilities of each subject ─→ edges ─→ graph ─← search back from each target
//!  (world)          (rights)               (out)                     (search)
//! ```
//!
//! An edge asks for the rights of the one from whom it leads, and for these alone: what somebody gains
//! on the way from two of their steps together is not followed. RBAC is all that is looked at; what a
//! cluster's admission refuses (policies, webhooks, a Pod Security that is configured for the whole
//! cluster), other authorisers, and whether controllers and kubelets run, are not seen.

mod ability;
mod edge;
mod graph;
mod out;
mod place;
mod rights;
mod search;
mod told;
mod world;

use std::collections::BTreeSet;
use std::fmt;

pub use edge::Edge;

use self::graph::{End, Graph, Key};
use self::search::{Backwards, Found};
use self::told::Teller;
use self::world::World;
use crate::access::directory::Directory;
use crate::access::index::Index;
use crate::access::query::Grant;
use crate::access::subject::{MASTERS, Subject};
use crate::ids::ClusterId;
use crate::kinds::invariant::Goal;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Everything in the cluster.
    ClusterAdmin,
    /// To read every Secret of a namespace; with none, of every namespace.
    Secrets(Option<String>),
    /// To run code as root on a node.
    Node,
}

impl Target {
    /// Of which sort it is.
    pub const fn goal(&self) -> Goal {
        match self {
            Self::ClusterAdmin => Goal::ClusterAdmin,
            Self::Secrets(_) => Goal::Secrets,
            Self::Node => Goal::Node,
        }
    }

    /// In which namespace it is, if it is in one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Secrets(namespace) => namespace.as_deref(),
            Self::ClusterAdmin | Self::Node => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClusterAdmin => f.write_str("cluster-admin"),
            Self::Secrets(None) => f.write_str("secrets of every namespace"),
            Self::Secrets(Some(namespace)) => write!(f, "secrets of {namespace}"),
            Self::Node => f.write_str("node"),
        }
    }
}

/// Which paths are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// From these; `None`: from everybody whom a binding names.
    pub subjects: Option<BTreeSet<Subject>>,
    /// To these.
    pub goals: BTreeSet<Goal>,
    /// To the Secrets of these namespaces; `None`: of any.
    pub namespaces: Option<BTreeSet<String>>,
    /// Also those who need no path, since bindings give them the target.
    pub holders: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { subjects: None, goals: Goal::ALL.into(), namespaces: None, holders: false }
    }
}

/// How somebody can reach something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Escalation {
    /// Who.
    pub subject: Subject,
    /// What.
    pub target: Target,
    /// In what way: one of the shortest. Never empty; of a holder it is one [`Edge::Has`].
    pub steps: Vec<Step>,
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// What sort of step it is.
    pub edge: Edge,
    /// Who makes it.
    pub from: Subject,
    /// Whom they become by it; `None` when they stay who they are.
    pub to: Option<Subject>,
    /// Where; `None` in no single namespace.
    pub namespace: Option<String>,
    /// In words that continue those of who makes it: "runs a pod as service account ci/deployer".
    pub text: String,
    /// The right that makes it possible, or the most telling one when it takes several.
    pub grant: Grant,
}

/// Everybody's shortest path to each target, in order. Who can read every Secret is not listed for each
/// namespace.
pub fn escalations(
    index: &Index,
    cluster: ClusterId,
    directory: &Directory,
    filter: &Filter,
) -> Vec<Escalation> {
    let world = World::read(index, cluster, directory);
    let subjects = starts(&world, filter);
    let graph = Graph::grow(&world, &subjects);
    let backwards = Backwards::of(&graph);
    let teller = Teller { world: &world, graph: &graph };
    let mut out = Vec::new();
    let mut list = |found: &Found, target: &Target| {
        // A graph begins with the subjects that it grew from.
        for node in found.among_first(subjects.len()) {
            if let Some(escalation) = teller.tell(node, found, target)
                && (filter.holders || !escalation.is_held())
            {
                out.push(escalation);
            }
        }
    };
    let search = |end: End, without: Option<&Found>| {
        let node = graph.find(&Key::End(end))?;
        Some(backwards.search(&graph, node, without))
    };
    for (goal, end, target) in [
        (Goal::ClusterAdmin, End::ClusterAdmin, Target::ClusterAdmin),
        (Goal::Node, End::Node, Target::Node),
    ] {
        if filter.goals.contains(&goal)
            && let Some(found) = search(end, None)
        {
            list(&found, &target);
        }
    }
    if filter.goals.contains(&Goal::Secrets) {
        let all = search(End::AllSecrets, None);
        if let Some(found) = &all {
            list(found, &Target::Secrets(None));
        }
        for (number, namespace) in (0..).zip(&world.namespaces) {
            let asked = filter.namespaces.as_ref().is_none_or(|names| names.contains(namespace));
            if asked && let Some(found) = search(End::Secrets(number), all.as_ref()) {
                list(&found, &Target::Secrets(Some(namespace.clone())));
            }
        }
    }
    out.sort();
    out
}

impl Escalation {
    /// Whether bindings give the target, so that nobody has to become anybody.
    pub fn is_held(&self) -> bool {
        matches!(self.steps.as_slice(), [Step { edge: Edge::Has, .. }])
    }
}

fn starts(world: &World<'_>, filter: &Filter) -> BTreeSet<Subject> {
    let everybody = || {
        let masters = Subject::Group(MASTERS.to_owned());
        world.by_subject.keys().cloned().chain([masters]).collect()
    };
    filter.subjects.clone().unwrap_or_else(everybody)
}

#[cfg(test)]
pub(crate) mod tests;
