//! Before a cluster is accepted, the thief puts an age recipient of their own in place of the one that
//! its agent made: whoever accepts the cluster would seal every secret to the thief.

use anyhow::{Context as _, Result};
use hanse_e2e::{Federation, Settings};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::attacks::RECIPIENT;
use crate::world::newest;

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_recipient_is_not_accepted() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let settings =
        Settings { clusters: 1, dir: dir.path().join("f"), shared_etcd: false, database: None };
    let federation = Federation::start(&settings).await?;
    let (hub, hanse) = (&federation.hub, &federation.hanse);
    let agent = federation.agent("cluster-1")?;
    let token = hanse.json(&["join-token", "create", "cluster-1", "-o", "json"]).await?;
    let joined = agent.join_with(&token).await?;
    assert_eq!(joined.code, 0, "{}", joined.stderr);

    let accept = ["cluster", "accept", "cluster-1", "--label", "env=prod"];
    let (recipient, vouch) = read(&federation).await?;
    assert!(recipient.starts_with("age1") && recipient != RECIPIENT, "{recipient}");
    for (what, vouch) in [("the agent's word for another", vouch.clone()), ("no word", Vec::new())]
    {
        swap(&federation, RECIPIENT, &vouch).await?;
        let refused = hanse.run(&accept).await?;
        assert_eq!(refused.code, 1, "{what}: {}", refused.stderr);
        assert!(refused.stderr.contains("other-recipient"), "{what}: {}", refused.stderr);
        assert_eq!(newest(hanse).await.unwrap_or_default(), 0, "{what}: nothing is committed");
    }
    swap(&federation, &recipient, &vouch).await?;
    hanse.ok(&accept).await?;
    agent.start()?;
    hanse.ok(&["wait", "--all", "--for=synced", "--timeout", "60s"]).await?;
    hub.stop().await
}

async fn database(federation: &Federation) -> Result<sqlx::SqliteConnection> {
    let path = federation.hub.dir().join("hanse.db");
    Ok(sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await?)
}

async fn read(federation: &Federation) -> Result<(String, Vec<u8>)> {
    let mut database = database(federation).await?;
    let sql = "SELECT recipient_offered, recipient_vouch FROM clusters";
    let row = sqlx::query_as(sql).fetch_optional(&mut database).await?;
    database.close().await?;
    row.context("no cluster has joined")
}

/// Writes into the hub's database while nobody looks.
async fn swap(federation: &Federation, recipient: &str, vouch: &[u8]) -> Result<()> {
    federation.hub.kill().await?;
    let mut database = database(federation).await?;
    sqlx::query("UPDATE clusters SET recipient_offered = $1, recipient_vouch = $2")
        .bind(recipient)
        .bind(vouch)
        .execute(&mut database)
        .await?;
    database.close().await?;
    federation.hub.start().await
}
