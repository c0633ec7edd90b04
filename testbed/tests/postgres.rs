//! `PostgreSQL` starts, answers, is gone when it is dropped.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use hanse_testbed::Postgres;

type Outcome = Result<(), Box<dyn Error>>;

fn ask(url: &str, sql: &str) -> Result<String, Box<dyn Error>> {
    let output = Command::new("psql")
        .args(["-X", "-A", "-t", "-c", sql, url])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn it_answers_and_is_gone_after_drop() -> Outcome {
    let dir = tempfile::tempdir()?;
    let postgres = Postgres::start(dir.path()).await?;
    let one = postgres.create_database("one").await?;
    let two = postgres.create_database("two").await?;

    ask(&one, "create table t (n int)")?;
    assert_eq!(
        ask(&one, "insert into t values (41) returning n + 1")?
            .lines()
            .next(),
        Some("42")
    );
    assert!(ask(&two, "select * from t").is_err(), "databases are apart");
    assert_eq!(ask(&one, "show fsync")?, "on");
    assert_eq!(ask(&one, "show listen_addresses")?, "");
    assert!(postgres.create_database("one").await.is_err());

    let home = one
        .split_once("host=")
        .and_then(|(_, rest)| rest.split('&').next());
    let home = PathBuf::from(home.ok_or("no host in the URL")?);
    assert!(home.is_dir());
    let server = postgres.process().identity();
    drop(postgres);
    assert!(!server.is_running());
    assert!(!home.exists());
    assert!(ask(&one, "select 1").is_err());
    Ok(())
}

#[tokio::test]
async fn two_run_side_by_side() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (left, right) = (dir.path().join("left"), dir.path().join("right"));
    let (left, right) = tokio::try_join!(Postgres::start(&left), Postgres::start(&right))?;
    let url = left.create_database("mine").await?;
    assert_eq!(ask(&url, "select current_database()")?, "mine");
    assert_eq!(
        ask(
            &right.url(),
            "select count(*) from pg_database where datname = 'mine'"
        )?,
        "0"
    );
    Ok(())
}
