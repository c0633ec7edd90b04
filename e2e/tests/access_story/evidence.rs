//! A report's bundle, and what a hub can do about it that would like to tell another story.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use hanse_e2e::{Printed, look, poll};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

use crate::common::{One, namespace, role};
use crate::review;

/// Reports who could read the Secrets of a namespace, and verifies the bundle: with everything proven,
/// since a hub that takes the proof away as well must not pass either.
async fn report(one: &One, at: &str, name: &str) -> Result<Printed> {
    let file: PathBuf = one.dir.path().join(format!("{name}.tar"));
    let path = file.to_str().context("no path")?;
    let ask = ["report", "access", "get", "secrets", "-n", "team", "--at", at, "-o", "bundle"];
    let made = one.hanse().run(&[&ask[..], &["--out", path]].concat()).await?;
    if made.code != 0 {
        return Ok(made);
    }
    one.hanse().run(&["report", "verify", "--all-proven", path]).await
}

/// Does something to the hub's database while the hub is away.
async fn doctored(one: &One, statement: &'static str) -> Result<u64> {
    one.federation.hub.stop().await?;
    let file = one.federation.hub.dir().join("hanse.db");
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(file)).await?;
    let done = sqlx::query(statement).execute(&pool).await?;
    pool.close().await;
    one.federation.hub.start().await?;
    Ok(done.rows_affected())
}

/// An object is hidden, another is invented, and one says something else. The agent is away, or it would
/// put the hub right.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_cannot_hide_or_invent_access() -> Result<()> {
    let one = One::start().await?;
    let client = one.client().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce")]).await?;
    look::make_backdoor(&client, "backdoor", "mallory").await?;
    poll::until("the hub knows of it", || async {
        let answer = review::who_can(one.hanse(), ("get", "secrets", "team"), None).await?;
        let grants = answer["grants"].as_array().cloned().unwrap_or_default();
        Ok(grants.iter().any(|grant| review::is(grant, "user:mallory")).then_some(()))
    })
    .await?;
    one.federation.agent("cluster-1")?.stop().await?;
    // The last moment that the agent signed for.
    let status = one.hanse().json(&["access", "status", "-o", "json"]).await?;
    let spans = status["inventories"][0]["coverage"].as_array().cloned().unwrap_or_default();
    let at = spans.iter().filter_map(|span| span["until"].as_str()).max().context("no span")?;
    let report = async |name: String| report(&one, at, &name).await;
    let honest = report("honest".to_owned()).await?;
    ensure!(honest.code == 0, "{}{}", honest.stdout, honest.stderr);

    for (what, change, back) in [
        (
            "hidden",
            "DELETE FROM access_objects WHERE name = 'backdoor'",
            "INSERT INTO access_objects SELECT * FROM kept WHERE name = 'backdoor'",
        ),
        (
            "invented",
            "INSERT INTO access_objects SELECT cluster_id, randomblob(32), kind, namespace, \
             'invented', content, leaf, at, learned_at, origin FROM access_objects \
             WHERE name = 'backdoor'",
            "DELETE FROM access_objects WHERE name = 'invented'",
        ),
        (
            "changed",
            "UPDATE access_objects SET content = (SELECT content FROM access_objects \
             WHERE name = 'system:discovery' AND kind = \
             (SELECT kind FROM access_objects WHERE name = 'backdoor')) WHERE name = 'backdoor'",
            "UPDATE access_objects SET content = (SELECT content FROM kept WHERE name = 'backdoor') \
             WHERE name = 'backdoor'",
        ),
    ] {
        doctored(&one, "CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM access_objects").await?;
        let rows = doctored(&one, change).await?;
        ensure!(rows == 1, "{what}: {rows} rows");
        let found = report(what.to_owned()).await?;
        ensure!(found.code != 0, "{what} passes: {}{}", found.stdout, found.stderr);
        ensure!(doctored(&one, back).await? == 1, "{what}");
        let again = report(format!("after-{what}")).await?;
        ensure!(again.code == 0, "after {what}: {}{}", again.stdout, again.stderr);
    }
    Ok(())
}
