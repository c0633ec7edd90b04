//! Whether two rules have anything in common.

use crate::kinds::role::PolicyRule;

const ALL: &str = "*";

/// Whether some request is allowed by both rules. Of a rule that is limited to names, requests for these
/// count.
pub(super) fn overlaps(one: &PolicyRule, other: &PolicyRule) -> bool {
    let verbs = any(&one.verbs, &other.verbs, share_word);
    let resources = any(&one.api_groups, &other.api_groups, share_word)
        && any(&one.resources, &other.resources, share_resource)
        && (one.resource_names.is_empty()
            || other.resource_names.is_empty()
            || any(&one.resource_names, &other.resource_names, |one, other| one == other));
    verbs && (resources || any(&one.non_resource_urls, &other.non_resource_urls, share_path))
}

fn any(one: &[String], other: &[String], share: fn(&str, &str) -> bool) -> bool {
    one.iter().any(|one| other.iter().any(|other| share(one, other)))
}

fn share_word(one: &str, other: &str) -> bool {
    one == other || one == ALL || other == ALL
}

/// `*` is every resource and subresource, `*/log` that subresource of each.
fn share_resource(one: &str, other: &str) -> bool {
    let covers = |wide: &str, narrow: &str| {
        let subresource = |text: &str| text.split_once('/').map(|(_, below)| below.to_owned());
        wide.strip_prefix("*/").is_some_and(|below| subresource(narrow).as_deref() == Some(below))
    };
    share_word(one, other) || covers(one, other) || covers(other, one)
}

/// Stars count at the end.
fn share_path(one: &str, other: &str) -> bool {
    let (start, other_start) = (one.trim_end_matches('*'), other.trim_end_matches('*'));
    match (one.ends_with('*'), other.ends_with('*')) {
        (false, false) => one == other,
        (true, false) => other.starts_with(start),
        (false, true) => one.starts_with(other_start),
        (true, true) => start.starts_with(other_start) || other_start.starts_with(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> PolicyRule {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        PolicyRule {
            verbs: list(verbs),
            api_groups: list(groups),
            resources: list(resources),
            resource_names: list(names),
            non_resource_urls: Vec::new(),
        }
    }

    fn both(one: &PolicyRule, other: &PolicyRule) -> bool {
        assert_eq!(overlaps(one, other), overlaps(other, one));
        overlaps(one, other)
    }

    #[test]
    fn wildcards_and_lists_meet() {
        let secrets = rule(&["get", "list"], &[""], &["secrets"], &[]);
        assert!(both(&secrets, &rule(&["list", "x"], &["apps", ""], &["pods", "secrets"], &[])));
        assert!(both(&secrets, &rule(&["*"], &["*"], &["*"], &[])));
        assert!(both(&secrets, &rule(&["get"], &[""], &["secrets"], &["a"])));
        assert!(!both(&secrets, &rule(&["watch"], &[""], &["secrets"], &[])));
        assert!(!both(&secrets, &rule(&["get"], &["apps"], &["secrets"], &[])));
        assert!(!both(&secrets, &rule(&["get"], &[""], &["secrets/x"], &[])));
        assert!(!both(&secrets, &rule(&[], &[""], &["secrets"], &[])));
    }

    #[test]
    fn names_meet_only_when_they_are_the_same() {
        let named = |name: &str| rule(&["get"], &[""], &["secrets"], &[name]);
        assert!(both(&named("a"), &named("a")));
        assert!(!both(&named("a"), &named("b")));
    }

    #[test]
    fn subresources_meet_their_own_kind() {
        let of = |resource: &str| rule(&["create"], &[""], &[resource], &[]);
        assert!(both(&of("pods/exec"), &of("*/exec")));
        assert!(both(&of("pods/exec"), &of("*")));
        assert!(both(&of("*/exec"), &of("*/exec")));
        assert!(!both(&of("pods"), &of("*/exec")));
        assert!(!both(&of("pods"), &of("pods/exec")));
    }

    #[test]
    fn paths_meet_by_their_beginnings() {
        let of = |path: &str| PolicyRule {
            verbs: vec!["get".into()],
            non_resource_urls: vec![path.into()],
            ..PolicyRule::default()
        };
        assert!(both(&of("/metrics"), &of("/metrics")));
        assert!(both(&of("/metrics/a"), &of("/metrics/*")));
        assert!(both(&of("/m*"), &of("/metrics/*")));
        assert!(both(&of("*"), &of("/healthz")));
        assert!(!both(&of("/metrics/*"), &of("/healthz*")));
        assert!(!both(&of("/metrics"), &rule(&["get"], &["*"], &["*"], &[])));
    }
}
