//! One program of the testbed, which can be ended and started again just as it was.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::process::{Identity, Process, Will};

/// How long a program may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is needed to start a program, and which process it is now. `testbed.json` holds these.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Such as `kube-apiserver`.
    pub name: String,
    /// The program with its arguments.
    pub command: Vec<String>,
    /// Where its output goes.
    pub log: PathBuf,
    /// The process, if it was running when this was written.
    pub process: Option<Identity>,
}

/// A program of a cluster: etcd, the API server or the controller manager.
#[derive(Debug)]
pub struct Service {
    name: String,
    command: Vec<String>,
    log: PathBuf,
    process: Mutex<Option<Arc<Process>>>,
}

impl Service {
    pub(crate) fn new(name: &str, command: Vec<String>, log: PathBuf) -> Self {
        Self { name: name.into(), command, log, process: Mutex::default() }
    }

    pub(crate) fn from_record(record: ServiceRecord) -> Self {
        let adopt = |identity| Arc::new(Process::adopt(&record.name, identity, &record.log));
        let process = Mutex::new(record.process.map(adopt));
        Self { name: record.name, command: record.command, log: record.log, process }
    }

    pub(crate) fn record(&self) -> ServiceRecord {
        ServiceRecord {
            name: self.name.clone(),
            command: self.command.clone(),
            log: self.log.clone(),
            process: self.process().filter(|p| p.is_running()).map(|p| p.identity()),
        }
    }

    /// The process, if it was started and not ended by us; it may have ended by itself.
    pub fn process(&self) -> Option<Arc<Process>> {
        self.lock().clone()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.process().is_some_and(|process| process.is_running())
    }

    /// Starts it, guarded, unless it runs.
    pub(crate) fn start(&self) -> Result<()> {
        let mut process = self.lock();
        if process.as_ref().is_some_and(|process| process.is_running()) {
            return Ok(());
        }
        let (program, arguments) =
            self.command.split_first().map_or(("", &[][..]), |(p, a)| (p, a));
        let mut command = Command::new(program);
        command.args(arguments);
        let started = Process::spawn_with(&self.name, &command, &self.log, &Will::KILL)?;
        *process = Some(Arc::new(started));
        Ok(())
    }

    /// Ends it in good order.
    pub(crate) async fn stop(&self) -> Result<()> {
        let process = self.lock().take();
        match process {
            Some(process) => process.terminate(PATIENCE).await,
            None => Ok(()),
        }
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&self) -> Result<()> {
        let process = self.lock().take();
        match process {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Lets it outlive this program.
    pub(crate) fn detach(&self) {
        if let Some(process) = self.process() {
            process.detach();
        }
    }

    /// The error to give when it should run and does not; `Ok` if it runs.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        Err(crate::process::ended(&self.name, "it does not run", &self.log))
    }

    /// Whether it ended because someone else listens on its port.
    pub(crate) fn lost_its_port(&self) -> bool {
        let said = self.process().map(|process| process.log_tail(40)).unwrap_or_default();
        !self.is_running() && said.contains("address already in use")
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Process>>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
