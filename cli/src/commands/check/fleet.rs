//! How the clusters are.

use hanse_proto::admin::Cluster;
use hanse_proto::admin::cluster::Phase;

use super::findings::Findings;
use crate::failure::Outcome;
use crate::hub::Hub;
use crate::text::{count, escape};

const MAX_NAMED: usize = 5;

pub(super) async fn clusters(hub: &Hub, findings: &mut Findings) -> Outcome<()> {
    findings.section("clusters");
    report(&hub.clusters().await?, findings);
    Ok(())
}

fn report(clusters: &[Cluster], findings: &mut Findings) {
    let accepted: Vec<&Cluster> = clusters
        .iter()
        .filter(|c| c.accepted && !matches!(c.phase(), Phase::Invited | Phase::Revoked))
        .collect();
    let invited: Vec<&Cluster> = clusters.iter().filter(|c| c.phase() == Phase::Invited).collect();
    let named = |clusters: &[&Cluster]| {
        let names: Vec<String> =
            clusters.iter().take(MAX_NAMED).map(|c| escape(&c.name).into_owned()).collect();
        let more = if clusters.len() > MAX_NAMED { ", …" } else { "" };
        format!("{}{more}", names.join(", "))
    };
    if accepted.is_empty() && !invited.is_empty() {
        let (verb, have) = if invited.len() == 1 { ("is", "has") } else { ("are", "have") };
        findings.warning(
            format!(
                "{} {verb} invited and {have} not joined yet: {}",
                count(invited.len(), "cluster"),
                named(&invited)
            ),
            "run the command that join-token create printed; a new one: hanse join-token create NAME",
        );
    } else if accepted.is_empty() {
        findings.warning(
            "the fleet has no cluster yet".to_owned(),
            "hanse join-token create NAME --accept",
        );
    }
    let of = |test: &dyn Fn(&Cluster) -> bool| -> Vec<&Cluster> {
        accepted.iter().copied().filter(|cluster| test(cluster)).collect()
    };
    let away = of(&|c| !c.connected);
    let synced = |c: &Cluster| c.connected && c.phase() == Phase::Synced;
    let good = of(&|c| synced(c) && c.message.is_empty());
    if !good.is_empty() {
        findings.ok(format!(
            "{} of {} connected and in sync",
            good.len(),
            count(accepted.len(), "cluster")
        ));
    }
    if !away.is_empty() {
        findings.warning(
            format!("{} offline: {}", count(away.len(), "cluster"), named(&away)),
            "on the agent's machine: hanse-agent check --dir DIR; where it runs in the cluster: \
             kubectl -n hanse-agent logs deploy/hanse-agent",
        );
    }
    let syncing = of(&|c| c.connected && c.phase() == Phase::Syncing);
    if !syncing.is_empty() {
        findings.warning(
            format!("{} not in sync yet: {}", count(syncing.len(), "cluster"), named(&syncing)),
            "hanse wait --all --for=synced",
        );
    }
    let waiting = of(&|c| c.phase() == Phase::AwaitingConfirmation);
    for cluster in waiting {
        let (name, removals) = (escape(&cluster.name), cluster.removals_waiting);
        findings.warning(
            format!("{name} waits before it removes {}", count(removals as usize, "object")),
            format!("hanse cluster confirm-removals {name} {removals}"),
        );
    }
    for cluster in of(&|c| c.phase() == Phase::Failed) {
        let name = escape(&cluster.name);
        findings.failed(
            format!("{name} refuses something: {}", escape(&cluster.message)),
            format!("hanse describe cluster {name}"),
        );
    }
    for cluster in of(&|c| synced(c) && !c.message.is_empty()) {
        let name = escape(&cluster.name);
        findings.warning(
            format!("{name} is in sync, but {}", escape(&cluster.message)),
            format!("hanse describe cluster {name}"),
        );
    }
    let pending: Vec<&Cluster> =
        clusters.iter().filter(|c| !c.accepted && c.phase() == Phase::Pending).collect();
    if let Some(first) = pending.first() {
        findings.warning(
            format!(
                "{} joined and not accepted: {}",
                count(pending.len(), "cluster"),
                named(&pending)
            ),
            format!("hanse cluster accept {}", escape(&first.name)),
        );
    }
    let open: usize = clusters.iter().map(|c| c.drift_open as usize).sum();
    if open == 0 {
        findings.ok("no open drift".to_owned());
    } else {
        findings.warning(format!("{} of open drift", count(open, "case")), "hanse drift");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_hint() {
        let cluster = |name: &str, phase: Phase, connected, accepted| Cluster {
            name: name.into(),
            phase: phase.into(),
            connected,
            accepted,
            ..Cluster::default()
        };
        let clusters = [
            cluster("a", Phase::Synced, true, true),
            cluster("b", Phase::Syncing, false, true),
            Cluster {
                message: "denied".into(),
                drift_open: 2,
                ..cluster("c", Phase::Failed, true, true)
            },
            Cluster {
                removals_waiting: 9,
                ..cluster("d", Phase::AwaitingConfirmation, true, true)
            },
            cluster("e", Phase::Pending, true, false),
            cluster("f", Phase::Syncing, true, true),
            Cluster {
                message: "its agent cannot see Secrets".into(),
                ..cluster("g", Phase::Synced, true, true)
            },
        ];
        let mut findings = Findings::default();
        findings.section("clusters");
        report(&clusters, &mut findings);
        let text = anstream::adapter::strip_str(&findings.text()).to_string();
        insta::assert_snapshot!(text, @"
        clusters
          √ 1 of 6 clusters connected and in sync
          ‼ 1 cluster offline: b
            hint: on the agent's machine: hanse-agent check --dir DIR; where it runs in the cluster: kubectl -n hanse-agent logs deploy/hanse-agent
          ‼ 1 cluster not in sync yet: f
            hint: hanse wait --all --for=synced
          ‼ d waits before it removes 9 objects
            hint: hanse cluster confirm-removals d 9
          × c refuses something: denied
            hint: hanse describe cluster c
          ‼ g is in sync, but its agent cannot see Secrets
            hint: hanse describe cluster g
          ‼ 1 cluster joined and not accepted: e
            hint: hanse cluster accept e
          ‼ 2 cases of open drift
            hint: hanse drift

        1 check failed.
        ");
    }
    #[test]
    fn an_invited_cluster_is_no_empty_fleet() {
        let invited = |name: &str| Cluster {
            name: name.into(),
            phase: Phase::Invited.into(),
            ..Cluster::default()
        };
        let text = |clusters: &[Cluster]| {
            let mut findings = Findings::default();
            report(clusters, &mut findings);
            anstream::adapter::strip_str(&findings.text()).to_string()
        };
        let one = text(&[invited("a")]);
        assert!(one.contains("1 cluster is invited and has not joined yet: a\n"), "{one}");
        let two = text(&[invited("a"), invited("b")]);
        assert!(two.contains("2 clusters are invited and have not joined yet: a, b\n"), "{two}");
        assert!(text(&[]).contains("the fleet has no cluster yet"));
    }
}
