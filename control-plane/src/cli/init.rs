//! `init`: makes a hub, in place: the folder may be a mounted volume.
//!
//! ```text
//! what needs no disk ─▶ init.json ─▶ trust root, CA ─▶ hub.json, admin.yaml ─▶ database ─▶ init.json
//!                                    (and its key)                                          goes
//! ```
//!
//! The first trust root is made on the author's machine and handed over, or made here with a new key.
//! The key that it names is what the fleet believes; the hub needs it for nothing.
//!
//! The database is last, so that it never holds a fleet whose CA is gone. What fails on the way keeps
//! what was made, and the same `init` goes on from there.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use hanse_domain::ids::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::context_file::Signing;
use super::failure::Failure;
use super::settings::{Settings, UNFINISHED, replace_private, write_private};
use super::{Dir, context_file, say, trust};
use crate::auth::ca::USER_LIFETIME;
use crate::auth::{CertificateAuthority, Identity, TrustDomain, UserName};
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
    /// The fleet's first trust root, as `hanse init` on the author's machine made it. Without it, a
    /// signing key that may do everything is made in DIR.
    #[arg(long, value_name = "FILE")]
    pub(super) trust_root: Option<PathBuf>,
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
    /// The signing key, if one was made.
    pub(super) key_file: Option<PathBuf>,
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
        if let Some(key) = &made.key_file {
            let key = key.display();
            say("made a signing key that may do everything in this fleet");
            say(&format!("  it is in {key}: the clusters believe what it signs, and not this hub"));
            say("  move it off this machine before the fleet matters, and name its new place in");
            say(&format!("  `signingKey` of {admin}"));
        } else {
            say("took the trust root that you named: who signs is as it says");
        }
        say("\nstart the hub:\n");
        say(&format!("  hanse-control-plane serve --dir {dir}"));
        say("\nand, in another terminal, look whether it is well:\n");
        say(&format!("  export HANSE_CONFIG={admin}"));
        say("  hanse check");
        Ok(())
    }

    pub(super) async fn make(&self) -> Result<Made, Failure> {
        let dir = &self.dir.path;
        let now = Timestamp::now();
        let cannot = |error: &dyn std::error::Error| {
            Failure::explained("cannot make the certificate authority", error)
        };
        let given = self.trust_root.as_deref().map(trust::read).transpose()?;
        let begun = Begun::find(dir)?;
        if begun.is_none() {
            refuse_existing(dir)?;
        }
        let before = begun.as_ref().and_then(|begun| begun.trust_root.as_ref());
        if let Some(before) = before {
            check_before(dir, before, given.as_ref())?;
        }
        let known = if begun.is_some() { known_ca(dir)? } else { None };
        let ca = match &known {
            Some(ca) if *ca.trust_domain() != self.trust_domain => {
                let (dir, theirs) = (dir.display(), ca.trust_domain());
                return Err(Failure::new(format!("an `init` of {theirs} began in {dir}"))
                    .why(format!("and this one is of {}", self.trust_domain))
                    .hint(format!("use --trust-domain {theirs}, or another folder")));
            }
            Some(_) => None,
            None => {
                Some(CertificateAuthority::make(&self.trust_domain, now).map_err(|e| cannot(&e))?)
            }
        };
        let new = ca.as_ref();
        let ca = new.or(known.as_ref()).ok_or_else(|| Failure::new("there is no authority"))?;
        // Says now whether the names can be in a certificate.
        ca.issue_server(&self.names, now)
            .map_err(|error| Failure::explained("cannot use the names", &error))?;
        let admin = ca.issue_user(&self.admin, now, USER_LIFETIME).map_err(|e| cannot(&e))?;

        // Nothing was written up to here.
        make_dir(dir)?;
        let begun = match begun {
            Some(begun) => begun,
            None => Begun::begin(dir)?,
        };
        let finish = async {
            let root = match begun.trust_root {
                Some(root) => root,
                None => self.make_trust_root(dir, given)?,
            };
            if let Some(new) = new {
                new.save(dir).map_err(|error| cannot(&error))?;
            }
            self.finish(dir, ca, root, &admin, now).await
        };
        let shown = dir.display();
        finish.await.map_err(|failure: Failure| {
            failure.also(&format!(
                "run `init --dir {shown}` again: it goes on with what was made in {shown}"
            ))
        })
    }

    /// Remembers the trust root before anything is made with it.
    fn make_trust_root(&self, dir: &Path, given: Option<String>) -> Result<String, Failure> {
        let root = match given {
            Some(given) => given,
            None => trust::make(dir, &self.admin)?,
        };
        let begun = Begun { trust_root: Some(root.clone()) };
        replace_private(&dir.join(UNFINISHED), &begun.text()?)?;
        sync(dir)?;
        Ok(root)
    }

    /// From the authority on.
    async fn finish(
        &self,
        dir: &Path,
        ca: &CertificateAuthority,
        trust_root: String,
        admin: &Identity,
        now: Timestamp,
    ) -> Result<Made, Failure> {
        let fleet = FleetRow {
            id: Digest::of(trust_root.as_bytes()),
            trust_domain: self.trust_domain.to_string(),
            trust_root: trust_root.into(),
            created_at: now,
        };
        let settings = Settings { fleet_id: Some(fleet.id.to_string()), ..self.settings() };
        settings.store(dir)?;
        let admin_file = dir.join("admin.yaml");
        let key_file = trust::key_file(dir);
        let key = key_file.is_some().then_some(trust::KEY_FILE);
        let signing = Signing { fleet: Some(fleet.id), key };
        let context = context_file::text(&self.admin, &server(&settings), ca, admin, signing);
        replace_private(&admin_file, &context)?;
        sync(dir)?;

        let store = Store::open(&settings.database(dir)).await?;
        initialise(&store, &fleet).await?;
        let user = UserRow {
            name: self.admin.to_string(),
            role: Role::Administrator,
            fingerprint: admin.certificate.fingerprint,
            created_at: now,
            revoked_at: None,
        };
        store.put_user(&user).await?;
        store.close().await;
        let marker = dir.join(UNFINISHED);
        fs::remove_file(&marker).map_err(|error| failed(&marker, &error))?;
        sync(dir)?;
        Ok(Made { ca_hash: ca.spki_hash(), fleet: fleet.id, admin_file, key_file })
    }

    fn settings(&self) -> Settings {
        Settings {
            trust_domain: self.trust_domain.to_string(),
            fleet_id: None,
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

/// What an earlier `init` began with must be what this one goes on with.
fn check_before(dir: &Path, before: &str, given: Option<&String>) -> Result<(), Failure> {
    let shown = dir.display();
    if let Err(why) = trust::check(before) {
        return Err(Failure::new(format!("an `init` of an earlier version began in {shown}"))
            .why(why)
            .hint("choose another folder"));
    }
    if given.is_some_and(|given| given != before) {
        return Err(Failure::new(format!("an `init` with another trust root began in {shown}"))
            .hint("leave out --trust-root to go on with that one, or choose another folder"));
    }
    Ok(())
}

/// An `init` that is under way or did not come to its end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Begun {
    /// Which makes the fleet's id: the same one each time. Nothing before it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust_root: Option<String>,
}

impl Begun {
    fn find(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(UNFINISHED);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error)),
            Ok(text) => text,
        };
        if let Ok(begun) = serde_json::from_str(&text) {
            return Ok(Some(begun));
        }
        // One that was not written to its end was followed by nothing.
        fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        Ok(None)
    }

    /// Only one can.
    fn begin(dir: &Path) -> Result<Self, Failure> {
        let begun = Self { trust_root: None };
        write_private(&dir.join(UNFINISHED), &begun.text()?)?;
        sync(dir)?;
        Ok(begun)
    }

    fn text(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(|error| Failure::new("cannot begin").why(error))
    }
}

/// The authority that an earlier `init` has made. `ca.crt` is written after the key: without it,
/// nothing has used the key.
fn known_ca(dir: &Path) -> Result<Option<CertificateAuthority>, Failure> {
    if dir.join("ca.crt").exists() {
        return CertificateAuthority::load(dir)
            .map(Some)
            .map_err(|error| Failure::explained("cannot use the certificate authority", &error));
    }
    let key = dir.join("ca.key");
    match fs::remove_file(&key) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&key, &error)),
        Ok(()) | Err(_) => Ok(None),
    }
}

/// Makes the fleet in the database, unless an earlier `init` got that far.
async fn initialise(store: &Store, fleet: &FleetRow) -> Result<(), Failure> {
    match store.initialise(fleet).await {
        Ok(()) => return Ok(()),
        Err(StoreError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let found = store.fleet().await?;
    if found.is_some_and(|row| row.id == fleet.id && row.trust_domain == fleet.trust_domain) {
        return Ok(());
    }
    Err(Failure::new("the database has a fleet already").why("another hub was made with it").hint(
        "for a second hub of that fleet, copy the first one's folder instead of `init`; for another \
         fleet, name another --database",
    ))
}

fn refuse_existing(dir: &Path) -> Result<(), Failure> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(dir, &error)),
        Ok(entries) => entries,
    };
    for entry in entries {
        // What a file system has of its own.
        if entry.map_err(|error| failed(dir, &error))?.file_name() != "lost+found" {
            return Err(Failure::new(format!("{} is not empty", dir.display()))
                .why("`init` never changes what is there")
                .hint(format!(
                    "choose another folder, or use what is there: hanse-control-plane serve --dir {}",
                    dir.display()
                )));
        }
    }
    Ok(())
}

/// The folder, for its owner alone; one that is there stays as it is.
fn make_dir(dir: &Path) -> Result<(), Failure> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), fs::create_dir_all);
    let made = made.and_then(|()| fs::DirBuilder::new().mode(0o700).create(dir));
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(dir, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What was made in a folder stays there whatever happens.
fn sync(dir: &Path) -> Result<(), Failure> {
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed(dir, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot make {}", path.display())).why(error)
}
