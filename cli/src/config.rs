//! The file with the hubs that a person works with, shaped like a kubeconfig:
//!
//! ```yaml
//! currentContext: demo
//! contexts:
//!   - name: demo
//!     server: https://127.0.0.1:7443
//!     certificateAuthority: |       # PEM, and so are the next two
//!     clientCertificate: |
//!     clientKey: |
//!     signingKey: keys/ada          # optional: an OpenSSH key file, private or .pub
//!     fleet: sha256:0123…           # optional: the fleet's id, which its first trust root has
//! ```
//!
//! A relative `signingKey` is beside the file; `~/` is the person's home.
//!
//! It holds a private key: it is written with mode 0600, and nothing of it is ever shown but names
//! and servers.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hanse_domain::ids::{Digest, InvalidId};
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure, Outcome};

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) current_context: String,
    #[serde(default)]
    pub(crate) contexts: Vec<Context>,
}

/// A hub, and who one is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) certificate_authority: String,
    pub(crate) client_certificate: String,
    pub(crate) client_key: PrivateKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signing_key: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fleet: Option<FleetPin>,
}

impl Context {
    /// The file of the key to sign with, if one is named.
    pub(crate) fn signing_key_file(&self, home: Option<&Path>) -> Option<PathBuf> {
        let named = self.signing_key.as_ref()?;
        Some(match (named.strip_prefix("~"), home) {
            (Ok(below), Some(home)) => home.join(below),
            _ => named.clone(),
        })
    }
}

/// The id of the fleet that is behind a hub: `sha256:` and the digest of its first trust root. A hub
/// with another fleet is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct FleetPin(pub(crate) Digest);

impl TryFrom<String> for FleetPin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hex = text.strip_prefix("sha256:").ok_or("it must begin with `sha256:`")?;
        hex.parse().map(Self).map_err(|e: InvalidId| e.to_string())
    }
}

impl From<FleetPin> for String {
    fn from(pin: FleetPin) -> Self {
        format!("sha256:{}", pin.0)
    }
}

/// A private key in PEM. It has no way to a terminal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PrivateKey(String);

impl PrivateKey {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where the file is when neither `--config` nor `HANSE_CONFIG` says so.
pub(crate) fn default_path(env: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name| env(name).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME")
        .or_else(|| env("HOME").map(|home| home.join(".config")))
        .unwrap_or_else(|| PathBuf::from(".config"));
    base.join("hanse").join("config.yaml")
}

impl Config {
    /// The file's contents; an empty configuration when there is no file.
    pub(crate) fn load(path: &Path) -> Outcome<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::io(format!("{} cannot be read", path.display()), &error)
                .exit(Exit::NOT_LOGGED_IN)),
        }
    }

    pub(crate) fn parse(text: &str, path: &Path) -> Outcome<Self> {
        // The error's own text would quote the file, keys included.
        let mut config: Self = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(0, |at| at.line());
            Failure::new("config", format!("{} is not a valid configuration", path.display()))
                .why(format!("near line {line}: a field is missing or of another type"))
                .hint("each context has `name`, `server`, `certificateAuthority`, `clientCertificate`, `clientKey`")
                .exit(Exit::NOT_LOGGED_IN)
        })?;
        // Contexts wander to other files when they are imported; their keys stay where they are.
        let folder = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        for key in config.contexts.iter_mut().filter_map(|context| context.signing_key.as_mut()) {
            if !key.starts_with("~") {
                *key = folder.with_file_name("").join(&*key);
            }
        }
        Ok(config)
    }

    /// Writes the file as a whole, or not at all.
    pub(crate) fn store(&self, path: &Path) -> Outcome<()> {
        let failed =
            |e: &std::io::Error| Failure::io(format!("{} cannot be written", path.display()), e);
        let text = serde_saphyr::to_string(self).map_err(|e| {
            Failure::new("config", "the configuration cannot be written").why(e.to_string())
        })?;
        let directory =
            path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(|e| failed(&e))?;
        // A temporary file is made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|e| failed(&e))?;
        file.write_all(text.as_bytes()).map_err(|e| failed(&e))?;
        file.as_file().sync_all().map_err(|e| failed(&e))?;
        file.persist(path).map_err(|e| failed(&e.error))?;
        Ok(())
    }

    /// The context to use: the one that is named, or else the current one.
    pub(crate) fn context(&self, named: Option<&str>) -> Outcome<&Context> {
        let name = named.unwrap_or(&self.current_context);
        if let Some(context) = self.contexts.iter().find(|context| context.name == name) {
            return Ok(context);
        }
        let not_logged_in =
            |what: String| Failure::new("not-logged-in", what).exit(Exit::NOT_LOGGED_IN);
        Err(if self.contexts.is_empty() {
            not_logged_in("no hub is configured".to_owned())
                .hint("hanse context import FILE, with the admin.yaml that `hanse-control-plane init` wrote")
        } else if name.is_empty() {
            not_logged_in("no context is chosen".to_owned())
                .hint("hanse context list; hanse context use NAME")
        } else {
            not_logged_in(format!("there is no context `{name}`")).hint("hanse context list")
        })
    }

    /// Adds contexts, in place of those with the same names if `replace`. The added file's current
    /// context becomes the current one.
    pub(crate) fn import(&mut self, other: Self, replace: bool) -> Outcome<Vec<String>> {
        let mut names = Vec::new();
        for context in other.contexts {
            if let Some(existing) = self.contexts.iter_mut().find(|c| c.name == context.name) {
                if *existing != context && !replace {
                    return Err(Failure::new(
                        "context-exists",
                        format!("there is another context `{}` already", context.name),
                    )
                    .hint("to take the new one instead: hanse context import --replace FILE"));
                }
                names.push(context.name.clone());
                *existing = context;
            } else {
                names.push(context.name.clone());
                self.contexts.push(context);
            }
        }
        if names.contains(&other.current_context) {
            self.current_context = other.current_context;
        } else if let (true, Some(first)) = (self.current_context.is_empty(), names.first()) {
            self.current_context.clone_from(first);
        }
        Ok(names)
    }
}

/// Whether others than the owner may read the file.
pub(crate) fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn context(name: &str, server: &str) -> Context {
        Context {
            name: name.to_owned(),
            server: server.to_owned(),
            certificate_authority: "ca".to_owned(),
            client_certificate: "certificate".to_owned(),
            client_key: PrivateKey("very secret\nkey".to_owned()),
            signing_key: None,
            fleet: None,
        }
    }

    fn config(contexts: Vec<Context>) -> Config {
        Config {
            current_context: contexts.first().map_or_else(String::new, |c| c.name.clone()),
            contexts,
        }
    }

    #[test]
    fn what_is_stored_is_loaded_again_and_only_for_the_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/config.yaml");
        assert_eq!(Config::load(&path).unwrap(), Config::default());
        let written = config(vec![context("demo", "https://127.0.0.1:1")]);
        written.store(&path).unwrap();
        assert_eq!(Config::load(&path).unwrap(), written);
        assert!(!is_exposed(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(is_exposed(&path));
    }

    #[test]
    fn a_signing_key_is_beside_the_file_or_at_home_and_stays_there() {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) = (directory.path().join("a.yaml"), directory.path().join("b/c.yaml"));
        let key_file = |config: &Config| {
            config.context(None).unwrap().signing_key_file(Some(Path::new("/home/ada")))
        };
        assert_eq!(key_file(&config(vec![context("demo", "x")])), None);
        let cases = [
            ("keys/ada", directory.path().join("keys/ada")),
            ("/keys/ada", PathBuf::from("/keys/ada")),
            ("~/.ssh/id", PathBuf::from("/home/ada/.ssh/id")),
        ];
        for (named, expected) in cases {
            let mut demo = context("demo", "x");
            demo.signing_key = Some(named.into());
            config(vec![demo]).store(&here).unwrap();
            let read = Config::load(&here).unwrap();
            assert_eq!(key_file(&read), Some(expected.clone()));
            let mut imported = Config::default();
            imported.import(read, false).unwrap();
            imported.store(&there).unwrap();
            assert_eq!(key_file(&Config::load(&there).unwrap()), Some(expected));
        }
    }

    #[test]
    fn a_fleet_has_one_spelling() {
        let digest = Digest::of(b"root");
        let parse = |fleet: &str| {
            let mut json = serde_json::to_value(config(vec![context("demo", "x")])).unwrap();
            let context = json.pointer_mut("/contexts/0").and_then(|c| c.as_object_mut());
            context.unwrap().insert("fleet".to_owned(), fleet.into());
            Config::parse(&json.to_string(), Path::new("c.yaml"))
        };
        let read = parse(&format!("sha256:{digest}")).unwrap();
        assert_eq!(read.context(None).unwrap().fleet, Some(FleetPin(digest)));
        let written = serde_saphyr::to_string(&read).unwrap();
        assert!(written.contains(&format!("sha256:{digest}")), "{written}");
        let upper = digest.to_string().to_uppercase();
        for bad in ["", "sha256:", "sha256:00", &digest.to_string(), &format!("sha256:{upper}")] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_in_no_error_and_in_no_debug_text() {
        let written = config(vec![context("demo", "https://127.0.0.1:1")]);
        assert!(!format!("{written:?}").contains("very secret"));
        let broken = "contexts:\n  - name: a\n    clientKey: [very secret]\n";
        let failure = Config::parse(broken, Path::new("c.yaml")).unwrap_err();
        assert!(!failure.to_string().contains("very secret"), "{failure}");
        assert_eq!(failure.exit_code(), Exit::NOT_LOGGED_IN);
    }

    #[test]
    fn a_missing_context_is_not_logged_in() {
        let all = config(vec![context("a", "x"), context("b", "y")]);
        assert_eq!(all.context(None).unwrap().name, "a");
        assert_eq!(all.context(Some("b")).unwrap().name, "b");
        for (config, named) in [(&all, Some("c")), (&Config::default(), None)] {
            let failure = config.context(named).unwrap_err();
            assert_eq!(failure.exit_code(), Exit::NOT_LOGGED_IN);
        }
    }

    #[test]
    fn an_import_replaces_only_when_told() {
        let mut ours = config(vec![context("a", "x")]);
        let theirs = config(vec![context("a", "other"), context("b", "y")]);
        assert!(ours.clone().import(theirs.clone(), false).is_err());
        assert_eq!(ours.import(theirs, true).unwrap(), ["a", "b"]);
        assert_eq!(ours.context(None).unwrap().server, "other");
    }

    #[test]
    fn the_file_is_where_the_xdg_specification_says() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v))
        };
        let path = |pairs| default_path(env(pairs)).display().to_string();
        assert_eq!(path(&[("HOME", "/h")]), "/h/.config/hanse/config.yaml");
        assert_eq!(path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), "/x/hanse/config.yaml");
        assert_eq!(
            path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")]),
            "/h/.config/hanse/config.yaml"
        );
    }
}
