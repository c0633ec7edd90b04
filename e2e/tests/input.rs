//! Bad input at the edges: a clear error, and nothing lost.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use anyhow::Result;
use common::{One, binding, namespace, role};
use hanse_e2e::{Agent, Printed};
use serde_json::{Value, json};

fn says(printed: &Printed, what: &[&str]) {
    assert_ne!(printed.code, 0, "{}", printed.stdout);
    for text in what {
        assert!(printed.stderr.contains(text), "`{text}` is not in:\n{}", printed.stderr);
    }
}

async fn token(one: &One, name: &str, extra: &[&str]) -> Result<Value> {
    let mut args = vec!["join-token", "create", name, "-o", "json"];
    args.extend(extra);
    one.hanse().json(&args).await
}

/// Nine aliases to nine aliases, seven times over: 4.8 million nodes from 400 bytes.
fn bomb() -> String {
    let mut lines = vec!["l0: &l0 [x, x, x, x, x, x, x, x, x]".to_owned()];
    for level in 1..8 {
        let aliases = vec![format!("*l{}", level - 1); 9].join(", ");
        lines.push(format!("l{level}: &l{level} [{aliases}]"));
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_wrong_change_nothing() -> Result<()> {
    let one = One::start().await?;
    let file = one.dir.path().join("bad.yaml");
    let path = file.to_str().unwrap();
    let revision = one.hanse().json(&["revisions", "-o", "json"]).await?;
    let cases: [(String, &[&str]); 6] = [
        (
            role("dev", "Enforce").replace("rules", "rulez"),
            &["bad.yaml:7: spec.rulez", "did you mean `rules`"],
        ),
        (
            role("dev", "Enforce") + "---\n" + &role("dev", "Report"),
            &["FederatedRole/dev is declared at"],
        ),
        (binding("devs", "nobody", "team"), &["FederatedRole/nobody, which does not exist"]),
        (namespace("kube-evil"), &["protected namespace"]),
        (bomb(), &["not valid YAML"]),
        ("#".repeat(10 * 1024 * 1024), &["more than 8388608"]),
    ];
    for (text, expected) in cases {
        std::fs::write(&file, text)?;
        says(&one.hanse().run(&["apply", "-f", path, "--yes"]).await?, expected);
    }
    assert_eq!(one.hanse().json(&["revisions", "-o", "json"]).await?, revision);

    // A selector that matches nothing is a warning.
    std::fs::write(&file, role("dev", "Enforce").replace("env: prod", "env: nowhere"))?;
    let printed = one.hanse().ok(&["plan", "-f", path]).await?;
    assert!((printed.stdout + &printed.stderr).contains("placed on no cluster"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_token_is_good_once_for_one_name_at_one_hub() -> Result<()> {
    let one = One::start().await?;
    let kubeconfig = one.federation.testbed.cluster("cluster-1")?.kubeconfig().to_owned();
    let agent =
        |name: &str| Agent::new(name, &kubeconfig, None, &one.dir.path().join("j").join(name));

    let made = token(&one, "other", &[]).await?;
    let mut foreign = made.clone();
    foreign["token"] = json!(made["token"].as_str().unwrap());
    says(&agent("another").join_with(&foreign).await?, &["not valid for this cluster"]);

    let mut wrong = made.clone();
    wrong["token"] = json!("hjt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    says(&agent("other").join_with(&wrong).await?, &["not valid for this cluster"]);

    let mut elsewhere = made.clone();
    elsewhere["caHash"] = json!(format!("sha256:{}", "0".repeat(64)));
    says(&agent("other").join_with(&elsewhere).await?, &["CA"]);

    // None of that used it up.
    let good = agent("other").join_with(&made).await?;
    assert_eq!(good.code, 0, "{}", good.stderr);
    let again = Agent::new("other", &kubeconfig, None, &one.dir.path().join("j/again"));
    says(&again.join_with(&made).await?, &["not valid for this cluster"]);

    let short = token(&one, "late", &["--ttl", "1s"]).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    says(&agent("late").join_with(&short).await?, &["not valid for this cluster"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_away_is_told_as_such() -> Result<()> {
    let one = One::start().await?;
    one.federation.hub.stop().await?;
    let printed = one.hanse().run(&["get", "all"]).await?;
    says(&printed, &["error:", "why:", "hint:", "hanse-control-plane serve"]);
    let check = one.hanse().run(&["check"]).await?;
    assert_ne!(check.code, 0);
    Ok(())
}
