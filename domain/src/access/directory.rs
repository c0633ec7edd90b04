//! Groups of people, as directories that were imported say them: who is in which, groups within
//! groups included.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::{AUTHENTICATED, UNAUTHENTICATED};

/// Most memberships, those through groups within groups included.
pub const MAX_MEMBERSHIPS: usize = 1_000_000;

/// More than [`MAX_MEMBERSHIPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the directories have more than {MAX_MEMBERSHIPS} memberships, those through groups within groups \
     included"
)]
pub struct TooManyMemberships;

/// Who is in which group. Who is in `system:authenticated` and `system:unauthenticated` only the API
/// server says; what a directory says of these two is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    members: BTreeMap<String, BTreeSet<String>>,
    groups: BTreeMap<String, BTreeSet<String>>,
}

impl Directory {
    /// From each group's users and the groups within it. A group that is given more than once has the
    /// members of all. Circles do no harm.
    pub fn new(
        groups: impl IntoIterator<Item = (String, Vec<String>, Vec<String>)>,
    ) -> Result<Self, TooManyMemberships> {
        let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut within: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut budget = MAX_MEMBERSHIPS;
        for (group, its_users, its_groups) in groups {
            spend(&mut budget, its_users.len() + its_groups.len())?;
            users.entry(group.clone()).or_default().extend(its_users);
            within.entry(group).or_default().extend(its_groups);
        }
        let mut out = Self::default();
        let mut budget = MAX_MEMBERSHIPS;
        for group in users.keys().filter(|group| !is_implicit(group)) {
            let mut all = BTreeSet::new();
            for inner in closure(group, &within, &mut budget)? {
                let direct = users.get(inner).into_iter().flatten();
                for user in direct {
                    if all.insert(user.clone()) {
                        spend(&mut budget, 1)?;
                        out.groups.entry(user.clone()).or_default().insert(group.clone());
                    }
                }
            }
            out.members.insert(group.clone(), all);
        }
        Ok(out)
    }

    /// The groups that a user is in, in order.
    pub fn groups_of(&self, user: &str) -> impl Iterator<Item = &str> {
        self.groups.get(user).into_iter().flatten().map(String::as_str)
    }

    /// The users in a group, in order; `None` when no directory names the group.
    pub fn members_of(&self, group: &str) -> Option<impl Iterator<Item = &str>> {
        self.members.get(group).map(|members| members.iter().map(String::as_str))
    }
}

fn is_implicit(group: &str) -> bool {
    group == AUTHENTICATED || group == UNAUTHENTICATED
}

/// A group and all groups within it.
fn closure<'g>(
    group: &'g str,
    within: &'g BTreeMap<String, BTreeSet<String>>,
    budget: &mut usize,
) -> Result<BTreeSet<&'g str>, TooManyMemberships> {
    let mut seen = BTreeSet::from([group]);
    let mut queue = vec![group];
    while let Some(next) = queue.pop() {
        for inner in within.get(next).into_iter().flatten() {
            spend(budget, 1)?;
            if !is_implicit(inner) && seen.insert(inner) {
                queue.push(inner);
            }
        }
    }
    Ok(seen)
}

fn spend(budget: &mut usize, memberships: usize) -> Result<(), TooManyMemberships> {
    *budget = budget.checked_sub(memberships).ok_or(TooManyMemberships)?;
    Ok(())
}
