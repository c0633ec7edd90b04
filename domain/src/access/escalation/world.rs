//! One cluster's access, as paths need it: bindings by subject, abilities by role, service accounts by
//! namespace. It is read from the index once; nothing here is a question for each subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ability::{Abilities, Ability};
use super::place::Place;
use crate::access::aggregate::selectors;
use crate::access::directory::Directory;
use crate::access::index::{Index, RoleContent};
use crate::access::object::{AccessContent, AccessKey, AccessKind};
use crate::access::subject::{Identity, Subject};
use crate::history::roster::Labels;
use crate::ids::ClusterId;
use crate::kinds::role::PolicyRule;

/// A role that there is.
pub(super) struct Role<'d> {
    pub(super) key: AccessKey,
    pub(super) content: &'d RoleContent,
    /// Each with the number of its rule.
    pub(super) abilities: Vec<(Ability, u32)>,
}

/// A binding to a role that there is.
pub(super) struct Bound {
    pub(super) key: AccessKey,
    pub(super) role: u32,
    pub(super) place: Place,
}

/// A service account that exists, or that a binding names.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a thing by itself that an edge asks for"
)]
pub(super) struct Account {
    pub(super) exists: bool,
    pub(super) named: bool,
    pub(super) token_secret: bool,
    pub(super) runs: bool,
}

/// A workload.
pub(super) struct Workload {
    pub(super) kind: AccessKind,
    pub(super) name: String,
    pub(super) account: String,
}

/// One cluster's access.
pub(super) struct World<'d> {
    pub(super) directory: &'d Directory,
    pub(super) roles: Vec<Role<'d>>,
    pub(super) bounds: Vec<Bound>,
    /// Numbers of bindings.
    pub(super) by_place: BTreeMap<Place, Vec<u32>>,
    pub(super) by_subject: BTreeMap<Subject, Vec<u32>>,
    pub(super) namespaces: Vec<String>,
    namespace_numbers: BTreeMap<String, u32>,
    /// Numbers of namespaces whose pods Pod Security does not bound.
    pub(super) unrestricted: BTreeSet<u32>,
    pub(super) accounts: BTreeMap<(u32, String), Account>,
    pub(super) by_name: BTreeMap<String, Vec<u32>>,
    /// By the numbers of their namespaces.
    pub(super) workloads: BTreeMap<u32, Vec<Workload>>,
    role_numbers: BTreeMap<AccessKey, u32>,
    pub(super) cluster_admin: Option<u32>,
}

impl<'d> World<'d> {
    pub(super) fn read(index: &'d Index, cluster: ClusterId, directory: &'d Directory) -> Self {
        let mut world = Self {
            directory,
            roles: Vec::new(),
            bounds: Vec::new(),
            by_place: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            namespaces: Vec::new(),
            namespace_numbers: BTreeMap::new(),
            unrestricted: BTreeSet::new(),
            accounts: BTreeMap::new(),
            by_name: BTreeMap::new(),
            workloads: BTreeMap::new(),
            role_numbers: BTreeMap::new(),
            cluster_admin: None,
        };
        world.read_roles(index, cluster);
        for (name, labels) in index.namespaces(cluster) {
            let number = world.number_of(name);
            if is_unrestricted(labels) {
                world.unrestricted.insert(number);
            }
        }
        for found in index.service_accounts(cluster) {
            let number = world.number_of(found.namespace);
            let account = world.accounts.entry((number, found.name.to_owned())).or_default();
            account.exists = true;
            account.token_secret = found.token_secret;
        }
        for found in index.workloads(cluster) {
            let namespace = world.number_of(found.namespace);
            let account = found.service_account.to_owned();
            if let Some(known) = world.accounts.get_mut(&(namespace, account.clone())) {
                known.runs = true;
            }
            let name = found.name.to_owned();
            let workload = Workload { kind: found.kind, name, account };
            world.workloads.entry(namespace).or_default().push(workload);
        }
        let mut bindings: Vec<_> =
            index.bindings(cluster).filter_map(|(key, content)| binding(key, &content)).collect();
        bindings.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        for (key, role, subjects) in bindings {
            world.add_binding(key, &role, subjects);
        }
        world.index_accounts();
        world
    }

    fn read_roles(&mut self, index: &'d Index, cluster: ClusterId) {
        let abilities = Abilities::new();
        let mut known: BTreeMap<&PolicyRule, Vec<Ability>> = BTreeMap::new();
        let mut roles: Vec<_> = index.roles(cluster).collect();
        roles.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (key, content) in roles {
            let mut given = Vec::new();
            for (number, rule) in (0..).zip(&content.rules) {
                let found = known.entry(&**rule).or_insert_with(|| abilities.of(rule));
                given.extend(found.iter().map(|ability| (*ability, number)));
            }
            let number = u32::try_from(self.roles.len()).unwrap_or(u32::MAX);
            let is_full = given.iter().any(|(ability, _)| *ability == Ability::Everything);
            if is_full
                && key.kind == AccessKind::ClusterRole
                && (self.cluster_admin.is_none() || key.name == "cluster-admin")
            {
                self.cluster_admin = Some(number);
            }
            self.role_numbers.insert(key.clone(), number);
            self.roles.push(Role { key, content, abilities: given });
        }
    }

    /// A binding to a role that is not there grants nothing, and still names its subjects.
    fn add_binding(&mut self, key: AccessKey, role: &AccessKey, subjects: BTreeSet<Subject>) {
        let number = u32::try_from(self.bounds.len()).unwrap_or(u32::MAX);
        let role = self.role_numbers.get(role).copied();
        for subject in subjects {
            self.by_subject.entry(subject).or_default().extend(role.map(|_| number));
        }
        if let Some(role) = role {
            let place = if key.namespace.is_empty() {
                Place::Cluster
            } else {
                Place::Namespace(self.number_of(&key.namespace))
            };
            self.by_place.entry(place).or_default().push(number);
            self.bounds.push(Bound { key, role, place });
        }
    }

    fn index_accounts(&mut self) {
        let named: Vec<(String, String)> = self
            .by_subject
            .keys()
            .filter_map(|subject| match subject {
                Subject::ServiceAccount { namespace, name } => {
                    Some((namespace.clone(), name.clone()))
                }
                Subject::User(_) | Subject::Group(_) => None,
            })
            .collect();
        for (namespace, name) in named {
            let number = self.number_of(&namespace);
            self.accounts.entry((number, name)).or_default().named = true;
        }
        for (namespace, name) in self.accounts.keys() {
            self.by_name.entry(name.clone()).or_default().push(*namespace);
        }
    }

    fn number_of(&mut self, namespace: &str) -> u32 {
        if let Some(number) = self.namespace_numbers.get(namespace) {
            return *number;
        }
        let number = u32::try_from(self.namespaces.len()).unwrap_or(u32::MAX);
        self.namespaces.push(namespace.to_owned());
        self.namespace_numbers.insert(namespace.to_owned(), number);
        number
    }

    /// The cluster roles that were aggregated into a role and have a rule.
    pub(super) fn aggregated_from(&self, number: u32, rule: &Arc<PolicyRule>) -> Vec<String> {
        let Some(aggregated) = self.role(number) else { return Vec::new() };
        let selectors = selectors(aggregated.content);
        let sources = self.roles.iter().filter(|other| {
            other.key.kind == AccessKind::ClusterRole
                && other.key != aggregated.key
                && selectors.iter().any(|selector| selector.matches(&other.content.labels))
                && other.content.rules.contains(rule)
        });
        sources.map(|other| other.key.name.clone()).collect()
    }

    /// Whether a binding names a user.
    pub(super) fn is_named(&self, user: &str) -> bool {
        self.by_subject.contains_key(&Subject::User(user.to_owned()))
    }

    pub(super) fn namespace_number(&self, name: &str) -> Option<u32> {
        self.namespace_numbers.get(name).copied()
    }

    pub(super) fn namespace(&self, number: u32) -> &str {
        self.namespaces.get(number as usize).map_or("", String::as_str)
    }

    pub(super) fn role(&self, number: u32) -> Option<&Role<'d>> {
        self.roles.get(number as usize)
    }

    pub(super) fn role_number(&self, key: &AccessKey) -> Option<u32> {
        self.role_numbers.get(key).copied()
    }

    pub(super) fn bound(&self, number: u32) -> Option<&Bound> {
        self.bounds.get(number as usize)
    }

    /// The bindings that reach an identity; with the group by which they do, when they do not name it.
    pub(super) fn bounds_of(&self, identity: &Identity) -> Vec<(u32, Option<String>)> {
        let own = match identity.groups.first() {
            Some(group) if identity.username.is_empty() => Subject::Group(group.clone()),
            Some(_) | None => Subject::of_username(&identity.username),
        };
        let named = |subject: &Subject| self.by_subject.get(subject).into_iter().flatten().copied();
        let mut out: Vec<_> = named(&own).map(|bound| (bound, None)).collect();
        for group in &identity.groups {
            let subject = Subject::Group(group.clone());
            if subject != own {
                out.extend(named(&subject).map(|bound| (bound, Some(group.clone()))));
            }
        }
        out
    }

    /// The workloads of a place, each with the number of its namespace.
    pub(super) fn workloads_of(&self, place: Place) -> impl Iterator<Item = (u32, &Workload)> {
        let range = match place {
            Place::Namespace(namespace) => self.workloads.range(namespace..=namespace),
            Place::Cluster | Place::EveryNamespace => self.workloads.range(..),
        };
        range.flat_map(|(namespace, held)| held.iter().map(|workload| (*namespace, workload)))
    }

    /// The accounts of a namespace.
    pub(super) fn accounts_of(&self, namespace: u32) -> impl Iterator<Item = (&str, &Account)> {
        let from = (namespace, String::new());
        let to = (namespace.saturating_add(1), String::new());
        self.accounts.range(from..to).map(|((_, name), account)| (name.as_str(), account))
    }
}

/// A binding, the role that it refers to, and whom it names.
fn binding(
    key: AccessKey,
    content: &AccessContent,
) -> Option<(AccessKey, AccessKey, BTreeSet<Subject>)> {
    let AccessContent::Binding { role, subjects } = content else { return None };
    let role = match role.kind.as_str() {
        "ClusterRole" => AccessKey::cluster(AccessKind::ClusterRole, &role.name),
        "Role" if !key.namespace.is_empty() => {
            AccessKey::namespaced(AccessKind::Role, &key.namespace, &role.name)
        }
        _ => return None,
    };
    let subjects = subjects.iter().filter_map(|raw| Subject::from_raw(raw, &key.namespace));
    let subjects = subjects.collect();
    Some((key, role, subjects))
}

/// Whether privileged pods are let in. Without a label they are, unless the API server is configured
/// otherwise; a level that does not exist is as `restricted`.
fn is_unrestricted(labels: &Labels) -> bool {
    labels.get("pod-security.kubernetes.io/enforce").is_none_or(|level| level == "privileged")
}
