//! A private `PostgreSQL`: Debian's program, a cluster of its own in a temporary folder, reached by a
//! Unix socket alone. It refuses to run as root, so root runs it as an ordinary user.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Context, Error, Result};
use crate::process::{LastSignal, Process, Will};

/// Where Debian keeps each major version's programs.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who owns the database cluster inside `PostgreSQL`.
const SUPERUSER: &str = "hanse";
const PATIENCE: Duration = Duration::from_mins(1);
/// `sockaddr_un` has 108 bytes for a path and its end.
const LONGEST_SOCKET: usize = 107;

/// A running `PostgreSQL`. Dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct Postgres {
    // Before the folder: the server ends before its data goes.
    process: Process,
    home: TempDir,
    programs: PathBuf,
    user: Option<User>,
}

/// Whom root becomes to run the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Starts a new, empty server and waits until it answers. Its log goes to `dir/postgres.log`;
    /// its data is in a folder of its own below the system's temporary one, since the socket's path
    /// has to be short and the server's user has to reach it.
    pub async fn start(dir: &Path) -> Result<Self> {
        let programs = programs(Path::new(VERSIONS))?;
        let user = rustix::process::geteuid().is_root().then(ordinary_user).transpose()?;
        fs::create_dir_all(dir).path("make", dir)?;
        let home = tempfile::Builder::new()
            .prefix("hanse-pg-")
            .tempdir()
            .doing(|| "cannot make a folder for PostgreSQL".into())?;
        check_socket(home.path())?;
        if let Some(user) = user {
            chown(home.path(), Some(user.uid), Some(user.gid)).path("give away", home.path())?;
        }

        let data = home.path().join("data");
        let mut init = command(user, &programs.join("initdb"));
        init.args(["--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8"]);
        init.args([format!("--username={SUPERUSER}"), format!("--pgdata={}", data.display())]);
        init.current_dir(home.path());
        let log = dir.join("postgres.log");
        let remove = || Some(home.path().to_owned());
        let will = Will { signal: LastSignal::Kill, remove: remove() };
        let init = Process::spawn_with("initdb", &init, &log, &will)?;
        if let Some(status) = init.wait(PATIENCE).await?.filter(|status| !status.success()) {
            return Err(crate::process::ended("initdb", status, &log));
        }

        let mut server = command(user, &programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(home.path()).current_dir(home.path());
        for setting in [
            "listen_addresses=",
            "max_connections=300",
            // Shared memory in files of the data folder, which go when it goes.
            "dynamic_shared_memory_type=mmap",
        ] {
            server.args(["-c", setting]);
        }
        let will = Will { signal: LastSignal::Quit, remove: remove() };
        let process = Process::spawn_with("postgres", &server, &log, &will)?;
        let postgres = Self { process, home, programs, user };
        postgres.ready().await?;
        Ok(postgres)
    }

    /// The URL of the database `postgres`, for sqlx and libpq. Databases for use: `create_database`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database and says its URL.
    pub async fn create_database(&self, name: &str) -> Result<String> {
        let mut create = command(self.user, &self.programs.join("createdb"));
        create.arg("-h").arg(self.home.path()).args(["-U", SUPERUSER, "--", name]);
        run(create.current_dir(self.home.path())).await?;
        Ok(self.url_of(name))
    }

    /// The server, to freeze, crash or look at.
    pub fn process(&self) -> &Process {
        &self.process
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user={SUPERUSER}", self.home.path().display())
    }

    async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if !self.process.is_running() {
                let log = self.process.log();
                return Err(crate::process::ended("postgres", "it does not run", log));
            }
            let mut ask = command(None, &self.programs.join("pg_isready"));
            ask.arg("-q").arg("-h").arg(self.home.path()).args(["-U", SUPERUSER]);
            match run(&mut ask).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// The folder with the programs of the newest version.
fn programs(versions: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(versions).into_iter().flatten().flatten();
    let newest = entries
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .max();
    newest.map(|(_, bin)| bin).ok_or_else(|| {
        Error::new(
            "cannot start PostgreSQL",
            format!("its programs are not in {}/VERSION/bin", versions.display()),
        )
        .hint("apt-get install -y postgresql")
    })
}

fn ordinary_user() -> Result<User> {
    let path = Path::new("/etc/passwd");
    let passwd = fs::read_to_string(path).path("read", path)?;
    find_user(&passwd, "postgres").or_else(|| find_user(&passwd, "nobody")).ok_or_else(|| {
        Error::new(
            "cannot start PostgreSQL",
            "it refuses to run as root and no other user is known",
        )
        .hint("adduser --system --group postgres")
    })
}

fn find_user(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(User { uid, gid })
    })
}

fn check_socket(dir: &Path) -> Result<()> {
    let length = dir.join(".s.PGSQL.5432").as_os_str().len();
    if length <= LONGEST_SOCKET {
        return Ok(());
    }
    let why = format!("its socket in {} has {length} bytes of {LONGEST_SOCKET}", dir.display());
    Err(Error::new("cannot start PostgreSQL", why)
        .hint("set TMPDIR to a shorter path: TMPDIR=/tmp"))
}

/// The program, as that user if there is one. `setpriv` becomes the program: same pid.
fn command(user: Option<User>, program: &Path) -> Command {
    let Some(User { uid, gid }) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()])
        .arg("--")
        .arg(program);
    command
}

async fn run(command: &mut Command) -> Result<()> {
    let name = command.get_args().find(|arg| arg.as_encoded_bytes().starts_with(b"/"));
    let name = name.unwrap_or(command.get_program());
    let name = Path::new(name).file_name().unwrap_or(name).to_string_lossy().into_owned();
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("")));
    let output = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .doing(|| format!("cannot run {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(format!("{name} failed"), format!("{}: {said}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_users_but_never_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:,,,:/var/lib:/bin/sh\nnobody:x:0:0::/:\n";
        assert_eq!(find_user(passwd, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(find_user(passwd, "nobody"), None);
        assert_eq!(find_user(passwd, "other"), None);
    }

    #[test]
    fn a_missing_program_names_the_package() {
        let error = programs(Path::new("/nonexistent")).err();
        assert_eq!(
            error.as_ref().and_then(Error::help),
            Some("apt-get install -y postgresql"),
            "{error:?}"
        );
    }

    #[test]
    fn a_long_socket_path_is_refused() {
        assert!(check_socket(Path::new(&format!("/{}", "d".repeat(100)))).is_err());
        assert!(check_socket(Path::new("/tmp/hanse-pg-123456")).is_ok());
    }
}
