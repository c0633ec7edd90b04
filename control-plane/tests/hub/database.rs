//! A fresh database for one hub.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use hanse_testbed::Postgres;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The one server of this test binary. It ends with the last test that uses it.
static SERVER: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Server {
    postgres: Postgres,
    _logs: TempDir,
}

/// Where it is; `None` for the file in the hub's folder.
pub(crate) struct Database {
    pub(crate) url: Option<String>,
    pub(crate) server: Option<Arc<Server>>,
}

impl Database {
    #[expect(clippy::unused_async, reason = "both kinds are made the same way")]
    pub(crate) async fn on_sqlite() -> Self {
        Self { url: None, server: None }
    }

    pub(crate) async fn on_postgres() -> Self {
        let server = server().await;
        let name = format!("hub_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let url = server.postgres.create_database(&name).await.unwrap();
        Self { url: Some(url), server: Some(server) }
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
