//! A plan, for people: the documents, then what happens in each cluster (clusters with the same
//! changes together), hazards, warnings and one line that sums up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::Transition;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::plan::{Action, ObjectChange, Plan, show_labels};
use hanse_domain::trust::root::TrustRoot;
use serde_json::Value;

use crate::access::preview::Preview;
use crate::secrets::view;
use crate::text::{count, escape, shorten};
use crate::value_diff::{FieldChange, fields};

const MAX_VALUE_CHARACTERS: usize = 100;
const MAX_NAMED_CLUSTERS: usize = 8;

/// The whole plan, with what it opens and closes.
pub(crate) fn show(base: &Fleet, plan: &Plan, access: &Preview) -> String {
    if plan.edits.is_empty() {
        return format!("No changes: the fleet is like that already (revision {}).\n", base.number);
    }
    let mut out = String::new();
    out.push_str(&bold("The fleet\n"));
    let mut edits: Vec<&Edit> = plan.edits.iter().filter(|edit| wrapped(edit).is_none()).collect();
    edits.sort_by_key(|edit| edit.subject());
    for edit in edits {
        if let Some(transition) = base.transition(edit) {
            let _ = writeln!(out, "  {}", edit_line(base, edit, transition));
        }
        if let Edit::PutRoot(root) = edit {
            out.push_str(&root_change(&base.trust.current().root, root));
        }
    }
    out.push_str(&wraps(plan));
    out.push('\n');
    out.push_str(&effect(plan));
    out.push_str(&access.text());
    let _ = writeln!(out, "{}", bold(&summary(base, plan, access)));
    out
}

/// The secret whose key an edit wraps, or takes away.
fn wrapped(edit: &Edit) -> Option<&str> {
    match edit {
        Edit::PutWrap(wrap) => Some(&wrap.reference.secret),
        Edit::RemoveWrap(reference) => Some(&reference.secret),
        Edit::Put(_)
        | Edit::Remove(_)
        | Edit::PutCluster(_)
        | Edit::RemoveCluster(_)
        | Edit::PutRoot(_) => None,
    }
}

/// Wrapped keys, of which there is one for each cluster.
fn wraps(plan: &Plan) -> String {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for edit in &plan.edits {
        if let Some(secret) = wrapped(edit) {
            let (put, removed) = counts.entry(secret).or_default();
            if matches!(edit, Edit::PutWrap(_)) { *put += 1 } else { *removed += 1 }
        }
    }
    let mut out = String::new();
    for (secret, (put, removed)) in counts {
        let secret = escape(secret);
        if put > 0 {
            let (sign, clusters) = (sign(Action::Add), count(put, "cluster"));
            let _ = writeln!(out, "  {sign} key of FederatedSecret/{secret} for {clusters}");
        }
        if removed > 0 {
            let (sign, clusters) = (sign(Action::Remove), count(removed, "cluster"));
            let _ = writeln!(out, "  {sign} key of FederatedSecret/{secret} for {clusters}");
        }
    }
    out
}

/// What changes in the trust root, line by line.
pub(crate) fn root_change(before: &TrustRoot, after: &TrustRoot) -> String {
    let text = |root: &TrustRoot| String::from_utf8_lossy(&root.encode()).into_owned();
    let (before, after) = (text(before), text(after));
    let difference = similar::TextDiff::from_lines(&before, &after);
    let mut out = String::new();
    for change in difference.iter_all_changes() {
        let sign = match change.tag() {
            similar::ChangeTag::Equal => continue,
            similar::ChangeTag::Insert => sign(Action::Add),
            similar::ChangeTag::Delete => sign(Action::Remove),
        };
        let _ = writeln!(out, "      {sign} {}", escape(change.value().trim_end()));
    }
    out
}

/// What the plan does to clusters.
pub(crate) fn effect(plan: &Plan) -> String {
    let mut out = String::new();
    for (text, clusters) in grouped(plan) {
        let _ = writeln!(out, "{}", bold(&heading(&clusters)));
        out.push_str(&text);
        out.push('\n');
    }
    let (yellow, red) = (colour(AnsiColor::Yellow), colour(AnsiColor::Red));
    for hazard in &plan.hazards {
        let _ = writeln!(out, "{red}‼{red:#} {}", escape(&hazard.to_string()));
    }
    for warning in &plan.warnings {
        let _ = writeln!(out, "{yellow}warning:{yellow:#} {}", escape(warning));
    }
    if !plan.hazards.is_empty() || !plan.warnings.is_empty() {
        out.push('\n');
    }
    out
}

/// Whether something that is there goes.
pub(crate) fn removes(plan: &Plan) -> bool {
    let objects = plan.clusters.values().flatten();
    objects.into_iter().any(|change| change.action() == Action::Remove)
        || plan.edits.iter().any(|edit| matches!(edit, Edit::Remove(_) | Edit::RemoveCluster(_)))
}

/// How many objects come, or change in more than the revision's number.
pub(crate) fn puts(changes: &[ObjectChange]) -> usize {
    visible(changes).filter(|(change, _)| change.after.is_some()).count()
}

/// The changes that a person would call changes: not those of the revision's number alone.
fn visible(changes: &[ObjectChange]) -> impl Iterator<Item = (&ObjectChange, Vec<FieldChange>)> {
    changes.iter().filter_map(|change| {
        let differences = match (&change.before, &change.after) {
            (Some(before), Some(after)) => fields(before, after),
            (None, _) | (_, None) => return Some((change, Vec::new())),
        };
        (!differences.is_empty()).then_some((change, differences))
    })
}

/// Cluster names by what happens in them.
fn grouped(plan: &Plan) -> BTreeMap<String, Vec<&str>> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (cluster, changes) in &plan.clusters {
        let mut text = String::new();
        for (change, differences) in visible(changes) {
            object(&mut text, change, &differences);
        }
        if text.is_empty() {
            "  nothing but the revision's number on its objects\n".clone_into(&mut text);
        }
        groups.entry(text).or_default().push(cluster);
    }
    groups
}

fn heading(clusters: &[&str]) -> String {
    let named = clusters.iter().take(MAX_NAMED_CLUSTERS).copied().collect::<Vec<_>>().join(", ");
    let named = escape(&named).into_owned();
    match clusters.len() {
        0 | 1 => format!("Cluster {named}"),
        n if n <= MAX_NAMED_CLUSTERS => format!("Clusters {named}"),
        n => format!("Clusters {named} and {} more", n - MAX_NAMED_CLUSTERS),
    }
}

fn object(out: &mut String, change: &ObjectChange, differences: &[FieldChange]) {
    let stays = match change.action() {
        Action::Release => " stays; the fleet lets go of it",
        Action::Add | Action::Change | Action::Remove => "",
    };
    let line = format!("{}{stays}  ({})", change.object, change.source);
    let _ = writeln!(out, "  {} {}", sign(change.action()), escape(&line));
    for difference in differences {
        let text = match (&difference.before, &difference.after) {
            (Some(before), Some(after)) => format!("{} → {}", value(before), value(after)),
            (None, Some(after)) => format!("+ {}", value(after)),
            (Some(before), None) => format!("- {}", value(before)),
            (None, None) => String::new(),
        };
        let _ = writeln!(out, "      {}: {text}", escape(&difference.path));
    }
}

fn value(value: &Value) -> String {
    escape(&shorten(&value.to_string(), MAX_VALUE_CHARACTERS)).into_owned()
}

fn edit_line(base: &Fleet, edit: &Edit, transition: Transition) -> String {
    let action = match (transition.before, transition.after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Remove,
    };
    let text = match edit {
        Edit::Put(document) => match document.secret() {
            Some(secret) => {
                let before = base.documents().get(&document.reference);
                let before = before.and_then(|held| held.document.secret());
                format!("{}  {}", document.reference, view::change(before, secret))
            }
            None => document.reference.to_string(),
        },
        Edit::Remove(reference) => reference.to_string(),
        Edit::PutCluster(entry) => {
            let before = base.member(entry.id).map(|member| &*member.entry);
            format!("Cluster/{}  {}", entry.name, entry_change(before, entry))
        }
        Edit::RemoveCluster(id) => base.member(*id).map_or_else(
            || format!("Cluster/{id}"),
            |member| format!("Cluster/{}", member.entry.name),
        ),
        Edit::PutRoot(root) => format!("TrustRoot  version {}", root.version),
        Edit::PutWrap(_) | Edit::RemoveWrap(_) => edit.subject().to_string(),
    };
    format!("{} {}", sign(action), escape(text.trim_end()))
}

fn entry_change(before: Option<&ClusterEntry>, after: &ClusterEntry) -> String {
    let labels = |entry: &ClusterEntry| {
        if entry.labels.is_empty() { "no labels".to_owned() } else { show_labels(&entry.labels) }
    };
    let mut parts = Vec::new();
    match before {
        Some(before) if before.labels != after.labels => {
            parts.push(format!("{} → {}", labels(before), labels(after)));
        }
        Some(_) => {}
        None => parts.push(labels(after)),
    }
    let known = before.and_then(|before| before.recipient.as_ref());
    match (known, &after.recipient) {
        (None, Some(recipient)) => parts.push(format!("recipient {recipient}")),
        (Some(known), Some(recipient)) if known != recipient => {
            parts.push(format!("recipient {known} → {recipient}"));
        }
        (Some(known), None) => parts.push(format!("recipient {known} goes")),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let confirmed = before.and_then(|before| before.confirmed_removals);
    if let Some(confirmation) = after.confirmed_removals.filter(|c| Some(*c) != confirmed) {
        parts.push(format!("{} confirmed", count(confirmation.count as usize, "removal")));
    }
    parts.join(", ")
}

/// "Plan: 3 to add, 1 to change, 0 to remove in 2 clusters, on revision 4."
fn summary(base: &Fleet, plan: &Plan, access: &Preview) -> String {
    let of = |action| {
        let all = plan.clusters.values().flat_map(|changes| visible(changes));
        all.filter(|(change, _)| change.action() == action).count()
    };
    let hazards = match plan.hazards.len() + access.hazards() {
        0 => String::new(),
        n => format!(", {}", count(n, "hazard")),
    };
    format!(
        "Plan: {} to add, {} to change, {} to remove in {}{hazards}; on revision {}.",
        of(Action::Add),
        of(Action::Change),
        of(Action::Remove),
        count(plan.clusters.len(), "cluster"),
        base.number
    )
}

fn sign(action: Action) -> String {
    let (sign, style) = match action {
        Action::Add => ("+", colour(AnsiColor::Green)),
        Action::Change => ("~", colour(AnsiColor::Yellow)),
        Action::Remove => ("-", colour(AnsiColor::Red)),
        Action::Release => ("=", Style::new().bold()),
    };
    format!("{style}{sign}{style:#}")
}

fn colour(colour: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(colour.into()))
}

fn bold(text: &str) -> String {
    let style = Style::new().bold();
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
#[path = "plan_view_tests.rs"]
mod tests;
