//! One cluster's agent as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::binaries::binary;
use crate::hanse::{Hanse, Printed};
use crate::running::Running;

/// One agent: its folder and, when it runs, its process.
#[derive(Debug)]
pub struct Agent {
    cluster: String,
    kubeconfig: PathBuf,
    context: Option<String>,
    dir: PathBuf,
    process: Running,
}

impl Agent {
    /// An agent that has not joined yet. The kubeconfig is the cluster administrator's.
    pub fn new(cluster: &str, kubeconfig: &Path, context: Option<&str>, dir: &Path) -> Self {
        Self {
            cluster: cluster.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            context: context.map(str::to_owned),
            dir: dir.to_owned(),
            process: Running::default(),
        }
    }

    /// `hanse join-token create`, `hanse-agent join` with what it printed, `hanse cluster accept`.
    pub async fn join(&self, hanse: &Hanse, labels: &[&str]) -> Result<Printed> {
        let token = hanse.json(&["join-token", "create", &self.cluster, "-o", "json"]).await?;
        let printed = self.join_with(&token).await?;
        if printed.code != 0 {
            bail!("hanse-agent join failed:\n{}", printed.stderr);
        }
        let mut args = vec!["cluster", "accept", &self.cluster];
        for label in labels {
            args.extend(["--label", label]);
        }
        hanse.ok(&args).await?;
        Ok(printed)
    }

    /// `hanse-agent join` with an answer of `join-token create -o json`, whatever comes of it.
    pub async fn join_with(&self, token: &Value) -> Result<Printed> {
        let text = |key: &str| {
            token.get(key).and_then(Value::as_str).with_context(|| format!("no {key} in {token}"))
        };
        let mut command = tokio::process::Command::new(binary("hanse-agent")?);
        command.arg("join").args(["--hub", text("hubAddress")?, "--token-file", "-"]);
        command.args(["--ca-hash", text("caHash")?, "--fleet", text("fleet")?]);
        command.args(["--history", text("history")?, "--cluster", &self.cluster]);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--dir").arg(&self.dir);
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        // Which of the two models, for whoever wants to compare them: "bind" or "impersonate".
        if let Ok(model) = std::env::var("HANSE_E2E_MODEL") {
            command.args(["--model", &model]);
        }
        command.env("NO_COLOR", "1").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start hanse-agent")?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        // One that refuses before it reads has closed its end, which is no error here.
        let _ = stdin.write_all(text("token")?.as_bytes()).await;
        drop(stdin);
        Ok(child.wait_with_output().await.context("hanse-agent join failed")?.into())
    }

    /// `hanse-agent run`; returns at once.
    pub fn start(&self) -> Result<()> {
        let mut command = Command::new(binary("hanse-agent")?);
        command.arg("run").arg("--dir").arg(&self.dir);
        self.process.start(&self.cluster, &command, &self.log())
    }

    /// SIGKILL.
    pub async fn kill(&self) -> Result<()> {
        self.process.kill().await
    }

    /// SIGTERM; it must end by itself.
    pub async fn stop(&self) -> Result<()> {
        self.process.stop().await
    }

    /// Whether it has joined: whether it has an identity.
    pub fn is_joined(&self) -> bool {
        self.dir.join("identity.json").is_file()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The agent's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the agent printed.
    pub fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }
}
