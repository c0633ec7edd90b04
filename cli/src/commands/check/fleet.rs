//! How the clusters are.

use hanse_proto::admin::Cluster;
use hanse_proto::admin::cluster::Phase;
use hanse_proto::admin::fence::State;

use super::findings::Findings;
use crate::commands::cluster::{fence_line, recipient_state};
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
    // When others are not, they are named below.
    if !good.is_empty() && good.len() == accepted.len() {
        findings.ok(format!("{} connected and in sync", count(accepted.len(), "cluster")));
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
    trust(&accepted, findings);
    outside(clusters, findings);
    let open: usize = clusters.iter().map(|c| c.drift_open as usize).sum();
    if open == 0 {
        findings.ok("no open drift".to_owned());
    } else {
        findings.warning(format!("{} of open drift", count(open, "case")), "hanse drift");
    }
}

/// The first names, and whether there are more.
fn named(clusters: &[&Cluster]) -> String {
    let names: Vec<String> =
        clusters.iter().take(MAX_NAMED).map(|c| escape(&c.name).into_owned()).collect();
    let more = if clusters.len() > MAX_NAMED { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Clusters that have joined and do not belong to the fleet, or not any more.
fn outside(clusters: &[Cluster], findings: &mut Findings) {
    let outside = clusters.iter().filter(|c| !c.accepted && c.phase() == Phase::Pending);
    // Who was never in the fleet has applied nothing.
    let (removed, pending): (Vec<&Cluster>, Vec<&Cluster>) =
        outside.partition(|cluster| cluster.generation_applied > 0);
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
    if let Some(first) = removed.first() {
        findings.warning(
            format!(
                "{} removed from the fleet and not cut off: {}",
                count(removed.len(), "cluster"),
                named(&removed)
            ),
            format!("hanse cluster revoke {}", escape(&first.name)),
        );
    }
}

/// What agents say of the fence, of what they were sent, and of secrets.
fn trust(accepted: &[&Cluster], findings: &mut Findings) {
    let state = |cluster: &Cluster| cluster.fence.as_ref().map(hanse_proto::admin::Fence::state);
    let of = |wanted: State| accepted.iter().filter(move |c| state(c) == Some(wanted)).copied();
    let standing = of(State::Standing).count();
    if standing > 0 {
        findings.ok(format!("the fence stands in {}", count(standing, "cluster")));
    }
    for cluster in of(State::Broken) {
        findings.failed(
            format!("the fence of {}: {}", escape(&cluster.name), escape(&fence_line(cluster))),
            "its agent writes nothing; the cluster's administrator can look: hanse-agent check",
        );
    }
    for cluster in of(State::Unfenced) {
        findings.warning(
            format!("{} has no fence, and its administrator allowed that", escape(&cluster.name)),
            "hanse-agent join --fence apply puts one up; see docs/fence.md",
        );
    }
    for cluster in accepted.iter().filter(|c| c.refused_condition > 0) {
        let (name, condition) = (escape(&cluster.name), cluster.refused_condition);
        findings.failed(
            format!("{name} refuses what the hub sends, by condition {condition}"),
            "what that means: docs/trust.md; the last good state stays enforced there",
        );
    }
    for cluster in accepted.iter().filter(|c| !c.secrets_pending.is_empty()) {
        let name = escape(&cluster.name);
        findings.warning(
            format!(
                "{} cannot be opened in {name}",
                count(cluster.secrets_pending.len(), "secret")
            ),
            "hanse secret reseal --all",
        );
    }
    for cluster in accepted.iter().filter(|c| matches!(recipient_state(c), "Offered" | "Changed")) {
        let name = escape(&cluster.name);
        findings.warning(
            format!("the agent of {name} made a recipient for secrets that is not accepted"),
            format!("hanse cluster accept {name}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use hanse_proto::admin::Fence;

    use super::*;

    #[test]
    fn what_agents_say_of_fence_bundle_and_secrets() {
        let cluster = |name: &str, state: State| Cluster {
            name: name.into(),
            fence: Some(Fence {
                state: state.into(),
                problem: if state == State::Broken {
                    "a policy is gone".into()
                } else {
                    String::new()
                },
                ..Fence::default()
            }),
            ..Cluster::default()
        };
        let refusing = Cluster { refused_condition: 4, ..cluster("d", State::Standing) };
        let sealed = Cluster {
            secrets_pending: vec!["db".into()],
            recipient_offered: "age1x".into(),
            ..cluster("e", State::Standing)
        };
        let (broken, none) = (cluster("b", State::Broken), cluster("c", State::Unfenced));
        let mut findings = Findings::default();
        findings.section("clusters");
        trust(&[&broken, &none, &refusing, &sealed], &mut findings);
        let text = anstream::adapter::strip_str(&findings.text()).to_string();
        insta::assert_snapshot!(text, @r"
        clusters
          √ the fence stands in 2 clusters
          × the fence of b: Broken: a policy is gone
            hint: its agent writes nothing; the cluster's administrator can look: hanse-agent check
          ‼ c has no fence, and its administrator allowed that
            hint: hanse-agent join --fence apply puts one up; see docs/fence.md
          × d refuses what the hub sends, by condition 4
            hint: what that means: docs/trust.md; the last good state stays enforced there
          ‼ 1 secret cannot be opened in e
            hint: hanse secret reseal --all
          ‼ the agent of e made a recipient for secrets that is not accepted
            hint: hanse cluster accept e

        2 checks failed.
        ");
    }

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
            Cluster { generation_applied: 3, ..cluster("h", Phase::Pending, true, false) },
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
          ‼ 1 cluster removed from the fleet and not cut off: h
            hint: hanse cluster revoke h
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
