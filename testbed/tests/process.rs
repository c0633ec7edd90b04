//! Processes end as they are told to, and with their owner.

use std::error::Error;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hanse_testbed::{Identity, Lifetime, Process};

type Outcome = Result<(), Box<dyn Error>>;

const SOON: Duration = Duration::from_secs(30);
/// Tells the test `owner` that it is run as another program, and where to work.
const OWNER_DIR: &str = "HANSE_TESTBED_TEST_OWNER_DIR";

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> Result<T, Box<dyn Error>> {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = found() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("{what}: not within {} s", SOON.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn output_environment_and_status_are_the_programs_own() -> Outcome {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("log");
    let mut command = shell("echo \"$WORD from $$\"; pwd >&2; cat; exit 3");
    command.env("WORD", "hello").current_dir("/usr");
    let process = Process::spawn("speaker", &command, &log, Lifetime::Guarded)?;
    let pid = process.pid();

    let status = process.wait(SOON).await?.ok_or("no status")?;

    assert_eq!(status.code(), Some(3));
    assert_eq!(fs::read_to_string(&log)?, format!("hello from {pid}\n/usr\n"));
    assert!(!process.is_running());
    Ok(())
}

#[tokio::test]
async fn a_missing_program_is_an_error() -> Outcome {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("log");
    for name in ["no-such-program-of-ours", "/no/such/program"] {
        let error = Process::spawn("none", &Command::new(name), &log, Lifetime::Guarded).err();
        assert_eq!(
            error.as_ref().map(hanse_testbed::Error::why),
            Some("no such program"),
            "{name}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_patient_end_lets_it_tidy_up_and_a_kill_does_not() -> Outcome {
    let dir = tempfile::tempdir()?;
    let script = "trap 'echo tidy; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    for (name, patiently) in [("patient", true), ("killed", false)] {
        let log = dir.path().join(name);
        let process = Process::spawn(name, &shell(script), &log, Lifetime::Guarded)?;
        wait_for("up", || process.log_tail(1).contains("up").then_some(()))?;
        if patiently {
            process.terminate(SOON).await?;
        } else {
            process.kill().await?;
        }
        let status = process.wait(SOON).await?.ok_or("no status")?;
        assert_eq!(process.log_tail(1).contains("tidy"), patiently, "{name}");
        assert_eq!(status.signal(), (!patiently).then_some(9), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn one_that_ignores_the_request_is_killed() -> Outcome {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("log");
    let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let process = Process::spawn("stubborn", &shell(script), &log, Lifetime::Guarded)?;
    wait_for("up", || process.log_tail(1).contains("up").then_some(()))?;

    process.terminate(Duration::from_millis(200)).await?;

    assert_eq!(process.wait(SOON).await?.and_then(|status| status.signal()), Some(9));
    Ok(())
}

#[tokio::test]
async fn a_frozen_one_does_nothing_until_it_goes_on() -> Outcome {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("log");
    let script = "while :; do echo tick; sleep 0.01; done";
    let process = Process::spawn("clock", &shell(script), &log, Lifetime::Guarded)?;
    let length = || fs::metadata(&log).map_or(0, |metadata| metadata.len());
    wait_for("ticking", || (length() > 0).then_some(()))?;

    process.stop()?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let frozen = length();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(length(), frozen);
    assert!(process.is_running());

    process.cont()?;
    wait_for("ticking again", || (length() > frozen).then_some(()))?;
    Ok(())
}

#[tokio::test]
async fn a_dropped_one_ends_with_its_children_and_a_detached_one_stays() -> Outcome {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("log");
    let script = "sleep 300 & echo $!; wait";
    let guarded = Process::spawn("guarded", &shell(script), &log, Lifetime::Guarded)?;
    let detached = Process::spawn("detached", &shell("sleep 300"), &log, Lifetime::Detached)?;
    let grandchild =
        wait_for("grandchild", || guarded.log_tail(1).trim().parse().ok().and_then(Identity::of))?;
    let (guarded_id, detached_id) = (guarded.identity(), detached.identity());

    drop(guarded);
    wait_for("guarded to end", || (!guarded_id.is_running()).then_some(()))?;
    wait_for("grandchild to end", || (!grandchild.is_running()).then_some(()))?;

    assert!(detached_id.is_running());
    detached.kill().await?;
    assert!(!detached_id.is_running());
    Ok(())
}

/// Not a test of its own: what `everything_ends_with_a_killed_owner` starts, and kills.
#[tokio::test]
#[ignore = "another test runs it as a program"]
async fn owner() -> Outcome {
    let Some(dir) = std::env::var_os(OWNER_DIR) else {
        return Ok(());
    };
    let dir = Path::new(&dir);
    let log = dir.join("log");
    let running = Process::spawn("running", &shell("sleep 300 & wait"), &log, Lifetime::Guarded)?;
    let frozen = Process::spawn("frozen", &shell("sleep 300"), &log, Lifetime::Guarded)?;
    frozen.stop()?;
    let ended = Process::spawn("ended", &shell("exit 0"), &log, Lifetime::Guarded);
    fs::write(dir.join("part"), format!("{} {}", running.pid(), frozen.pid()))?;
    fs::rename(dir.join("part"), dir.join("pids"))?;
    std::thread::sleep(Duration::from_mins(5));
    drop((running, frozen, ended));
    Ok(())
}

#[test]
fn everything_ends_with_a_killed_owner() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut owner = Command::new(std::env::current_exe()?)
        .args(["--exact", "owner", "--ignored"])
        .env(OWNER_DIR, dir.path())
        .stdout(Stdio::null())
        .spawn()?;
    let pids = wait_for("pids", || fs::read_to_string(dir.path().join("pids")).ok())?;
    let children: Vec<_> =
        pids.split(' ').filter_map(|pid| pid.parse().ok()).filter_map(Identity::of).collect();
    assert_eq!(children.len(), 2, "both run while their owner does");

    owner.kill()?;
    owner.wait()?;

    for process in children {
        wait_for("the children to end", || (!process.is_running()).then_some(()))?;
    }
    Ok(())
}
