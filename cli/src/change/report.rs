//! What became of each document, in the manner of `kubectl apply`.

use std::collections::BTreeMap;

use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::changes::WrapRef;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_proto::admin::{CommitResponse, Proposal, Revision};

use super::{DryRun, Order};
use crate::failure::Outcome;
use crate::output::{self, TextOrJson};
use crate::text::{count, escape, labels};

const MAX_NAMED: usize = 8;

/// What became of a change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'a> {
    /// Nothing changes, or it was only tried.
    Nothing,
    Committed(&'a Revision, &'a Change),
    /// It waits for the signatures of others.
    Proposed(&'a Proposal, &'a Change),
}

/// One line a document or cluster, then the revision; or the revision as JSON, empty when none was
/// committed, or `{"proposal": …}`.
pub(super) fn results(
    order: &Order<'_>,
    base: &Fleet,
    edits: &[Edit],
    fate: Fate<'_>,
) -> Outcome<()> {
    if order.args.output == TextOrJson::Json && !order.aside {
        return match fate {
            Fate::Nothing => output::json(&Revision::default()),
            Fate::Committed(revision, _) => output::json(revision),
            Fate::Proposed(proposal, _) => {
                let proposal = Some(proposal.clone());
                output::json(&CommitResponse { revision: None, proposal })
            }
        };
    }
    let suffix = match (order.dry_run, fate) {
        (DryRun::None, Fate::Proposed(..)) => " (proposed)",
        (DryRun::None, Fate::Nothing | Fate::Committed(..)) => "",
        (DryRun::Client, _) => " (dry run)",
        (DryRun::Server, _) => " (server dry run)",
    };
    let lines = own(edits).filter(|edit| !is_wrap(edit)).map(|edit| result(base, edit));
    let lines = lines.chain(resealed(edits));
    let mut lines: Vec<String> = lines.map(|line| format!("{line}{suffix}")).collect();
    if let Fate::Committed(revision, change) = fate {
        lines.push(format!("revision {} committed: {}", revision.number, reach(change)));
    }
    if let Fate::Proposed(_, change) = fate {
        lines.push(format!("proposed as {}: {}", Digest::of(&change.bytes).short(), would(change)));
    }
    if order.aside {
        output::note(&lines.join("\n"));
        return Ok(());
    }
    output::line(&lines.join("\n"))
}

fn is_wrap(edit: &Edit) -> bool {
    matches!(edit, Edit::PutWrap(_) | Edit::RemoveWrap(_))
}

/// The edits that people make; wrapped keys follow from them.
fn own(edits: &[Edit]) -> impl Iterator<Item = &Edit> {
    let only_wraps = edits.iter().all(is_wrap);
    edits.iter().filter(move |edit| only_wraps || !is_wrap(edit))
}

/// "FederatedSecret/x sealed to 3 clusters", where nothing but wrapped keys changes.
fn resealed(edits: &[Edit]) -> Vec<String> {
    let mut clusters: BTreeMap<&str, usize> = BTreeMap::new();
    for edit in edits {
        let Edit::PutWrap(wrap) = edit else {
            return Vec::new();
        };
        *clusters.entry(&wrap.reference.secret).or_default() += 1;
    }
    let line = |(secret, number)| {
        let (secret, clusters) = (escape(secret), count(number, "cluster"));
        format!("FederatedSecret/{secret} sealed to {clusters}")
    };
    clusters.into_iter().map(line).collect()
}

/// "FederatedRole/x created".
fn result(base: &Fleet, edit: &Edit) -> String {
    let verb = match (base.transition(edit), edit) {
        (None, _) => "unchanged",
        (Some(t), Edit::PutCluster(_)) if t.before.is_none() => "accepted",
        (Some(t), _) if t.before.is_none() => "created",
        (Some(t), Edit::RemoveCluster(_)) if t.after.is_none() => "removed",
        (Some(t), _) if t.after.is_none() => "deleted",
        (Some(_), _) => "configured",
    };
    format!("{} {verb}", escape(&subject(edit, base)))
}

/// What an edit is about, with clusters by their names.
fn subject(edit: &Edit, base: &Fleet) -> String {
    let name = |id: ClusterId| {
        base.member(id).map_or_else(|| id.to_string(), |member| member.entry.name.clone())
    };
    let wrap =
        |reference: &WrapRef| format!("Wrap/{}/{}", reference.secret, name(reference.cluster));
    match edit {
        Edit::PutCluster(entry) => format!("Cluster/{}", entry.name),
        Edit::RemoveCluster(id) => format!("Cluster/{}", name(*id)),
        Edit::PutWrap(wrapped) => wrap(&wrapped.reference),
        Edit::RemoveWrap(reference) => wrap(reference),
        Edit::PutRoot(_) => "TrustRoot".to_owned(),
        Edit::Put(document) => document.reference.to_string(),
        Edit::Remove(reference) => reference.to_string(),
    }
}

/// What a change does, as its message when the author gives none.
pub(crate) fn subjects(base: &Fleet, edits: &[Edit]) -> String {
    let done = |edit: &Edit| match edit {
        Edit::Put(document) => format!("put {}", document.reference),
        Edit::Remove(reference) => format!("remove {reference}"),
        Edit::PutCluster(entry) => roster_change(base, entry),
        Edit::RemoveCluster(id) => match base.member(*id) {
            Some(member) => format!("remove {}", member.entry.name),
            None => format!("remove Cluster/{id}"),
        },
        Edit::PutWrap(_) => format!("put {}", subject(edit, base)),
        Edit::RemoveWrap(_) => format!("remove {}", subject(edit, base)),
        Edit::PutRoot(root) => format!("put version {} of the trust root", root.version),
    };
    let edits: Vec<&Edit> = own(edits).collect();
    let named = edits.iter().take(3).map(|edit| done(edit));
    let mut text = named.collect::<Vec<_>>().join(", ");
    if edits.len() > 3 {
        text = format!("{text} and {} more", edits.len() - 3);
    }
    text
}

/// "accept cluster-1 (env=prod)", "label cluster-1 env=staging".
fn roster_change(base: &Fleet, entry: &ClusterEntry) -> String {
    let name = &entry.name;
    let Some(member) = base.member(entry.id) else {
        if entry.labels.is_empty() {
            return format!("accept {name}");
        }
        return format!("accept {name} ({})", labels(&entry.labels));
    };
    let before = &member.entry;
    if let Some(confirmed) =
        entry.confirmed_removals.filter(|now| before.confirmed_removals != Some(*now))
    {
        let removals = count(confirmed.count as usize, "removal");
        return format!("confirm {removals} in {name}");
    }
    let set = entry.labels.iter().filter(|(key, value)| before.labels.get(*key) != Some(*value));
    let set = set.map(|(key, value)| format!("{key}={value}"));
    let gone = before.labels.keys().filter(|key| !entry.labels.contains_key(*key));
    let changed: Vec<String> = set.chain(gone.map(|key| format!("{key}-"))).collect();
    match changed.len() {
        0 => match (&before.recipient, &entry.recipient) {
            (None, Some(_)) => format!("add the recipient of {name}"),
            (Some(before), Some(after)) if before != after => {
                format!("change the recipient of {name}")
            }
            (Some(_), None) => format!("take away the recipient of {name}"),
            (None, None) | (Some(_), Some(_)) => format!("put {name}"),
        },
        n if n <= MAX_NAMED => format!("label {name} {}", changed.join(" ")),
        n => format!("change {} of {name}", count(n, "label")),
    }
}

fn reach(change: &Change) -> String {
    match touched(change) {
        None => "it reaches no cluster".to_owned(),
        Some(names) => format!("reaches {names}"),
    }
}

fn would(change: &Change) -> String {
    match touched(change) {
        None => "it would reach no cluster".to_owned(),
        Some(names) => format!("it would reach {names}"),
    }
}

/// The names of the clusters that a change touches.
fn touched(change: &Change) -> Option<String> {
    let names: Vec<String> = change
        .touched
        .iter()
        .filter_map(|id| change.fleet.member(*id))
        .map(|member| member.entry.name.clone())
        .collect();
    let shown = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        n if n <= MAX_NAMED => Some(escape(&shown).into_owned()),
        n => Some(format!("{} and {} more", escape(&shown), n - MAX_NAMED)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hanse_domain::history::roster::ConfirmedRemovals;
    use jiff::Timestamp;

    use super::*;
    use crate::fleet::example;

    const ROLE: &str = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: reader}\n\
        spec: {placement: {clusterSelector: {matchLabels: {env: prod}}}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}\n";

    #[test]
    fn a_change_of_the_roster_says_what_it_does() {
        let base = example("");
        let entry = (*base.member_named("cluster-1").unwrap().entry).clone();
        let said = |edit: Edit| subjects(&base, &[edit]);
        let relabelled = |changes: &[&str]| {
            let mut entry = entry.clone();
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            crate::selector::relabel(&mut entry.labels, &changes).unwrap();
            said(Edit::PutCluster(entry))
        };
        assert_eq!(relabelled(&["env=staging"]), "label cluster-1 env=staging");
        assert_eq!(relabelled(&["env-", "a=b"]), "label cluster-1 a=b env-");
        let mut confirmed = entry.clone();
        let generation = hanse_domain::ids::RevisionNumber(4);
        confirmed.confirmed_removals = Some(ConfirmedRemovals { generation, count: 7 });
        assert_eq!(said(Edit::PutCluster(confirmed)), "confirm 7 removals in cluster-1");
        assert_eq!(said(Edit::RemoveCluster(entry.id)), "remove cluster-1");
        let id = hanse_domain::ids::ClusterId(uuid::Uuid::from_u128(9));
        let new = ClusterEntry::new(id, "new".to_owned(), entry.labels);
        assert_eq!(said(Edit::PutCluster(new)), "accept new (env=prod)");
        let new = ClusterEntry::new(id, "new".to_owned(), [].into());
        assert_eq!(said(Edit::PutCluster(new)), "accept new");
    }

    #[test]
    fn every_edit_has_its_verb() {
        let base = example(ROLE);
        let put = |yaml: &str| {
            let documents = hanse_domain::parse::parse_files([("x", yaml.as_bytes())]).unwrap();
            Edit::Put(documents.into_iter().next().unwrap().into())
        };
        let member = base.member_named("cluster-1").unwrap();
        let mut entry = (*member.entry).clone();
        entry.labels.clear();
        let edits = [
            put(ROLE),
            put(&ROLE.replace("[get]", "[list]")),
            put(&ROLE.replace("reader", "other")),
            Edit::Remove(put(ROLE).subject().to_string().parse().unwrap()),
            Edit::PutCluster(entry.clone()),
            Edit::RemoveCluster(entry.id),
        ];
        let lines: Vec<String> = edits.iter().map(|edit| result(&base, edit)).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        FederatedRole/reader unchanged
        FederatedRole/reader configured
        FederatedRole/other created
        FederatedRole/reader deleted
        Cluster/cluster-1 configured
        Cluster/cluster-1 removed
        ");
        insta::assert_snapshot!(subjects(&base, &edits), @"put FederatedRole/reader, put FederatedRole/reader, put FederatedRole/other and 3 more");
        let change = Change::propose(
            &base,
            vec![put(&ROLE.replace("[get]", "[list]"))],
            "",
            Timestamp::UNIX_EPOCH,
        );
        insta::assert_snapshot!(reach(&change.unwrap()), @"reaches cluster-1, cluster-2");
    }
}
