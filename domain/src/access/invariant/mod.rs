//! Which invariants a cluster's access violates, by whom and how.
//!
//! A group is violating even when all members that a directory names are excepted: its others are not
//! known. A user is excepted when a group of theirs is.

mod overlap;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use self::overlap::overlaps;
use super::directory::Directory;
use super::escalation::{Escalation, Filter, Target, escalations};
use super::index::Index;
use super::query::{Grant, each_grant, paths};
use super::request::{Request, Scope};
use super::subject::{
    AUTHENTICATED, Identity, MASTERS, SERVICE_ACCOUNTS, Subject, UNAUTHENTICATED,
};
use crate::ids::ClusterId;
use crate::kinds::invariant::{Denied, Goal, InvariantSpec, NamespaceSet};
use crate::kinds::role::PolicyRule;

/// Somebody who violates an invariant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: String,
    /// Who.
    pub subject: Subject,
    /// What they can do, as "get secrets in payments" or "reach cluster-admin". With the two above it
    /// says which violation it is: it stays when another binding gives the same.
    pub what: String,
    /// How: by one way, when there are more.
    pub cause: Cause,
}

/// How somebody violates an invariant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// By a right that a binding gives.
    Direct(Grant),
    /// By a path.
    Path(Escalation),
}

impl Violation {
    /// Which violation it is.
    pub fn key(&self) -> (&str, &Subject, &str) {
        (&self.invariant, &self.subject, &self.what)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} can {}", self.invariant, self.subject, self.what)
    }
}

/// All violations of these invariants in a cluster, in order.
pub fn violations(
    index: &Index,
    cluster: ClusterId,
    invariants: &[(&str, &InvariantSpec)],
    directory: &Directory,
) -> Vec<Violation> {
    let cast = Cast { index, cluster, directory };
    let mut out = Vec::new();
    cast.access(invariants, &mut out);
    cast.reach(invariants, &mut out);
    out.sort();
    out.dedup_by(|one, other| one.key() == other.key());
    out
}

struct Cast<'c> {
    index: &'c Index,
    cluster: ClusterId,
    directory: &'c Directory,
}

/// An invariant, with what it denies.
struct Denying<'s, D> {
    name: &'s str,
    spec: &'s InvariantSpec,
    denied: &'s D,
    /// `None` for all and for what is in none.
    namespaces: Option<BTreeSet<String>>,
}

impl<D> Denying<'_, D> {
    /// Whether it is about a namespace; for what is in none, whether it is about any.
    fn is_about(&self, namespace: Option<&str>) -> bool {
        self.namespaces.as_ref().is_none_or(|names| match namespace {
            Some(namespace) => names.contains(namespace),
            None => !names.is_empty(),
        })
    }

    fn violation(&self, subject: &Subject, what: String, cause: Cause) -> Violation {
        Violation { invariant: self.name.to_owned(), subject: subject.clone(), what, cause }
    }
}

impl<'c> Cast<'c> {
    fn denying<D>(
        &self,
        invariants: &[(&'c str, &'c InvariantSpec)],
        denied: impl Fn(&'c Denied) -> Option<&'c D>,
    ) -> Vec<Denying<'c, D>> {
        let denying = invariants.iter().filter_map(|&(name, spec)| {
            let denied = denied(&spec.deny)?;
            Some(Denying { name, spec, denied, namespaces: self.namespaces(&spec.namespaces) })
        });
        denying.collect()
    }

    /// One pass over the bindings for all invariants.
    fn access(&self, invariants: &[(&'c str, &'c InvariantSpec)], out: &mut Vec<Violation>) {
        let denying = self.denying(invariants, |denied| match denied {
            Denied::Access(rules) => Some(rules),
            Denied::Reach(_) => None,
        });
        if denying.is_empty() {
            return;
        }
        // Many bindings share a rule; what it overlaps with is found once. The index keeps its rules
        // where they are while it is read.
        let mut known: BTreeMap<*const PolicyRule, Vec<Option<&PolicyRule>>> = BTreeMap::new();
        let _ = each_grant(self.index, self.cluster, &Scope::AllNamespaces, &mut |answer| {
            let rule: &PolicyRule = answer.rule;
            let denied = known.entry(Arc::as_ptr(answer.rule)).or_insert_with(|| {
                let found = |denying: &Denying<'c, Vec<PolicyRule>>| {
                    denying.denied.iter().find(|denied| overlaps(rule, denied))
                };
                denying.iter().map(found).collect()
            });
            for (denying, denied) in denying.iter().zip(denied) {
                let Some(denied) = denied else { continue };
                let namespace = answer.namespace();
                // A role binding gives no paths.
                let gives = namespace.is_none() || denied.non_resource_urls.is_empty();
                let subject = answer.subject.to_subject();
                if gives && denying.is_about(namespace) && !self.is_excepted(denying.spec, &subject)
                {
                    let what = what(denied, rule, namespace);
                    out.push(denying.violation(&subject, what, Cause::Direct(answer.grant())));
                }
            }
            ControlFlow::Continue(())
        });
        self.masters(&denying, out);
    }

    /// Nobody asks what `system:masters` may do.
    fn masters(&self, denying: &[Denying<'c, Vec<PolicyRule>>], out: &mut Vec<Violation>) {
        let subject = Subject::Group(MASTERS.to_owned());
        let any = Request::Path { verb: "get".to_owned(), path: "/".to_owned() };
        let identity = Identity::of(&subject, self.directory);
        let grants = paths(self.index, self.cluster, &identity, &any, &Scope::Cluster);
        let Some(grant) = grants.into_iter().find(|grant| grant.binding.is_none()) else { return };
        for denying in denying {
            if let Some(denied) = denying.denied.first()
                && denying.is_about(None)
                && !self.is_excepted(denying.spec, &subject)
            {
                let what = what(denied, &grant.rule, None);
                out.push(denying.violation(&subject, what, Cause::Direct(grant.clone())));
            }
        }
    }

    /// One search for all invariants.
    fn reach(&self, invariants: &[(&'c str, &'c InvariantSpec)], out: &mut Vec<Violation>) {
        let denying = self.denying(invariants, |denied| match denied {
            Denied::Reach(goals) => Some(goals),
            Denied::Access(_) => None,
        });
        let goals: BTreeSet<Goal> =
            denying.iter().flat_map(|denying| denying.denied).copied().collect();
        if goals.is_empty() {
            return;
        }
        let filter = Filter { goals, holders: true, ..Filter::default() };
        for path in escalations(self.index, self.cluster, self.directory, &filter) {
            let namespace = match &path.target {
                Target::Secrets(namespace) => namespace.as_deref(),
                Target::ClusterAdmin | Target::Node => None,
            };
            for denying in &denying {
                if denying.denied.contains(&path.target.goal())
                    && denying.is_about(namespace)
                    && !self.is_excepted(denying.spec, &path.subject)
                {
                    let what = format!("reach {}", path.target);
                    out.push(denying.violation(&path.subject, what, Cause::Path(path.clone())));
                }
            }
        }
    }

    /// The namespaces that an invariant is about; `None` for all and for what is in none.
    fn namespaces(&self, set: &NamespaceSet) -> Option<BTreeSet<String>> {
        match set {
            NamespaceSet::All => None,
            NamespaceSet::Names(names) => Some(names.clone()),
            NamespaceSet::Selector(selector) => {
                let held = self.index.namespaces(self.cluster);
                let matching = held.filter(|(_, labels)| selector.matches(labels));
                Some(matching.map(|(name, _)| name.to_owned()).collect())
            }
        }
    }

    fn is_excepted(&self, spec: &InvariantSpec, subject: &Subject) -> bool {
        let except = &spec.except;
        let by_name = match subject {
            Subject::User(name) => {
                except.users.contains(name)
                    || self.directory.groups_of(name).any(|group| except.groups.contains(group))
            }
            Subject::Group(name) => except.groups.contains(name),
            Subject::ServiceAccount { namespace, name } => {
                except.namespaces.contains(namespace)
                    || except.service_accounts.contains(&(namespace.clone(), name.clone()))
            }
        };
        by_name || (!spec.includes_system && is_system(subject))
    }
}

/// Whether somebody is of the control plane: users and groups that begin with `system:`, but for anonymous
/// users, `system:authenticated`, `system:unauthenticated` and groups of service accounts; and the service
/// accounts of kube-system.
pub fn is_system(subject: &Subject) -> bool {
    match subject {
        Subject::User(name) => name.starts_with("system:") && name != "system:anonymous",
        Subject::Group(name) => {
            name.starts_with("system:")
                && name != AUTHENTICATED
                && name != UNAUTHENTICATED
                && !name.starts_with(SERVICE_ACCOUNTS)
        }
        Subject::ServiceAccount { namespace, .. } => namespace == "kube-system",
    }
}

/// What of a denied rule another one gives, and where.
fn what(denied: &PolicyRule, rule: &PolicyRule, namespace: Option<&str>) -> String {
    let given = |denied: &[String], held: &[String]| -> String {
        let is_any = |list: &[String]| list.iter().any(|word| word == "*");
        let both = denied.iter().filter(|word| is_any(held) || held.contains(word));
        let words: Vec<&str> = both.map(String::as_str).collect();
        if words.is_empty() { denied.join(",") } else { words.join(",") }
    };
    let verbs = given(&denied.verbs, &rule.verbs);
    if !denied.non_resource_urls.is_empty() {
        return format!("{verbs} {}", denied.non_resource_urls.join(","));
    }
    let resources = denied.resources.join(",");
    match namespace {
        None => format!("{verbs} {resources}"),
        Some(namespace) => format!("{verbs} {resources} in {namespace}"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
