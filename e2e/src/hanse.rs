//! The command line, as a person types it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::binaries::binary;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// `hanse` with the context of one user.
#[derive(Clone, Debug)]
pub struct Hanse {
    program: PathBuf,
    config: PathBuf,
}

/// What a command printed, and its exit code.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Data.
    pub stdout: String,
    /// Progress and errors.
    pub stderr: String,
    /// 128 and more for a signal.
    pub code: i32,
}

impl Hanse {
    /// With the contexts in a file.
    pub fn new(config: &Path) -> Result<Self> {
        Ok(Self { program: binary("hanse")?, config: config.to_owned() })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env("HANSE_CONFIG", &self.config).env("NO_COLOR", "1");
        // What it keeps of its own stays with the context: two users are two machines.
        if let Some(home) = self.config.parent() {
            for (name, place) in [
                ("HOME", "."),
                ("XDG_CACHE_HOME", "cache"),
                ("XDG_CONFIG_HOME", "config"),
                ("XDG_STATE_HOME", "state"),
            ] {
                command.env(name, home.join(place));
            }
        }
        command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command that must succeed, with this on its standard input.
    pub async fn ok_with_input(&self, args: &[&str], input: &[u8]) -> Result<Printed> {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start hanse")?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        // One that refuses before it reads has closed its end, which is no error here.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let printed = Printed::from(output.context("hanse did not end")??);
        if printed.code != 0 {
            bail!("hanse {} ended with {}\n{}", args.join(" "), printed.code, printed.stderr);
        }
        Ok(printed)
    }

    /// Runs a command to its end, whatever its exit code.
    pub async fn run(&self, args: &[&str]) -> Result<Printed> {
        let output = self.command(args).output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .with_context(|| format!("hanse {} did not end", args.join(" ")))?
            .context("cannot start hanse")?;
        Ok(output.into())
    }

    /// Runs a command that must succeed.
    pub async fn ok(&self, args: &[&str]) -> Result<Printed> {
        let printed = self.run(args).await?;
        if printed.code != 0 {
            bail!("hanse {} ended with {}\n{}", args.join(" "), printed.code, printed.stderr);
        }
        Ok(printed)
    }

    /// Runs a command that must succeed and print JSON.
    pub async fn json(&self, args: &[&str]) -> Result<Value> {
        let printed = self.ok(args).await?;
        serde_json::from_str(&printed.stdout)
            .with_context(|| format!("hanse {} did not print JSON", args.join(" ")))
    }

    /// The drift that the hub knows, with what was resolved when `history` is set; newest first.
    pub async fn drift(&self, history: bool) -> Result<Vec<Value>> {
        let mut args = vec!["drift", "-o", "json"];
        if history {
            args.push("--history");
        }
        // Exit code 1 says that some of it stands.
        let printed = self.run(&args).await?;
        if printed.code > 1 {
            bail!("hanse drift ended with {}\n{}", printed.code, printed.stderr);
        }
        let answer: Value =
            serde_json::from_str(&printed.stdout).context("no JSON from hanse drift")?;
        Ok(answer.get("drift").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// `hanse drift --watch`; returns when it has caught up, so that nothing later is missed.
    pub async fn watch_drift(&self) -> Result<Watch> {
        self.watch("drift", &["drift"]).await
    }

    /// `hanse access violations --watch`, likewise.
    pub async fn watch_violations(&self) -> Result<Watch> {
        self.watch("violation", &["access", "violations"]).await
    }

    async fn watch(&self, event: &'static str, args: &[&str]) -> Result<Watch> {
        let mut command = self.command(&[args, &["--watch", "-o", "json"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let lines = BufReader::new(stdout).lines();
        let mut watch = Watch { event, lines, _child: child };
        watch.message(|message| message.get("synced").cloned()).await?;
        Ok(watch)
    }
}

impl From<Output> for Printed {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(128),
        }
    }
}

/// What a command shows as it happens.
#[derive(Debug)]
pub struct Watch {
    event: &'static str,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Watch {
    /// The next one that a test accepts.
    pub async fn next(&mut self, accept: impl Fn(&Value) -> bool) -> Result<Value> {
        let event = self.event;
        self.message(|message| message.get(event).filter(|seen| accept(seen)).cloned()).await
    }

    async fn message(&mut self, pick: impl Fn(&Value) -> Option<Value>) -> Result<Value> {
        let next = async {
            while let Some(line) = self.lines.next_line().await? {
                let value: Value = serde_json::from_str(&line).context("not JSON")?;
                if let Some(picked) = pick(&value) {
                    return Ok(picked);
                }
            }
            bail!("the watch ended")
        };
        tokio::time::timeout(crate::poll::PATIENCE, next).await.context("no such event was seen")?
    }
}
