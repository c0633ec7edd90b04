//! `dev`: a hub for trying out, on loopback. Without `--dir`, everything goes when it ends.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::init::Init;
use super::serve::{ACCESS_HISTORY_DAYS, days, serve};
use super::settings::Settings;
use super::{Dir, say};
use crate::wire::{Addresses, Config};

/// Options of `dev`.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Keeps the hub in this folder, and uses what is in it.
    #[arg(long, value_name = "DIR", env = "HANSE_DIR")]
    dir: Option<PathBuf>,
}

impl Dev {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let kept = self.dir.is_some();
        let dir = self.dir.unwrap_or_else(|| {
            let name = format!("hanse-dev-{}", uuid::Uuid::new_v4().simple());
            std::env::temp_dir().join(name)
        });
        let outcome = run(&dir, kept).await;
        if !kept {
            // A temporary folder: what stays, the system removes.
            let _ = fs::remove_dir_all(&dir);
        }
        outcome
    }
}

async fn run(dir: &Path, kept: bool) -> Result<(), Failure> {
    if !Settings::exist(dir) {
        init(dir)?.make().await?;
    }
    let settings = Settings::load(dir)?;
    let config = Config {
        dir: dir.to_owned(),
        fleet: settings.fleet()?,
        database: settings.database(dir),
        names: settings.names,
        listen: settings.listen,
        agent_listen: settings.agent_listen,
        advertise: settings.advertise,
        agent_advertise: settings.agent_advertise,
        agent_certificate_lifetime: None,
        access_history: days(ACCESS_HISTORY_DAYS),
        metrics: None,
    };
    serve(&config, |addresses| greet(dir, kept, addresses)).await
}

fn init(dir: &Path) -> Result<Init, Failure> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let name = |error| Failure::explained("cannot name the hub", &error);
    // Both are held until both are chosen.
    let (people, agents) = (free(7443)?, free(7444)?);
    Ok(Init {
        dir: Dir { path: dir.to_owned() },
        trust_domain: "hanse.local".parse().map_err(name)?,
        names: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        database: None,
        trust_root: None,
        admin: "admin".parse().map_err(name)?,
        listen: loopback(people.port),
        agent_listen: loopback(agents.port),
        advertise: None,
        agent_advertise: None,
    })
}

/// A port that nobody listens on, held while this lives.
struct Port {
    port: u16,
    _held: TcpListener,
}

/// The wanted port, or any free one.
fn free(wanted: u16) -> Result<Port, Failure> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let held = bind(wanted).or_else(|_| bind(0));
    let port = held.and_then(|held| {
        let port = held.local_addr()?.port();
        Ok(Port { port, _held: held })
    });
    port.map_err(|error| Failure::new("there is no free port").why(error))
}

fn greet(dir: &Path, kept: bool, addresses: &Addresses) {
    say("WARNING: this hub is for trying out. It listens on loopback alone, its keys lie in a");
    if kept {
        say("plain folder, and nobody has looked after them.");
    } else {
        say("temporary folder, and everything is gone when it stops.");
    }
    say(&format!("\n  people:  https://{}", addresses.advertise));
    say(&format!("  agents:  {}", addresses.agent_advertise));
    say("\nIn another terminal:\n");
    say(&format!("  export HANSE_CONFIG={}", dir.join("admin.yaml").display()));
    say("  hanse check\n");
}
