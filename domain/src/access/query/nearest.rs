//! Why not: what comes nearest to allowing a request.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Asker, Grant, Question};
use crate::access::index::Index;
use crate::access::request::{Request, Scope};
use crate::access::rules::nearness;
use crate::access::subject::Identity;
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;

/// Most answers of [`nearest`].
pub const MAX_NEAREST: usize = 10;

/// Bindings that reach the identity, of whose role no rule allows the request, the nearest first: the
/// rule is the one that lacks least, and an empty one when the role has none or is not there.
pub fn nearest(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
) -> Vec<Grant> {
    let mut asker = Asker::new(identity.clone());
    let mut question = Question::new(request.clone());
    let nothing = Arc::new(PolicyRule::default());
    let mut found: BTreeSet<(Reverse<u8>, Grant)> = BTreeSet::new();
    let Some(walk) = question.walk(index, cluster, scope) else { return Vec::new() };
    let lacking = |role| question.answering(index.symbols(), role).is_none().then_some(());
    for (bound, ()) in walk.roles(lacking) {
        let rules = bound.content.map_or(&[][..], |content| &content.rules);
        // Of several that are as near, the first.
        let rule = rules.iter().rev().max_by_key(|rule| nearness(rule, request));
        let (rule, near) = rule.map_or((&nothing, 0), |rule| (rule, nearness(rule, request)));
        let _ = asker.reach(&bound, &std::iter::once((rule, &[][..])), &mut |answer| {
            let full = found.len() == MAX_NEAREST;
            if !full || found.last().is_some_and(|(Reverse(worst), _)| *worst <= near) {
                found.insert((Reverse(near), answer.grant()));
            }
            if found.len() > MAX_NEAREST {
                found.pop_last();
            }
            ControlFlow::Continue(())
        });
    }
    found.into_iter().map(|(_, grant)| grant).collect()
}
