//! Shortest paths: back from an end to everybody who comes to it.

use std::collections::{BTreeMap, VecDeque};

use super::graph::{Graph, Hop};

/// The hops of a graph by where they lead to.
pub(super) struct Backwards {
    into: Vec<Vec<(u32, u32)>>,
}

/// How everybody comes to an end.
pub(super) struct Found {
    /// The next hop of each node that comes there; nothing for the end itself.
    next: BTreeMap<u32, Option<u32>>,
}

impl Backwards {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut into = vec![Vec::new(); graph.keys.len()];
        for (from, hops) in (0..).zip(&graph.hops) {
            for (at, hop) in (0..).zip(hops) {
                if let Some(list) = into.get_mut(hop.to as usize) {
                    list.push((from, at));
                }
            }
        }
        Self { into }
    }

    /// From everybody to an end. Who is in `without` is not looked at: they come further anyway.
    pub(super) fn search(&self, graph: &Graph, end: u32, without: Option<&Found>) -> Found {
        let mut next = BTreeMap::new();
        // What is nearer is in front: a hop that is no step goes there, too.
        let mut queue = VecDeque::from([(end, None)]);
        while let Some((node, hop)) = queue.pop_front() {
            if next.contains_key(&node) || without.is_some_and(|found| found.reaches(node)) {
                continue;
            }
            next.insert(node, hop);
            for &(from, at) in self.into.get(node as usize).into_iter().flatten() {
                match graph.hop(from, at).and_then(|hop| hop.step) {
                    Some(_) => queue.push_back((from, Some(at))),
                    None => queue.push_front((from, Some(at))),
                }
            }
        }
        Found { next }
    }
}

impl Found {
    /// Whether a node comes there.
    pub(super) fn reaches(&self, node: u32) -> bool {
        self.next.contains_key(&node)
    }

    /// Which of the first nodes of a graph come there.
    pub(super) fn among_first(&self, count: usize) -> impl Iterator<Item = u32> {
        let end = u32::try_from(count).unwrap_or(u32::MAX);
        self.next.range(..end).map(|(node, _)| *node)
    }

    /// The hops from a node to the end, each with where it starts.
    pub(super) fn path(&self, graph: &Graph, node: u32) -> Vec<(u32, Hop)> {
        let mut out = Vec::new();
        let mut at = node;
        while let Some(Some(hop)) = self.next.get(&at) {
            let Some(hop) = graph.hop(at, *hop) else { break };
            out.push((at, hop));
            at = hop.to;
        }
        out
    }
}

impl Graph {
    fn hop(&self, from: u32, at: u32) -> Option<Hop> {
        self.hops.get(from as usize)?.get(at as usize).copied()
    }
}
