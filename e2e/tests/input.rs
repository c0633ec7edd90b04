//! Bad input at the edges: a clear error, and nothing lost.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use anyhow::Result;
use common::{One, binding, namespace, role};
use hanse_e2e::{Agent, Printed};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_a_mebibyte_arrives_and_not_one_byte_more() -> Result<()> {
    const MOST: usize = 1024 * 1024;
    let one = One::start().await?;
    one.apply(&[namespace("team")]).await?;
    let file = one.dir.path().join("large");
    let value = format!("value=@{}", file.display());
    let identity = one.dir.path().join("age.key").display().to_string();
    let more = ["-n", "team", "-l", "env=prod", "--identity", &identity, "--yes"];
    let set = [&["secret", "set", "large", &value, "--timeout=60s"], more.as_slice()].concat();

    // Keys and values together.
    std::fs::write(&file, vec![b'x'; MOST - "value".len() + 1])?;
    let revisions = one.hanse().json(&["revisions", "-o", "json"]).await?;
    says(&one.hanse().run(&set).await?, &["error:", "1048576", "hint:"]);
    std::fs::write(&file, vec![b'x'; 20 * MOST])?;
    says(&one.hanse().run(&set).await?, &["large is more than a secret holds", "1 MiB"]);
    assert_eq!(one.hanse().json(&["revisions", "-o", "json"]).await?, revisions);

    std::fs::write(&file, vec![b'x'; MOST - "value".len()])?;
    one.hanse().ok(&set).await?;
    one.settled().await?;
    let secrets = Api::<Secret>::namespaced(one.client().await?, "team");
    let held = secrets.get("large").await?.data.unwrap_or_default();
    assert_eq!(held["value"].0, vec![b'x'; MOST - "value".len()]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_other_scripts_and_cases_and_endless_roles_are_refused() -> Result<()> {
    let one = One::start().await?;
    let file = one.dir.path().join("bad.yaml");
    let path = file.to_str().unwrap();
    let value = one.dir.path().join("value");
    std::fs::write(&value, "x")?;
    let given = format!("key=@{}", value.display());
    let revisions = one.hanse().json(&["revisions", "-o", "json"]).await?;

    let rule = "{apiGroups: [\"\"], resources: [pods], verbs: [get]}";
    let rules = vec![rule; 10_000].join(", ");
    let endless = role("dev", "Enforce").replace(&format!("[{rule}]"), &format!("[{rules}]"));
    assert!(endless.len() > 500_000, "{}", endless.len());
    std::fs::write(&file, endless)?;
    says(&one.hanse().run(&["apply", "-f", path, "--yes"]).await?, &["error:", "more than"]);
    let many = vec!["{apiGroups: [a], resources: [b], verbs: [get]}"; 1001].join(", ");
    let many = role("dev", "Enforce").replace(&format!("[{rule}]"), &format!("[{many}]"));
    std::fs::write(&file, many)?;
    says(&one.hanse().run(&["apply", "-f", path, "--yes"]).await?, &["1001 rules, more than 1000"]);

    // Cyrillic, Greek, full-width, a combining mark, a right-to-left override, upper case.
    let names =
        ["\u{440}\u{430}y", "\u{3b1}lpha", "\u{ff54}eam", "te\u{301}am", "te\u{202e}am", "Team"];
    for name in names {
        for document in [namespace(name), role(name, "Enforce"), binding("devs", "dev", name)] {
            std::fs::write(&file, document)?;
            let printed = one.hanse().run(&["apply", "-f", path, "--yes"]).await?;
            says(&printed, &["error:", "bad.yaml:"]);
            assert!(!printed.stderr.contains('\u{202e}'), "{}", printed.stderr);
        }
        let place = ["-l", "env=prod", "--yes"];
        for (secret, namespace) in [(name, "team"), ("good", name)] {
            let set = ["secret", "set", secret, &given, "-n", namespace];
            says(&one.hanse().run(&[&set, place.as_slice()].concat()).await?, &["error:"]);
        }
        says(&one.hanse().run(&["join-token", "create", name]).await?, &["error:"]);
    }
    assert_eq!(one.hanse().json(&["revisions", "-o", "json"]).await?, revisions);
    Ok(())
}
