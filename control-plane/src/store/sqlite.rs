//! Opens a SQLite file: durable (WAL with `synchronous=FULL`), for its owner alone, one writer.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use super::backend::{Attempts, SqliteBackend};
use super::error::{OpenError, StoreError};
use super::schema;

/// How many may read while one writes. Reads of a hub are short; its cores are the limit.
const READERS: u32 = 4;
/// How long another process may hold the file, or a caller wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// `SQLITE_NOTADB` (sqlite.org/rescode.html).
const NOT_A_DATABASE: &str = "26";

/// Opens the file, made with mode 0600 when it is not there.
pub(super) async fn open(path: &Path) -> Result<SqliteBackend, StoreError> {
    // The switch to WAL fails at once when another process makes it, too: SQLite does not wait then.
    let mut attempts = Attempts::of("open");
    loop {
        match try_open(path).await {
            Err(error) if attempts.again(&error).await => {}
            Err(StoreError::Serialization) => {
                return Err(OpenError {
                    what: format!("cannot open the database {}", path.display()),
                    why: "another process is using it".into(),
                    hint: "one hub at a time on SQLite; stop the other one, or use PostgreSQL"
                        .into(),
                    source: None,
                }
                .into());
            }
            settled => return settled,
        }
    }
}

async fn try_open(path: &Path) -> Result<SqliteBackend, StoreError> {
    let new = check_file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(PATIENCE)
        .foreign_keys(true);
    if !new {
        check_schema(path, &options).await?;
    }

    let writing =
        options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let refused = |error| refuse(path, error);
    let writer = pool(1).connect_with(writing).await.map_err(refused)?;
    migrate(&writer).await.map_err(|error| schema::explain(&path.display().to_string(), error))?;
    let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(refused)?;
    Ok(SqliteBackend { writer, readers })
}

/// sqlx's migrator does not lock a SQLite database; the transaction around it does.
async fn migrate(writer: &SqlitePool) -> Result<(), MigrateError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    schema::apply(&schema::SQLITE, &mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes the file if it is not there. `true` for one with nothing in it yet.
fn check_file(path: &Path) -> Result<bool, OpenError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(explain_io(path, error)),
    }
    // One that is there is not opened here: closing it would let go of the locks that SQLite has on
    // it elsewhere in this process (sqlite.org/howtocorrupt.html, 2.2).
    let found = fs::metadata(path).map_err(|error| explain_io(path, error))?;
    if found.is_dir() {
        return Err(explain_io(path, io::ErrorKind::IsADirectory.into()));
    }
    Ok(found.len() == 0)
}

fn explain_io(path: &Path, error: io::Error) -> OpenError {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let kind = error.kind();
    let (why, hint) = if kind == io::ErrorKind::NotFound {
        let folder = folder.unwrap_or(Path::new(".")).display().to_string();
        (format!("there is no folder {folder}"), format!("mkdir -p {folder}"))
    } else if kind == io::ErrorKind::PermissionDenied {
        let hint = "run as the user that owns the file and its folder, or give it to this one";
        ("permission denied".into(), hint.into())
    } else if kind == io::ErrorKind::IsADirectory {
        ("it is a folder".into(), "name a file, for example hanse.db in it".into())
    } else {
        (error.to_string(), "check the path and the disk".into())
    };
    OpenError {
        what: format!("cannot open the database {}", path.display()),
        why,
        hint,
        source: Some(error.into()),
    }
}

/// Looks before anything is written.
async fn check_schema(path: &Path, options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let connected = options.clone().read_only(true).connect().await;
    let mut conn = connected.map_err(|error| refuse(path, error))?;
    let found = newest(&mut conn).await;
    let closed = conn.close().await;
    let found = found.and_then(|found| closed.map(|()| found)).map_err(|e| refuse(path, e))?;
    match found {
        Known::Ours(version) => schema::check_known(version, &schema::SQLITE),
        Known::Nothing => Ok(()),
        Known::Foreign => Err(OpenError {
            what: format!("cannot open the database {}", path.display()),
            why: "it holds the tables of another program".into(),
            hint: "name another file; this one was left as it is".into(),
            source: None,
        }
        .into()),
    }
}

/// Whose database it is.
enum Known {
    Nothing,
    Ours(Option<i64>),
    Foreign,
}

async fn newest(conn: &mut SqliteConnection) -> sqlx::Result<Known> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name = '_sqlx_migrations' \
         DESC LIMIT 1",
    )
    .fetch_all(&mut *conn)
    .await?;
    match tables.first().map(String::as_str) {
        None => Ok(Known::Nothing),
        Some("_sqlx_migrations") => {
            sqlx::query_scalar(schema::NEWEST).fetch_one(conn).await.map(Known::Ours)
        }
        Some(_) => Ok(Known::Foreign),
    }
}

fn refuse(path: &Path, error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let foreign = code.as_deref() == Some(NOT_A_DATABASE);
    let seen = StoreError::from(error);
    let (why, hint) = match &seen {
        StoreError::Corrupt { .. } if foreign => (
            "it is not a SQLite database".to_owned(),
            "name another file; this one was left as it is",
        ),
        StoreError::Corrupt { what } => (format!("it is damaged: {what}"), "restore a backup"),
        StoreError::Unavailable { source } => {
            (source.to_string(), "SQLite must be able to write the file and in its folder")
        }
        StoreError::Conflict { .. }
        | StoreError::Stale { .. }
        | StoreError::Serialization
        | StoreError::CutOff
        | StoreError::Superseded
        | StoreError::Invalid { .. }
        | StoreError::SchemaTooNew { .. }
        | StoreError::Open(_) => return seen,
    };
    OpenError {
        what: format!("cannot open the database {}", path.display()),
        why,
        hint: hint.into(),
        source: Some(Box::new(seen)),
    }
    .into()
}
