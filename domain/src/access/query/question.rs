//! A request that is asked of many clusters, and somebody who asks.

use std::cell::OnceCell;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::answer::{Answer, By};
use super::members::{Members, group_of};
use super::memo::Memo;
use super::walk::{Bound, Walk};
use crate::access::directory::Directory;
use crate::access::index::{Index, RoleContent, Symbols};
use crate::access::request::{Request, Scope};
use crate::access::rules::rule_allows;
use crate::access::subject::{Identity, MASTERS, Subject, SubjectRef};
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;

/// Takes one answer after another, in no order that means something, until it breaks.
pub type Visit<'v> = &'v mut dyn FnMut(&Answer<'_>) -> ControlFlow<()>;

/// A request, and what was decided about it: each distinct content of a role is looked at once, in
/// however many clusters there is such a role. The index may change between two clusters.
#[derive(Clone, Debug)]
pub struct Question {
    request: Request,
    roles: Memo,
}

/// Somebody, and which sets of subjects they are in: each distinct set is looked at once.
#[derive(Clone, Debug)]
pub struct Asker {
    identity: Identity,
    sets: Memo,
}

impl Question {
    /// A question that nothing was decided about.
    pub fn new(request: Request) -> Self {
        Self { request, roles: Memo::default() }
    }

    /// What it asks about.
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Who can do it in one cluster: each subject that a binding names, and unless `direct` also the
    /// members of the groups among them: of people as the directory knows them, and service accounts as
    /// the inventory does. Nobody is listed for `system:authenticated` and `system:unauthenticated`.
    /// The group `system:masters` can do everything.
    pub fn who_can(
        &mut self,
        index: &Index,
        cluster: ClusterId,
        scope: &Scope,
        directory: &Directory,
        direct: bool,
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        let members = Members { index, held: index.cluster(cluster), directory };
        visit(&Answer::of_master(SubjectRef::Group(MASTERS), None))?;
        if !direct {
            members
                .each(MASTERS, &mut |subject| visit(&Answer::of_master(subject, Some(MASTERS))))?;
        }
        let Some(walk) = self.walk(index, cluster, scope) else { return ControlFlow::Continue(()) };
        let Self { request, roles } = self;
        let answering = |role| answering(request, roles, index.symbols(), role);
        for (bound, answering) in walk.roles(answering) {
            for rule in answers_of(request, &bound, answering) {
                let aggregated_from = OnceCell::new();
                for (place, set) in bound.places() {
                    for named in bound.subjects(set) {
                        let answer = Answer {
                            subject: named.by_ref(),
                            via_group: None,
                            rule,
                            limited_to: limits_of(request, rule),
                            by: Some(By {
                                bound: &bound,
                                place,
                                aggregated_from: &aggregated_from,
                            }),
                        };
                        visit(&answer)?;
                        if let Some(group) = group_of(named).filter(|_| !direct) {
                            members.each(group, &mut |subject| {
                                visit(&Answer { subject, via_group: Some(group), ..answer })
                            })?;
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// By which paths somebody can do it in one cluster.
    pub fn paths(
        &mut self,
        index: &Index,
        cluster: ClusterId,
        scope: &Scope,
        asker: &mut Asker,
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        asker.as_master(visit)?;
        let Some(walk) = self.walk(index, cluster, scope) else { return ControlFlow::Continue(()) };
        let Self { request, roles } = self;
        let answering = |role| answering(request, roles, index.symbols(), role);
        for (bound, answering) in walk.roles(answering) {
            let rules = answers_of(request, &bound, answering);
            let rules = rules.map(|rule| (rule, limits_of(request, rule)));
            asker.reach(&bound, &rules, visit)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether somebody can do it in one cluster.
    pub fn allows(
        &mut self,
        index: &Index,
        cluster: ClusterId,
        scope: &Scope,
        asker: &mut Asker,
    ) -> bool {
        let symbols = index.symbols();
        asker.identity.is_master()
            || self.walk(index, cluster, scope).is_some_and(|walk| {
                let mut answering = walk.roles(|role| self.answering(symbols, role));
                answering.any(|(bound, _)| bound.places().any(|(_, set)| asker.is_in(symbols, set)))
            })
    }

    pub(super) fn walk<'i>(
        &self,
        index: &'i Index,
        cluster: ClusterId,
        scope: &Scope,
    ) -> Option<Walk<'i>> {
        // No namespace has paths.
        let scope = match &self.request {
            Request::Path { .. } => &Scope::Cluster,
            Request::Resource { .. } => scope,
        };
        Walk::new(index, cluster, scope)
    }

    /// See [`answering`].
    pub(super) fn answering(&mut self, symbols: &Symbols, role: u32) -> Option<Answering> {
        answering(&self.request, &mut self.roles, symbols, role)
    }
}

/// Which rules of a role's content say most about why a request is allowed: the first that is not limited
/// to some objects, by its place from 1 on; or else each that is, [`EACH_LIMITED`].
type Answering = NonZeroU32;

const EACH_LIMITED: Answering = NonZeroU32::MAX;

/// `None` when no rule of the content with this number allows the request.
fn answering(
    request: &Request,
    memo: &mut Memo,
    symbols: &Symbols,
    role: u32,
) -> Option<Answering> {
    let decision = memo.ask(role, symbols.generation_of_role(role), || {
        let mut decision = 0;
        for (place, rule) in (1..).zip(symbols.role(role).into_iter().flat_map(|held| &held.rules))
        {
            if rule_allows(rule, request) {
                if rule.resource_names.is_empty() {
                    return place;
                }
                decision = EACH_LIMITED.get();
            }
        }
        decision
    });
    Answering::new(decision)
}

fn answers_of<'i>(
    request: &Request,
    bound: &Bound<'i>,
    answering: Answering,
) -> impl Iterator<Item = &'i Arc<PolicyRule>> + Clone {
    let rules = bound.content.map_or(&[][..], |content| &content.rules);
    let place = answering.get() as usize;
    let each = answering == EACH_LIMITED;
    let some = if each { Some(rules) } else { rules.get(place - 1..place) };
    some.unwrap_or_default().iter().filter(move |rule| !each || rule_allows(rule, request))
}

fn limits_of<'r>(request: &Request, rule: &'r PolicyRule) -> &'r [String] {
    match request {
        Request::Resource { name: None, .. } => &rule.resource_names,
        Request::Resource { name: Some(_), .. } | Request::Path { .. } => &[],
    }
}

impl Asker {
    /// Somebody of whom nothing was decided.
    pub fn new(identity: Identity) -> Self {
        Self { identity, sets: Memo::default() }
    }

    /// What they are to the authoriser.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What they can do in one cluster: each rule of each role by each binding that reaches them.
    pub fn what_can(
        &mut self,
        index: &Index,
        cluster: ClusterId,
        scope: &Scope,
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        self.as_master(visit)?;
        let Some(walk) = Walk::new(index, cluster, scope) else {
            return ControlFlow::Continue(());
        };
        for (bound, ()) in walk.roles(|_| Some(())) {
            let rules = bound.content.into_iter().flat_map(|content| &content.rules);
            let rules = rules.map(|rule| (rule, rule.resource_names.as_slice()));
            self.reach(&bound, &rules, visit)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether one of the subjects in a set is them.
    pub(super) fn is_in(&mut self, symbols: &Symbols, set: u32) -> bool {
        let Self { identity, sets } = self;
        let reached = || u32::from(symbols.subjects_of(set).any(|subject| identity.is(subject)));
        sets.ask(set, symbols.generation_of_set(set), reached) == 1
    }

    fn as_master(&self, visit: Visit<'_>) -> ControlFlow<()> {
        let subject = self.identity.subject_ref();
        match self.identity.is_master() {
            false => ControlFlow::Continue(()),
            true if subject == SubjectRef::Group(MASTERS) => {
                visit(&Answer::of_master(subject, None))
            }
            true => visit(&Answer::of_master(subject, Some(MASTERS))),
        }
    }

    /// Each way by which bindings reach them, with each of some rules of the bindings' role.
    pub(super) fn reach<'r>(
        &mut self,
        bound: &Bound<'_>,
        rules: &(impl Iterator<Item = (&'r Arc<PolicyRule>, &'r [String])> + Clone),
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        let symbols = bound.walk.index.symbols();
        let mut gathered = None;
        for (place, set) in bound.places() {
            if !self.is_in(symbols, set) {
                continue;
            }
            let with_cells =
                || rules.clone().map(|rule| (rule, OnceCell::new())).collect::<Vec<_>>();
            let rules = gathered.get_or_insert_with(with_cells);
            for named in bound.subjects(set).filter(|named| self.identity.is(named)) {
                let subject = self.identity.subject_ref();
                let via_group = group_of(named).filter(|_| named.by_ref() != subject);
                for ((rule, limited_to), aggregated_from) in &*rules {
                    visit(&Answer {
                        subject,
                        via_group: via_group.map(String::as_str),
                        rule,
                        limited_to,
                        by: Some(By { bound, place, aggregated_from }),
                    })?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Each rule of each role by each binding for each subject that it names. What `system:masters` may do
/// is not in it, nor are the members of groups.
pub fn each_grant(
    index: &Index,
    cluster: ClusterId,
    scope: &Scope,
    visit: Visit<'_>,
) -> ControlFlow<()> {
    let Some(walk) = Walk::new(index, cluster, scope) else { return ControlFlow::Continue(()) };
    for (bound, ()) in walk.roles(|_| Some(())) {
        for rule in bound.content.into_iter().flat_map(|RoleContent { rules, .. }| rules) {
            let aggregated_from = OnceCell::new();
            for (place, set) in bound.places() {
                for subject in bound.subjects(set).map(Subject::by_ref) {
                    visit(&Answer {
                        subject,
                        via_group: None,
                        rule,
                        limited_to: &rule.resource_names,
                        by: Some(By { bound: &bound, place, aggregated_from: &aggregated_from }),
                    })?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}
