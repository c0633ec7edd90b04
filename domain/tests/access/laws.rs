//! Laws over odd policies: the engine agrees with the reference, forward and in reverse, and however it
//! came to know.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::Index;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind};
use hanse_domain::access::query::{Asker, Grant, Question, allows, paths, what_can, who_can};
use hanse_domain::access::request::{Request, Scope};
use hanse_domain::access::rules::rule_allows;
use hanse_domain::access::subject::{AUTHENTICATED, Identity, Subject, UNAUTHENTICATED};
use proptest::prelude::*;

use crate::policy::{
    Asked, CLUSTER, Change, GROUPS, USERS, after, asked, change, directory, identity, request,
    rule, scope,
};
use crate::reference::{self, authorize};

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), most / 4..most)
}

fn questions() -> impl Strategy<Value = Vec<(Asked, [u16; 3])>> {
    prop::collection::vec(((identity(), request(), scope()), any::<[u16; 3]>()), 24)
}

fn loaded(objects: Vec<(AccessKey, AccessContent)>) -> Index {
    let mut index = Index::default();
    index.load(CLUSTER, objects);
    index
}

fn listed(
    index: &Index,
    request: &Request,
    scope: &Scope,
    directory: &Directory,
) -> BTreeSet<Grant> {
    let mut out = BTreeSet::new();
    let _ = who_can(index, CLUSTER, request, scope, directory, false, &mut |grant| {
        assert!(out.insert(grant), "listed twice");
        ControlFlow::Continue(())
    });
    out
}

/// Whether a subject has this by a group of which nobody is listed.
fn is_unlisted(grant: &Grant) -> bool {
    let unlisted = [AUTHENTICATED, UNAUTHENTICATED];
    grant.via_group.as_ref().is_some_and(|group| unlisted.contains(&group.as_str()))
}

/// Everybody of whom there is a name, whom a binding names, or who is in the inventory.
fn everybody(objects: &[(AccessKey, AccessContent)]) -> BTreeSet<Subject> {
    let users = USERS.iter().map(|name| Subject::of_username(name));
    let groups =
        GROUPS.iter().chain(&["system:masters"]).map(|name| Subject::Group((*name).to_owned()));
    let accounts = objects
        .iter()
        .filter(|(key, _)| key.kind == AccessKind::ServiceAccount)
        .map(|(key, _)| Subject::service_account(&key.namespace, &key.name));
    let named = objects.iter().flat_map(|(key, content)| match content {
        AccessContent::Binding { subjects, .. } => {
            subjects.iter().filter_map(|raw| Subject::from_raw(raw, &key.namespace)).collect()
        }
        _ => Vec::new(),
    });
    users.chain(groups).chain(accounts).chain(named).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_rule_allows_what_kubernetes_says(rule in rule(), requests in prop::collection::vec(request(), 16)) {
        for request in requests.iter().filter(|r| !matches!(r, Request::Resource { name: None, .. })) {
            prop_assert_eq!(rule_allows(&rule, request), reference::rule_allows(request, &rule), "{}", request);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// At least 9,600 decisions.
    #[test]
    fn somebody_may_do_what_kubernetes_says(changes in changes(100), questions in questions()) {
        let objects = after(&changes);
        let index = loaded(objects.clone());
        for (random, aim) in questions {
            let (identity, request, scope) = asked(&objects, random, aim);
            let expected = authorize(&objects, &identity, &request, &scope);
            prop_assert_eq!(allows(&index, CLUSTER, &identity, &request, &scope), expected);
            let paths = paths(&index, CLUSTER, &identity, &request, &scope);
            prop_assert_eq!(!paths.is_empty(), expected);
            for grant in paths {
                prop_assert!(rule_allows(&grant.rule, &request));
                prop_assert!(identity.is_master() || index.role(CLUSTER, &grant.role.unwrap()).unwrap().rules.contains(&grant.rule));
            }
        }
    }

    /// One by one, all at once, or some and some: an index knows the same, and keeps no more.
    #[test]
    fn it_does_not_matter_how_it_became_known(changes in changes(100), cut in 0usize..100, questions in questions()) {
        let objects = after(&changes);
        let expected = loaded(objects.clone());
        let (mut one_by_one, mut in_two) = (Index::default(), Index::default());
        for (key, content) in &changes {
            one_by_one.apply(CLUSTER, key, content.as_ref());
        }
        let (first, second) = changes.split_at(cut.min(changes.len()));
        in_two.update(CLUSTER, first.iter().cloned());
        in_two.update(CLUSTER, second.iter().cloned());
        let mut again = expected.clone();
        again.load(CLUSTER, after(first));
        again.load(CLUSTER, after(&changes));
        for other in [one_by_one, in_two, again, expected.fork(CLUSTER)] {
            prop_assert_eq!(all(&other), all(&expected));
            let kept = |index: &Index| (index.footprint().symbols, index.footprint().roles);
            prop_assert_eq!(kept(&other), kept(&expected));
            for (random, aim) in &questions {
                let (identity, request, scope) = asked(&objects, random.clone(), *aim);
                let ask = |index| paths(index, CLUSTER, &identity, &request, &scope);
                prop_assert_eq!(ask(&other), ask(&expected));
            }
        }
    }

    /// What is kept in mind of a question and of who asks holds while the index changes.
    #[test]
    fn what_was_decided_before_a_change_does_no_harm(changes in changes(100), random in (identity(), request(), scope()), aim in any::<[u16; 3]>()) {
        let (identity, request, scope) = asked(&after(&changes), random, aim);
        let (mut question, mut asker) = (Question::new(request.clone()), Asker::new(identity.clone()));
        let mut index = Index::default();
        for (key, content) in &changes {
            index.apply(CLUSTER, key, content.as_ref());
            let now = question.allows(&index, CLUSTER, &scope, &mut asker);
            prop_assert_eq!(now, allows(&index, CLUSTER, &identity, &request, &scope));
        }
    }

    #[test]
    fn who_can_lists_whoever_may(changes in changes(100), directory in directory(), asked in prop::collection::vec((request(), scope()), 4)) {
        let objects = after(&changes);
        let index = loaded(objects.clone());
        for (request, scope) in asked {
            let listed = listed(&index, &request, &scope, &directory);
            let everybody = everybody(&objects);
            for subject in &everybody {
                let identity = Identity::of(subject, &directory);
                let theirs: BTreeSet<Grant> = listed.iter().filter(|grant| grant.subject == *subject).cloned().collect();
                let paths = paths(&index, CLUSTER, &identity, &request, &scope);
                let exists = !matches!(subject, Subject::ServiceAccount { .. }) || objects.iter().any(|(key, _)| {
                    key.kind == AccessKind::ServiceAccount && Subject::service_account(&key.namespace, &key.name) == *subject
                });
                // Somebody by an inherent group is listed as far as the inventory knows them.
                let expected = paths.into_iter().filter(|grant| !is_unlisted(grant) && (exists || grant.via_group.is_none()));
                prop_assert_eq!(theirs, expected.collect::<BTreeSet<_>>(), "{}", subject);
            }
            prop_assert!(listed.iter().all(|grant| everybody.contains(&grant.subject)));
        }
    }

    #[test]
    fn what_one_can_do_is_what_one_may(changes in changes(100), directory in directory(), asked in prop::collection::vec((crate::policy::subject(), request(), scope()), 8)) {
        let index = loaded(after(&changes));
        for (subject, request, scope) in asked {
            let identity = Identity::of(&subject, &directory);
            let within = if matches!(request, Request::Path { .. }) { Scope::Cluster } else { scope.clone() };
            let mut able = false;
            let _ = what_can(&index, CLUSTER, &identity, &within, &mut |grant| {
                able |= rule_allows(&grant.rule, &request);
                ControlFlow::Continue(())
            });
            prop_assert_eq!(able, allows(&index, CLUSTER, &identity, &request, &scope));
        }
    }
}

fn all(index: &Index) -> Vec<(AccessKey, AccessContent)> {
    let mut objects: Vec<_> = index.objects(CLUSTER).collect();
    objects.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (_, content) in &mut objects {
        if let AccessContent::Binding { subjects, .. } = content {
            subjects.sort();
        }
    }
    objects
}
