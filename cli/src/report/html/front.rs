//! The first pages: the answer in short, what was asked, what could not be seen, how to read it, and
//! everybody over all clusters.

use std::fmt::Write as _;

use hanse_domain::access::subject::Subject;

use super::super::groups::Group;
use super::super::question::{Question, When};
use super::super::summary::{Head, Summary};
use super::{state, text};
use crate::text::count;

/// Most names in one cell.
const MAX_NAMES: usize = 20;

pub(super) fn write(
    out: &mut String,
    question: &Question,
    head: &Head,
    groups: &[Group],
    summary: &Summary,
) {
    let _ = write!(
        out,
        "<header>\n<h1>Access report</h1>\n<p class=\"asked\"><strong>{}</strong>, {}, {}?</p>\n</header>\n",
        text(&question.words()),
        text(&question.clusters_in_words()),
        text(&question.when.words())
    );
    in_short(out, question, summary);
    asked(out, question, head);
    unseen(out, question, groups, summary);
    how_to_read(out, question);
    clusters(out, summary);
    subjects(out, summary);
}

fn in_short(out: &mut String, question: &Question, summary: &Summary) {
    let totals = summary.totals();
    let kinds =
        |wanted: fn(&Subject) -> bool| summary.subjects.keys().filter(|s| wanted(s)).count();
    let users = kinds(|subject| matches!(subject, Subject::User(_)));
    let groups = kinds(|subject| matches!(subject, Subject::Group(_)));
    let accounts = kinds(|subject| matches!(subject, Subject::ServiceAccount { .. }));
    out.push_str("<section>\n<h2>In short</h2>\n");
    for cluster in summary.clusters.iter().filter(|cluster| cluster.contradicted) {
        let _ = writeln!(
            out,
            "<p class=\"box bad\">Do not rely on what this report says of cluster {}: the objects that \
             the hub shows are not those that the cluster's agent signed for.</p>",
            text(&cluster.name)
        );
    }
    let could = match question.request {
        Some(_) => "could do it",
        None => "could do something",
    };
    let _ = writeln!(
        out,
        "<p>In {}, <strong>{}</strong> {could}: {}, {} and {}. There are {} by which they could.</p>",
        count(totals.clusters, "cluster"),
        count(summary.subjects.len(), "subject"),
        count(users, "user"),
        count(groups, "group"),
        count(accounts, "service account"),
        count(totals.grants, "path"),
    );
    let own = totals.grants.saturating_sub(summary.declared + totals.unmanaged);
    let (mark, by_hand) = (if totals.unmanaged > 0 { "odd" } else { "dim" }, totals.unmanaged);
    let _ = writeln!(
        out,
        "<table>\n<tbody>\n<tr><th scope=\"row\">Declared</th><td class=\"n\">{}</td>\
         <td>Somebody with the right to do so declared and signed both the binding and the role.</td></tr>\n\
         <tr><th scope=\"row\" class=\"{mark}\">Not declared</th><td class=\"n {mark}\">{by_hand}</td>\
         <td>Nobody declared the binding or the role as it is: it was made or changed in the cluster \
         itself.</td></tr>\n\
         <tr><th scope=\"row\">Kubernetes' own</th><td class=\"n\">{own}</td>\
         <td>The rest: a binding or a role is built into Kubernetes, or has a name that Kubernetes gives \
         to its own.</td></tr>\n</tbody>\n</table>",
        summary.declared,
    );
    let all: Vec<String> = summary
        .subjects
        .iter()
        .filter(|(_, about)| !about.everything.is_empty())
        .map(|(subject, _)| text(&subject.to_string()))
        .collect();
    if !all.is_empty() {
        let _ = writeln!(
            out,
            "<p>Everything in a whole cluster could be done by {}.</p>",
            names(all.iter().cloned(), all.len())
        );
    }
    let rest = totals.clusters - totals.proven;
    if rest == 0 {
        let _ = writeln!(
            out,
            "<p class=\"good\">For {} it is proven by signatures of the clusters' own agents.</p>",
            if totals.clusters == 1 { "the cluster" } else { "all clusters" }
        );
    } else {
        let _ = writeln!(
            out,
            "<p class=\"odd\">For {} of {} it is proven by signatures of the clusters' own agents; for \
             the others it is only partly proven or not at all: see what could not be seen.</p>",
            totals.proven,
            count(totals.clusters, "cluster")
        );
    }
    out.push_str("</section>\n");
}

fn asked(out: &mut String, question: &Question, head: &Head) {
    let when = match question.when {
        When::At(at) => format!("the moment {at}"),
        When::Period { from, to } => format!("any time from {from} to {to}"),
    };
    let rows = [
        ("Question", text(&question.words())),
        ("Clusters", text(&question.clusters_in_words())),
        ("Time", text(&when)),
        ("Made", text(&head.made_at.to_string())),
        ("Fleet", format!("<code>sha256:{}</code> (digest of its first trust root)", head.fleet)),
        ("History", format!("up to revision {}, <code>{}</code>", head.revision, head.history)),
    ];
    out.push_str("<section>\n<h2>What was asked</h2>\n<dl>\n");
    for (name, value) in rows {
        let _ = writeln!(out, "<dt>{name}</dt><dd>{value}</dd>");
    }
    out.push_str("</dl>\n<p class=\"dim\">All times are UTC.</p>\n</section>\n");
}

fn unseen(out: &mut String, question: &Question, groups: &[Group], summary: &Summary) {
    out.push_str("<section>\n<h2>What could not be seen</h2>\n<ul>\n");
    for line in [
        "Only RBAC, Kubernetes' own system of permissions, is looked at. Other authorisers of an API \
         server (for nodes, webhooks) may allow more; admission policies may forbid what RBAC allows.",
        "Whoever an API server takes for a member of system:masters may do everything in its cluster, by no \
         binding: whoever has a client certificate that says so. No object says who that is.",
        "Who can get at one subject's credentials can act as it. This report says what subjects could do, \
         not who they are.",
        "A cluster's agent signs what its API server showed it. Whoever rules that cluster, or has its \
         agent's key, can make it sign something else: for that cluster, and for no other.",
    ] {
        let _ = writeln!(out, "<li>{line}</li>");
    }
    if let When::Period { .. } = question.when {
        out.push_str(
            "<li>When something changed, the hub says; signatures bound it: it lies between the end of \
             the time for which the state before was signed and the beginning of the time for which the \
             state after was. What came and went between two signatures is not proven.</li>\n",
        );
    }
    membership(out, question, groups, summary);
    out.push_str("</ul>\n");
    let odd: Vec<_> = summary.clusters.iter().filter(|c| !c.notes.is_empty()).collect();
    if odd.is_empty() {
        out.push_str(
            "<p class=\"good\">Nothing else: each cluster was seen all the time asked.</p>\n",
        );
    } else {
        out.push_str(
            "<table>\n<thead><tr><th scope=\"col\">Cluster</th>\
             <th scope=\"col\">Not proven, or not seen</th></tr></thead>\n<tbody>\n",
        );
        for cluster in odd {
            let (name, number) = (text(&cluster.name), cluster.notes.len());
            let notes: Vec<String> =
                cluster.notes.iter().take(MAX_NAMES).map(|note| text(note)).collect();
            let more = if number > MAX_NAMES {
                format!("<br>and {} more: see the cluster", number - MAX_NAMES)
            } else {
                String::new()
            };
            let _ = writeln!(
                out,
                "<tr><th scope=\"row\">{name}</th><td>{}{more}</td></tr>",
                notes.join("<br>")
            );
        }
        out.push_str("</tbody>\n</table>\n");
    }
    out.push_str("</section>\n");
}

fn membership(out: &mut String, question: &Question, groups: &[Group], summary: &Summary) {
    if !groups.is_empty() {
        let mut directories: Vec<&str> = groups.iter().map(|g| g.directory.as_str()).collect();
        directories.sort_unstable();
        directories.dedup();
        let moment = match question.when {
            When::At(_) => "at that moment",
            When::Period { .. } => "at the end of that time, and for all of it",
        };
        let _ = writeln!(
            out,
            "<li>Who was in which group of people is as the hub says that it was imported from {} {moment}: \
             nobody signs it.</li>",
            names(directories.iter().map(|name| text(name)), directories.len()),
        );
    }
    if !summary.unknown_groups.is_empty() {
        let unknown = summary.unknown_groups.iter().map(|name| text(name));
        let _ = writeln!(
            out,
            "<li>No directory says who was in: {}. Whoever was could do what these groups could.</li>",
            names(unknown, summary.unknown_groups.len())
        );
    }
}

fn how_to_read(out: &mut String, question: &Question) {
    out.push_str("<section>\n<h2>How to read it</h2>\n<dl>\n");
    for (word, meaning) in [
        ("Subject", "who: a user, a group of users, or a service account, as which programs run"),
        (
            "Rule",
            "what may be done: verbs (get, list and watch read; create, update, patch and delete \
                  write) on resources, such as secrets or pods",
        ),
        ("Role", "a list of rules with a name"),
        ("Binding", "gives a role to subjects: in one namespace, or in the whole cluster"),
        (
            "system:authenticated",
            "the group of everybody who has proven who they are: each user and each \
                                  program of the cluster",
        ),
        ("system:unauthenticated", "everybody else who can reach the API server"),
        ("Namespace", "a part of a cluster, as a folder is of a disk"),
        (
            "Declared",
            "somebody with the right to do so signed for exactly this, in the revision named",
        ),
        (
            "Not declared",
            "it was made or changed in the cluster itself; the time and the tool are as the \
                          cluster says, and whoever may write there can choose the tool's name",
        ),
        ("Proven", "the agent in the cluster signed for the objects from which this follows"),
    ] {
        let _ = writeln!(out, "<dt>{word}</dt><dd>{meaning}.</dd>");
    }
    if let When::Period { .. } = question.when {
        out.push_str(
            "<dt>From, until</dt><dd>when it began and ended; “before” and “after” mean that it was so \
             already when the time asked began, and still when it ended.</dd>\n",
        );
    }
    out.push_str("</dl>\n</section>\n");
}

fn clusters(out: &mut String, summary: &Summary) {
    out.push_str(
        "<section>\n<h2>Clusters</h2>\n<table>\n<thead><tr><th scope=\"col\">Cluster</th>\
         <th scope=\"col\">How sure</th><th scope=\"col\">Subjects</th><th scope=\"col\">Paths</th>\
         <th scope=\"col\">Not declared</th><th scope=\"col\">Objects</th></tr></thead>\n<tbody>\n",
    );
    for cluster in &summary.clusters {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            text(&cluster.name),
            state(cluster),
            cluster.subjects,
            cluster.rows,
            cluster.unmanaged,
            cluster.objects,
        );
    }
    if summary.clusters.is_empty() {
        out.push_str("<tr><td colspan=\"6\">No cluster of the fleet is asked about.</td></tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

fn subjects(out: &mut String, summary: &Summary) {
    out.push_str(
        "<section>\n<h2>Everybody, over all clusters</h2>\n<table>\n<thead><tr>\
         <th scope=\"col\">Subject</th><th scope=\"col\">By groups</th><th scope=\"col\">Clusters</th>\
         <th scope=\"col\">Paths</th><th scope=\"col\">Not declared</th>\
         <th scope=\"col\">Everything in</th></tr></thead>\n<tbody>\n",
    );
    for (subject, about) in &summary.subjects {
        let list = |of: &std::collections::BTreeSet<String>| {
            names(of.iter().map(|name| text(name)), of.len())
        };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td>{}</td></tr>",
            text(&subject.to_string()),
            list(&about.groups),
            list(&about.clusters),
            about.rows,
            about.unmanaged,
            list(&about.everything),
        );
    }
    if summary.subjects.is_empty() {
        out.push_str("<tr><td colspan=\"6\">Nobody, as far as it could be seen.</td></tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

/// The first names of many, which are escaped already.
fn names(all: impl Iterator<Item = String>, number: usize) -> String {
    let first: Vec<String> = all.take(MAX_NAMES).collect();
    let first = first.join(", ");
    if number > MAX_NAMES { format!("{first} and {} more", number - MAX_NAMES) } else { first }
}
