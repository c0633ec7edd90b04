//! `init`: makes a hub. Everything is made beside the folder and put in place at the end, so that a
//! failed `init` leaves nothing behind.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use hanse_domain::ids::Digest;
use jiff::Timestamp;

use super::failure::Failure;
use super::settings::Settings;
use super::{Dir, context_file, say};
use crate::auth::ca::USER_LIFETIME;
use crate::auth::{CertificateAuthority, TrustDomain, UserName};
use crate::store::{FleetRow, Role, Store, StoreError, UserRow};

pub(super) const LISTEN: &str = "0.0.0.0:7443";
pub(super) const AGENT_LISTEN: &str = "0.0.0.0:7444";

/// Options of `init`.
#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// The part of every identity that says which fleet it belongs to.
    #[arg(long, value_name = "DOMAIN", default_value = "hanse.local")]
    pub(super) trust_domain: TrustDomain,
    /// A DNS name or IP address of this hub; the first is told to clusters. Can be repeated.
    #[arg(long = "name", value_name = "NAME", default_values_t = ["127.0.0.1".to_owned(), "localhost".to_owned()])]
    pub(super) names: Vec<String>,
    /// The database: a file, or `postgres://USER:PASSWORD@HOST/DATABASE`. A file in DIR by default.
    #[arg(long, value_name = "URL", env = "HANSE_DATABASE", hide_env_values = true)]
    pub(super) database: Option<String>,
    /// The first administrator's name.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(super) admin: UserName,
    /// Where people connect and clusters join.
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN, env = "HANSE_LISTEN")]
    pub(super) listen: SocketAddr,
    /// Where agents connect.
    #[arg(long, value_name = "ADDRESS", default_value = AGENT_LISTEN, env = "HANSE_AGENT_LISTEN")]
    pub(super) agent_listen: SocketAddr,
    /// How people and joining clusters reach the hub, when it is not the first NAME and the port.
    #[arg(long, value_name = "HOST:PORT", env = "HANSE_ADVERTISE")]
    pub(super) advertise: Option<String>,
    /// The same for agents.
    #[arg(long, value_name = "HOST:PORT", env = "HANSE_AGENT_ADVERTISE")]
    pub(super) agent_advertise: Option<String>,
}

/// What was made.
pub(super) struct Made {
    pub(super) ca_hash: String,
    pub(super) fleet: Digest,
    pub(super) admin_file: PathBuf,
}

impl Init {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let made = self.make().await?;
        let dir = self.dir.path.display();
        let admin = made.admin_file.display();
        say(&format!("made the certificate authority of {}", self.trust_domain));
        say(&format!("  {}", made.ca_hash));
        say(&format!("made the fleet {}", made.fleet));
        let database =
            self.database.as_ref().map_or("hanse.db in it", |_| "the one that you named");
        say(&format!("  in {dir}; the database is {database}"));
        say(&format!("made the administrator {}", self.admin));
        say(&format!("  the certificate and key are in {admin}: keep that file to yourself"));
        say("\nstart the hub:\n");
        say(&format!("  hanse-control-plane serve --dir {dir}"));
        say("\nand, in another terminal, look whether it is well:\n");
        say(&format!("  export HANSE_CONFIG={admin}"));
        say("  hanse check");
        Ok(())
    }

    pub(super) async fn make(&self) -> Result<Made, Failure> {
        let dir = &self.dir.path;
        refuse_existing(dir)?;
        let staging = staging(dir)?;
        let made = match self.fill(&staging).await {
            Ok(made) => {
                fs::rename(&staging, dir).map(|()| made).map_err(|error| failed(dir, &error))
            }
            Err(failure) => Err(failure),
        };
        if made.is_err() {
            // What could not be removed is in a folder of its own that says what it is.
            let _ = fs::remove_dir_all(&staging);
        }
        made
    }

    async fn fill(&self, staging: &Path) -> Result<Made, Failure> {
        let now = Timestamp::now();
        let cannot = |error: &dyn std::error::Error| {
            Failure::explained("cannot make the certificate authority", error)
        };
        let ca = CertificateAuthority::make(&self.trust_domain, now).map_err(|e| cannot(&e))?;
        // Says now whether the names can be in a certificate.
        ca.issue_server(&self.names, now)
            .map_err(|error| Failure::explained("cannot use the names", &error))?;
        let admin = ca.issue_user(&self.admin, now, USER_LIFETIME).map_err(|e| cannot(&e))?;
        ca.save(staging).map_err(|error| cannot(&error))?;
        let settings = self.settings();
        settings.store(staging)?;
        let admin_file = Path::new("admin.yaml");
        context_file::write(
            &staging.join(admin_file),
            &self.admin,
            &self.trust_domain,
            &server(&settings),
            &ca,
            &admin,
        )?;

        let trust_root = trust_root();
        let fleet = FleetRow {
            id: Digest::of(trust_root.as_bytes()),
            trust_domain: self.trust_domain.to_string(),
            trust_root: trust_root.into(),
            created_at: now,
        };
        let store = Store::open(&settings.database(staging)).await?;
        match store.initialise(&fleet).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                return Err(Failure::new("the database has a fleet already")
                    .why("another hub was made with it")
                    .hint(
                        "for a second hub of that fleet, copy the first one's folder instead of `init`",
                    ));
            }
            Err(error) => return Err(error.into()),
        }
        let user = UserRow {
            name: self.admin.to_string(),
            role: Role::Administrator,
            fingerprint: admin.certificate.fingerprint,
            created_at: now,
            revoked_at: None,
        };
        store.put_user(&user).await?;
        store.close().await;
        Ok(Made {
            ca_hash: ca.spki_hash(),
            fleet: fleet.id,
            admin_file: self.dir.path.join(admin_file),
        })
    }

    fn settings(&self) -> Settings {
        Settings {
            trust_domain: self.trust_domain.to_string(),
            names: self.names.clone(),
            database: self.database.as_deref().map(absolute),
            listen: self.listen,
            agent_listen: self.agent_listen,
            advertise: self.advertise.clone(),
            agent_advertise: self.agent_advertise.clone(),
        }
    }
}

/// A file's name that means the same wherever the hub is started.
fn absolute(database: &str) -> String {
    let file = database.strip_prefix("sqlite:").unwrap_or(database);
    if file.contains("://") || file.starts_with("//") {
        return database.to_owned();
    }
    let path = std::path::absolute(file);
    path.map_or_else(|_| database.to_owned(), |path| format!("sqlite:{}", path.display()))
}

/// Where people reach a hub, as "host:port".
pub(super) fn server(settings: &Settings) -> String {
    let host = settings.names.first().map_or("localhost", String::as_str);
    settings
        .advertise
        .clone()
        .unwrap_or_else(|| crate::wire::host_and_port(host, settings.listen.port()))
}

/// The fleet's first trust root, until there are keys in it.
fn trust_root() -> String {
    let nonce: [u8; 32] = rand::random();
    format!("hanse trust-root v1\nnonce {}\n", hex::encode(nonce))
}

fn refuse_existing(dir: &Path) -> Result<(), Failure> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(dir, &error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::new(format!("{} is not empty", dir.display()))
                .why("`init` never changes what is there")
                .hint(format!(
                    "choose another folder, or use what is there: hanse-control-plane serve --dir {}",
                    dir.display()
                ))),
        },
    }
}

/// A new folder beside the one that is to be.
fn staging(dir: &Path) -> Result<PathBuf, Failure> {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".init-{}", std::process::id()));
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let staging = parent.join(name);
    fs::create_dir_all(parent)
        .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&staging))
        .map_err(|error| failed(dir, &error))?;
    Ok(staging)
}

fn failed(dir: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot make {}", dir.display())).why(error)
}
