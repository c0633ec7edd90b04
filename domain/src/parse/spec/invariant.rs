//! `spec` of `AccessInvariant`.

use std::collections::BTreeSet;

use super::super::common;
use super::super::cursor::{Cursor, Fields, Report};
use super::binding::{reason, subject_name};
use super::role::rule;
use crate::kinds::invariant::{Denied, Exceptions, Goal, InvariantSpec, NamespaceSet};
use crate::kinds::role::{PolicyRule, RoleScope};
use crate::names;

/// Most rules of one invariant.
const MAX_RULES: usize = 100;
/// Most names in one of its lists.
const MAX_NAMES: usize = 1000;

pub(super) fn spec(report: &mut Report, fields: &mut Fields<'_>) -> Option<InvariantSpec> {
    let deny = fields.required(report, "deny").and_then(|cursor| deny(report, &cursor));
    let except = match fields.optional("except") {
        None => Some(Exceptions::default()),
        Some(cursor) => except(report, &cursor),
    };
    let includes_system = fields.optional("system").map_or(Some(false), |cursor| {
        cursor.one_of(report, &[("Exempt", false), ("Include", true)])
    });
    let reason = match fields.optional("reason") {
        None => Some(None),
        Some(cursor) => reason(report, &cursor).map(Some),
    };
    let (deny, namespaces) = deny?;
    Some(InvariantSpec {
        deny,
        namespaces,
        except: except?,
        includes_system: includes_system?,
        reason: reason?,
    })
}

/// Exactly one of `access` and `reach`, and in which namespaces.
fn deny(report: &mut Report, cursor: &Cursor<'_>) -> Option<(Denied, NamespaceSet)> {
    cursor.fields(report, |report, fields| {
        let access = fields.optional("access");
        let reach = fields.optional("reach");
        let placed = fields.optional("namespaces");
        let namespaces = match &placed {
            None => Some(NamespaceSet::All),
            Some(cursor) => namespaces(report, cursor),
        };
        let denied = match (access, reach) {
            (Some(cursor), None) => Denied::Access(rules(report, &cursor)?),
            (None, Some(cursor)) => Denied::Reach(goals(report, &cursor)?),
            (None, None) | (Some(_), Some(_)) => {
                fields.error(report, "exactly one of `access` and `reach` is needed");
                return None;
            }
        };
        let whole = |goal: &&Goal| **goal != Goal::Secrets;
        if let (Denied::Reach(goals), Some(cursor)) = (&denied, &placed)
            && let Some(goal) = goals.iter().find(whole)
        {
            let goal = goal.name();
            cursor.error(report, format!("`{goal}` is in no namespace: only `secrets` is"));
            return None;
        }
        Some((denied, namespaces?))
    })
}

fn rules(report: &mut Report, cursor: &Cursor<'_>) -> Option<Vec<PolicyRule>> {
    let rules =
        cursor.list(report, |report, item| rule(report, &item, Some(RoleScope::Cluster)))?;
    if rules.is_empty() || rules.len() > MAX_RULES {
        cursor.error(report, format!("between 1 and {MAX_RULES} rules are needed"));
        return None;
    }
    Some(rules)
}

fn goals(report: &mut Report, cursor: &Cursor<'_>) -> Option<BTreeSet<Goal>> {
    let words = Goal::ALL.map(|goal| (goal.name(), goal));
    let goals: BTreeSet<Goal> =
        cursor.list(report, |report, item| item.one_of(report, &words))?.into_iter().collect();
    if goals.is_empty() {
        cursor.error(report, "at least one of cluster-admin, secrets and node is needed");
        return None;
    }
    Some(goals)
}

/// Exactly one of `names` and `selector`.
fn namespaces(report: &mut Report, cursor: &Cursor<'_>) -> Option<NamespaceSet> {
    cursor.fields(report, |report, fields| {
        match (fields.optional("names"), fields.optional("selector")) {
            (Some(cursor), None) => {
                let names = set(report, &cursor, namespace)?;
                if names.is_empty() {
                    cursor.error(report, "at least one namespace is needed");
                    return None;
                }
                Some(NamespaceSet::Names(names))
            }
            (None, Some(cursor)) => common::selector(report, &cursor).map(NamespaceSet::Selector),
            (None, None) | (Some(_), Some(_)) => {
                fields.error(report, "exactly one of `names` and `selector` is needed");
                None
            }
        }
    })
}

fn except(report: &mut Report, cursor: &Cursor<'_>) -> Option<Exceptions> {
    cursor.fields(report, |report, fields| {
        let mut list = |report: &mut Report, name, read: Read<String>| match fields.optional(name) {
            None => Some(BTreeSet::new()),
            Some(cursor) => set(report, &cursor, read),
        };
        let users = list(report, "users", subject_name);
        let groups = list(report, "groups", subject_name);
        let namespaces = list(report, "namespaces", namespace);
        let service_accounts = match fields.optional("serviceAccounts") {
            None => Some(BTreeSet::new()),
            Some(cursor) => set(report, &cursor, service_account),
        };
        Some(Exceptions {
            users: users?,
            groups: groups?,
            service_accounts: service_accounts?,
            namespaces: namespaces?,
        })
    })
}

type Read<T> = fn(&mut Report, &Cursor<'_>) -> Option<T>;

fn set<T: Ord>(report: &mut Report, cursor: &Cursor<'_>, read: Read<T>) -> Option<BTreeSet<T>> {
    let items = cursor.list(report, |report, item| read(report, &item))?;
    if items.len() > MAX_NAMES {
        cursor.error(report, format!("{} items, more than {MAX_NAMES}", items.len()));
        return None;
    }
    Some(items.into_iter().collect())
}

/// Any namespace, also one that Hanse never writes to.
fn namespace(report: &mut Report, cursor: &Cursor<'_>) -> Option<String> {
    cursor.checked(report, names::check_dns_label)
}

fn service_account(report: &mut Report, cursor: &Cursor<'_>) -> Option<(String, String)> {
    cursor.fields(report, |report, fields| {
        let namespace =
            fields.required(report, "namespace").and_then(|cursor| namespace(report, &cursor));
        let name = fields
            .required(report, "name")
            .and_then(|cursor| cursor.checked(report, names::check_dns_subdomain));
        Some((namespace?, name?))
    })
}
