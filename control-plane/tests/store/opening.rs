//! Databases that open, and those that must not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hanse_control_plane::store::{OpenError, Store, StoreError};
use hanse_domain::ids::RevisionNumber;
use sqlx::{Connection, SqliteConnection};

use crate::make::{Brings, cluster_id, joined, statement};
use crate::place::Place;

pub(crate) async fn keeps_what_was_stored(place: Place) {
    let store = place.open().await;
    store.append(&statement(1).leaf("A/a", "text")).await.unwrap();
    let cluster = joined(&store, "prod", cluster_id(1)).await;
    let leaves = store.current_leaves().await.unwrap();
    store.close().await;
    assert!(matches!(store.head_number().await, Err(StoreError::Unavailable { .. })));

    let store = place.open().await;
    assert_eq!(store.head_number().await.unwrap(), RevisionNumber(1));
    assert_eq!(store.current_leaves().await.unwrap(), leaves);
    assert_eq!(store.clusters().await.unwrap(), [cluster]);
    store.append(&statement(2)).await.unwrap();
    if place.is_sqlite() {
        for file in fs::read_dir(place.dir.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

pub(crate) async fn a_newer_schema_is_refused(place: Place) {
    place.open().await.close().await;
    let checksum = if place.is_sqlite() { "x'00'" } else { r"'\x00'" };
    let newer = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', TRUE, {checksum}, 0)"
    );
    assert_eq!(place.tamper(&newer).await, 1);
    let before = place.is_sqlite().then(|| fs::read(place.file()).unwrap());
    match Store::open(&place.url).await {
        Err(StoreError::SchemaTooNew { found: 9999, known }) => assert!(known < 9999),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.is_sqlite().then(|| fs::read(place.file()).unwrap()), before);
    // Only because of that.
    assert_eq!(place.tamper("DELETE FROM _sqlx_migrations WHERE version = 9999").await, 1);
    place.open().await;
}

pub(crate) async fn an_edited_schema_is_refused(place: Place) {
    place.open().await.close().await;
    let checksum = if place.is_sqlite() { "x'00'" } else { r"'\x00'" };
    assert_eq!(
        place
            .tamper(&format!("UPDATE _sqlx_migrations SET checksum = {checksum} WHERE version = 1"))
            .await,
        1
    );
    let error = refusal(&place.url).await;
    assert!(error.why.contains("another build"), "{error:?}");
}

pub(crate) async fn hubs_start_at_once(place: Place) {
    let hubs = (0..4).map(|_| {
        let url = place.url.clone();
        tokio::spawn(async move { Store::open(&url).await.unwrap() })
    });
    for hub in futures::future::join_all(hubs).await {
        assert_eq!(hub.unwrap().head_number().await.unwrap(), RevisionNumber(0));
    }
}

pub(crate) async fn what_cannot_be_opened_says_why(place: Place) {
    if place.is_sqlite() {
        files_that_cannot_be_opened(&place).await;
    } else {
        servers_that_cannot_be_opened(&place).await;
    }
}

async fn files_that_cannot_be_opened(place: &Place) {
    let dir = place.dir.path();
    let missing = dir.join("missing/hanse.db");
    let error = refusal(missing.to_str().unwrap()).await;
    assert!(error.why.contains("no folder"), "{error:?}");
    assert_eq!(error.hint, format!("mkdir -p {}", dir.join("missing").display()));
    assert!(!dir.join("missing").exists());

    let error = refusal(dir.to_str().unwrap()).await;
    assert!(error.why.contains("folder"), "{error:?}");

    let notes = dir.join("notes.txt");
    fs::write(&notes, "not a database, and longer than sixteen bytes").unwrap();
    let error = refusal(notes.to_str().unwrap()).await;
    assert_eq!(error.why, "it is not a SQLite database");
    assert!(error.what.contains("notes.txt"), "{error:?}");
    let left = fs::read_to_string(&notes).unwrap();
    assert_eq!(left, "not a database, and longer than sixteen bytes");

    let foreign = dir.join("foreign.db");
    let url = format!("sqlite:{}?mode=rwc", foreign.display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE theirs (id INTEGER)").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let before = fs::read(&foreign).unwrap();
    let error = refusal(foreign.to_str().unwrap()).await;
    assert_eq!(error.why, "it holds the tables of another program");
    assert_eq!(fs::read(&foreign).unwrap(), before);

    // Its first bytes are right and the rest is not.
    let store = place.open().await;
    store.close().await;
    let mut bytes = fs::read(place.file()).unwrap();
    bytes[100..].fill(0xa5);
    fs::write(place.file(), bytes).unwrap();
    let error = refusal(&place.url).await;
    assert!(error.why.contains("damaged"), "{error:?}");
}

async fn servers_that_cannot_be_opened(place: &Place) {
    let error = refusal(&place.url.replace("/test_", "/absent_")).await;
    assert!(error.why.starts_with("there is no database absent_"), "{error:?}");
    assert!(error.hint.starts_with("createdb"), "{error:?}");

    let error = refusal(&place.url.replace("user=hanse", "user=mallory")).await;
    assert!(error.why.contains("mallory"), "{error:?}");

    let error = refusal("postgres://hanse:s3cret@127.0.0.1:1/hanse").await;
    assert!(error.why.starts_with("the server does not answer"), "{error:?}");
    assert!(error.what.contains("127.0.0.1:1"), "{error:?}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");

    // The server lets everybody in; a role without the right to connect is refused as well.
    place.tamper("CREATE ROLE guest LOGIN").await;
    let error = refusal(&place.url.replace("user=hanse", "user=guest")).await;
    assert!(error.why.contains("schema could not be brought up to date"), "{error:?}");
}

async fn refusal(url: &str) -> OpenError {
    match Store::open(url).await {
        Err(StoreError::Open(error)) => *error,
        other => panic!("{other:?}"),
    }
}
