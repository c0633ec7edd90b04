//! What a change would open and close, as the hub sees it from what is really in the clusters: shown
//! beside the plan. A violated invariant is a hazard.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use hanse_domain::change::Change;
use hanse_domain::document::Kind;
use hanse_domain::fleet::Edit;
use hanse_domain::plan::Plan;
use hanse_proto::admin::preview_access_response::Part;
use hanse_proto::admin::{
    ClusterView, Escalation, PreviewAccessRequest, PreviewAccessResponse, Violation,
};
use serde_json::{Value, json};
use tonic::Code;

use super::{escalations, subject, views};
use crate::failure::Outcome;
use crate::hub::Hub;
use crate::output;
use crate::text::{count, escape};

/// How many lines there are of a sort; the rest is counted.
const MAX_LINES: usize = 20;
/// How many of a sort are kept to be shown at all.
const MAX_KEPT: usize = 10_000;
const MAX_NAMED: usize = 5;

/// The effect on access, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Preview {
    pub(crate) opened: Vec<Escalation>,
    pub(crate) closed: Vec<Escalation>,
    pub(crate) violated: Vec<Violation>,
    pub(crate) resolved: Vec<Violation>,
    views: Vec<ClusterView>,
    /// How many more there are than were kept.
    more: usize,
}

/// Asks the hub. That nothing is known of it becomes a warning of the plan and is no reason to stop: who
/// signs decides by the plan, and the hub's word is good for a warning only.
pub(crate) async fn of(hub: &Hub, change: &Change, plan: &mut Plan) -> Preview {
    if plan.clusters.is_empty() && !plan.edits.iter().any(is_invariant) {
        return Preview::default();
    }
    let why = match asked(hub, change).await {
        Ok(Ok(preview)) => return preview,
        Ok(Err(why)) => why.to_owned(),
        Err(failure) => failure.summary(),
    };
    plan.warnings.push(format!("which access this opens or closes is not known: {why}"));
    Preview::default()
}

/// An invariant makes no objects, and is violated all the same.
fn is_invariant(edit: &Edit) -> bool {
    let of = |kind: Kind| kind == Kind::AccessInvariant;
    match edit {
        Edit::Put(document) => of(document.reference.kind),
        Edit::Remove(reference) => of(reference.kind),
        Edit::PutCluster(_)
        | Edit::RemoveCluster(_)
        | Edit::PutWrap(_)
        | Edit::RemoveWrap(_)
        | Edit::PutRoot(_) => false,
    }
}

async fn asked(hub: &Hub, change: &Change) -> Outcome<Result<Preview, &'static str>> {
    let mut service = hub.access_service();
    let request = PreviewAccessRequest {
        statement: change.bytes.clone().into(),
        contents: change.contents.iter().cloned().map(Into::into).collect(),
        changes: change.changes.encode().into(),
    };
    let mut stream = match hub.try_call(service.preview_access(request)).await? {
        Ok(stream) => stream,
        Err(status) => {
            if status.code() == Code::Unimplemented {
                return Ok(Err("this hub is older and cannot say"));
            }
            if status.code() == Code::PermissionDenied {
                return Ok(Err("only administrators may ask the hub for it"));
            }
            return Err(hub.failure(&status));
        }
    };
    let mut preview = Preview::default();
    while let Some(message) = hub.next(&mut stream).await? {
        preview.put(message);
    }
    Ok(Ok(preview))
}

impl Preview {
    fn put(&mut self, message: PreviewAccessResponse) {
        let kept = |length: usize| length < MAX_KEPT;
        match message.part {
            Some(Part::Opened(path)) if kept(self.opened.len()) => self.opened.push(path),
            Some(Part::Closed(path)) if kept(self.closed.len()) => self.closed.push(path),
            Some(Part::Violated(one)) if kept(self.violated.len()) => self.violated.push(one),
            Some(Part::Resolved(one)) if kept(self.resolved.len()) => self.resolved.push(one),
            Some(Part::View(view)) => self.views.push(view),
            Some(Part::Opened(_) | Part::Closed(_) | Part::Violated(_) | Part::Resolved(_)) => {
                self.more += 1;
            }
            None => {}
        }
    }

    /// What somebody has to say yes to.
    pub(crate) fn hazards(&self) -> usize {
        self.violated.len()
    }

    /// Without what changes by itself between two questions.
    pub(crate) fn lasting(&self) -> Self {
        let mut lasting = Self { views: Vec::new(), ..self.clone() };
        for violation in lasting.violated.iter_mut().chain(&mut lasting.resolved) {
            violation.id.clear();
            (violation.since, violation.detected_at, violation.resolved_at) = (None, None, None);
        }
        lasting
    }

    /// For people; nothing when nothing changes and all was seen.
    pub(crate) fn text(&self) -> String {
        let (red, green) = (colour(AnsiColor::Red), colour(AnsiColor::Green));
        let bold = Style::new().bold();
        let mut out = String::new();
        section(&mut out, &format!("{red}+{red:#} opens a path:"), self.opened.iter().map(path));
        section(
            &mut out,
            &format!("{green}-{green:#} closes a path:"),
            self.closed.iter().map(path),
        );
        section(
            &mut out,
            &format!("{green}√{green:#} keeps again:"),
            self.resolved.iter().map(broken),
        );
        section(
            &mut out,
            &format!("{red}‼{red:#} violates invariant"),
            self.violated.iter().map(broken),
        );
        if self.more > 0 {
            let _ = writeln!(out, "  and {}", count(self.more, "more effect"));
        }
        if !out.is_empty() {
            out = format!("{bold}Access{bold:#}\n{out}");
        }
        let unseen: Vec<ClusterView> =
            self.views.iter().filter(|view| !view.covered).cloned().collect();
        if let Some(block) = views::block(&unseen) {
            let _ = writeln!(out, "{block}");
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    /// For scripts.
    pub(crate) fn json(&self) -> Outcome<Value> {
        let list = |values: Outcome<Vec<Value>>| values.map(Value::Array);
        Ok(json!({
            "opened": list(self.opened.iter().map(output::value).collect())?,
            "closed": list(self.closed.iter().map(output::value).collect())?,
            "violated": list(self.violated.iter().map(output::value).collect())?,
            "resolved": list(self.resolved.iter().map(output::value).collect())?,
            "views": list(self.views.iter().map(output::value).collect())?,
            "more": self.more,
        }))
    }
}

/// A cluster and what happens there.
type Line<'a> = (&'a str, String);

fn path(escalation: &Escalation) -> Line<'_> {
    let who = subject::shown(escalation.subject.as_ref());
    let (target, how) = (escalations::reached(escalation), escalations::steps(escalation));
    (&escalation.cluster, format!("{who} reaches {target}: {how}"))
}

fn broken(violation: &Violation) -> Line<'_> {
    let who = subject::shown(violation.subject.as_ref());
    (&violation.cluster, format!("{}: {who}: {}", violation.invariant, violation.what))
}

/// Lines that are the same in several clusters are one.
fn section<'a>(out: &mut String, lead: &str, lines: impl Iterator<Item = Line<'a>>) {
    let mut by_text: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (cluster, text) in lines {
        by_text.entry(text).or_default().push(cluster);
    }
    let all = by_text.len();
    for (text, mut clusters) in by_text.into_iter().take(MAX_LINES) {
        clusters.sort_unstable();
        clusters.dedup();
        let named = clusters.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = match clusters.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {}", count(more, "more cluster")),
        };
        let _ = writeln!(out, "  {lead} {} (in {}{more})", escape(&text), escape(&named));
    }
    if all > MAX_LINES {
        let _ = writeln!(out, "  {lead} {} more", all - MAX_LINES);
    }
}

fn colour(colour: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(colour.into()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::escalations::tests::{by_workload, direct};
    use super::super::views::tests::view;
    use super::super::violations::tests::violation;
    use super::super::words::tests::at;
    use super::*;

    pub(crate) fn violating() -> Preview {
        Preview { violated: vec![violation()], ..Preview::default() }
    }

    fn shown(preview: &Preview) -> String {
        anstream::adapter::strip_str(&preview.text()).to_string()
    }

    #[test]
    fn what_a_change_opens_and_closes() {
        let other = Escalation { cluster: "prod-2".into(), ..by_workload() };
        let preview = Preview {
            opened: vec![other, by_workload()],
            closed: vec![direct()],
            violated: vec![violation()],
            resolved: vec![Violation { cluster: "prod-9".into(), ..violation() }],
            views: vec![view("prod-1"), ClusterView { covered: false, ..view("prod-2") }],
            more: 3,
        };
        insta::assert_snapshot!(shown(&preview));
        assert_eq!(preview.hazards(), 1);
        assert_eq!(shown(&Preview { views: vec![view("a")], ..Preview::default() }), "");
    }

    #[test]
    fn many_lines_are_counted_and_few_are_kept() {
        let path = |number: usize| Escalation { namespace: format!("n{number}"), ..direct() };
        let mut preview = Preview::default();
        for number in 0..MAX_KEPT + 2 {
            preview.put(PreviewAccessResponse { part: Some(Part::Opened(path(number))) });
        }
        let text = shown(&preview);
        assert_eq!(text.lines().count(), 1 + MAX_LINES + 2 + 1, "{text}");
        assert!(text.contains(&format!("opens a path: {} more\n", MAX_KEPT - MAX_LINES)), "{text}");
        assert!(text.contains("  and 2 more effects\n"), "{text}");
    }

    #[test]
    fn the_same_effect_later_is_the_same() {
        let later =
            Violation { id: "other".into(), since: at("2026-03-11T00:00:00Z"), ..violation() };
        let later = Preview { violated: vec![later], views: vec![view("a")], ..Preview::default() };
        assert_ne!(later, violating());
        assert_eq!(later.lasting(), violating().lasting());
        assert_ne!(later.lasting(), Preview::default().lasting());
    }
}
