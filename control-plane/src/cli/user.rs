//! `user`: people that may call the hub, straight in its database. A hub that runs sees a change
//! within seconds.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use super::context_file::Signing;
use super::failure::Failure;
use super::init::server;
use super::settings::{Settings, put, stage_private, write_private};
use super::{Dir, context_file, say};
use crate::auth::ca::USER_LIFETIME;
use crate::auth::{CertificateAuthority, UserName};
use crate::store::{Role, Store, UserRow};
use crate::wire::check_fleet;

/// People that are listed at once.
const PAGE: usize = 500;

/// What to do with people.
#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Makes a certificate for somebody, in a file for `hanse`.
    Create {
        /// Who: 1 to 64 of a-z, 0-9, '.', '_', '@' and '-'.
        name: UserName,
        /// What they may do.
        #[arg(long, value_enum)]
        role: RoleArg,
        #[command(flatten)]
        dir: Dir,
        /// Where the file goes; DIR/NAME.yaml when nothing is said.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Makes a new certificate for somebody who has one, which ends.
        #[arg(long)]
        replace: bool,
    },
    /// Everybody, the revoked ones too.
    List {
        #[command(flatten)]
        dir: Dir,
    },
    /// Ends somebody's right to call the hub.
    Revoke {
        /// Who.
        name: UserName,
        #[command(flatten)]
        dir: Dir,
    },
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleArg {
    /// What a person can do.
    Administrator,
    /// Look at everything and change nothing.
    Viewer,
}

impl User {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create { name, role, dir, out, replace } => {
                create(&name, role, &dir, out, replace).await
            }
            Self::List { dir } => list(&dir).await,
            Self::Revoke { name, dir } => revoke(&name, &dir).await,
        }
    }
}

async fn create(
    name: &UserName,
    role: RoleArg,
    dir: &Dir,
    out: Option<PathBuf>,
    replace: bool,
) -> Result<(), Failure> {
    let (settings, store) = open(dir).await?;
    let known = store.user(name.as_str()).await?;
    if known.as_ref().is_some_and(|row| row.revoked_at.is_none()) && !replace {
        return Err(Failure::new(format!("there is a user {name} already"))
            .hint(format!("with --replace, {name} gets a new certificate and the old one ends")));
    }
    let now = Timestamp::now();
    let ca = CertificateAuthority::load(&dir.path)
        .map_err(|error| Failure::explained("cannot use the certificate authority", &error))?;
    // Not into somebody else's database.
    check_fleet(&store, &ca, settings.fleet()?).await?;
    let identity = ca
        .issue_user(name, now, USER_LIFETIME)
        .map_err(|error| Failure::explained("cannot make the certificate", &error))?;
    let signing = Signing { fleet: settings.fleet()?, key: None };
    let text = context_file::text(name, &server(&settings), &ca, &identity, signing);
    // The file first: a certificate that nobody has is worth nothing. One of the certificate that
    // ends now is replaced, but where we were told to write there may be anything.
    let known = known.is_some() && out.is_none();
    let out = out.unwrap_or_else(|| dir.path.join(format!("{name}.yaml")));
    let staged = known.then(|| stage_private(&out, &text)).transpose()?;
    if staged.is_none() {
        write_private(&out, &text)?;
    }
    let row = UserRow {
        name: name.to_string(),
        role: match role {
            RoleArg::Administrator => Role::Administrator,
            RoleArg::Viewer => Role::Viewer,
        },
        fingerprint: identity.certificate.fingerprint,
        created_at: now,
        revoked_at: None,
    };
    store.put_user(&row).await?;
    store.close().await;
    if let Some(staged) = staged {
        put(&staged, &out)?;
    }
    let until = identity.certificate.not_after;
    say(&format!("made the {} {name}, until {until}", row.role));
    say(&format!(
        "  the certificate and key are in {}: give that file to {name} and to nobody else",
        out.display()
    ));
    say(&format!("\n{name} begins with:\n\n  hanse context import {}", out.display()));
    Ok(())
}

async fn list(dir: &Dir) -> Result<(), Failure> {
    let (_, store) = open(dir).await?;
    let mut after = String::new();
    say(&format!("{:<24} {:<14} {:<20} STATE", "NAME", "ROLE", "CREATED"));
    loop {
        let rows = store.users(&after, PAGE).await?;
        for row in &rows {
            let state =
                row.revoked_at.map_or_else(|| "active".to_owned(), |at| format!("revoked {at:.0}"));
            let (name, role) = (&row.name, row.role.to_string());
            say(&format!("{name:<24} {role:<14} {:<20} {state}", format!("{:.0}", row.created_at)));
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => after.clone_from(&last.name),
            _ => break,
        }
    }
    store.close().await;
    Ok(())
}

async fn revoke(name: &UserName, dir: &Dir) -> Result<(), Failure> {
    let (_, store) = open(dir).await?;
    let row = store.user(name.as_str()).await?;
    let row = row.ok_or_else(|| {
        Failure::new(format!("there is no user {name}"))
            .hint(format!("hanse-control-plane user list --dir {}", dir.path.display()))
    })?;
    let revoked_at = row.revoked_at.or_else(|| Some(Timestamp::now()));
    store.put_user(&UserRow { revoked_at, ..row }).await?;
    store.close().await;
    say(&format!("revoked {name}: a hub that runs refuses the certificate within seconds"));
    Ok(())
}

async fn open(dir: &Dir) -> Result<(Settings, Store), Failure> {
    let settings = Settings::load(&dir.path)?;
    let database = std::env::var("HANSE_DATABASE").unwrap_or_else(|_| settings.database(&dir.path));
    let store = Store::open(&database).await?;
    Ok((settings, store))
}
