//! What became of each document, in the manner of `kubectl apply`.

use hanse_domain::change::Change;
use hanse_domain::fleet::{Edit, Fleet};
use hanse_domain::history::roster::ClusterEntry;
use hanse_proto::admin::Revision;

use super::{DryRun, Order};
use crate::failure::Outcome;
use crate::output::{self, TextOrJson};
use crate::text::{count, escape, labels};

const MAX_NAMED: usize = 8;

/// One line a document or cluster, then the revision; or the revision as JSON, empty when none was
/// committed.
pub(crate) fn results(
    order: &Order<'_>,
    base: &Fleet,
    edits: &[Edit],
    committed: Option<(&Revision, &Change)>,
) -> Outcome<()> {
    if order.args.output == TextOrJson::Json && !order.aside {
        let nothing = Revision::default();
        return output::json(committed.map_or(&nothing, |(revision, _)| revision));
    }
    let suffix = match order.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    let mut lines: Vec<String> =
        edits.iter().map(|edit| format!("{}{suffix}", result(base, edit))).collect();
    if let Some((revision, change)) = committed {
        lines.push(format!("revision {} committed: {}", revision.number, reach(change)));
    }
    if order.aside {
        output::note(&lines.join("\n"));
        return Ok(());
    }
    output::line(&lines.join("\n"))
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

fn subject(edit: &Edit, base: &Fleet) -> String {
    match edit {
        Edit::PutCluster(entry) => format!("Cluster/{}", entry.name),
        Edit::RemoveCluster(id) => {
            let name = base.member(*id).map(|m| m.entry.name.clone());
            format!("Cluster/{}", name.unwrap_or_else(|| id.to_string()))
        }
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
    };
    let named = edits.iter().take(3).map(done);
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
        0 => format!("put {name}"),
        n if n <= MAX_NAMED => format!("label {name} {}", changed.join(" ")),
        n => format!("change {} of {name}", count(n, "label")),
    }
}

fn reach(change: &Change) -> String {
    let names: Vec<String> = change
        .touched
        .iter()
        .filter_map(|id| change.fleet.member(*id))
        .map(|member| member.entry.name.clone())
        .collect();
    let shown = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "it reaches no cluster".to_owned(),
        n if n <= MAX_NAMED => format!("reaches {}", escape(&shown)),
        n => format!("reaches {} and {} more", escape(&shown), n - MAX_NAMED),
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
