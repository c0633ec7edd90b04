//! The hub's program, from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hanse_control_plane::auth::CertificateAuthority;
use hanse_control_plane::store::Store;
use hanse_domain::trust::root::TrustRoot;
use hanse_testbed::{Lifetime, Process};
use tempfile::TempDir;

use crate::author::single_root;
use crate::clients::Credentials;
use crate::database::Database;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hanse-control-plane");
/// Long enough for a slow machine; never waited for when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A hub and its folder.
pub(crate) struct Hub {
    pub(crate) dir: PathBuf,
    pub(crate) ca: CertificateAuthority,
    database: Database,
    running: Mutex<Option<Running>>,
    _temp: TempDir,
}

struct Running {
    process: Process,
    people: String,
    agents: String,
}

impl Hub {
    /// Made and started.
    pub(crate) async fn start(database: Database) -> Self {
        let hub = Self::make(database);
        hub.serve(&[]).await;
        hub
    }

    /// Made, not started. Ada's key may do everything.
    pub(crate) fn make(database: Database) -> Self {
        Self::make_with(database, &single_root())
    }

    pub(crate) fn make_with(database: Database, root: &TrustRoot) -> Self {
        let temp = TempDir::new().unwrap();
        let dir = temp.path().join("hub");
        let mut init = Command::new(PROGRAM);
        init.args(["init", "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0", "--dir"]);
        let file = temp.path().join("trust-root");
        fs::write(&file, root.encode()).unwrap();
        init.arg(&dir).arg("--trust-root").arg(file);
        if let Some(url) = &database.url {
            init.args(["--database", url]);
        }
        let done = init.output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let ca = CertificateAuthority::load(&dir).unwrap();
        Self { dir, ca, database, running: Mutex::default(), _temp: temp }
    }

    /// Another hub of the same fleet, on the same PostgreSQL.
    pub(crate) async fn replica(&self) -> Self {
        let temp = TempDir::new().unwrap();
        let dir = temp.path().join("hub");
        fs::create_dir(&dir).unwrap();
        for file in ["ca.crt", "ca.key", "hub.json", "admin.yaml"] {
            fs::copy(self.dir.join(file), dir.join(file)).unwrap();
        }
        let ca = CertificateAuthority::load(&dir).unwrap();
        let database =
            Database { url: self.database.url.clone(), server: self.database.server.clone() };
        let hub = Self { dir, ca, database, running: Mutex::default(), _temp: temp };
        hub.serve(&[]).await;
        hub
    }

    /// Starts the program and waits until it serves.
    pub(crate) async fn serve(&self, more: &[&str]) {
        let mut serve = Command::new(PROGRAM);
        serve.arg("serve").arg("--dir").arg(&self.dir).args(more);
        let log = self.dir.join("hub.log");
        let process = Process::spawn("hub", &serve, &log, Lifetime::Guarded).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let addresses = loop {
            if let Ok(text) = fs::read_to_string(self.dir.join("addresses.json")) {
                break serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
            let ready = process.is_running() && Instant::now() < deadline;
            assert!(ready, "the hub does not start:\n{}", process.log_tail(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let address = |key: &str| addresses[key].as_str().unwrap().to_owned();
        let running = Running { process, people: address("people"), agents: address("agents") };
        *self.running.lock().unwrap() = Some(running);
    }

    pub(crate) fn people(&self) -> String {
        self.running.lock().unwrap().as_ref().unwrap().people.clone()
    }

    pub(crate) fn agents(&self) -> String {
        self.running.lock().unwrap().as_ref().unwrap().agents.clone()
    }

    pub(crate) async fn kill(&self) {
        let running = self.running.lock().unwrap().take().unwrap();
        running.process.kill().await.unwrap();
        // What a crash leaves behind; the next start removes it, but the test must not read it.
        let _ = fs::remove_file(self.dir.join("addresses.json"));
    }

    /// Asks it to end; it must do so in time and with success.
    pub(crate) async fn terminate(&self) {
        let running = self.running.lock().unwrap().take().unwrap();
        let asked = Instant::now();
        running.process.terminate(PATIENCE).await.unwrap();
        let status = loop {
            // Gone comes a moment before reaped.
            if let Some(status) = running.process.wait(PATIENCE).await.unwrap() {
                break status;
            }
            assert!(asked.elapsed() < PATIENCE, "the hub's exit status is not known");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(status.success(), "{status:?}\n{}", running.process.log_tail(20));
        assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("hub.log")).unwrap_or_default()
    }

    /// Ends it; whatever it logged as an error fails the test.
    pub(crate) async fn end_well(&self) {
        self.terminate().await;
        let log = self.log();
        assert!(!log.contains("ERROR"), "{log}");
    }

    /// The hub's database, behind its back.
    pub(crate) async fn store(&self) -> Store {
        let file = format!("sqlite:{}", self.dir.join("hanse.db").display());
        Store::open(self.database.url.as_ref().unwrap_or(&file)).await.unwrap()
    }

    /// Runs another command of the program; what it wrote, and whether it succeeded.
    pub(crate) fn run(&self, args: &[&str]) -> (bool, String) {
        let done = Command::new(PROGRAM).args(args).arg("--dir").arg(&self.dir).output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(text).unwrap())
    }

    pub(crate) fn admin(&self) -> Credentials {
        Credentials::of_file(&self.dir.join("admin.yaml"))
    }

    pub(crate) fn viewer(&self) -> Credentials {
        let file = self.dir.join("vera.yaml");
        if !file.exists() {
            let (done, said) = self.run(&["user", "create", "vera", "--role", "viewer"]);
            assert!(done, "{said}");
        }
        Credentials::of_file(&file)
    }
}

/// Lines under a key of a file that the program wrote.
pub(crate) fn block(path: &Path, key: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().skip_while(|line| line.trim() != format!("{key}: |")).skip(1);
    lines
        .take_while(|line| line.starts_with("      "))
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}
