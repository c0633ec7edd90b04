//! The age identity of a person: what makes them an owner of secrets. A file as `age-keygen` writes
//! it, in the clear (0600) or sealed with a passphrase.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser as _;
use hanse_domain::document::Document;
use hanse_domain::ids::Digest;
use hanse_sealing::{
    Identity, IdentityFile, IdentityFileError, Recipient, SecretData, VersionIdentity,
};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{buffer, context, spec};
use crate::failure::{Failure, Outcome};
use crate::{config, output};

/// Names the file.
pub(crate) const VARIABLE: &str = "HANSE_AGE_IDENTITY";
/// Names the file with the passphrase of the file.
const PASSPHRASE_VARIABLE: &str = "HANSE_AGE_PASSPHRASE_FILE";
const FILE: &str = "age.key";
/// How often a person may mistype.
const ATTEMPTS: usize = 3;

/// Which file.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct IdentityArgs {
    /// File with your age identity; ~/.config/hanse/age.key by default
    #[arg(
        long,
        value_name = "FILE",
        env = VARIABLE,
        value_parser = clap::builder::OsStringValueParser::new().map(PathBuf::from),
        hide_env_values = true
    )]
    pub(crate) identity: Option<PathBuf>,
}

impl IdentityArgs {
    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        let env = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let given = self.identity.clone().filter(|path| !path.as_os_str().is_empty());
        given.unwrap_or_else(|| config::default_path(env).with_file_name(FILE))
    }

    /// What others seal to for this person. The file is made when it is not there.
    pub(crate) async fn own_recipient(&self) -> Outcome<Recipient> {
        let path = self.path();
        if path.exists() {
            return self.open().await?.first();
        }
        let identity = make(&path)?;
        output::note(&format!(
            "made your age identity in {}: with it you can open and change what you seal; keep a copy \
             where you keep your keys",
            path.display()
        ));
        Ok(identity.recipient())
    }

    /// Reads the file, with its passphrase if it has one.
    pub(crate) async fn open(&self) -> Outcome<Opener> {
        let path = self.path();
        if !path.exists() {
            return Err(Failure::new("no-identity", format!("{} does not exist", path.display()))
                .why("only an owner's age identity opens a secret")
                .hint(format!(
                    "if yours is elsewhere: --identity FILE or {VARIABLE}; otherwise make one, and let \
                     an owner add you: hanse secret identity"
                )));
        }
        if config::is_exposed(&path) {
            output::warn(&format!(
                "others can read your age identity: chmod 600 {}",
                path.display()
            ));
        }
        let bytes = buffer::file(&path)?;
        let identities = match IdentityFile::parse(&bytes, || None) {
            Err(IdentityFileError::NoPassphrase) => with_passphrase(&path, bytes).await,
            parsed => parsed.map_err(|error| unreadable(&path, &error)),
        };
        Ok(Opener { path, identities: identities? })
    }
}

/// Makes a new identity, in a file that only its owner reads. Nothing is written over.
fn make(path: &Path) -> Outcome<Identity> {
    let failed = |e: &std::io::Error| {
        Failure::io(format!("your age identity cannot be kept in {}", path.display()), e)
            .hint(format!("name another file with --identity or {VARIABLE}"))
    };
    let identity = Identity::make_random();
    let text = Zeroizing::new(format!(
        "# public key: {}\n{}\n",
        identity.recipient(),
        identity.expose().expose_secret()
    ));
    let folder = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| failed(&e))?;
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e))?;
    file.write_all(text.as_bytes()).map_err(|e| failed(&e))?;
    file.as_file().sync_all().map_err(|e| failed(&e))?;
    file.persist_noclobber(path).map_err(|e| failed(&e.error))?;
    Ok(identity)
}

async fn with_passphrase(path: &Path, bytes: Zeroizing<Vec<u8>>) -> Outcome<IdentityFile> {
    // Deriving the key takes seconds and a gigabyte at the most.
    let parse = |bytes: Zeroizing<Vec<u8>>, passphrase: SecretString| async move {
        let parsed = tokio::task::spawn_blocking(move || {
            let parsed = IdentityFile::parse(&bytes, || Some(passphrase));
            (bytes, parsed)
        });
        parsed.await.map_err(|e| Failure::io("the identity cannot be opened", &e.into()))
    };
    let named = std::env::var_os(PASSPHRASE_VARIABLE).filter(|name| !name.is_empty());
    if let Some(name) = named {
        let text = buffer::file(Path::new(&name))?;
        let text = std::str::from_utf8(&text).map_err(|_| {
            Failure::new("passphrase", format!("the file of {PASSPHRASE_VARIABLE} is not UTF-8"))
        })?;
        let passphrase: SecretString = text.trim_end_matches(['\r', '\n']).into();
        return parse(bytes, passphrase).await?.1.map_err(|error| unreadable(path, &error));
    }
    if !output::can_ask() {
        let what = format!("{} has a passphrase, and nobody can be asked here", path.display());
        return Err(Failure::new("passphrase", what)
            .why("stdin and stderr are not a terminal")
            .hint(format!("name a file with the passphrase in {PASSPHRASE_VARIABLE}")));
    }
    let question = format!("Passphrase of {}", path.display());
    let mut bytes = bytes;
    for _ in 1..ATTEMPTS {
        let (again, parsed) = parse(bytes, output::secret(&question).await?).await?;
        match parsed {
            Err(error @ IdentityFileError::Passphrase) => output::warn(&error.to_string()),
            parsed => return parsed.map_err(|error| unreadable(path, &error)),
        }
        bytes = again;
    }
    let (_, parsed) = parse(bytes, output::secret(&question).await?).await?;
    parsed.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &IdentityFileError) -> Failure {
    Failure::new("identity", format!("{} cannot be used as an age identity", path.display()))
        .why(error.to_string())
        .hint(format!("--identity FILE or {VARIABLE} names another"))
}

/// What a person can open.
#[derive(Debug)]
pub(crate) struct Opener {
    path: PathBuf,
    identities: IdentityFile,
}

impl Opener {
    /// Under which one becomes an owner.
    fn first(&self) -> Outcome<Recipient> {
        let first = self.identities.identities().first().map(Identity::recipient);
        first.ok_or_else(|| unreadable(&self.path, &IdentityFileError::Empty))
    }

    /// The key of a secret's version.
    pub(crate) fn key(&self, fleet: Digest, document: &Document) -> Outcome<VersionIdentity> {
        let (name, secret) = (&document.reference.name, spec(document)?);
        let found = secret.owners.iter().find_map(|owner| {
            let recipient: Recipient = owner.recipient.parse().ok()?;
            Some((owner, self.identities.find(&recipient)?))
        });
        let Some((owner, identity)) = found else {
            return Err(self.not_an_owner(document));
        };
        hanse_sealing::unwrap(&owner.wrap, &context(fleet, name, secret), identity).map_err(
            |error| {
                Failure::new(
                    "not-opened",
                    format!("secret {name} cannot be opened as {}", owner.name),
                )
                .why(error.to_string())
                .hint(format!("who made this version: hanse secret history {name}"))
            },
        )
    }

    /// A secret's values, and the key of their version.
    pub(crate) fn open(&self, fleet: Digest, document: &Document) -> Outcome<SecretData> {
        let key = self.key(fleet, document)?;
        let (name, secret) = (&document.reference.name, spec(document)?);
        hanse_sealing::open(&context(fleet, name, secret), &secret.payload, &key).map_err(|error| {
            Failure::new("not-opened", format!("secret {name} cannot be opened"))
                .why(error.to_string())
                .hint(format!("who made this version: hanse secret history {name}"))
        })
    }

    /// Whether it can open a secret, as far as the names of the owners say.
    pub(crate) fn owns(&self, document: &Document) -> bool {
        document.secret().is_some_and(|secret| {
            let recipients = secret.owners.iter().filter_map(|owner| owner.recipient.parse().ok());
            recipients.into_iter().any(|recipient| self.identities.find(&recipient).is_some())
        })
    }

    fn not_an_owner(&self, document: &Document) -> Failure {
        let name = &document.reference.name;
        let owners = document.secret().map(|secret| secret.owners.as_slice()).unwrap_or_default();
        let names: Vec<&str> = owners.iter().map(|owner| &*owner.name).collect();
        let what = format!("{} is of no owner of secret {name}", self.path.display());
        let failure = Failure::new("not-an-owner", what);
        if names.is_empty() {
            return failure.why("it has no owner: only the clusters can open it").hint(format!(
                "a new value makes a new version: hanse secret set {name} KEY=@FILE"
            ));
        }
        let failure = failure.why(format!("its owners: {}", names.join(", ")));
        match self.first() {
            Ok(own) => failure.hint(format!(
                "one of them can add you: hanse secret recipients {name} --add-owner NAME={own}"
            )),
            Err(_) => failure,
        }
    }
}
