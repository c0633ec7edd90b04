//! The migrations that this program knows, and what a database says about those that it has.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::error::{OpenError, StoreError};

/// For SQLite.
pub(super) static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
/// For PostgreSQL.
pub(super) static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// The newest migration that a database has; NULL when it has the table and none in it.
pub(super) const NEWEST: &str = "SELECT MAX(version) FROM _sqlx_migrations";

/// Refuses a database that has a migration which this program does not have.
pub(super) fn check_known(found: Option<i64>, migrator: &Migrator) -> Result<(), StoreError> {
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    match found {
        Some(found) if found > known => Err(StoreError::SchemaTooNew { found, known }),
        _ => Ok(()),
    }
}

/// Brings a database up to date. One at a time where several start at once: the migrator locks.
pub(super) async fn apply<C: Migrate>(
    migrator: &Migrator,
    conn: &mut C,
) -> Result<(), MigrateError> {
    // `run` would do, but its future is not known to be `Send`.
    migrator.run_direct(None, conn, false).await
}

/// What a failed migration means to a person.
pub(super) fn explain(database: &str, error: MigrateError) -> StoreError {
    let foreign =
        matches!(error, MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_));
    let (why, hint) = if foreign {
        (
            "its schema was made by another build of the program",
            "start the version that made it, or restore a backup",
        )
    } else {
        (
            "its schema could not be brought up to date; nothing of the failed step was kept",
            "see the log; the database's user must own its schema",
        )
    };
    OpenError {
        what: format!("cannot open {database}"),
        why: why.into(),
        hint: hint.into(),
        source: Some(error.into()),
    }
    .into()
}
