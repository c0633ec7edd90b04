//! Where the values of a secret come from: files, stdin, env files, certificates, logins to registries.
//! Never from an argument: everybody on a machine can read those, and shells keep them.

use std::path::{Path, PathBuf};

use hanse_sealing::shapes::{
    DOCKER_CONFIG_JSON, DockerLogin, ShapeError, TLS, from_docker_login, from_env_file,
};
use hanse_sealing::{DataError, SecretData};
use zeroize::Zeroizing;

use super::buffer;
use super::given::{Given, given};
use crate::failure::{Failure, Outcome};
use crate::output;

/// The server of kubectl's `create secret docker-registry`.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Where values come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Sources {
    /// Key and the file with its value, or - for stdin
    #[arg(value_name = "KEY=@FILE|KEY=-", value_parser = given)]
    values: Vec<Given>,

    /// File, under its name or under KEY; a directory gives each of its files
    #[arg(long, value_name = "[KEY=]FILE", help_heading = "Values")]
    from_file: Vec<String>,

    /// File with lines KEY=value
    #[arg(long, value_name = "FILE", help_heading = "Values")]
    from_env_file: Vec<PathBuf>,

    /// Only there for a better error
    #[arg(long, hide = true, value_name = "KEY=@FILE", value_parser = given)]
    from_literal: Vec<Given>,

    /// Registry of images to log in to; Docker Hub by default
    #[arg(long, value_name = "SERVER", requires = "docker_username", help_heading = "Values")]
    docker_server: Option<String>,

    /// Who logs in there
    #[arg(long, value_name = "NAME", requires = "docker_password_file", help_heading = "Values")]
    docker_username: Option<String>,

    /// File with the password, or - for stdin
    #[arg(long, value_name = "FILE", requires = "docker_username", help_heading = "Values")]
    docker_password_file: Option<PathBuf>,

    /// Chain of certificates in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Values")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Values")]
    tls_key: Option<PathBuf>,
}

/// Values, and the type that their source has.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) data: SecretData,
    pub(crate) implied: Option<&'static str>,
}

impl Sources {
    /// Reads everything. `name`: of the secret, for hints.
    pub(crate) async fn read(&self, name: &str) -> Outcome<Values> {
        if !self.from_literal.is_empty() {
            return Err(literal(name, "KEY"));
        }
        self.check_stdin()?;
        let mut values = Values::default();
        for given in &self.values {
            let (key, path) = key_and_path(name, given.text())?;
            let bytes = buffer::read(&path, &format!("Value of {key}")).await?;
            if path.as_os_str() == "-" {
                mind_line_feed(key, &bytes);
            }
            insert(&mut values.data, key, &bytes)?;
        }
        for given in &self.from_file {
            from_file(&mut values.data, given)?;
        }
        for path in &self.from_env_file {
            let environment = |name: &str| std::env::var(name).ok().map(Zeroizing::new);
            let read = from_env_file(&buffer::file(path)?, environment).map_err(|error| {
                let what = format!("{} cannot be read as an env file", path.display());
                shape(&error, what)
            })?;
            merge(&mut values.data, &read)?;
        }
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            insert(&mut values.data, "tls.crt", &buffer::file(certificate)?)?;
            insert(&mut values.data, "tls.key", &buffer::file(key)?)?;
            values.implied = Some(TLS);
        }
        if let (Some(username), Some(path)) = (&self.docker_username, &self.docker_password_file) {
            if values.implied.is_some() {
                return Err(Failure::usage("a secret is a certificate or a login, not both"));
            }
            let bytes = buffer::read(path, &format!("Password of {username}")).await?;
            merge(&mut values.data, &self.login(username, &bytes)?)?;
            values.implied = Some(DOCKER_CONFIG_JSON);
        }
        Ok(values)
    }

    /// Stdin can be read once.
    fn check_stdin(&self) -> Outcome<()> {
        let values = self.values.iter().filter(|given| given.text().ends_with("=-")).count();
        let password = self.docker_password_file.as_ref().is_some_and(|p| p.as_os_str() == "-");
        if values + usize::from(password) > 1 {
            return Err(Failure::usage("only one value can come from stdin")
                .hint("put the others into files that only you can read: KEY=@FILE"));
        }
        Ok(())
    }

    fn login(&self, username: &str, password: &[u8]) -> Outcome<SecretData> {
        let password = std::str::from_utf8(password)
            .map_err(|_| Failure::new("docker-login", "the password is not UTF-8"))?;
        let login = DockerLogin {
            server: self.docker_server.as_deref().unwrap_or(DOCKER_HUB),
            username,
            password: password.trim_end_matches(['\r', '\n']),
            email: "",
        };
        from_docker_login(&login)
            .map_err(|error| shape(&error, "the login cannot be written down".to_owned()))
    }
}

/// A literal value, or something that could be one, is refused without repeating it.
fn literal(name: &str, key: &str) -> Failure {
    Failure::usage("a value is not given as an argument")
        .why("everybody on this machine can read arguments while the command runs, and the shell keeps them in its history")
        .hint(format!("printf %s … | hanse secret set {name} {key}=-   (or {key}=@FILE)"))
}

/// `KEY=@FILE` or `KEY=-`.
fn key_and_path<'g>(name: &str, given: &'g str) -> Outcome<(&'g str, PathBuf)> {
    let Some((key, from)) = given.split_once('=') else {
        return Err(Failure::usage("an argument behind NAME is not KEY=@FILE or KEY=-")
            .why("it is not repeated here, since it could be a value")
            .hint(format!("hanse secret set {name} KEY=@FILE, or --from-file FILE")));
    };
    let mut probe = SecretData::default();
    let valid = probe.insert(key, b"".as_slice()).is_ok();
    match from.strip_prefix('@') {
        Some("") => Err(Failure::usage("`@` names no file").hint("KEY=@FILE")),
        Some(path) if valid => Ok((key, path.into())),
        None if valid && from == "-" => Ok((key, "-".into())),
        None if valid => Err(literal(name, key)),
        // What is not a key may be a value, such as one in base64 that ends with `=`.
        Some(_) | None => Err(bad_key()),
    }
}

fn bad_key() -> Failure {
    Failure::usage(DataError::Key.to_string()).hint("KEY=@FILE or KEY=-")
}

/// `[KEY=]FILE`, where a directory gives each of its files, as kubectl has it.
fn from_file(data: &mut SecretData, given: &str) -> Outcome<()> {
    let (key, path) = match given.split_once('=') {
        Some((key, path)) => (Some(key), Path::new(path)),
        None => (None, Path::new(given)),
    };
    let shown = path.display();
    if !path.is_dir() {
        let name = path.file_name().and_then(|name| name.to_str());
        let key = key.or(name).ok_or_else(|| {
            Failure::usage(format!("the name of {shown} is no key")).hint("--from-file KEY=FILE")
        })?;
        return insert(data, key, &buffer::file(path)?)
            .map_err(|failure| failure.details([format!("--from-file {shown}:")]));
    }
    if key.is_some() {
        return Err(Failure::usage(format!("{shown} is a directory: its files are the keys"))
            .hint(format!("--from-file {shown}")));
    }
    let failed = |e: std::io::Error| Failure::io(format!("{shown} cannot be read"), &e);
    let mut paths = Vec::new();
    for entry in path.read_dir().map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    // Kubernetes mounts secrets as links, beside directories of its own that begin with `..`.
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        insert(data, name, &buffer::file(&path)?)
            .map_err(|failure| failure.details([format!("{}:", path.display())]))?;
    }
    Ok(())
}

pub(crate) fn insert(data: &mut SecretData, key: &str, value: &[u8]) -> Outcome<()> {
    data.insert(key, value).map_err(|error| match error {
        DataError::Key => bad_key(),
        error @ DataError::Duplicate(_) => Failure::usage(error.to_string()),
        error @ (DataError::TooLarge(_) | DataError::TooMany) => {
            Failure::new("secret-too-large", "a secret does not hold so much")
                .why(error.to_string())
                .hint("split it into several secrets, or keep it elsewhere and its key here")
        }
    })
}

fn merge(data: &mut SecretData, more: &SecretData) -> Outcome<()> {
    more.iter().try_for_each(|(key, value)| insert(data, key, value.expose()))
}

/// Puts values in the place of those with the same keys.
pub(crate) fn replace(data: &mut SecretData, by: &SecretData) -> Outcome<()> {
    for (key, _) in by.iter() {
        data.remove(key);
    }
    merge(data, by)
}

fn shape(error: &ShapeError, what: String) -> Failure {
    Failure::new("secret-values", what).why(error.to_string())
}

/// `echo` adds a line feed that few passwords have.
fn mind_line_feed(key: &str, value: &[u8]) {
    if value.strip_suffix(b"\n").is_some_and(|line| !line.contains(&b'\n')) {
        output::note(&format!(
            "the value of {key} ends with a line feed, which is part of it; `printf %s` writes none"
        ));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use super::*;

    const CANARY: &str = "canary-7d1e0c";

    fn of(values: &[&str]) -> Sources {
        let values = values.iter().map(|text| given(text).unwrap()).collect();
        Sources { values, ..Sources::default() }
    }

    #[tokio::test]
    async fn a_literal_is_refused_and_not_repeated() {
        let literal = format!("password={CANARY}");
        let swapped = format!("{CANARY}+/=@x");
        for values in [&[literal.as_str()][..], &[CANARY], &[&swapped], &["a=@"]] {
            let failure = of(values).read("db").await.unwrap_err();
            assert_eq!(failure.code(), "usage", "{failure}");
            assert!(!format!("{failure} {failure:?}").contains(CANARY), "{failure}");
            assert!(!format!("{:?}", of(values)).contains(CANARY));
        }
        let failure = of(&[&literal]).read("db").await.unwrap_err();
        let hint = failure.hint_text().unwrap();
        assert!(hint.starts_with("printf %s … | hanse secret set db password=-"), "{hint}");
        let literal = Sources { from_literal: vec![given(&literal).unwrap()], ..of(&[]) };
        assert_eq!(literal.read("db").await.unwrap_err().code(), "usage");
        assert_eq!(of(&["a=-", "b=-"]).read("db").await.unwrap_err().code(), "usage");
    }

    #[tokio::test]
    async fn files_and_directories_give_keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        fs::create_dir(path("deep")).unwrap();
        fs::create_dir(path("..data")).unwrap();
        fs::write(path("a"), "1").unwrap();
        fs::write(path("b"), "two\n").unwrap();
        let keys = |data: &SecretData| {
            let entry = |(key, value): (&str, &hanse_sealing::SecretBytes)| {
                format!("{key}={}", String::from_utf8_lossy(value.expose()))
            };
            data.iter().map(entry).collect::<Vec<_>>()
        };
        let whole = Sources { from_file: vec![path("")], ..Sources::default() };
        assert_eq!(keys(&whole.read("db").await.unwrap().data), ["a=1", "b=two\n"]);
        let named = Sources { from_file: vec![format!("k={}", path("a")), path("b")], ..of(&[]) };
        assert_eq!(keys(&named.read("db").await.unwrap().data), ["b=two\n", "k=1"]);
        let twice = Sources { from_file: vec![path("a")], ..of(&[&format!("a=@{}", path("b"))]) };
        assert!(twice.read("db").await.unwrap_err().summary().contains("there twice"));
        fs::write(path("no key"), "").unwrap();
        let failure = whole.read("db").await.unwrap_err();
        assert!(failure.detail_lines().concat().contains("no key"), "{failure}");
        let absent = of(&[&format!("a=@{}", path("absent"))]).read("db").await.unwrap_err();
        assert_eq!(absent.code(), "file");
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_read_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
        let failure = of(&[&format!("a=@{}", path.display())]).read("db").await.unwrap_err();
        assert_eq!(failure.code(), "secret-too-large");
        let endless = of(&["a=@/dev/zero"]).read("db").await.unwrap_err();
        assert_eq!(endless.code(), "secret-too-large");
        // Together with its key it is a byte too large.
        fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
        let failure = of(&[&format!("a=@{}", path.display())]).read("db").await.unwrap_err();
        assert!(failure.summary().contains("1048577"), "{failure}");
    }
}
