//! A decision explained to somebody who has never used Kubernetes' access control.

use std::fmt::Write as _;

use clap::builder::styling::Style;
use hanse_proto::admin::access_subject::Kind;
use hanse_proto::admin::{AccessRequest, AccessSubject, ClusterView, Decision, Grant};

use super::decisions::telling;
use super::{resource, subject, views, words};
use crate::text::{count, escape};

/// Who wants to do what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) subject: &'a AccessSubject,
    pub(crate) request: &'a AccessRequest,
    /// Groups that the question names.
    pub(crate) groups: &'a [String],
}

/// How many paths are told of one cluster.
const MAX_PATHS: usize = 20;

/// The answer of one cluster. `everywhere`: it was asked about all namespaces, so that the decisions are
/// one answer; else each is an answer of its own.
pub(crate) fn cluster(
    asker: Asker<'_>,
    everywhere: bool,
    decisions: Vec<Decision>,
    view: &ClusterView,
) -> String {
    let bold = Style::new().bold();
    let allowed = decisions.iter().any(|decision| decision.allowed);
    if decisions.is_empty() || (views::is_unknown(view) && !allowed) {
        let name = escape(&view.cluster);
        return format!("{bold}{name}: unknown{bold:#}\n  Nothing is known of this cluster.\n");
    }
    if everywhere {
        return decision(asker, &merged(decisions));
    }
    decisions.iter().map(|one| decision(asker, one)).collect::<Vec<_>>().join("\n")
}

/// The first one is about the whole cluster, the others about namespaces where there is more.
fn merged(decisions: Vec<Decision>) -> Decision {
    let mut all = Decision::default();
    for decision in decisions {
        if all.cluster.is_empty() {
            all.cluster = decision.cluster;
            all.nearest = decision.nearest;
        }
        all.allowed |= decision.allowed;
        all.grants.extend(decision.grants);
    }
    all
}

/// With a line for each step of each path.
fn decision(asker: Asker<'_>, decision: &Decision) -> String {
    let bold = Style::new().bold();
    let who = subject::show(asker.subject);
    let what = resource::show(asker.request);
    let place = place(asker.request, decision);
    let (answer, can) = match (decision.allowed, place.as_str()) {
        (true, "") => ("yes", format!("{who} can {what}{}.", only(decision))),
        (true, place) => ("yes", format!("{who} can {what} {place}.")),
        (false, "") => ("no", format!("{who} cannot {what}.")),
        (false, place) => ("no", format!("{who} cannot {what} {place}.")),
    };
    let mut out = String::new();
    let _ = writeln!(out, "{bold}{}: {answer}{bold:#}", escape(&decision.cluster));
    let _ = writeln!(out, "  {}", escape(&capital(&can)));
    if decision.allowed {
        let paths = &decision.grants;
        if paths.len() > 1 {
            let _ = writeln!(
                out,
                "  {} lead there; each of them is enough:",
                count(paths.len(), "path")
            );
        }
        for (index, grant) in paths.iter().take(MAX_PATHS).enumerate() {
            out.push('\n');
            let number = (paths.len() > 1).then_some(index + 1);
            path(&mut out, asker, grant, number);
        }
        if let more @ 1.. = paths.len().saturating_sub(MAX_PATHS) {
            let _ = writeln!(out, "\n  And {}: -o csv lists them.", count(more, "more path"));
        }
    } else {
        refused(&mut out, asker, decision);
    }
    out
}

/// Where the question is about.
fn place(request: &AccessRequest, decision: &Decision) -> String {
    if !request.path.is_empty() {
        String::new()
    } else if !decision.namespace.is_empty() {
        format!("in namespace {}", decision.namespace)
    } else if decision.allowed {
        String::new()
    } else {
        "in the whole cluster".to_owned()
    }
}

/// Without a namespace in the question: where the paths hold.
fn only(decision: &Decision) -> String {
    if decision.grants.iter().any(|grant| grant.namespace.is_empty()) {
        return " in the whole cluster".to_owned();
    }
    let mut namespaces: Vec<&str> =
        decision.grants.iter().map(|grant| grant.namespace.as_str()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    match namespaces.as_slice() {
        [] => String::new(),
        [one] => format!(", but only in namespace {one}"),
        more => format!(", but only in namespaces {}", words::and(more)),
    }
}

fn path(out: &mut String, asker: Asker<'_>, grant: &Grant, number: Option<usize>) {
    let lead = number.map_or_else(|| "  ".to_owned(), |number| format!("{number:>3}. "));
    let indent = " ".repeat(lead.len());
    let mut steps = vec![capital(&subject::show(asker.subject))];
    let group = by_group(asker, grant);
    steps.extend(group.map(|group| membership(asker, group)));
    let allowed = grant.rule.as_ref().map_or_else(|| "something".to_owned(), words::rule);
    match (&grant.binding, &grant.role) {
        (Some(binding), role) => {
            let (kind, whom) = (&binding.kind, whom(asker, grant));
            let place = words::place(&grant.namespace);
            let role = role.as_ref().map_or_else(|| "a role".to_owned(), words::object);
            steps.push(format!("{} gives {whom} the {role} in {place}", words::object(binding)));
            if kind == "RoleBinding" && role.starts_with("ClusterRole ") {
                steps.push(format!(
                    "{role} allows {allowed}; this binding lends it to the one namespace only"
                ));
            } else {
                steps.push(format!("{role} allows {allowed}"));
            }
            if !grant.aggregated_from.is_empty() {
                steps.push(format!(
                    "that rule comes into {role} from {}, which Kubernetes adds to it by its labels",
                    words::and(&grant.aggregated_from)
                ));
            }
        }
        (None, _) => steps.push(
            "the API server itself lets that group do everything: no binding can take it away"
                .to_owned(),
        ),
    }
    if !grant.resource_names.is_empty() {
        let names = words::and(&grant.resource_names);
        steps.push(format!("this holds only for objects named {names}"));
    }
    for (index, step) in steps.iter().enumerate() {
        let (lead, arrow) = if index == 0 { (&lead, "") } else { (&indent, "→ ") };
        let _ = writeln!(out, "{lead}{arrow}{}", escape(step));
    }
    if let Some(binding) = &grant.binding {
        let from = grant.provenance.as_ref();
        let text = words::declared_in_full(&words::object(binding), from);
        let _ = writeln!(out, "{indent}{}", escape(&text));
    }
}

/// The group by which a binding reaches whom the question is about.
fn by_group<'a>(asker: Asker<'_>, grant: &'a Grant) -> Option<&'a str> {
    if !grant.via_group.is_empty() {
        return Some(&grant.via_group);
    }
    let named = grant.subject.as_ref().filter(|subject| subject.kind() == Kind::Group)?;
    (named != asker.subject).then_some(&named.name)
}

/// To whom a binding gives its role.
fn whom(asker: Asker<'_>, grant: &Grant) -> String {
    if let Some(group) = by_group(asker, grant) {
        return format!("group {group}");
    }
    match asker.subject.kind() {
        Kind::Group => "this group".to_owned(),
        Kind::User => "this user".to_owned(),
        Kind::ServiceAccount => "this service account".to_owned(),
        Kind::Unspecified => "this subject".to_owned(),
    }
}

/// Why somebody is in a group.
fn membership(asker: Asker<'_>, group: &str) -> String {
    let why = match group {
        _ if asker.groups.iter().any(|named| named == group) => "as the question says",
        "system:authenticated" => "as everybody who logs in",
        "system:unauthenticated" => "as everybody who does not log in",
        "system:serviceaccounts" => "as every service account",
        "system:masters" => "whose members may do everything",
        _ if group.starts_with("system:serviceaccounts:") => {
            "as every service account of its namespace"
        }
        _ => "as the imported directory says",
    };
    format!("is in group {group}, {why}")
}

fn refused(out: &mut String, asker: Asker<'_>, decision: &Decision) {
    let nearest = telling(decision);
    if nearest.is_empty() {
        let typed = subject::typed(asker.subject);
        out.push_str(
            "  No binding there gives anything to it, or to a group that it is known to be in, beyond \
             what everybody has.\n",
        );
        let _ = writeln!(
            out,
            "  What it can do elsewhere: hanse what-can {} --clusters {}",
            escape(&typed),
            escape(&decision.cluster)
        );
        return;
    }
    out.push_str("  Nothing allows it. What comes nearest, and does not allow it either:\n");
    for grant in nearest {
        let binding = grant.binding.as_ref().map(words::object).unwrap_or_default();
        let role = grant.role.as_ref().map_or_else(|| "a role".to_owned(), words::object);
        let place = words::place(&grant.namespace);
        let mut text = format!("{binding} gives {} the {role} in {place}", whom(asker, grant));
        if let Some(rule) = grant.rule.as_ref().filter(|rule| !rule.verbs.is_empty()) {
            text = format!("{text}, which allows {}", words::rule(rule));
        }
        let _ = writeln!(out, "  - {}", escape(&text));
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::decisions::tests::{no, yes};
    use super::super::words::tests::{by_group, by_hand, by_masters};
    use super::*;

    fn explained(words: [&str; 3], groups: &[&str], given: &Decision) -> String {
        let [who, verb, what] = words;
        let subject = subject::parse(who).unwrap();
        let request = resource::parse(verb, what, None).unwrap().request;
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let asker = Asker { subject: &subject, request: &request, groups: &groups };
        anstream::adapter::strip_str(&decision(asker, given)).to_string()
    }

    #[test]
    fn a_yes_has_its_paths() {
        insta::assert_snapshot!(explained(["anna", "get", "secrets"], &[], &yes()));
    }

    #[test]
    fn a_no_has_what_is_nearest() {
        insta::assert_snapshot!(explained(["anna", "delete", "secrets"], &[], &no()));
        let nothing = Decision { nearest: Vec::new(), namespace: String::new(), ..no() };
        insta::assert_snapshot!(explained(["sa:ci/deployer", "delete", "secrets"], &[], &nothing));
    }

    #[test]
    fn what_everybody_has_is_not_near() {
        let mut everybodys = by_group();
        everybodys.provenance.as_mut().unwrap().bootstrap = true;
        let one = Decision { nearest: vec![everybodys], ..no() };
        let text = explained(["anna", "delete", "secrets"], &[], &one);
        assert!(text.contains("beyond what everybody has") && !text.contains("reader"), "{text}");
    }

    #[test]
    fn without_a_namespace_it_says_where() {
        let one = Decision { namespace: String::new(), grants: vec![by_group()], ..yes() };
        let text = explained(["anna", "get", "secrets"], &["sre"], &one);
        assert!(
            text.contains("User anna can get secrets, but only in namespace payments."),
            "{text}"
        );
        assert!(text.contains("is in group sre, as the question says"), "{text}");
        let all = Decision { grants: vec![by_group(), by_hand()], ..one.clone() };
        let text = explained(["anna", "get", "secrets"], &[], &all);
        assert!(text.contains("User anna can get secrets in the whole cluster.\n"), "{text}");
        let text = explained(["anna", "get", "/metrics"], &[], &Decision { allowed: false, ..one });
        assert!(text.contains("User anna cannot get /metrics.\n"), "{text}");
    }

    #[test]
    fn all_namespaces_are_one_answer() {
        let subject = subject::parse("anna").unwrap();
        let request = resource::parse("get", "secrets", None).unwrap().request;
        let asker = Asker { subject: &subject, request: &request, groups: &[] };
        let view =
            ClusterView { covered: true, cluster: "prod-2".into(), ..ClusterView::default() };
        let whole = Decision { namespace: String::new(), ..no() };
        let place = Decision { cluster: "prod-2".into(), grants: vec![by_group()], ..yes() };
        let said = |everywhere, decisions: &[&Decision], view: &ClusterView| {
            let decisions = decisions.iter().map(|one| (*one).clone()).collect();
            anstream::adapter::strip_str(&cluster(asker, everywhere, decisions, view)).to_string()
        };
        let text = said(true, &[&whole, &place], &view);
        assert!(
            text.starts_with(
                "prod-2: yes\n  User anna can get secrets, but only in namespace payments.\n"
            ),
            "{text}"
        );
        assert!(said(true, &[&whole], &view).starts_with("prod-2: no\n"));
        let text = said(false, &[&place, &no()], &view);
        assert!(text.contains("prod-2: yes\n") && text.contains("\n\nprod-2: no\n"), "{text}");
        let unknown = ClusterView { covered: false, ..view.clone() };
        assert!(said(true, &[&whole], &unknown).starts_with("prod-2: unknown\n"));
        assert!(said(true, &[], &view).starts_with("prod-2: unknown\n"));
        let many = Decision { grants: vec![by_group(); MAX_PATHS + 3], ..yes() };
        assert!(
            said(true, &[&many], &view).ends_with("\n  And 3 more paths: -o csv lists them.\n")
        );
    }

    #[test]
    fn groups_of_kubernetes_are_explained() {
        let masters = by_masters();
        let one = Decision { grants: vec![masters], ..yes() };
        let text = explained(["anna", "get", "secrets"], &["system:masters"], &one);
        insta::assert_snapshot!(text);
        for (group, why) in [
            ("system:authenticated", "everybody who logs in"),
            ("system:unauthenticated", "does not log in"),
            ("system:serviceaccounts", "every service account"),
            ("system:serviceaccounts:ci", "of its namespace"),
            ("sre", "directory says"),
        ] {
            let grant = Grant { via_group: group.into(), ..by_group() };
            let one = Decision { grants: vec![grant], ..yes() };
            let text = explained(["anna", "get", "secrets"], &[], &one);
            assert!(text.contains(why), "{text}");
        }
    }
}
