//! A process that cannot be confused with another one: its pid and when it started.
//!
//! A pid is given to a new process some time after its owner has gone. With the start time beside
//! it, and a pidfd that holds on to the process between the check and the signal, a signal never
//! reaches a stranger. Linux only.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};

/// Which process, once and for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
}

impl Identity {
    /// The process that has this pid now; `None` if there is none, or only its remains.
    pub fn of(pid: u32) -> Option<Self> {
        let (state, start_ticks) = stat(pid)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, start_ticks })
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_running(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Sends the signal; `false` if the process has gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool> {
        let doing = || format!("cannot signal process {}", self.pid);
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Err(Error::new(doing(), "not a process id"));
        };
        let fd = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(false),
            other => other.doing(doing)?,
        };
        if !self.is_running() {
            return Ok(false);
        }
        match pidfd_send_signal(&fd, signal) {
            Err(Errno::SRCH) => Ok(false),
            other => other.map(|()| true).doing(doing),
        }
    }
}

/// The state and the start time of a process, as `proc_pid_stat(5)` has them.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text)
}

fn parse_stat(text: &str) -> Option<(char, u64)> {
    // The name is in parentheses and may hold anything, closing parentheses and spaces included.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_with_a_hostile_name() {
        let line = "77 (a) Z (b) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        assert_eq!(parse_stat(line), Some(('S', 4242)));
    }

    #[test]
    fn a_namesake_is_never_signalled() -> Result<()> {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().doing(String::new)?;
        let real = Identity::of(child.id());
        let stale = real.map(|real| Identity { start_ticks: real.start_ticks - 1, ..real });
        let reached = stale.map(|stale| stale.signal(Signal::KILL)).transpose();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let survived = real.is_some_and(|real| real.is_running());
        let killed = real.map(|real| real.signal(Signal::KILL)).transpose();
        child.wait().doing(String::new)?;
        assert_eq!(reached?, Some(false));
        assert!(survived);
        assert_eq!(killed?, Some(true));
        Ok(())
    }

    #[test]
    fn knows_itself_and_not_a_namesake() {
        let own = Identity::of(std::process::id());
        assert!(own.is_some_and(|own| own.is_running()));
        let namesake = own.map(|own| Identity { start_ticks: own.start_ticks + 1, ..own });
        assert!(namesake.is_some_and(|namesake| !namesake.is_running()));
    }
}
