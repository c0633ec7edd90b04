//! A fresh database for one test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use hanse_control_plane::store::Store;
use hanse_testbed::Postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The one server of this test binary. It ends with the last test that uses it.
static SERVER: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    postgres: Postgres,
    _logs: TempDir,
}

/// Where a database is.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) dir: TempDir,
    server: Option<Arc<Server>>,
}

impl Place {
    pub(crate) async fn on_sqlite() -> Self {
        let dir = TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("hanse.db").display());
        Self { url, dir, server: None }
    }

    pub(crate) async fn on_postgres() -> Self {
        let server = server().await;
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let url = server.postgres.create_database(&name).await.unwrap();
        Self { url, dir: TempDir::new().unwrap(), server: Some(server) }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.server.is_none()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("hanse.db")
    }

    /// A hub's store. More than one may be open.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// Runs SQL behind the store's back; how many rows it met.
    pub(crate) async fn tamper(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.is_sqlite() {
            let mut conn = SqliteConnection::connect(&self.url).await.unwrap();
            let met = sqlx::query(sql).execute(&mut conn).await.unwrap().rows_affected();
            conn.close().await.unwrap();
            met
        } else {
            let mut conn = PgConnection::connect(&self.url).await.unwrap();
            let met = sqlx::query(sql).execute(&mut conn).await.unwrap().rows_affected();
            conn.close().await.unwrap();
            met
        }
    }
}

async fn server() -> Arc<Server> {
    let mut server = SERVER.lock().await;
    if let Some(running) = server.upgrade() {
        return running;
    }
    let logs = TempDir::new().unwrap();
    let postgres = Postgres::start(logs.path()).await.unwrap();
    let started = Arc::new(Server { postgres, _logs: logs });
    *server = Arc::downgrade(&started);
    started
}
