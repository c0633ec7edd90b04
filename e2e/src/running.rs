//! A program that can be started, killed and started again.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use hanse_testbed::{Lifetime, Process};

/// How long a program may take to end when it is asked to.
const DRAIN: Duration = Duration::from_secs(15);

/// The process, while there is one.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<Option<Process>>);

impl Running {
    /// Starts it; ends with this program at the latest.
    pub(crate) fn start(&self, name: &str, command: &Command, log: &Path) -> Result<()> {
        *self.slot() = Some(Process::spawn(name, command, log, Lifetime::Guarded)?);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) -> Result<()> {
        let process = self.slot().take();
        if let Some(process) = process {
            process.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM; it must end by itself.
    pub(crate) async fn stop(&self) -> Result<()> {
        let process = self.slot().take();
        if let Some(process) = process {
            process.terminate(DRAIN).await?;
        }
        Ok(())
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.slot().as_ref().is_some_and(Process::is_running)
    }

    /// Its process id, while there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.slot().as_ref().map(Process::pid)
    }

    /// The last lines that it printed.
    pub(crate) fn last_words(&self) -> String {
        self.slot().as_ref().map(|process| process.log_tail(20)).unwrap_or_default()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
