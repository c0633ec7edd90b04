//! One path, by reference while the index is asked, and owned for what lasts longer.

use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};

use super::walk::Bound;
use crate::access::aggregate::sources;
use crate::access::object::AccessKey;
use crate::access::subject::{Subject, SubjectRef};
use crate::kinds::role::PolicyRule;

/// One path: subject → group → binding → role → rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Who has it.
    pub subject: Subject,
    /// The group by which the binding reaches the subject; `None` when it names the subject.
    pub via_group: Option<String>,
    /// `None` for what the API server grants without one, to `system:masters`.
    pub binding: Option<AccessKey>,
    /// Likewise.
    pub role: Option<AccessKey>,
    /// What it grants.
    pub rule: Arc<PolicyRule>,
    /// Where it holds; `None` in the whole cluster.
    pub namespace: Option<String>,
    /// To which objects the rule is limited, when the question named none. Empty: to none.
    pub limited_to: Vec<String>,
    /// Cluster roles that were aggregated into the role and bring the rule.
    pub aggregated_from: Vec<String>,
}

/// A [`Grant`] by reference. Most of a large answer is counted, filtered or left unread.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Who has it.
    pub subject: SubjectRef<'a>,
    /// The group by which the binding reaches the subject; `None` when it names the subject.
    pub via_group: Option<&'a str>,
    /// What it grants.
    pub rule: &'a Arc<PolicyRule>,
    /// To which objects the rule is limited, when the question named none. Empty: to none.
    pub limited_to: &'a [String],
    /// `None` for what the API server grants without a binding.
    pub(super) by: Option<By<'a>>,
}

/// By what binding, of what role.
#[derive(Clone, Copy, Debug)]
pub(super) struct By<'a> {
    pub(super) bound: &'a Bound<'a>,
    pub(super) place: usize,
    /// Found once for all bindings of a role, when it is asked for.
    pub(super) aggregated_from: &'a OnceCell<Vec<String>>,
}

static EVERYTHING: LazyLock<Arc<PolicyRule>> = LazyLock::new(|| {
    let all = || vec!["*".to_owned()];
    Arc::new(PolicyRule {
        api_groups: all(),
        resources: all(),
        verbs: all(),
        resource_names: Vec::new(),
        non_resource_urls: all(),
    })
});

impl<'a> Answer<'a> {
    /// What the API server grants to a member of `system:masters`, or to that group.
    pub(super) fn of_master(subject: SubjectRef<'a>, via_group: Option<&'a str>) -> Self {
        Self { subject, via_group, rule: &EVERYTHING, limited_to: &[], by: None }
    }

    /// Where it holds; `None` in the whole cluster.
    pub fn namespace(&self) -> Option<&'a str> {
        self.by?.bound.namespace()
    }

    /// The same, owned.
    pub fn grant(&self) -> Grant {
        let binding = self.by.and_then(|By { bound, place, .. }| bound.binding(place));
        let role = self.by.map(|by| by.bound.key());
        Grant {
            subject: self.subject.to_subject(),
            via_group: self.via_group.map(str::to_owned),
            binding,
            role,
            rule: Arc::clone(self.rule),
            namespace: self.namespace().map(str::to_owned),
            limited_to: self.limited_to.to_vec(),
            aggregated_from: self.by.map_or_else(Vec::new, |by| {
                let found =
                    || sources(by.bound.walk.index, by.bound.walk.held, by.bound, self.rule);
                by.aggregated_from.get_or_init(found).clone()
            }),
        }
    }
}
