//! Opens a PostgreSQL database, which several hubs may share.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::timeout;

use super::backend::PostgresBackend;
use super::error::{OpenError, StoreError};
use super::schema;

/// Connections of one hub. Transactions are short; more would only queue inside the server.
const CONNECTIONS: u32 = 16;
/// How long a statement may run. Migrations may take longer.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long a caller waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server may take to answer when the hub starts.
const CONNECT: Duration = Duration::from_secs(10);
/// How long another hub may hold the migration lock.
const MIGRATE: Duration = Duration::from_mins(10);

/// Opens the database.
pub(super) async fn open(options: PgConnectOptions) -> Result<PostgresBackend, StoreError> {
    let options = options.application_name("hanse-control-plane");
    let name = describe(&options);

    // A connection of its own: waiting for another hub's migration is longer than a statement may.
    let connected = timeout(CONNECT, options.connect()).await;
    let mut conn = connected
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        .map_err(|error| refuse(&name, &options, error))?;
    check_schema(&mut conn).await?;
    timeout(MIGRATE, schema::apply(&schema::POSTGRES, &mut conn))
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
        .map_err(|error| schema::explain(&name, error))?;
    conn.close().await?;

    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(options.options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            // A hub that was stopped in the middle of a transaction must not hold its locks.
            ("idle_in_transaction_session_timeout", "30s"),
        ]))
        .await?;
    Ok(PostgresBackend { pool })
}

/// Looks before anything is written.
async fn check_schema(conn: &mut PgConnection) -> Result<(), StoreError> {
    let table: Option<String> = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text")
        .fetch_one(&mut *conn)
        .await?;
    if table.is_none() {
        return Ok(());
    }
    let found = sqlx::query_scalar(schema::NEWEST).fetch_one(conn).await?;
    schema::check_known(found, &schema::POSTGRES)
}

/// Which database it is, without the password.
fn describe(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| socket.display().to_string(),
    );
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("the PostgreSQL database {database} at {host}")
}

fn refuse(name: &str, options: &PgConnectOptions, error: sqlx::Error) -> StoreError {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let (why, hint) = match code.as_deref() {
        Some("28P01") => (
            format!("the password of {user} is wrong"),
            "check the password in the database URL".to_owned(),
        ),
        Some("28000") => (
            format!("the server does not let {user} in"),
            "check the user in the database URL and the server's pg_hba.conf".to_owned(),
        ),
        Some("3D000") => (
            format!("there is no database {database}"),
            format!("createdb --owner={user} {database}"),
        ),
        Some("42501") => (
            format!("{user} may not use it"),
            format!("GRANT CONNECT, CREATE ON DATABASE {database} TO {user}"),
        ),
        Some(_) => (error.to_string(), "see the server's log".to_owned()),
        None => (
            format!("the server does not answer: {error}"),
            "check that it runs and that the host and port in the database URL are right"
                .to_owned(),
        ),
    };
    OpenError { what: format!("cannot open {name}"), why, hint, source: Some(error.into()) }.into()
}
