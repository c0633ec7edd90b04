//! A document: what it says, and what each of its clusters makes of it.

use std::fmt::Write as _;

use hanse_domain::document::{DocumentRef, Kind};
use hanse_domain::fleet::{Fleet, Held};
use hanse_domain::history::roster::Labels;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::{Cluster, Drift};
use jiff::Timestamp;

use super::pairs;
use crate::commands::{cluster::status, drift};
use crate::document_table::{placement, summary};
use crate::failure::{Failure, Outcome};
use crate::fleet;
use crate::hub::Hub;
use crate::table::Table;
use crate::text::labels;

pub(super) async fn describe(hub: &Hub, kind: Kind, name: &str) -> Outcome<String> {
    let fleet = fleet::fetch(hub).await?;
    let reference = DocumentRef { kind, name: name.to_owned() };
    let held = fleet.documents().get(&reference).ok_or_else(|| {
        Failure::new("not-found", format!("{reference} does not exist"))
            .hint(fleet::near(&fleet, &reference))
    })?;
    let clusters = hub.clusters().await?;
    let source = reference.to_string();
    let mut drift = drift::list(hub, "", false).await?;
    drift.retain(|drift| drift.source == source);
    Ok(text(&fleet, held, &clusters, &drift, Timestamp::now()))
}

/// A generation that an agent holds is not applied before the phase says so.
fn has_applied(cluster: &Cluster, number: u64) -> bool {
    cluster.phase() == Phase::Synced && cluster.generation_applied >= number
}

fn text(
    fleet: &Fleet,
    held: &Held,
    clusters: &[Cluster],
    drift: &[Drift],
    now: Timestamp,
) -> String {
    let document = &*held.document;
    let pair = |key: &str, value: String| (key.to_owned(), value);
    let mut lines = vec![
        pair("Kind", document.reference.kind.name().to_owned()),
        pair("Name", document.reference.name.clone()),
        pair("Labels", labels(&document.labels)),
        pair("Revision", held.number.to_string()),
        pair("Digest", format!("sha256:{}", document.digest)),
        pair("Placement", placement(&document.placement)),
    ];
    if let Ok(placed) = document.placed(&Labels::new()) {
        lines.push(pair("Drift", crate::document_table::drift(placed.drift).to_owned()));
        lines.extend(summary(&placed.spec, now));
    }
    let mut out = pairs(&lines);
    let mut table = Table::new(["  CLUSTER", "STATE", "STATUS", "OPEN DRIFT"]);
    for member in fleet.members().values().filter(|member| document.selects(&member.entry)) {
        let name = &member.entry.name;
        let cluster = clusters.iter().find(|cluster| cluster.id == member.entry.id.to_string());
        let state = match cluster {
            Some(cluster) if has_applied(cluster, held.number.0) => "applied",
            Some(_) => "pending",
            None => "unknown to the hub",
        };
        let open = drift.iter().filter(|drift| drift.cluster == *name).count();
        let status = cluster.map_or_else(|| "-".to_owned(), status);
        table.row([format!("  {name}"), state.to_owned(), status, open.to_string()]);
    }
    if table.is_empty() {
        out.push_str("Clusters: none: its placement selects no cluster\n");
    } else {
        out.push_str("Clusters:\n");
        out.push_str(&table.to_string());
    }
    if !drift.is_empty() {
        out.push_str("Open drift:\n");
        for line in drift::table(drift, now).to_string().lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const ROLE: &str = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: reader}\n\
        spec: {placement: {clusterSelector: {matchLabels: {env: prod}}}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}\n";

    #[test]
    fn what_it_says_and_where_it_is() {
        let fleet = fleet::example(ROLE);
        let held = fleet.documents().values().next().unwrap();
        let member = fleet.member_named("cluster-1").unwrap();
        let applied = Cluster {
            id: member.entry.id.to_string(),
            connected: true,
            phase: Phase::Synced.into(),
            generation_applied: 3,
            ..Cluster::default()
        };
        let refusing = Cluster { phase: Phase::Failed.into(), ..applied.clone() };
        assert!(has_applied(&applied, 3) && !has_applied(&applied, 4));
        assert!(!has_applied(&refusing, 3));
        let open = Drift { cluster: "cluster-1".into(), ..Drift::default() };
        insta::assert_snapshot!(text(&fleet, held, &[applied], &[open], Timestamp::UNIX_EPOCH), @"
        Kind:       FederatedRole
        Name:       reader
        Labels:     -
        Revision:   3
        Digest:     sha256:22c39fc26013d7937da594ec38af6d8e053c8316aea6555f128eb6c6a81992f2
        Placement:  env=prod
        Drift:      Enforce
        Scope:      Namespace
        Rules:      1 rule
                    get on pods (core)
        Clusters:
          CLUSTER     STATE                STATUS   OPEN DRIFT
          cluster-1   applied              Synced   1
          cluster-2   unknown to the hub   -        0
        Open drift:
          CLUSTER     CLASS     OBJECT   WHAT                         BY   SINCE   STATE
          cluster-1   Unknown   -        the values are as declared   -    -       Unknown
        ");
    }
}
