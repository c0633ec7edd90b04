//! Programs as the testbed runs them: output in a log file, a process group of their own, and gone
//! when their owner is gone. `identity` names a process for good, `guard` ties it to its owner.

mod guard;
mod identity;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use guard::Watcher;
pub(crate) use guard::{LastSignal, Will};
pub use identity::Identity;

use crate::error::{Context, Error, Result};

/// How often a process is asked whether it still runs.
const POLL: Duration = Duration::from_millis(10);

/// Who outlives whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// The process is killed when its owner drops it, ends, or is killed.
    Guarded,
    /// The process stays until someone ends it.
    Detached,
}

/// A running program, or what is left of one.
///
/// It is in a process group of its own, so Ctrl-C in a terminal does not reach it.
#[derive(Debug)]
pub struct Process {
    name: String,
    identity: Identity,
    log: PathBuf,
    last: LastSignal,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None` if another process started it.
    child: Option<Child>,
    /// `None` if it is detached, or has ended.
    watcher: Option<Watcher>,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` with its output appended to the file `log` and nothing to read on stdin.
    ///
    /// Of the command, the program, arguments, folder and changes to the environment count; what it
    /// says about stdio does not, nor does `env_clear`.
    pub fn spawn(name: &str, command: &Command, log: &Path, lifetime: Lifetime) -> Result<Self> {
        let process = Self::spawn_with(name, command, log, &Will::KILL)?;
        if lifetime == Lifetime::Detached {
            process.detach();
        }
        Ok(process)
    }

    /// As `spawn`, guarded, and with a will for when the owner goes.
    pub(crate) fn spawn_with(
        name: &str,
        command: &Command,
        log: &Path,
        will: &Will,
    ) -> Result<Self> {
        let (mut child, watcher) = guard::spawn(name, command, log, will)?;
        // It cannot have been reaped, so its pid is its own; but it may have ended already.
        let pid = child.id();
        let Some(identity) = Identity::of(pid) else {
            let status = child.wait().doing(|| format!("cannot start {name}"))?;
            watcher.dismiss();
            return Err(ended(name, status, log));
        };
        let inner = Inner { child: Some(child), watcher: Some(watcher), status: None };
        Ok(Self {
            name: name.into(),
            identity,
            log: log.into(),
            last: will.signal,
            inner: Mutex::new(inner),
        })
    }

    /// A detached process that someone else started.
    pub(crate) fn adopt(name: &str, identity: Identity, log: &Path) -> Self {
        let inner = Mutex::default();
        Self { name: name.into(), identity, log: log.into(), last: LastSignal::Kill, inner }
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// Its process id and start time.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Lets it live on when its owner drops it or ends.
    pub fn detach(&self) {
        if let Some(watcher) = self.lock().watcher.take() {
            watcher.dismiss();
        }
    }

    /// Whether it still runs (a stopped one does).
    pub fn is_running(&self) -> bool {
        let mut inner = self.lock();
        reap(&mut inner);
        inner.status.is_none() && self.identity.is_running()
    }

    /// Kills it and its process group with SIGKILL and waits until it is gone.
    pub async fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.gone_within(Duration::from_secs(10)).await
    }

    /// Asks it to end (SIGTERM) and kills it if it still runs after `patience`.
    pub async fn terminate(&self, patience: Duration) -> Result<()> {
        self.end(Signal::TERM, patience).await
    }

    /// Sends `signal`, to this process alone, and kills it if it still runs after `patience`.
    pub(crate) async fn end(&self, signal: Signal, patience: Duration) -> Result<()> {
        if self.is_running() {
            self.identity.signal(signal)?;
        }
        match self.gone_within(patience).await {
            Ok(()) => Ok(()),
            Err(_) => self.kill().await,
        }
    }

    /// Freezes it and its process group (SIGSTOP): connections stay open and nothing answers.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen one continue (SIGCONT).
    pub fn cont(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits until it has ended, and says how: `None` if it was someone else's child.
    pub async fn wait(&self, timeout: Duration) -> Result<Option<ExitStatus>> {
        self.gone_within(timeout).await?;
        Ok(self.lock().status)
    }

    /// The last lines of its log, for messages.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    async fn gone_within(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while self.is_running() {
            if Instant::now() >= deadline {
                let why = format!("it still runs after {} ms", timeout.as_millis());
                return Err(Error::new(format!("{} does not end", self.name), why));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let inner = self.lock();
        if inner.status.is_some() {
            return Ok(());
        }
        if inner.child.is_some() {
            // Not reaped, so neither the pid nor the group can be anyone else's.
            signal_group(self.identity.pid, signal);
            return Ok(());
        }
        self.identity.signal(signal).map(|_| ())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        reap(inner);
        let Some(watcher) = inner.watcher.take() else {
            return;
        };
        if self.last == LastSignal::Quit {
            let _ = self.identity.signal(Signal::QUIT);
            let deadline = Instant::now() + Duration::from_secs(3);
            while self.identity.is_running() && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
        }
        signal_group(self.identity.pid, Signal::KILL);
        if let Some(child) = &mut inner.child {
            let _ = child.wait();
        }
        watcher.dismiss();
    }
}

/// Collects the exit status of a child that has ended, after which its pid is not ours.
fn reap(inner: &mut Inner) {
    if inner.status.is_some() {
        return;
    }
    let Some(Ok(Some(status))) = inner.child.as_mut().map(Child::try_wait) else {
        return;
    };
    inner.status = Some(status);
    if let Some(watcher) = inner.watcher.take() {
        watcher.dismiss();
    }
}

fn signal_group(leader: u32, signal: Signal) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// A program ended that should run: how, and the last that it said.
pub(crate) fn ended(name: &str, status: impl std::fmt::Display, log: &Path) -> Error {
    Error::new(format!("{name} ended"), format!("{status}; its last words:\n{}", tail(log, 8)))
        .hint(format!("read {}", log.display()))
}

fn tail(log: &Path, lines: usize) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let tail = all.get(all.len().saturating_sub(lines)..).unwrap_or_default();
    tail.join("\n")
}
