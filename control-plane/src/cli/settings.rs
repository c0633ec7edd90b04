//! `hub.json`: what `init` was told, so that `serve --dir` needs nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hanse_domain::ids::Digest;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// Lies in a folder while `init` is under way there.
pub(super) const UNFINISHED: &str = "init.json";
const FILE: &str = "hub.json";
/// The database of a hub that was not told of another.
const DATABASE_FILE: &str = "hanse.db";

/// What is remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) trust_domain: String,
    /// The fleet in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fleet_id: Option<String>,
    /// DNS names and IP addresses of the hub, the advertised one first.
    pub(super) names: Vec<String>,
    /// `hanse.db` in the folder when nothing is said. May hold a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) database: Option<String>,
    pub(super) listen: SocketAddr,
    pub(super) agent_listen: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) advertise: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent_advertise: Option<String>,
}

impl Settings {
    pub(super) fn load(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(FILE);
        if dir.join(UNFINISHED).exists() {
            let shown = dir.display();
            return Err(Failure::new(format!("the hub in {shown} is not complete"))
                .why("`init` did not come to its end")
                .hint(format!("run the same again: hanse-control-plane init --dir {shown}")));
        }
        let text = fs::read_to_string(&path).map_err(|error| {
            let shown = dir.display();
            if error.kind() == io::ErrorKind::NotFound {
                return Failure::new(format!("there is no hub in {shown}"))
                    .why(format!("{} does not exist", path.display()))
                    .hint(format!("hanse-control-plane init --dir {shown}"));
            }
            Failure::new(format!("cannot read {}", path.display())).why(error)
        })?;
        serde_json::from_str(&text).map_err(|error| {
            // The error's own text could quote a password.
            Failure::new(format!("{} is not valid", path.display()))
                .why(format!("line {}, column {}", error.line(), error.column()))
                .hint("compare it with the file that `hanse-control-plane init` makes")
        })
    }

    pub(super) fn store(&self, dir: &Path) -> Result<(), Failure> {
        let path = dir.join(FILE);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::new("cannot write the settings").why(error))?;
        replace_private(&path, &format!("{text}\n"))
    }

    /// Whether there is one, and `init` has come to its end.
    pub(super) fn exist(dir: &Path) -> bool {
        dir.join(FILE).exists() && !dir.join(UNFINISHED).exists()
    }

    /// The fleet that the database must hold; `None` where it was not written down.
    pub(super) fn fleet(&self) -> Result<Option<Digest>, Failure> {
        let parse = |text: &String| {
            text.parse()
                .map_err(|error| Failure::explained("`fleetId` in hub.json is not valid", &error))
        };
        self.fleet_id.as_ref().map(parse).transpose()
    }

    /// The database's URL.
    pub(super) fn database(&self, dir: &Path) -> String {
        self.database
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", dir.join(DATABASE_FILE).display()))
    }
}

/// Makes a file for its owner alone; one that is there stays as it is.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error: io::Error| {
        let failure = Failure::new(format!("cannot write {}", path.display())).why(&error);
        if error.kind() == io::ErrorKind::AlreadyExists {
            failure.hint("choose another file with --out, or remove this one")
        } else {
            failure
        }
    })
}

/// Writes a file for its owner alone beside the one that it is to replace; a rename does that.
pub(super) fn stage_private(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // Of an attempt that did not come to its end.
    let _ = fs::remove_file(&new);
    write_private(&new, text)?;
    Ok(new)
}

/// Replaces a file by one for its owner alone, as a whole or not at all.
pub(super) fn replace_private(path: &Path, text: &str) -> Result<(), Failure> {
    put(&stage_private(path, text)?, path)
}

/// Puts a staged file in its place.
pub(super) fn put(staged: &Path, path: &Path) -> Result<(), Failure> {
    fs::rename(staged, path)
        .map_err(|error| Failure::new(format!("cannot write {}", path.display())).why(error))
}

/// Replaces a file as a whole or not at all.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}
