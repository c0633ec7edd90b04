//! One cluster: how sure it is, and each path by which somebody could.

use std::fmt::Write as _;

use hanse_domain::kinds::role::PolicyRule;
use hanse_proto::admin::AccessRule;

use super::super::answer::Answer;
use super::super::grants::Row;
use super::super::question::{Question, When};
use super::super::summary::Cluster;
use super::super::trace::{Source, Trace};
use super::{Put, proof, state, text};
use crate::access::words;
use crate::failure::Outcome;
use crate::text::count;

/// Most checkpoints that are listed; all are in the JSON.
const MAX_CHECKPOINTS: usize = 10;

pub(super) fn write(
    answer: &Answer,
    about: &Cluster,
    question: &Question,
    put: Put<'_>,
) -> Outcome<()> {
    let mut out = String::new();
    let labels: Vec<String> =
        answer.entry.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let _ = writeln!(
        out,
        "<section class=\"cluster\">\n<h2>Cluster {} {}</h2>\n<dl>\n<dt>Id</dt><dd><code>{}</code></dd>\n\
         <dt>Labels</dt><dd>{}</dd>",
        text(&about.name),
        state(about),
        answer.entry.id,
        text(&labels.join(", ")),
    );
    evidence(&mut out, answer);
    out.push_str("</dl>\n");
    if !about.notes.is_empty() {
        out.push_str("<h3>Not proven, or not seen</h3>\n<ul>\n");
        for note in &about.notes {
            let _ = writeln!(out, "<li>{}</li>", text(note));
        }
        out.push_str("</ul>\n");
    }
    put(&out)?;
    rows(answer, question, put)?;
    put("</section>\n")
}

fn evidence(out: &mut String, answer: &Answer) {
    let standing = &answer.standing;
    if let Some(root) = standing.root {
        let _ = writeln!(
            out,
            "<dt>Objects</dt><dd>{}, with the root <code>{root}</code></dd>",
            standing.objects
        );
    }
    for fitting in standing.fitting.iter().take(MAX_CHECKPOINTS) {
        let read = &fitting.checkpoint;
        let _ = writeln!(
            out,
            "<dt>Signed</dt><dd>nothing changed from {} to {}: checkpoint <code>{}</code></dd>",
            read.from, read.until, fitting.digest
        );
    }
    if let Some(more) = standing.fitting.len().checked_sub(MAX_CHECKPOINTS).filter(|n| *n > 0) {
        let _ = writeln!(out, "<dt>Signed</dt><dd>and {} more</dd>", count(more, "checkpoint"));
    }
}

fn rows(answer: &Answer, question: &Question, put: Put<'_>) -> Outcome<()> {
    if answer.rows.is_empty() {
        let nobody = if answer.evidence.hub.shown {
            "<p>Nobody, as far as it could be seen.</p>\n"
        } else {
            "<p class=\"box bad\">Nothing is known of this cluster at that time: who could do what in it \
             cannot be said.</p>\n"
        };
        return put(nobody);
    }
    let period = matches!(question.when, When::Period { .. });
    let mut out = "<table>\n<thead><tr><th scope=\"col\">Subject</th><th scope=\"col\">May do</th>\
        <th scope=\"col\">Where</th><th scope=\"col\">By which path</th>\
        <th scope=\"col\">Who declared the binding, or since when it is there</th>"
        .to_owned();
    if period {
        out.push_str("<th scope=\"col\">From</th><th scope=\"col\">Until</th>");
    }
    out.push_str("<th scope=\"col\">How sure</th></tr></thead>\n<tbody>\n");
    put(&out)?;
    for row in &answer.rows {
        put(&line(row, period))?;
    }
    put("</tbody>\n</table>\n")
}

fn line(row: &Row, period: bool) -> String {
    let grant = &row.grant;
    let place = grant.namespace.as_ref().map_or_else(
        || "the whole cluster".to_owned(),
        |namespace| format!("namespace {namespace}"),
    );
    let mut out = format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
        text(&grant.subject.to_string()),
        text(&rule(&grant.rule)),
        text(&place),
        path(row),
        origin(&row.binding),
    );
    if period {
        let moment = |at: Option<jiff::Timestamp>, otherwise: &str| {
            at.map_or_else(|| otherwise.to_owned(), |at| at.to_string())
        };
        let _ = write!(
            out,
            "<td>{}</td><td>{}</td>",
            moment(row.from, "before"),
            moment(row.until, "after")
        );
    }
    let _ = writeln!(out, "<td>{}</td></tr>", proof(row.proof));
    out
}

/// "get, list and watch on secrets".
fn rule(rule: &PolicyRule) -> String {
    words::rule(&AccessRule {
        verbs: rule.verbs.clone(),
        api_groups: rule.api_groups.clone(),
        resources: rule.resources.clone(),
        resource_names: rule.resource_names.clone(),
        non_resource_urls: rule.non_resource_urls.clone(),
    })
}

fn path(row: &Row) -> String {
    let grant = &row.grant;
    let group = grant.via_group.as_ref().map(|group| text(&format!("member of group {group}")));
    let binding = grant.binding.as_ref().map(|key| text(&key.to_string()));
    let role = grant.role.as_ref().map(|key| {
        let aside = match row.role.source {
            Source::Declared => "declared",
            Source::Altered => "<span class=\"odd\">changed since it was declared</span>",
            Source::Claimed => "<span class=\"odd\">names a document that does not make it</span>",
            Source::Bootstrap => "of Kubernetes, by its name",
            Source::Observed => "<span class=\"odd\">not declared</span>",
            Source::Missing => "<span class=\"odd\">not there</span>",
            Source::BuiltIn => "",
        };
        format!("{} <span class=\"dim\">({aside})</span>", text(&key.to_string()))
    });
    let built_in = grant.binding.is_none().then(|| "built into the API server".to_owned());
    let mut steps: Vec<String> = [group, binding, role, built_in].into_iter().flatten().collect();
    if !grant.aggregated_from.is_empty() {
        let from = text(&grant.aggregated_from.join(", "));
        steps.push(format!("<span class=\"dim\">rule from ClusterRole {from}</span>"));
    }
    steps.join(" → ")
}

fn origin(trace: &Trace) -> String {
    let revision =
        trace.revision.map(|number| format!(" in revision {number}")).unwrap_or_default();
    let document = text(&trace.document);
    let mut out = match trace.source {
        Source::Declared => {
            let by = text(&trace.author);
            return format!("{document}{revision}, signed by {by}");
        }
        Source::Altered => format!(
            "<span class=\"odd\">changed in the cluster</span>: {document} declares something else{revision}"
        ),
        Source::Claimed => format!(
            "<span class=\"odd\">not declared</span>: it names {document}{revision}, which does not make it"
        ),
        Source::Bootstrap => "not declared: it has a name of Kubernetes' own".to_owned(),
        Source::Observed => "<span class=\"odd\">not declared</span>".to_owned(),
        Source::BuiltIn => return "built into Kubernetes".to_owned(),
        Source::Missing => return "<span class=\"odd\">it is not there</span>".to_owned(),
    };
    if let Some(at) = trace.created_at {
        let _ = write!(out, "; there since {at}");
    }
    if let Some(at) = trace.changed_at.filter(|at| Some(*at) != trace.created_at) {
        let _ = write!(out, ", last changed {at}");
    }
    if !trace.manager.is_empty() {
        let _ = write!(out, " by {}", text(&trace.manager));
    }
    out
}
