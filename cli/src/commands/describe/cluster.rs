//! A cluster: everything that the hub knows of it, what is placed there, and its drift.

use std::fmt::Write as _;

use hanse_domain::fleet::Fleet;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::{Cluster, Drift};
use jiff::Timestamp;

use super::pairs;
use crate::commands::cluster::{ceiling_lines, fence_line, recipient_line, status};
use crate::commands::drift;
use crate::failure::Outcome;
use crate::fleet;
use crate::hub::Hub;
use crate::text::{age, escape, labels, or_dash, time, until};

pub(super) async fn describe(hub: &Hub, name: &str) -> Outcome<String> {
    let cluster = hub.whole_cluster(name).await?;
    let drift = drift::list(hub, name, false).await?;
    let fleet = fleet::fetch(hub).await?;
    Ok(text(&cluster, &fleet, &drift, Timestamp::now()))
}

fn text(cluster: &Cluster, fleet: &Fleet, drift: &[Drift], now: Timestamp) -> String {
    let pair = |key: &str, value: String| (key.to_owned(), value);
    let at = |t: Option<&pbjson_types::Timestamp>, show: fn(Timestamp, Timestamp) -> String| {
        time(t).map_or_else(|| "-".to_owned(), |then| format!("{then} ({})", show(now, then)))
    };
    // By id: the roster may still have a revoked cluster of that name. What it says is what was
    // signed, not what the hub makes of it.
    let member = cluster.id.parse().ok().and_then(|id| fleet.member(id));
    let recipient = member.and_then(|member| member.entry.recipient.clone()).unwrap_or_default();
    let signed = Cluster { recipient, ..cluster.clone() };
    let mut out = pairs(&[
        pair("Name", cluster.name.clone()),
        pair("Id", cluster.id.clone()),
        pair("Status", status(cluster)),
        pair("Message", or_dash(cluster.message.clone())),
        pair("Labels", labels(&cluster.labels)),
        pair("Generation desired", cluster.generation_desired.to_string()),
        pair("Generation applied", cluster.generation_applied.to_string()),
        pair("Objects", cluster.objects.to_string()),
        pair("Agent", or_dash(cluster.agent_version.clone())),
        pair("Kubernetes", or_dash(cluster.kubernetes_version.clone())),
        pair("Joined", at(cluster.joined_at.as_ref(), age)),
        pair("Last seen", at(cluster.last_seen.as_ref(), age)),
        pair("Certificate expires", at(cluster.certificate_expires_at.as_ref(), until)),
        pair("Recipient", recipient_line(&signed)),
        pair("Fence", fence_line(cluster)),
    ]);
    for line in ceiling_lines(cluster) {
        let _ = writeln!(out, "  {}", escape(&line));
    }
    if cluster.refused_condition > 0 {
        let condition = cluster.refused_condition;
        let _ = writeln!(
            out,
            "Refused: its agent refuses what the hub sends, by condition {condition} of docs/trust.md"
        );
    }
    if !cluster.secrets_pending.is_empty() {
        out.push_str("Secrets pending:\n");
        for secret in &cluster.secrets_pending {
            let _ =
                writeln!(out, "  {} cannot be opened there: hanse secret reseal", escape(secret));
        }
    }
    out.push_str("Conditions:\n");
    for (condition, holds) in [
        ("Accepted", cluster.accepted),
        ("Connected", cluster.connected),
        ("Synced", cluster.phase() == Phase::Synced),
        ("DriftFree", cluster.drift_open == 0),
    ] {
        let _ = writeln!(out, "  {condition:<11}{}", if holds { "True" } else { "False" });
    }
    if cluster.removals_waiting > 0 {
        let (name, count) = (escape(&cluster.name), cluster.removals_waiting);
        let _ = writeln!(
            out,
            "Removals waiting: {count}\n  hanse cluster confirm-removals {name} {count}"
        );
    }
    if let Some(member) = member {
        if member.manifest.documents.is_empty() {
            out.push_str("Documents: none\n");
        } else {
            out.push_str("Documents:\n");
        }
        for (document, number) in fleet.placed_on(member) {
            let _ =
                writeln!(out, "  {} (revision {number})", escape(&document.reference.to_string()));
        }
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
    use super::*;

    #[test]
    fn everything_about_a_cluster() {
        let cluster = Cluster {
            id: "00000000-0000-0000-0000-000000000001".into(),
            name: "cluster-1".into(),
            phase: Phase::AwaitingConfirmation.into(),
            accepted: true,
            connected: true,
            removals_waiting: 7,
            message: "7 removals wait\u{1b}".into(),
            ..Cluster::default()
        };
        let shown = text(&cluster, &fleet::example(""), &[], Timestamp::UNIX_EPOCH);
        insta::assert_snapshot!(shown, @r"
        Name:                 cluster-1
        Id:                   00000000-0000-0000-0000-000000000001
        Status:               AwaitingConfirmation
        Message:              7 removals wait\u{1b}
        Labels:               -
        Generation desired:   0
        Generation applied:   0
        Objects:              0
        Agent:                -
        Kubernetes:           -
        Joined:               -
        Last seen:            -
        Certificate expires:  -
        Recipient:            none: no secret can be sealed to it
        Fence:                unknown: its agent has not said
        Conditions:
          Accepted   True
          Connected  True
          Synced     False
          DriftFree  True
        Removals waiting: 7
          hanse cluster confirm-removals cluster-1 7
        Documents: none
        ");
        // Another one that has the name of one in the roster.
        let rejoined = Cluster { id: "00000000-0000-0000-0000-000000000009".into(), ..cluster };
        let shown = text(&rejoined, &fleet::example(""), &[], Timestamp::UNIX_EPOCH);
        assert!(!shown.contains("Documents"), "{shown}");
    }
}
