//! Reports of a real cluster: proven by what its agent signed, verified without a hub, and refused
//! when the hub's database was changed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use anyhow::{Result, ensure};
use common::{One, binding, namespace, role};
use hanse_e2e::{Hanse, look, poll};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _};

/// The report of a period as JSON.
async fn report(one: &One, from: Timestamp, to: Timestamp) -> Result<Value> {
    let (from, to) = (from.to_string(), to.to_string());
    one.hanse().json(&["report", "access", "--from", &from, "--to", &to, "-o", "json"]).await
}

/// The rows of somebody.
fn of<'r>(report: &'r Value, name: &str) -> Vec<&'r Value> {
    let grants = report["clusters"][0]["grants"].as_array().unwrap();
    grants.iter().filter(|grant| grant["subject"]["name"] == name).collect()
}

/// Waits until the agent has signed for a whole period, and this is true of its report.
async fn proven(
    one: &One,
    what: &str,
    (from, to): (Timestamp, Timestamp),
    test: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let (found, _) = poll::until(what, || async {
        let report = report(one, from, to).await?;
        let proof = report["clusters"][0]["cluster"]["proof"] == "proven";
        if proof && test(&report) { Ok(Some(report)) } else { anyhow::bail!("{report}") }
    })
    .await?;
    Ok(found)
}

/// Waits until the hub knows of somebody, or does not any more. Returns the moment that was asked about.
async fn known(one: &One, name: &str, there: bool) -> Result<Timestamp> {
    let (at, _) = poll::until(&format!("the hub's knowledge of {name}"), || async {
        let report = one.hanse().json(&["report", "access", "-o", "json"]).await?;
        let at = report["question"]["when"]["at"].as_str().unwrap().parse()?;
        Ok((of(&report, name).is_empty() != there).then_some(at))
    })
    .await?;
    Ok(at)
}

async fn lie(hub: &Path, name: &str) -> Result<()> {
    let path = hub.join("hanse.db");
    ensure!(path.is_file(), "{} is not there", path.display());
    let mut database = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await?;
    for table in ["access_past", "access_objects"] {
        let sql = format!("DELETE FROM {table} WHERE name = $1");
        let done = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name).execute(&mut database).await?;
        ensure!(done.rows_affected() > 0, "{table} has nothing of {name}");
    }
    database.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_proven_without_the_hub() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce")]).await?;
    one.apply(&[binding("devs", "dev", "team")]).await?;
    let begin = known(&one, "devs", true).await?;

    // Somebody makes a back door, and takes it away again. What comes last closes the time before it.
    look::make_backdoor(&client, "oops", "eve").await?;
    let open = known(&one, "eve", true).await?;
    look::remove_backdoor(&client, "oops").await?;
    let end = known(&one, "eve", false).await?;
    look::make_backdoor(&client, "later", "zoe").await?;
    known(&one, "zoe", true).await?;

    let seen = proven(&one, "a proven period", (begin, end), |report| {
        // cluster-admin has two rules: for resources and for paths.
        of(report, "eve").len() == 2 && of(report, "devs").len() == 1
    })
    .await?;
    let eve = of(&seen, "eve")[0];
    assert_eq!((&eve["proof"], &eve["origin"]["source"]), (&"proven".into(), &"observed".into()));
    assert_eq!(eve["origin"]["manager"], "kubectl-create");
    assert!(eve["from"].is_string() && eve["until"].is_string(), "{eve}");
    let devs = of(&seen, "devs")[0];
    assert_eq!(devs["origin"]["source"], "declared", "{devs}");
    assert_eq!(devs["origin"]["document"], "FederatedRoleBinding/devs");
    assert_eq!(devs["roleOrigin"]["source"], "declared", "{devs}");

    // At a moment at which the door was open.
    let at = open.to_string();
    let bundle = one.dir.path().join("evidence.tar");
    let out = bundle.to_str().unwrap();
    let asked = ["report", "access", "get", "secrets", "-A", "--at", &at, "--out", out];
    one.hanse().ok(&asked).await?;
    let again = one.hanse().run(&asked).await?;
    assert!(again.code == 1 && again.stderr.contains("is there already"), "{again:?}");

    // Elsewhere, with nothing but the file and a digest.
    let auditor = tempfile::tempdir()?;
    let alone = Hanse::new(&auditor.path().join("config.yaml"))?;
    let fleet = seen["fleet"].as_str().unwrap();
    let verify = ["report", "verify", out, "--all-proven", "--trust-root", fleet];
    let printed = alone.ok(&verify).await?;
    assert!(printed.stdout.contains("cluster cluster-1: proven"), "{printed:?}");
    let compare = alone.ok(&["report", "verify", out, "--config", ""]).await?;
    assert!(compare.stderr.contains("compare this digest"), "{compare:?}");
    let unnamed = alone.run(&["report", "verify", out]).await?;
    assert!(unnamed.code == 4 && unnamed.stderr.contains("does not exist"), "{unnamed:?}");
    let other = alone.run(&["report", "verify", out, "--trust-root", &"0".repeat(64)]).await?;
    assert!(other.code == 1 && other.stderr.contains("another fleet"), "{other:?}");
    let mut bytes = std::fs::read(&bundle)?;
    let name = bytes.windows(5).position(|window| window == b"\"eve\"").unwrap();
    bytes[name + 1] = b'a';
    std::fs::write(&bundle, bytes)?;
    let altered = alone.run(&verify).await?;
    assert!(altered.code == 1 && altered.stderr.contains("evidence"), "{altered:?}");

    // The hub's database is changed: the door was never there.
    one.federation.hub.stop().await?;
    lie(one.federation.hub.dir(), "oops").await?;
    one.federation.hub.start().await?;
    let (from, to) = (begin.to_string(), end.to_string());
    let page = auditor.path().join("report.html");
    let asked = ["report", "access", "--from", &from, "--to", &to, "--out", page.to_str().unwrap()];
    let lied = one.hanse().run(&asked).await?;
    assert!(lied.code == 1 && lied.stderr.contains("untrusted-inventory"), "{lied:?}");
    assert!(std::fs::read_to_string(&page)?.contains("Do not rely on"));
    Ok(())
}
