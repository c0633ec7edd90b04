//! `PostgreSQL` starts, answers, and is gone with its owner.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hanse_testbed::{Identity, Postgres};

type Outcome = Result<(), Box<dyn Error>>;

/// Tells the test `owner` that it is run as another program, and where to work.
const OWNER_DIR: &str = "HANSE_TESTBED_TEST_OWNER_DIR";

fn ask(url: &str, sql: &str) -> Result<String, Box<dyn Error>> {
    let output = Command::new("psql").args(["-X", "-A", "-t", "-c", sql, url]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The folder with the socket and the data.
fn home(url: &str) -> Result<PathBuf, Box<dyn Error>> {
    let host = url.split_once("host=").and_then(|(_, rest)| rest.split('&').next());
    Ok(host.ok_or("no host in the URL")?.into())
}

#[tokio::test]
async fn it_answers_and_is_gone_after_drop() -> Outcome {
    let dir = tempfile::tempdir()?;
    let postgres = Postgres::start(dir.path()).await?;
    let one = postgres.create_database("one").await?;
    let two = postgres.create_database("two").await?;

    ask(&one, "create table t (n int)")?;
    assert_eq!(ask(&one, "insert into t values (41) returning n + 1")?.lines().next(), Some("42"));
    assert!(ask(&two, "select * from t").is_err(), "databases are apart");
    assert_eq!(ask(&one, "show fsync")?, "on");
    assert_eq!(ask(&one, "show listen_addresses")?, "");
    assert!(postgres.create_database("one").await.is_err());

    let home = home(&one)?;
    assert!(home.is_dir());
    let server = postgres.process().identity();
    drop(postgres);
    assert!(!server.is_running());
    assert!(!home.exists());
    assert!(ask(&one, "select 1").is_err());
    Ok(())
}

/// Not a test of its own: what `a_killed_owner_leaves_nothing` starts, and kills.
#[tokio::test]
#[ignore = "another test runs it as a program"]
async fn owner() -> Outcome {
    let Some(dir) = std::env::var_os(OWNER_DIR).map(PathBuf::from) else {
        return Ok(());
    };
    let postgres = Postgres::start(&dir).await?;
    fs::write(dir.join("part"), format!("{} {}", postgres.process().pid(), postgres.url()))?;
    fs::rename(dir.join("part"), dir.join("server"))?;
    std::thread::sleep(Duration::from_mins(5));
    drop(postgres);
    Ok(())
}

#[test]
fn a_killed_owner_leaves_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut owner = Command::new(std::env::current_exe()?)
        .args(["--exact", "owner", "--ignored"])
        .env(OWNER_DIR, dir.path())
        .stdout(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + Duration::from_mins(1);
    let said = loop {
        if let Ok(said) = fs::read_to_string(dir.path().join("server")) {
            break said;
        }
        assert!(Instant::now() < deadline && owner.try_wait()?.is_none(), "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    };
    let (pid, url) = said.split_once(' ').ok_or("no URL")?;
    let server = Identity::of(pid.parse()?).ok_or("it does not run")?;
    let home = home(url)?;
    assert_eq!(ask(url, "select 1")?, "1");

    owner.kill()?;
    owner.wait()?;

    let deadline = Instant::now() + Duration::from_secs(30);
    while server.is_running() || home.exists() {
        assert!(Instant::now() < deadline, "something is left: {}", home.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[tokio::test]
async fn two_run_side_by_side() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (left, right) = (dir.path().join("left"), dir.path().join("right"));
    let (left, right) = tokio::try_join!(Postgres::start(&left), Postgres::start(&right))?;
    let url = left.create_database("mine").await?;
    assert_eq!(ask(&url, "select current_database()")?, "mine");
    assert_eq!(ask(&right.url(), "select count(*) from pg_database where datname = 'mine'")?, "0");
    Ok(())
}
