//! How a process is made to die with its owner, even when the owner is killed with SIGKILL.
//!
//! ```text
//! owner ──stdin──▶ sh (gate): waits for a line, then exec's the program: same pid
//!       ──stdin──▶ sh (watcher): reads its stdin; at its end without a line, kills the program
//! ```
//!
//! The program starts only when its watcher stands, so there is no moment at which the owner's
//! death leaves it behind. Dismissing the watcher sets the program free. Both are in process groups
//! of their own: Ctrl-C reaches neither of them, only the owner, whose death they then see.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::error::{Context, Error, Result};

/// `$0` is the program's name for messages; the rest is the program and its arguments.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;

/// `$1` is the pid of the program and of its process group; `$2` is the signal that ends it; `$3` is
/// a folder to remove, or empty.
const WATCHER: &str = r#"
read -r dismissed && exit 0
kill -s "$2" -- "-$1"
kill -s CONT -- "-$1"
if [ "$2" != KILL ]; then
    sleep 3
    kill -s KILL -- "-$1"
fi
[ -z "$3" ] || rm -rf -- "$3"
"#;

/// What ends a process whose owner has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastSignal {
    /// SIGKILL.
    Kill,
    /// SIGQUIT, and SIGKILL three seconds later.
    Quit,
}

/// What is done with a process when its owner goes.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    pub(crate) signal: LastSignal,
    /// A folder to remove when the owner could not do it.
    pub(crate) remove: Option<PathBuf>,
}

impl Will {
    pub(crate) const KILL: Self = Self { signal: LastSignal::Kill, remove: None };
}

/// Kills one process when it is dropped without having been dismissed, the owner's death included.
#[derive(Debug)]
pub(crate) struct Watcher {
    shell: Child,
    line: Option<ChildStdin>,
}

impl Watcher {
    fn over(pid: u32, will: &Will) -> std::io::Result<Self> {
        let signal = match will.signal {
            LastSignal::Kill => "KILL",
            LastSignal::Quit => "QUIT",
        };
        let remove = will.remove.as_deref().unwrap_or(Path::new(""));
        let mut shell = Command::new("/bin/sh")
            .args(["-c", WATCHER, "testbed-watcher", &pid.to_string(), signal])
            .arg(remove)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let line = shell.stdin.take();
        Ok(Self { shell, line })
    }

    /// The process may outlive its owner, or has ended and its pid may be someone else's.
    pub(crate) fn dismiss(mut self) {
        if let Some(mut line) = self.line.take() {
            let _ = line.write_all(b"dismissed\n");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.line.take();
        let _ = self.shell.wait();
    }
}

/// Starts `command` behind its gate, with a watcher, its output appended to `log`.
pub(crate) fn spawn(
    name: &str,
    command: &Command,
    log: &Path,
    will: &Will,
) -> Result<(Child, Watcher)> {
    let program = resolve(command.get_program())?;
    let output = File::options().create(true).append(true).open(log).path("write", log)?;
    let errors = output.try_clone().path("write", log)?;

    let mut gate = Command::new("/bin/sh");
    gate.args(["-c", GATE, name]).arg(&program).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => gate.env(key, value),
            None => gate.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        gate.current_dir(dir);
    }
    gate.stdin(Stdio::piped()).stdout(output).stderr(errors).process_group(0);

    let doing = || format!("cannot start {name}");
    let mut child = gate.spawn().doing(doing)?;
    let opened = Watcher::over(child.id(), will).and_then(|watcher| {
        let mut go =
            child.stdin.take().ok_or_else(|| std::io::Error::other("its stdin is not a pipe"))?;
        go.write_all(b"go\n")?;
        Ok(watcher)
    });
    match opened {
        Ok(watcher) => Ok((child, watcher)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Error::new(doing(), error))
        }
    }
}

/// The program's path, so that a missing one is an error here and not a line in a log.
fn resolve(program: &OsStr) -> Result<PathBuf> {
    let path = Path::new(program);
    let found = if path.components().count() > 1 {
        path.is_file().then(|| path.to_owned())
    } else {
        let search = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&search).map(|dir| dir.join(path)).find(|path| path.is_file())
    };
    found.ok_or_else(|| Error::new(format!("cannot start {}", path.display()), "no such program"))
}
