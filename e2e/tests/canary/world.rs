//! A hub, two clusters and a person, all of whom say everything that they can say.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_e2e::{Federation, Printed, Settings, binary, poll};
use hanse_testbed::{Lifetime, Process, ports};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DeleteParams};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::search::Canary;

pub(crate) const NAMESPACE: &str = "team";
/// A DER-encoded Ed25519 private key up to its 32 bytes (RFC 8410).
const ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// In an env file and on a command's stdin, 32 of these.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub(crate) struct World {
    pub(crate) dir: PathBuf,
    pub(crate) federation: Federation,
    pub(crate) canaries: Mutex<Vec<Canary>>,
    /// Everything that the commands printed, but for values that somebody asked for.
    pub(crate) printed: Mutex<Vec<u8>>,
    agents: Mutex<Vec<(String, u16, Process)>>,
}

impl World {
    pub(crate) async fn start(dir: &Path) -> Result<Self> {
        let settings =
            Settings { clusters: 2, dir: dir.join("world"), shared_etcd: false, database: None };
        std::fs::create_dir_all(dir.join("inputs"))?;
        let federation = Federation::start(&settings).await?;
        Ok(Self {
            dir: dir.to_owned(),
            federation,
            canaries: Mutex::default(),
            printed: Mutex::default(),
            agents: Mutex::default(),
        })
    }

    /// A new value of 32 random bytes.
    pub(crate) fn bytes(&self, name: &'static str) -> Vec<u8> {
        self.keep(name, rand::random::<[u8; 32]>().to_vec())
    }

    /// A new value of 32 random letters and digits.
    pub(crate) fn text(&self, name: &'static str) -> String {
        let letters = rand::random::<[u8; 32]>().map(|byte| LETTERS[usize::from(byte) % 62]);
        String::from_utf8(self.keep(name, letters.to_vec())).unwrap()
    }

    fn keep(&self, name: &'static str, value: Vec<u8>) -> Vec<u8> {
        self.canaries.lock().unwrap().push(Canary { name, value: value.clone() });
        value
    }

    /// A file that a person has, with a value in it: nothing that is searched.
    pub(crate) fn input(&self, name: &str, content: &[u8]) -> Result<String> {
        let path = self.dir.join("inputs").join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    /// `hanse …`, whatever comes of it.
    pub(crate) async fn run(&self, args: &[&str], stdin: &[u8]) -> Result<Printed> {
        let printed = self.quietly(args, stdin).await?;
        let mut all = self.printed.lock().unwrap();
        all.extend(printed.stdout.bytes().chain(printed.stderr.bytes()));
        Ok(printed)
    }

    /// `hanse …`, which must succeed.
    pub(crate) async fn ok(&self, args: &[&str], stdin: &[u8]) -> Result<Printed> {
        let printed = self.run(args, stdin).await?;
        let command = args.join(" ");
        ensure!(
            printed.code == 0,
            "hanse {command} ended with {}\n{}",
            printed.code,
            printed.stderr
        );
        Ok(printed)
    }

    /// The same, without keeping what it says.
    pub(crate) async fn quietly(&self, args: &[&str], stdin: &[u8]) -> Result<Printed> {
        let mut command = tokio::process::Command::new(binary("hanse")?);
        command.args(args).env("HANSE_CONFIG", self.federation.hub.config()).env("NO_COLOR", "1");
        command.env("EDITOR", self.dir.join("inputs/editor")).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut pipe = child.stdin.take().context("no stdin")?;
        // One that refuses before it reads has closed its end.
        let _ = pipe.write_all(stdin).await;
        drop(pipe);
        let output = tokio::time::timeout(poll::PATIENCE, child.wait_with_output()).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let output = output.context("hanse did not end")??;
        Ok(Printed {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code().unwrap_or(128),
        })
    }

    /// Lets a cluster join and starts its agent.
    pub(crate) async fn join(&self, cluster: &str, label: &str) -> Result<()> {
        let agent = self.federation.agent(cluster)?;
        agent.join(&self.federation.hanse, &[label]).await?;
        self.start_agent(cluster)?;
        self.settled().await
    }

    /// An agent that looks after its Secrets every second, and shows metrics.
    pub(crate) fn start_agent(&self, cluster: &str) -> Result<()> {
        let agent = self.federation.agent(cluster)?;
        let port = *ports::free(1)?.first().context("no free port")?;
        let mut command = Command::new(binary("hanse-agent")?);
        command.arg("run").arg("--dir").arg(agent.dir()).args(["--secret-check", "1s"]);
        command.arg("--metrics-listen").arg(format!("127.0.0.1:{port}"));
        let process = Process::spawn(cluster, &command, &agent.log(), Lifetime::Guarded)?;
        self.agents.lock().unwrap().push((cluster.to_owned(), port, process));
        Ok(())
    }

    pub(crate) async fn kill_agent(&self, cluster: &str) -> Result<()> {
        let mut agents = self.agents.lock().unwrap().split_off(0);
        let gone = agents.iter().position(|(name, ..)| name == cluster).context("no such agent")?;
        let (_, _, process) = agents.remove(gone);
        self.agents.lock().unwrap().extend(agents);
        process.kill().await?;
        Ok(())
    }

    /// What every agent's `/metrics` says.
    pub(crate) async fn metrics(&self) -> Result<Vec<u8>> {
        let ports: Vec<u16> =
            self.agents.lock().unwrap().iter().map(|(_, port, _)| *port).collect();
        let mut all = Vec::new();
        for port in ports {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
            let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            stream.write_all(request).await?;
            stream.read_to_end(&mut all).await?;
        }
        Ok(all)
    }

    pub(crate) async fn settled(&self) -> Result<()> {
        self.ok(&["wait", "--all", "--for=synced", "--timeout", "45s"], b"").await?;
        Ok(())
    }

    pub(crate) async fn client(&self, cluster: &str) -> Result<Client> {
        self.federation.client(cluster).await
    }

    /// Waits until a Secret has this among its values.
    pub(crate) async fn holds(&self, cluster: &str, secret: &str, value: &[u8]) -> Result<()> {
        let api = Api::<Secret>::namespaced(self.client(cluster).await?, NAMESPACE);
        let has = |secret: Secret| {
            let mut values = secret.data.unwrap_or_default().into_values();
            values.any(|held| hanse_probes::canary::find(&held.0, value).is_some())
        };
        poll::until(&format!("{secret} in {cluster} with its value"), || async {
            Ok(api.get_opt(secret).await?.is_some_and(has).then_some(()))
        })
        .await?;
        Ok(())
    }

    /// Waits until a Secret is gone.
    pub(crate) async fn lacks(&self, cluster: &str, secret: &str) -> Result<()> {
        let api = Api::<Secret>::namespaced(self.client(cluster).await?, NAMESPACE);
        poll::until(&format!("{secret} gone from {cluster}"), || async {
            Ok(api.get_opt(secret).await?.is_none().then_some(()))
        })
        .await?;
        Ok(())
    }

    /// Somebody deletes a Secret behind the agent's back.
    pub(crate) async fn delete(&self, cluster: &str, secret: &str) -> Result<()> {
        let api = Api::<Secret>::namespaced(self.client(cluster).await?, NAMESPACE);
        api.delete(secret, &DeleteParams::default()).await?;
        Ok(())
    }

    /// The hub's process.
    pub(crate) fn hub_pid(&self) -> Result<u32> {
        let dir = self.federation.hub.dir().display().to_string();
        let serves = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let args: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            args.first().is_some_and(|program| program.ends_with(b"/hanse-control-plane"))
                && args.contains(&b"serve".as_slice())
                && args.contains(&dir.as_bytes())
        };
        std::fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(serves)
            .context("the hub's process is not there")
    }
}

/// The PEM file of an Ed25519 key with these bytes.
pub(crate) fn private_key(bytes: &[u8]) -> String {
    let der = [ED25519.as_slice(), bytes].concat();
    let text = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}
