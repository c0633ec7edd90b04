//! Questions to an index: who can do something, what somebody can do, by which path.
//!
//! ```text
//! Question (request)   memo: which contents of roles answer ─┐
//!                                                            ├→ roles of a cluster → bindings in scope → Answer → Grant
//! Asker (identity)     memo: which sets of subjects reach ───┘
//! ```
//!
//! A [`Question`] and an [`Asker`] are kept while clusters are asked one after another. The functions
//! here ask one cluster once. Answers come in no order that means something, but those that are
//! gathered in a list are in theirs.

mod answer;
mod members;
mod memo;
mod nearest;
mod question;
mod walk;

use std::ops::ControlFlow;

pub use self::answer::{Answer, Grant};
pub use self::nearest::{MAX_NEAREST, nearest};
pub use self::question::{Asker, Question, Visit, each_grant};
pub(crate) use self::walk::Bound;

use super::directory::Directory;
use super::index::Index;
use super::request::{Request, Scope};
use super::subject::Identity;
use crate::ids::ClusterId;

/// Takes one grant after another, until it breaks.
pub type VisitGrant<'v> = &'v mut dyn FnMut(Grant) -> ControlFlow<()>;

/// Whether an identity may do something.
pub fn allows(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
) -> bool {
    let mut asker = Asker::new(identity.clone());
    Question::new(request.clone()).allows(index, cluster, scope, &mut asker)
}

/// Every path by which an identity may do something, in order.
pub fn paths(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
) -> Vec<Grant> {
    let mut asker = Asker::new(identity.clone());
    let mut out = Vec::new();
    let _ =
        Question::new(request.clone()).paths(index, cluster, scope, &mut asker, &mut |answer| {
            out.push(answer.grant());
            ControlFlow::Continue(())
        });
    out.sort_unstable();
    out
}

/// Who can do something: see [`Question::who_can`].
pub fn who_can(
    index: &Index,
    cluster: ClusterId,
    request: &Request,
    scope: &Scope,
    directory: &Directory,
    direct: bool,
    visit: VisitGrant<'_>,
) -> ControlFlow<()> {
    let mut question = Question::new(request.clone());
    let mut owned = |answer: &Answer<'_>| visit(answer.grant());
    question.who_can(index, cluster, scope, directory, direct, &mut owned)
}

/// What an identity can do: see [`Asker::what_can`].
pub fn what_can(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    scope: &Scope,
    visit: VisitGrant<'_>,
) -> ControlFlow<()> {
    let mut owned = |answer: &Answer<'_>| visit(answer.grant());
    Asker::new(identity.clone()).what_can(index, cluster, scope, &mut owned)
}

/// Every rule for every subject that a binding names: see [`each_grant`].
pub fn all_grants(
    index: &Index,
    cluster: ClusterId,
    scope: &Scope,
    visit: VisitGrant<'_>,
) -> ControlFlow<()> {
    each_grant(index, cluster, scope, &mut |answer| visit(answer.grant()))
}
