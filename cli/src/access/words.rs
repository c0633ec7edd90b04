//! Rules, bindings and where they come from, in words for somebody who has never used RBAC.

use hanse_proto::admin::{AccessObjectReference, AccessRule, Grant, Provenance};
use jiff::Timestamp;

use super::moment::whole;
use crate::text::time;

/// "RoleBinding payments/devs", "ClusterRole view".
pub(crate) fn object(object: &AccessObjectReference) -> String {
    if object.namespace.is_empty() {
        format!("{} {}", object.kind, object.name)
    } else {
        format!("{} {}/{}", object.kind, object.namespace, object.name)
    }
}

/// "get, list and watch".
pub(crate) fn and<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// "get, list and watch on secrets", "any verb on everything".
pub(crate) fn rule(rule: &AccessRule) -> String {
    let any = |words: &[String]| words.iter().any(|word| word == "*");
    let verbs = if any(&rule.verbs) { "any verb".to_owned() } else { and(&rule.verbs) };
    let verbs = if verbs.is_empty() { "no verb".to_owned() } else { verbs };
    if !rule.non_resource_urls.is_empty() {
        let noun = if rule.non_resource_urls.len() == 1 { "path" } else { "paths" };
        return format!("{verbs} on {noun} {}", and(&rule.non_resource_urls));
    }
    let (all_resources, all_groups) = (any(&rule.resources), any(&rule.api_groups));
    let mut what = match (all_resources, all_groups) {
        (true, true) => "everything".to_owned(),
        (true, false) => format!("all resources of {}", groups(&rule.api_groups)),
        (false, true) => format!("{} (any group)", and(&rule.resources)),
        (false, false) if rule.api_groups.iter().all(String::is_empty) => and(&rule.resources),
        (false, false) => format!("{} ({})", and(&rule.resources), groups(&rule.api_groups)),
    };
    if rule.resources.is_empty() {
        "nothing".clone_into(&mut what);
    }
    if !rule.resource_names.is_empty() {
        what = format!("{what} named {}", and(&rule.resource_names));
    }
    format!("{verbs} on {what}")
}

/// An API group's name. The core group has none, and in a list that would not be seen.
pub(crate) const fn group_name(group: &str) -> &str {
    if group.is_empty() { "core" } else { group }
}

fn groups(groups: &[String]) -> String {
    let named: Vec<&str> = groups.iter().map(|group| group_name(group)).collect();
    match named.as_slice() {
        [] => "no group".to_owned(),
        [one] => format!("group {one}"),
        more => format!("groups {}", and(more)),
    }
}

/// A moment of the wire to the minute, for tables.
pub(crate) fn minute(at: Option<&pbjson_types::Timestamp>) -> Option<String> {
    let text = time(at)?.to_string();
    text.get(..16).map(|text| format!("{text}Z"))
}

/// A moment of the wire to the second, for sentences.
pub(crate) fn second(at: Option<&pbjson_types::Timestamp>) -> Option<String> {
    time(at).map(|at: Timestamp| whole(at).to_string())
}

/// Who declared an object, on a line of a table.
pub(crate) fn declared(provenance: Option<&Provenance>) -> String {
    let Some(from) = provenance else { return "-".to_owned() };
    if !from.document.is_empty() {
        let by =
            if from.author.is_empty() { String::new() } else { format!(" by {}", from.author) };
        let proof = if from.verified { "" } else { ", not proven" };
        return format!("{} r{}{by}{proof}", from.document, from.revision);
    }
    if from.bootstrap {
        return "comes with Kubernetes".to_owned();
    }
    let since = minute(from.created_at.as_ref().or(from.learned_at.as_ref()));
    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
    let by = if from.manager.is_empty() { String::new() } else { format!(" ({})", from.manager) };
    format!("unmanaged{since}{by}")
}

/// The same in sentences. `what`: "RoleBinding payments/devs".
pub(crate) fn declared_in_full(what: &str, provenance: Option<&Provenance>) -> String {
    let Some(from) = provenance else {
        return format!("Who declared {what} is not known.");
    };
    let mut text = if from.document.is_empty() {
        if from.bootstrap {
            format!("{what} comes with Kubernetes.")
        } else {
            format!("Nobody declared {what}: it is unmanaged.")
        }
    } else {
        let by =
            if from.author.is_empty() { String::new() } else { format!(" by {}", from.author) };
        let proof = if from.verified {
            "the signed history bears that out"
        } else {
            "the signed history does not bear that out"
        };
        format!(
            "{what} is declared by {} in revision {}{by}; {proof}.",
            from.document, from.revision
        )
    };
    let (created, changed) = (second(from.created_at.as_ref()), second(from.changed_at.as_ref()));
    if let Some(created) = &created {
        text = format!("{text} It has been there since {created}");
        match changed.filter(|changed| changed != created) {
            Some(changed) => text = format!("{text} and was last changed {changed}"),
            None if from.manager.is_empty() => {}
            None => text = format!("{text}, made"),
        }
        if !from.manager.is_empty() {
            text = format!("{text} by {}", from.manager);
        }
        text.push('.');
    }
    if let Some(learned) = second(from.learned_at.as_ref()) {
        text = format!("{text} The hub learned of it {learned}.");
    }
    text
}

/// Where a grant holds: a namespace, or the whole cluster.
pub(crate) fn place(namespace: &str) -> String {
    if namespace.is_empty() {
        "the whole cluster".to_owned()
    } else {
        format!("namespace {namespace}")
    }
}

/// "group sre → RoleBinding payments/devs → ClusterRole view", for one line.
pub(crate) fn path(grant: &Grant) -> String {
    let group = (!grant.via_group.is_empty()).then(|| format!("group {}", grant.via_group));
    let role = grant.role.as_ref().map(object);
    let Some(binding) = &grant.binding else {
        if let Some(role) = role {
            return format!("{role}, once the step before has bound it");
        }
        let rest = "the API server itself lets it do everything";
        return group.map_or_else(|| rest.to_owned(), |group| format!("{group} → {rest}"));
    };
    let steps = [group, Some(object(binding)), role];
    steps.into_iter().flatten().collect::<Vec<_>>().join(" → ")
}

#[cfg(test)]
pub(crate) mod tests {
    use hanse_proto::admin::AccessSubject;
    use hanse_proto::admin::access_subject::Kind;

    use super::*;

    pub(crate) fn at(text: &str) -> Option<pbjson_types::Timestamp> {
        let at: Timestamp = text.parse().ok()?;
        Some(super::super::moment::wire(at))
    }

    fn reference(kind: &str, namespace: &str, name: &str) -> AccessObjectReference {
        let [kind, namespace, name] = [kind, namespace, name].map(str::to_owned);
        AccessObjectReference { kind, namespace, name }
    }

    pub(crate) fn a_rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> AccessRule {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        AccessRule {
            verbs: owned(verbs),
            api_groups: owned(groups),
            resources: owned(resources),
            ..AccessRule::default()
        }
    }

    /// User anna by group sre, declared.
    pub(crate) fn by_group() -> Grant {
        Grant {
            cluster: "prod-1".into(),
            subject: Some(AccessSubject {
                kind: Kind::User.into(),
                name: "anna".into(),
                ..AccessSubject::default()
            }),
            via_group: "sre".into(),
            binding: Some(reference("RoleBinding", "payments", "hanse:ns:payments-sre")),
            role: Some(reference("ClusterRole", "", "hanse:ns:reader")),
            rule: Some(a_rule(&["get", "list"], &[""], &["secrets"])),
            namespace: "payments".into(),
            provenance: Some(Provenance {
                document: "FederatedRoleBinding/payments-sre".into(),
                revision: 7,
                verified: true,
                author: "ann".into(),
                created_at: at("2026-02-01T08:00:00Z"),
                changed_at: at("2026-02-01T08:00:00Z"),
                manager: "hanse-agent/rbac".into(),
                learned_at: at("2026-02-01T08:00:01.25Z"),
                bootstrap: false,
            }),
            ..Grant::default()
        }
    }

    /// A service account by a binding that somebody made by hand; aggregated, and for one name only.
    pub(crate) fn by_hand() -> Grant {
        Grant {
            cluster: "prod-2".into(),
            subject: Some(AccessSubject {
                kind: Kind::ServiceAccount.into(),
                namespace: "ci".into(),
                name: "deployer".into(),
            }),
            binding: Some(reference("ClusterRoleBinding", "", "=cmd|x\u{1b}[2J")),
            role: Some(reference("ClusterRole", "", "edit")),
            rule: Some(AccessRule {
                resource_names: vec!["db".into()],
                ..a_rule(&["*"], &["*"], &["*"])
            }),
            resource_names: vec!["db".into()],
            provenance: Some(Provenance {
                created_at: at("2026-03-01T10:02:03Z"),
                changed_at: at("2026-03-02T00:00:00Z"),
                manager: "kubectl-edit".into(),
                learned_at: at("2026-03-02T00:00:01Z"),
                ..Provenance::default()
            }),
            aggregated_from: vec!["system:aggregate-to-edit".into()],
            ..Grant::default()
        }
    }

    /// What the API server grants by itself.
    pub(crate) fn by_masters() -> Grant {
        Grant {
            cluster: "prod-1".into(),
            subject: Some(AccessSubject {
                kind: Kind::Group.into(),
                name: "system:masters".into(),
                ..AccessSubject::default()
            }),
            rule: Some(a_rule(&["*"], &["*"], &["*"])),
            ..Grant::default()
        }
    }

    #[test]
    fn rules_in_words() {
        let named = AccessRule {
            resource_names: vec!["a".into(), "b".into()],
            ..a_rule(&["get"], &["apps"], &["deployments", "deployments/scale"])
        };
        let path = AccessRule {
            non_resource_urls: vec!["/metrics".into(), "/healthz/*".into()],
            ..a_rule(&["get"], &[], &[])
        };
        for (rule, expected) in [
            (
                a_rule(&["get", "list", "watch"], &[""], &["secrets"]),
                "get, list and watch on secrets",
            ),
            (a_rule(&["*"], &["*"], &["*"]), "any verb on everything"),
            (a_rule(&["get"], &[""], &["*"]), "get on all resources of group core"),
            (a_rule(&["get"], &["*"], &["pods"]), "get on pods (any group)"),
            (a_rule(&["get"], &["", "apps"], &["pods"]), "get on pods (groups core and apps)"),
            (named, "get on deployments and deployments/scale (group apps) named a and b"),
            (path, "get on paths /metrics and /healthz/*"),
            (a_rule(&[], &[], &[]), "no verb on nothing"),
            (AccessRule::default(), "no verb on nothing"),
        ] {
            assert_eq!(super::rule(&rule), expected);
        }
    }

    #[test]
    fn who_declared_it() {
        let lines = [by_group(), by_hand(), by_masters()].map(|g| declared(g.provenance.as_ref()));
        assert_eq!(
            lines,
            [
                "FederatedRoleBinding/payments-sre r7 by ann",
                "unmanaged since 2026-03-01T10:02Z (kubectl-edit)",
                "-"
            ]
        );
        let bootstrap = Provenance { bootstrap: true, ..Provenance::default() };
        assert_eq!(declared(Some(&bootstrap)), "comes with Kubernetes");
        assert_eq!(declared(Some(&Provenance::default())), "unmanaged");
        let doubtful = Provenance { document: "R/x".into(), revision: 3, ..Provenance::default() };
        assert_eq!(declared(Some(&doubtful)), "R/x r3, not proven");
    }

    #[test]
    fn who_declared_it_in_sentences() {
        let in_full = |grant: &Grant| declared_in_full("It", grant.provenance.as_ref());
        insta::assert_snapshot!(in_full(&by_group()), @"It is declared by FederatedRoleBinding/payments-sre in revision 7 by ann; the signed history bears that out. It has been there since 2026-02-01T08:00:00Z, made by hanse-agent/rbac. The hub learned of it 2026-02-01T08:00:01Z.");
        insta::assert_snapshot!(in_full(&by_hand()), @"Nobody declared It: it is unmanaged. It has been there since 2026-03-01T10:02:03Z and was last changed 2026-03-02T00:00:00Z by kubectl-edit. The hub learned of it 2026-03-02T00:00:01Z.");
        insta::assert_snapshot!(in_full(&by_masters()), @"Who declared It is not known.");
    }

    #[test]
    fn a_path_on_a_line() {
        let masters = Grant { via_group: "system:masters".into(), ..by_masters() };
        assert_eq!(
            path(&by_group()),
            "group sre → RoleBinding payments/hanse:ns:payments-sre → ClusterRole hanse:ns:reader"
        );
        assert_eq!(
            path(&masters),
            "group system:masters → the API server itself lets it do everything"
        );
        let role = Some(reference("ClusterRole", "", "edit"));
        let bound = Grant { role, ..by_masters() };
        assert_eq!(path(&bound), "ClusterRole edit, once the step before has bound it");
    }
}
