//! Questions to an index: who can do something, what somebody can do, by which path.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::directory::Directory;
use super::index::{Index, RoleContent};
use super::object::{AccessContent, AccessKey, AccessKind};
use super::request::{Request, Scope};
use super::rules::rule_allows;
use super::subject::{
    AUTHENTICATED, Identity, MASTERS, SERVICE_ACCOUNTS, Subject, UNAUTHENTICATED,
    namespace_of_group,
};
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;

/// Most answers of [`nearest`].
pub const MAX_NEAREST: usize = 10;

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

/// Takes one grant after another, until it breaks.
pub type Visit<'v> = &'v mut dyn FnMut(Grant) -> ControlFlow<()>;

/// Whether an identity may do something.
pub fn allows(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
) -> bool {
    let mut found = false;
    let _ = each_path(index, cluster, identity, request, scope, &mut |_| {
        found = true;
        ControlFlow::Break(())
    });
    found
}

/// Every path by which an identity may do something.
pub fn paths(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
) -> Vec<Grant> {
    let mut out = Vec::new();
    let _ = each_path(index, cluster, identity, request, scope, &mut |grant| {
        out.push(grant);
        ControlFlow::Continue(())
    });
    out
}

/// [`paths`], one after another.
pub fn each_path(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
    visit: Visit<'_>,
) -> ControlFlow<()> {
    if identity.is_master() {
        visit(master(identity.subject()))?;
    }
    bindings(index, cluster, &narrowed(request, scope), &mut |found| {
        for rule in answering(&found.content.rules, request) {
            for subject in found.subjects.iter().filter(|subject| identity.is(subject)) {
                visit(found.grant(index, cluster, reached(identity, subject), rule, request))?;
            }
        }
        ControlFlow::Continue(())
    })
}

/// Who can do something: each subject that a binding names, and unless `direct` also the members of
/// the groups among them: of people as the directory knows them, and service accounts as the inventory
/// does. Nobody is listed for `system:authenticated` and `system:unauthenticated`. The group
/// `system:masters` can do everything.
pub fn who_can(
    index: &Index,
    cluster: ClusterId,
    request: &Request,
    scope: &Scope,
    directory: &Directory,
    direct: bool,
    visit: Visit<'_>,
) -> ControlFlow<()> {
    let masters = Subject::Group(MASTERS.to_owned());
    let members = |subject: &Subject, visit: &mut dyn FnMut(Reached) -> ControlFlow<()>| {
        visit((subject.clone(), None))?;
        if direct {
            ControlFlow::Continue(())
        } else {
            expand(index, cluster, directory, subject, visit)
        }
    };
    members(&masters, &mut |(subject, via_group)| visit(Grant { via_group, ..master(subject) }))?;
    bindings(index, cluster, &narrowed(request, scope), &mut |found| {
        for rule in answering(&found.content.rules, request) {
            for subject in &found.subjects {
                members(subject, &mut |reached| {
                    visit(found.grant(index, cluster, reached, rule, request))
                })?;
            }
        }
        ControlFlow::Continue(())
    })
}

/// What an identity can do: each rule of each role by each binding that reaches it.
pub fn what_can(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    scope: &Scope,
    visit: Visit<'_>,
) -> ControlFlow<()> {
    if identity.is_master() {
        visit(master(identity.subject()))?;
    }
    bindings(index, cluster, scope, &mut |found| {
        for subject in found.subjects.iter().filter(|subject| identity.is(subject)) {
            for rule in &found.content.rules {
                visit(found.all_of(index, cluster, reached(identity, subject), rule))?;
            }
        }
        ControlFlow::Continue(())
    })
}

/// Each rule of each role by each binding for each subject that it names. What `system:masters` may
/// do is not in it, nor are the members of groups.
pub fn all_grants(
    index: &Index,
    cluster: ClusterId,
    scope: &Scope,
    visit: Visit<'_>,
) -> ControlFlow<()> {
    bindings(index, cluster, scope, &mut |found| {
        for subject in &found.subjects {
            for rule in &found.content.rules {
                visit(found.all_of(index, cluster, (subject.clone(), None), rule))?;
            }
        }
        ControlFlow::Continue(())
    })
}

/// Bindings that reach the identity, of whose role no rule allows the request, the nearest first: the
/// rule is the one that lacks least, and an empty one when the role has none or is not there.
pub fn nearest(
    index: &Index,
    cluster: ClusterId,
    identity: &Identity,
    request: &Request,
    scope: &Scope,
) -> Vec<Grant> {
    let mut out = Vec::new();
    let _ = bindings(index, cluster, &narrowed(request, scope), &mut |found| {
        if !found.content.rules.iter().any(|rule| rule_allows(rule, request)) {
            let empty = Arc::new(PolicyRule::default());
            let rule = found.content.rules.first().unwrap_or(&empty);
            for subject in found.subjects.iter().filter(|subject| identity.is(subject)) {
                out.push(found.all_of(index, cluster, reached(identity, subject), rule));
            }
        }
        ControlFlow::Continue(())
    });
    out.truncate(MAX_NEAREST);
    out
}

type Reached = (Subject, Option<String>);

fn reached(identity: &Identity, named: &Subject) -> Reached {
    match named {
        Subject::Group(group) if *named != identity.subject() => {
            (identity.subject(), Some(group.clone()))
        }
        Subject::Group(_) | Subject::User(_) | Subject::ServiceAccount { .. } => {
            (named.clone(), None)
        }
    }
}

fn master(subject: Subject) -> Grant {
    let all = || vec!["*".to_owned()];
    let via = (subject != Subject::Group(MASTERS.to_owned())).then(|| MASTERS.to_owned());
    Grant {
        subject,
        via_group: via,
        binding: None,
        role: None,
        rule: Arc::new(PolicyRule {
            api_groups: all(),
            resources: all(),
            verbs: all(),
            resource_names: Vec::new(),
            non_resource_urls: all(),
        }),
        namespace: None,
        limited_to: Vec::new(),
        aggregated_from: Vec::new(),
    }
}

/// The rules that say most about why the request is allowed: the first that is not limited to some
/// objects, or else each that is limited to what was asked for.
fn answering<'r>(
    rules: &'r [Arc<PolicyRule>],
    request: &Request,
) -> impl Iterator<Item = &'r Arc<PolicyRule>> {
    let matching = || rules.iter().filter(|rule| rule_allows(rule, request));
    let whole = matching().find(|rule| rule.resource_names.is_empty());
    let limited = if whole.is_none() { Some(matching()) } else { None };
    whole.into_iter().chain(limited.into_iter().flatten())
}

fn narrowed(request: &Request, scope: &Scope) -> Scope {
    match request {
        Request::Path { .. } => Scope::Cluster,
        Request::Resource { .. } => scope.clone(),
    }
}

fn expand(
    index: &Index,
    cluster: ClusterId,
    directory: &Directory,
    subject: &Subject,
    visit: &mut dyn FnMut(Reached) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Subject::Group(group) = subject else { return ControlFlow::Continue(()) };
    if group == AUTHENTICATED || group == UNAUTHENTICATED {
        return ControlFlow::Continue(());
    }
    for user in directory.members_of(group).into_iter().flatten() {
        let member = Subject::of_username(user);
        if Identity::of(&member, directory).groups.contains(group) {
            visit((member, Some(group.clone())))?;
        }
    }
    let of = namespace_of_group(group);
    for account in index.service_accounts(cluster) {
        if group == SERVICE_ACCOUNTS || of == Some(account.namespace) {
            let member = Subject::service_account(account.namespace, account.name);
            visit((member, Some(group.clone())))?;
        }
    }
    ControlFlow::Continue(())
}

struct Found<'i> {
    binding: &'i AccessKey,
    role: AccessKey,
    content: &'i RoleContent,
    subjects: Vec<Subject>,
}

impl Found<'_> {
    fn all_of(
        &self,
        index: &Index,
        cluster: ClusterId,
        (subject, via_group): Reached,
        rule: &Arc<PolicyRule>,
    ) -> Grant {
        let namespace = &self.binding.namespace;
        Grant {
            subject,
            via_group,
            binding: Some(self.binding.clone()),
            role: Some(self.role.clone()),
            rule: Arc::clone(rule),
            namespace: (!namespace.is_empty()).then(|| namespace.clone()),
            limited_to: rule.resource_names.clone(),
            aggregated_from: aggregated_from(index, cluster, &self.role, self.content, rule),
        }
    }

    fn grant(
        &self,
        index: &Index,
        cluster: ClusterId,
        reached: Reached,
        rule: &Arc<PolicyRule>,
        request: &Request,
    ) -> Grant {
        let grant = self.all_of(index, cluster, reached, rule);
        match request {
            Request::Resource { name: Some(_), .. } | Request::Path { .. } => {
                Grant { limited_to: Vec::new(), ..grant }
            }
            Request::Resource { name: None, .. } => grant,
        }
    }
}

fn aggregated_from(
    _index: &Index,
    _cluster: ClusterId,
    _role: &AccessKey,
    _content: &RoleContent,
    _rule: &PolicyRule,
) -> Vec<String> {
    Vec::new()
}

fn bindings(
    index: &Index,
    cluster: ClusterId,
    scope: &Scope,
    visit: &mut dyn FnMut(&Found<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let missing = RoleContent::default();
    for (binding, content) in index.objects(cluster) {
        let AccessContent::Binding { role, subjects } = content else { continue };
        let in_scope = match (binding.kind, scope) {
            (AccessKind::ClusterRoleBinding, _) | (_, Scope::AllNamespaces) => true,
            (_, Scope::Cluster) => false,
            (_, Scope::Namespace(namespace)) => *namespace == binding.namespace,
        };
        let key = match role.kind.as_str() {
            "ClusterRole" => AccessKey::cluster(AccessKind::ClusterRole, &role.name),
            "Role" if !binding.namespace.is_empty() => {
                AccessKey::namespaced(AccessKind::Role, &binding.namespace, &role.name)
            }
            _ => continue,
        };
        if in_scope {
            let subjects: std::collections::BTreeSet<Subject> = subjects
                .iter()
                .filter_map(|subject| Subject::from_raw(subject, &binding.namespace))
                .collect();
            visit(&Found {
                binding,
                content: index.role(cluster, &key).unwrap_or(&missing),
                role: key,
                subjects: subjects.into_iter().collect(),
            })?;
        }
    }
    ControlFlow::Continue(())
}
