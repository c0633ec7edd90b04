//! The program `testbed`: what it prints, that it can be repeated, and that nothing outlives it.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hanse_testbed::{Identity, Manifest};

type Outcome = Result<(), Box<dyn Error>>;

/// Long enough for clusters on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(3);

fn program(arguments: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.args(arguments).arg("--dir").arg(dir);
    command
}

fn run(arguments: &[&str], dir: &Path) -> Result<(Output, String), Box<dyn Error>> {
    let output = program(arguments, dir).output()?;
    let said = String::from_utf8(output.stderr.clone())?;
    Ok((output, said))
}

/// Ends what a failed test would leave.
struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let _ = program(&["down"], self.0).output();
    }
}

fn processes(dir: &Path) -> Result<Vec<Identity>, Box<dyn Error>> {
    let manifest = Manifest::read(dir)?.ok_or("no testbed.json")?;
    let servers = manifest.clusters.iter().flat_map(|c| [&c.apiserver, &c.controller_manager]);
    let all = manifest.etcds.iter().map(|etcd| &etcd.service).chain(servers);
    Ok(all.filter_map(|service| service.process).collect())
}

#[test]
fn clusters_outlive_up_and_end_with_down() -> Outcome {
    let parent = tempfile::tempdir()?;
    let dir = parent.path().join("bed");
    let _down = Down(&dir);

    let (up, said) = run(&["up", "--clusters", "1"], &dir)?;
    assert!(up.status.success(), "{said}");
    let kubeconfig = fs::canonicalize(&dir)?.join("cluster-1.kubeconfig");
    assert_eq!(String::from_utf8(up.stdout)?, format!("{}\n", kubeconfig.display()));
    assert!(said.contains("testbed down --dir"), "{said}");
    let first = processes(&dir)?;
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(Identity::is_running));

    let (again, said) = run(&["up", "--clusters", "1"], &dir)?;
    assert!(again.status.success() && said.contains("already running"), "{said}");
    assert_eq!(processes(&dir)?, first);
    let (more, said) = run(&["up", "--clusters", "2"], &dir)?;
    assert!(!more.status.success() && said.contains("hint: testbed down"), "{said}");
    let (wrong, said) = run(&["stop", "cluster-9"], &dir)?;
    assert!(!wrong.status.success() && said.contains("take one of: cluster-1"), "{said}");

    let (stop, said) = run(&["stop", "cluster-1"], &dir)?;
    assert!(stop.status.success() && said.contains("testbed start cluster-1"), "{said}");
    assert!(first.iter().all(|process| !process.is_running()));
    let (status, _) = run(&["status"], &dir)?;
    assert!(String::from_utf8(status.stdout)?.contains("cluster-1\tstopped\t"));
    let before = fs::read(&kubeconfig)?;
    let (start, said) = run(&["start", "cluster-1"], &dir)?;
    assert!(start.status.success(), "{said}");
    assert_eq!(fs::read(&kubeconfig)?, before);

    let second = processes(&dir)?;
    assert!(second.len() == 3 && second.iter().all(Identity::is_running));
    let (down, said) = run(&["down"], &dir)?;
    assert!(down.status.success(), "{said}");
    assert!(second.iter().all(|process| !process.is_running()));
    assert!(!dir.exists(), "nothing is left");
    let (nothing, said) = run(&["down"], &dir)?;
    assert!(nothing.status.success() && said.contains("nothing to end"), "{said}");
    Ok(())
}

#[test]
fn a_killed_program_leaves_no_clusters_running() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut foreground = program(&["up", "--foreground"], dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while processes(dir.path()).map_or(0, |owned| owned.len()) < 3 {
        assert!(foreground.try_wait()?.is_none(), "it ended");
        assert!(Instant::now() < deadline, "it does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let owned = processes(dir.path())?;
    assert_eq!(owned.len(), 3);
    assert!(owned.iter().all(Identity::is_running));
    let (refused, said) = run(&["stop", "cluster-1"], dir.path())?;
    assert!(!refused.status.success() && said.contains("foreground"), "{said}");

    foreground.kill()?;
    foreground.wait()?;

    let deadline = Instant::now() + Duration::from_secs(30);
    while owned.iter().any(Identity::is_running) {
        assert!(Instant::now() < deadline, "a program outlived its owner");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn an_interrupted_start_leaves_nothing() -> Outcome {
    let parent = tempfile::tempdir()?;
    let dir = parent.path().join("bed");
    let _down = Down(&dir);
    let mut up = program(&["up"], &dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let server = dir.join("cluster-1/apiserver.log");
    let deadline = Instant::now() + PATIENCE;
    while !server.exists() {
        assert!(up.try_wait()?.is_none() && Instant::now() < deadline, "it does not start");
        std::thread::sleep(Duration::from_millis(5));
    }

    let interrupt = format!("kill -s INT {}", up.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status()?.success());

    assert_eq!(up.wait()?.code(), Some(130));
    assert!(!dir.exists(), "files are left");
    assert_eq!(command_lines_with(&dir)?, Vec::<String>::new(), "programs are left");
    Ok(())
}

/// The command lines of all running programs that name the folder.
fn command_lines_with(dir: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let name = dir.to_str().ok_or("not a plain path")?;
    let lines = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    Ok(lines.filter(|line| line.contains(name)).collect())
}
