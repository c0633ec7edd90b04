//! The program, as a person meets it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use sqlx::Connection as _;
use tempfile::TempDir;

use crate::author::single_root;
use crate::database::Database;
use crate::hub::{Hub, PROGRAM};

fn run(args: &[&str]) -> (bool, String) {
    let done = Command::new(PROGRAM).args(args).output().unwrap();
    (done.status.success(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_makes_a_hub_once() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("deep/hub");
    let shown = dir.display().to_string();
    let (done, said) =
        run(&["init", "--dir", &shown, "--name", "hub.example.com", "--name", "::1"]);
    assert!(done, "{said}");
    for step in
        ["hanse-control-plane serve --dir ", "export HANSE_CONFIG=", "hanse check", "sha256:"]
    {
        assert!(said.contains(step), "{said}");
    }
    for file in ["ca.key", "admin.yaml", "admin.key", "hub.json", "hanse.db"] {
        let mode = fs::metadata(dir.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    let admin = fs::read_to_string(dir.join("admin.yaml")).unwrap();
    assert!(admin.contains("server: \"https://hub.example.com:7443\""), "{admin}");
    // Who signs, and for which fleet.
    let hub = fs::read_to_string(dir.join("hub.json")).unwrap();
    let hub: serde_json::Value = serde_json::from_str(&hub).unwrap();
    let fleet = hub["fleetId"].as_str().unwrap();
    let signs = format!("    fleet: sha256:{fleet}\n    signingKey: \"admin.key\"\n");
    assert!(admin.ends_with(&signs), "{admin}");
    assert!(said.contains("move it off this machine"), "{said}");
    // And each start says so, until it is.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let warning = "a signing key is in the hub's folder";
    let (_, said) = run(&["serve", "--dir", &shown, "--listen", &taken]);
    assert!(said.contains(warning) && said.contains("WARN"), "{said}");
    fs::rename(dir.join("admin.key"), temp.path().join("admin.key")).unwrap();
    let (_, said) = run(&["serve", "--dir", &shown, "--listen", &taken]);
    assert!(!said.contains(warning), "{said}");
    let public = fs::read_to_string(dir.join("admin.key.pub")).unwrap();
    assert!(public.starts_with("ssh-ed25519 ") && public.ends_with(" admin\n"), "{public}");
    let before = fs::read(dir.join("hanse.db")).unwrap();
    let (done, said) = run(&["init", "--dir", &shown]);
    assert!(!done && said.contains("error: ") && said.contains("hint:  "), "{said}");
    assert_eq!(fs::read(dir.join("hanse.db")).unwrap(), before);
    // What cannot be is seen before anything is made.
    let other = temp.path().join("other").display().to_string();
    let (done, said) = run(&["init", "--dir", &other, "--name", "not a name"]);
    assert!(!done && said.contains("why:   "), "{said}");
    assert!(!temp.path().join("other").exists(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_takes_a_trust_root() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("hub");
    let file = temp.path().join("root");
    let (shown, named) = (dir.display().to_string(), file.display().to_string());
    let init = || run(&["init", "--dir", &shown, "--trust-root", &named]);
    let root = single_root();
    let text = String::from_utf8(root.encode()).unwrap();
    let later = text.replace("version 1\nnonce", "version 2\nprevious");
    for (bad, why) in [
        ("hanse trust-root v1\nnonce 00\n", "not a valid trust root"),
        (later.as_str(), "a fleet begins with version 1"),
        (&text.replace("root 1 ada", "root 2 ada"), "root asks for 2 signatures"),
        (&"x".repeat(300_000), "300000 bytes"),
    ] {
        fs::write(&file, bad).unwrap();
        let (done, said) = init();
        assert!(!done && said.contains(why) && said.contains("hanse init"), "{said}");
        assert!(!dir.exists(), "{said}");
    }
    fs::write(&file, &text).unwrap();
    let (done, said) = init();
    assert!(done && said.contains(&root.digest().to_string()), "{said}");
    let admin = fs::read_to_string(dir.join("admin.yaml")).unwrap();
    assert!(admin.contains(&format!("fleet: sha256:{}", root.digest())), "{admin}");
    assert!(!admin.contains("signingKey") && !dir.join("admin.key").exists(), "{admin}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_of_an_earlier_version_is_refused() {
    let hub = Hub::make(Database::on_sqlite().await);
    let root = format!("hanse trust-root v1\nnonce {}\n", "00".repeat(32));
    let id = hanse_domain::ids::Digest::of(root.as_bytes());
    let url = format!("sqlite:{}", hub.dir.join("hanse.db").display());
    let mut conn = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE fleet SET trust_root = $1, id = $2")
        .bind(root.as_bytes())
        .bind(&id.0[..])
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    let settings = hub.dir.join("hub.json");
    let text = fs::read_to_string(&settings).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["fleetId"] = id.to_string().into();
    fs::write(&settings, json.to_string()).unwrap();
    let (done, said) = hub.run(&["serve"]);
    assert!(!done && said.contains("made by an earlier version"), "{said}");
    assert!(said.contains("make a new hub: hanse-control-plane init"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_fills_a_folder_and_goes_on_where_it_failed() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("volume");
    fs::create_dir(&dir).unwrap();
    fs::create_dir(dir.join("lost+found")).unwrap();
    // Nothing can be made beside it.
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let shown = dir.display().to_string();
    let no_database = "postgres://nobody@127.0.0.1:1/none";
    let (done, said) = run(&["init", "--dir", &shown, "--database", no_database]);
    assert!(!done && said.contains("why:   ") && said.contains("again: it goes on"), "{said}");
    let authority = fs::read(dir.join("ca.crt")).unwrap();
    let (done, said) = run(&["serve", "--dir", &shown]);
    assert!(!done && said.contains("is not complete"), "{said}");
    let (done, said) = run(&["init", "--dir", &shown, "--trust-domain", "other.local"]);
    assert!(!done && said.contains("--trust-domain hanse.local"), "{said}");

    let begun = fs::read(dir.join("init.json")).unwrap();
    let key = fs::read(dir.join("admin.key")).unwrap();
    let other = temp.path().join("volume/lost+found/root");
    fs::write(&other, single_root().encode()).unwrap();
    let (done, said) =
        run(&["init", "--dir", &shown, "--trust-root", &other.display().to_string()]);
    assert!(!done && said.contains("another trust root"), "{said}");
    fs::remove_file(other).unwrap();

    // It fails once more, and the third time all is well.
    let trap = dir.join("hanse.db");
    fs::create_dir(&trap).unwrap();
    let (done, said) = run(&["init", "--dir", &shown]);
    assert!(!done && said.contains("again: it goes on"), "{said}");
    fs::remove_dir(&trap).unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0"];
    let (done, said) = run(&[&["init", "--dir", &shown][..], &listen].concat());
    assert!(done, "{said}");
    assert_eq!(fs::read(dir.join("ca.crt")).unwrap(), authority);
    assert!(!dir.join("init.json").exists());
    assert_eq!(fs::read(dir.join("admin.key")).unwrap(), key);
    // As if it had been ended right before its end: the database has the fleet.
    fs::write(dir.join("init.json"), begun).unwrap();
    let (done, said) = run(&[&["init", "--dir", &shown][..], &listen].concat());
    assert!(done, "{said}");
    assert_eq!(fs::read(dir.join("ca.crt")).unwrap(), authority);
    let (done, said) = run(&["user", "list", "--dir", &shown]);
    assert!(done && said.contains("admin "), "{said}");
    let (done, said) = run(&["init", "--dir", &shown]);
    assert!(!done && said.contains("is not empty"), "{said}");
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hubs_database_is_not_used() {
    let hub = Hub::make(Database::on_sqlite().await);
    let other = Hub::make(Database::on_sqlite().await);
    let database = other.dir.join("hanse.db").display().to_string();
    let fleet = |hub: &Hub| {
        let text = fs::read_to_string(hub.dir.join("hub.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["fleetId"].clone()
    };
    let (done, said) = hub.run(&["serve", "--database", &database]);
    assert!(!done && said.contains("is not of this hub"), "{said}");
    for fleet in [fleet(&hub), fleet(&other)] {
        assert!(said.contains(fleet.as_str().unwrap()), "{said}");
    }
    let stranger = ["user", "create", "eve", "--role", "viewer", "--dir"];
    let dir = hub.dir.display().to_string();
    let mut create = Command::new(PROGRAM);
    create.args(stranger).arg(&dir).env("HANSE_DATABASE", &database);
    assert!(!create.output().unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_says_why() {
    let temp = TempDir::new().unwrap();
    let nowhere = temp.path().join("none").display().to_string();
    let (done, said) = run(&["serve", "--dir", &nowhere]);
    assert!(
        !done && said.contains(&format!("hint:  hanse-control-plane init --dir {nowhere}")),
        "{said}"
    );

    let hub = Hub::make(Database::on_sqlite().await);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (done, said) = hub.run(&["serve", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert!(!done && said.contains("cannot listen on 127.0.0.1:"), "{said}");
    assert!(said.contains("hint:  see what listens there"), "{said}");

    let garbage = temp.path().join("garbage.db");
    fs::write(&garbage, "not a database, whatever it is called").unwrap();
    let (done, said) = hub.run(&["serve", "--database", &garbage.display().to_string()]);
    assert!(!done && said.contains("it is not a SQLite database"), "{said}");
    // Another hub's database.
    let empty = temp.path().join("empty.db").display().to_string();
    let (done, said) = hub.run(&["serve", "--database", &empty]);
    assert!(!done && said.contains("holds no fleet"), "{said}");
    fs::remove_file(hub.dir.join("ca.key")).unwrap();
    let (done, said) = hub.run(&["serve"]);
    assert!(!done && said.contains("ca.key does not exist"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_data_is_not_served() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    crate::author::commit(&hub, vec![crate::author::role("a", &[], "get")]).await.unwrap();
    hub.terminate().await;
    let file = hub.dir.join("hanse.db");
    let whole = fs::read(&file).unwrap();
    // The document's bytes, behind the store's back; its digest tells.
    let mut damaged = whole.clone();
    let text = b"resources: [pods]";
    let at = damaged.windows(text.len()).position(|window| window == text).unwrap();
    damaged[at + 12] = b'q';
    fs::write(&file, damaged).unwrap();
    let (done, said) = hub.run(&["serve"]);
    assert!(!done && said.contains("damaged data"), "{said}");
    fs::write(&file, whole).unwrap();
    hub.serve(&[]).await;
    assert_eq!(crate::author::fleet(&hub).await.number.0, 1);
    hub.end_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_made_listed_and_revoked() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let vera = hub.viewer();
    let me =
        hub.identity(&vera).await.who_am_i(hanse_proto::admin::WhoAmIRequest {}).await.unwrap();
    assert_eq!(me.into_inner().role, "viewer");
    let (done, said) = hub.run(&["user", "create", "vera", "--role", "administrator"]);
    assert!(!done && said.contains("--replace"), "{said}");
    let (done, said) = hub.run(&["user", "create", "vera", "--role", "administrator", "--replace"]);
    assert!(done, "{said}");
    let (old, vera) = (vera, hub.viewer());
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let who = async |who| {
        let me = hub.identity(who).await.who_am_i(hanse_proto::admin::WhoAmIRequest {}).await;
        me.map(|me| me.into_inner().role).map_err(|status| status.code())
    };
    assert_eq!(who(&vera).await.as_deref(), Ok("administrator"));
    assert_eq!(who(&old).await, Err(tonic::Code::Unauthenticated));
    let mode = fs::metadata(hub.dir.join("vera.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
    let (done, said) = hub.run(&["user", "create", "Not A Name", "--role", "viewer"]);
    assert!(!done && said.contains("not a user name"), "{said}");
    let (done, said) = hub.run(&["user", "list"]);
    assert!(done && said.contains("vera") && said.contains("administrator"), "{said}");
    let (done, said) = hub.run(&["user", "revoke", "nobody"]);
    assert!(!done && said.contains("there is no user nobody"), "{said}");
    let status = hanse_proto::admin::GetHubStatusRequest {};
    let status = hub.identity(&vera).await.get_hub_status(status).await.unwrap().into_inner();
    assert_eq!((status.database.as_str(), status.trust_domain.as_str()), ("sqlite", "hanse.local"));
    hub.end_well().await;
}
