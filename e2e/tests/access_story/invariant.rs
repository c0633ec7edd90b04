//! An invariant that is violated behind the hub's back.

use anyhow::{Context as _, Result, ensure};
use hanse_e2e::raw::Caller;
use hanse_e2e::{look, poll};
use serde_json::{Value, json};

use crate::common::{One, binding, namespace, role};

const INVARIANT: &str = "apiVersion: hanse.dev/v1alpha1
kind: AccessInvariant
metadata: {name: only-sre-reads-secrets}
spec:
  placement: {clusterSelector: {matchLabels: {env: prod}}}
  deny:
    access: [{apiGroups: [\"\"], resources: [secrets], verbs: [get, list, watch]}]
    namespaces: {names: [team]}
  except:
    groups: [sre]
    serviceAccounts: [{namespace: hanse-agent, name: agent}]
";

async fn violations(one: &One, history: bool) -> Result<(i32, Vec<Value>)> {
    let mut args = vec!["access", "violations", "-o", "json"];
    if history {
        args.push("--history");
    }
    let printed = one.hanse().run(&args).await?;
    ensure!(printed.code < 2, "{}", printed.stderr);
    let answer: Value = serde_json::from_str(&printed.stdout).context("no JSON")?;
    Ok((printed.code, answer["violations"].as_array().cloned().unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_seen_and_seen_to_end() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    let declared = [namespace("team"), role("dev", "Enforce"), binding("devs", "dev", "team")];
    one.apply(&declared).await?;
    one.apply(&[INVARIANT.to_owned()]).await?;
    let (code, standing) = violations(&one, false).await?;
    ensure!(code == 0 && standing.is_empty(), "{standing:#?}");

    let mut watch = one.hanse().watch_violations().await?;
    look::make_backdoor(&client, "backdoor", "mallory").await?;
    let is_hers = |violation: &Value| violation["subject"]["name"] == "mallory";
    let seen = watch.next(|v| is_hers(v) && v["resolvedAt"].is_null()).await?;
    ensure!(seen["invariant"] == "only-sre-reads-secrets", "{seen}");
    ensure!(seen["grant"]["binding"]["name"] == "backdoor", "{seen}");
    let (code, standing) = violations(&one, false).await?;
    ensure!(code == 1 && standing.iter().any(is_hers), "{standing:#?}");
    ensure!(standing.iter().all(is_hers), "nobody else: {standing:#?}");

    look::remove_backdoor(&client, "backdoor").await?;
    watch.next(|v| is_hers(v) && v["resolvedAt"].is_string()).await?;
    let (code, standing) = violations(&one, false).await?;
    ensure!(code == 0 && standing.is_empty(), "{standing:#?}");
    let (_, all) = violations(&one, true).await?;
    ensure!(all.iter().any(|v| is_hers(v) && v["resolvedAt"].is_string()), "{all:#?}");

    // Who is excepted may, and what is declared against it is a hazard of the plan.
    let admin = Caller::new(client);
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/team/rolebindings";
    let sre = json!({
        "metadata": {"name": "sre"}, "roleRef": {"kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "Group", "name": "sre"}],
    });
    admin.create(bindings, &sre).await?;
    poll::until("the hub knows of it", || async {
        let answer = crate::review::who_can(one.hanse(), ("get", "secrets", "team"), None).await?;
        let grants = answer["grants"].as_array().cloned().unwrap_or_default();
        Ok(grants.iter().any(|grant| crate::review::is(grant, "group:sre")).then_some(()))
    })
    .await?;
    let (code, standing) = violations(&one, false).await?;
    ensure!(code == 0, "{standing:#?}");
    let wide = role("dev", "Enforce").replace("resources: [pods]", "resources: [pods, secrets]");
    let file = one.dir.path().join("wide.yaml");
    std::fs::write(&file, wide)?;
    let plan = one.hanse().run(&["plan", "-f", file.to_str().unwrap()]).await?;
    let text = plan.stdout + &plan.stderr;
    ensure!(text.contains("only-sre-reads-secrets") && text.contains("devs"), "{text}");
    Ok(())
}
