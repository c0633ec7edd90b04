//! What an answer could not see: one block at its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hanse_domain::access::object::AccessKind;
use hanse_proto::admin::ClusterView;

use super::words::second;
use crate::text::{count, escape};

const MAX_NAMED: usize = 5;
/// Kinds that give rights, or say to whom and where.
const RIGHTS: [AccessKind; 6] = [
    AccessKind::Namespace,
    AccessKind::ServiceAccount,
    AccessKind::ClusterRole,
    AccessKind::Role,
    AccessKind::ClusterRoleBinding,
    AccessKind::RoleBinding,
];

/// Each thing that was not seen once, with the clusters of which it is true; nothing when all was seen.
pub(crate) fn block(views: &[ClusterView]) -> Option<String> {
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for view in views {
        for reason in reasons(view) {
            let clusters = by_reason.entry(reason).or_default();
            if clusters.last() != Some(&&*view.cluster) {
                clusters.push(&view.cluster);
            }
        }
    }
    if by_reason.is_empty() {
        return None;
    }
    // What is true of few clusters first: what is always true is known by then.
    let mut reasons: Vec<(String, Vec<&str>)> = by_reason.into_iter().collect();
    reasons.sort_by_key(|(_, clusters)| clusters.len());
    let mut out = "What this answer cannot see:\n".to_owned();
    for (reason, clusters) in reasons {
        let _ = writeln!(out, "  {}: {}", of(&clusters, views.len()), escape(&reason));
    }
    Some(out.trim_end().to_owned())
}

/// Whether nothing at all is known of a cluster up to the moment of a question.
pub(crate) fn is_unknown(view: &ClusterView) -> bool {
    !view.covered && view.seen_until.is_none()
}

/// Whether rights in a cluster may be out of sight, so that finding nobody who has them means nothing.
pub(crate) fn is_unchecked(view: &ClusterView) -> bool {
    let gives_rights = |what: &String| {
        let kind = what.split(':').next().and_then(AccessKind::from_name);
        kind.is_none_or(|kind| RIGHTS.contains(&kind))
    };
    is_unknown(view) || view.unseen.iter().any(gives_rights)
}

/// In the hub's words, which leave nothing out; ours where it has none.
fn reasons(view: &ClusterView) -> Vec<String> {
    if !view.caveats.is_empty() {
        return view.caveats.clone();
    }
    let mut reasons = Vec::new();
    if !view.covered {
        reasons.push(match second(view.seen_until.as_ref()) {
            Some(seen) => format!("not seen at that moment; the last look at it was {seen}"),
            None => "never seen up to that moment: nothing is known of it".to_owned(),
        });
    }
    reasons.extend(view.unseen.iter().map(|what| format!("its agent cannot look at {what}")));
    if view.skipped > 0 {
        reasons.push(format!(
            "{} left out, too large or malformed",
            count(view.skipped as usize, "object")
        ));
    }
    reasons
}

/// "prod-1, prod-2", "all 3 clusters".
fn of(clusters: &[&str], all: usize) -> String {
    if clusters.len() == all && all > 1 {
        return if all == 2 { "both clusters".to_owned() } else { format!("all {all} clusters") };
    }
    let named: Vec<String> =
        clusters.iter().take(MAX_NAMED).map(|name| escape(name).into_owned()).collect();
    match clusters.len().saturating_sub(MAX_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {}", named.join(", "), count(more, "more cluster")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::words::tests::at;
    use super::*;

    pub(crate) fn view(cluster: &str) -> ClusterView {
        ClusterView {
            cluster: cluster.into(),
            covered: true,
            caveats: vec!["only RBAC is looked at".into()],
            ..ClusterView::default()
        }
    }

    #[test]
    fn what_was_not_seen_is_said_once() {
        let stale = "not seen since 2026-03-01\u{1b}".to_owned();
        let rbac = "only RBAC is looked at".to_owned();
        let views = [
            view("a"),
            ClusterView { caveats: vec![rbac.clone(), stale], ..view("b") },
            ClusterView { caveats: vec![rbac.clone(), rbac], ..view("c") },
        ];
        insta::assert_snapshot!(block(&views).unwrap_or_default(), @r"
        What this answer cannot see:
          b: not seen since 2026-03-01\u{1b}
          all 3 clusters: only RBAC is looked at
        ");
        assert_eq!(block(&[ClusterView { covered: true, ..ClusterView::default() }]), None);
    }

    #[test]
    fn without_the_hubs_words_it_is_said_all_the_same() {
        let silent = |view: ClusterView| ClusterView { caveats: Vec::new(), ..view };
        let unseen = vec!["Pod: pods is forbidden\u{1b}".into()];
        let seen_until = at("2026-03-01T00:00:00.5Z");
        let stale = ClusterView { covered: false, seen_until, skipped: 1, unseen, ..view("b") };
        let unknown = ClusterView { covered: false, ..view("c") };
        assert!(is_unknown(&unknown) && !is_unknown(&stale) && !is_unknown(&view("a")));
        let views = [silent(stale), silent(unknown)];
        insta::assert_snapshot!(block(&views).unwrap_or_default(), @r"
        What this answer cannot see:
          b: 1 object left out, too large or malformed
          b: its agent cannot look at Pod: pods is forbidden\u{1b}
          c: never seen up to that moment: nothing is known of it
          b: not seen at that moment; the last look at it was 2026-03-01T00:00:00Z
        ");
    }

    #[test]
    fn many_clusters_are_counted() {
        let names: Vec<String> = (0..9).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(of(&names, 10), "c0, c1, c2, c3, c4 and 4 more clusters");
        assert_eq!(of(&["c0"], 1), "c0");
        assert_eq!(of(&names, 9), "all 9 clusters");
    }
}
