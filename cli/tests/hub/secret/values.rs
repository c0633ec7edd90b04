//! No value is anywhere but where it belongs.

use std::path::Path;

use hanse_probes::canary;

use super::support::{ANN, As, run, set, world};

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            found.push((entry.path().display().to_string(), bytes));
        }
    }
}

#[tokio::test]
async fn no_value_is_anywhere_but_where_it_belongs() {
    let (world, agents) = world().await;
    let inputs = tempfile::tempdir().unwrap();
    let canaries: [&[u8]; 2] =
        [b"canary-58b1f0c62d9e47a3b7c4e1/+x", b"canary-second-e1c09a7d42b8f356=z"];
    let [first, second] = canaries.map(|value| String::from_utf8(value.to_vec()).unwrap());
    let input = |name: &str, text: String| {
        let path = inputs.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let from = format!("password=@{}", input("first", first.clone()));
    let literal = format!("password={first}");
    let option = format!("--{literal}");
    let env = input("env", format!("other={second}\nbad key={first}\n"));
    let good_env = input("good-env", format!("other={second}\n"));
    let editor = format!("sed -i 's|{first}|{second}|'");
    // The second time, it leaves the text as it is.
    let mark = inputs.path().join("mark").display().to_string();
    let breaks = format!("test -e {mark} && exec true; touch {mark}; echo '{first}: [' >>");
    let fails = "false".to_owned();
    let mut left = String::new();
    for (args, editor, expected) in [
        (&["set", "db", "-n", "shop", "-l", "env=prod", &from][..], "true", 0),
        (&["set", "db", &literal], "true", 2),
        (&["set", &literal, &from], "true", 2),
        (&["set", "db", "--from-literal", &literal], "true", 2),
        (&["set", "db", &first], "true", 2),
        (&["set", "db", &option], "true", 2),
        (&["set", "db", "--no-owner", "--owner", &literal, &from], "true", 2),
        (&["recipients", "db", "--add-owner", &first], "true", 2),
        (&["set", "db", "--from-env-file", &env], "true", 1),
        (&["set", "db", "--merge", "--from-env-file", &good_env], "true", 0),
        (&["set", "db", &from, &from], "true", 2),
        (&["set", "db", "--type", "kubernetes.io/tls", &from], "true", 1),
        (&["set", "db", "--type", "kubernetes.io/dockerconfigjson", &from], "true", 1),
        (&["get", "db"], "true", 0),
        (&["get", "db", "-o", "json"], "true", 0),
        (&["get", "db", "--reveal", "absent"], "true", 1),
        (&["get", "db", "--reveal"], "true", 2),
        (&["list"], "true", 0),
        (&["edit", "db"], "true", 0),
        (&["edit", "db"], &editor, 0),
        (&["edit", "db"], &breaks, 2),
        (&["edit", "db"], &fails, 1),
        (&["rotate", "db", &from], "true", 0),
        (&["recipients", "db"], "true", 0),
        (&["reseal", "--all"], "true", 0),
        (&["history", "db"], "true", 0),
        (&["delete", "db", "-y"], "true", 0),
    ] {
        let (code, stdout, stderr) = run(&world, &As { editor, ..ANN }, args).await;
        assert_eq!(code, expected, "{args:?}: {stderr}");
        left.push_str(&stdout);
        left.push_str(&stderr);
        if args == ["rotate", "db", &from] {
            let data = agents.open(&world, 1, "db").unwrap();
            assert_eq!(data.get("password").unwrap().expose(), canaries[0]);
        }
    }
    let mut places = vec![("what was printed".to_owned(), left.into_bytes())];
    files(world.directory.path(), &mut places);
    assert!(places.iter().any(|(name, _)| name.ends_with("verified")), "the cache is looked at");
    for (index, statement) in world.running.hub.0.lock().unwrap().statements.iter().enumerate() {
        let all = statement.contents.iter().chain([&statement.statement, &statement.changes]);
        places.extend(all.map(|bytes| (format!("statement {index}"), bytes.to_vec())));
    }
    for (place, bytes) in &places {
        for value in canaries {
            assert_eq!(canary::find(bytes, value), None, "{place}");
        }
    }
    assert_eq!(std::fs::read_dir(world.directory.path().join("run")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_edit_that_is_ended_leaves_nothing() {
    let (world, _) = world().await;
    let (code, _, stderr) = set(&world, b"canary").await;
    assert_eq!(code, 0, "{stderr}");
    let folder = world.directory.path().join("run");
    for signal in ["TERM", "HUP"] {
        // It has the file as long as it is there, and not forever.
        let editor = format!(
            "ended() {{ kill -s {signal} $PPID; for i in $(seq 100); do test -e \"$1\" || exit; sleep 0.05; done; }}; ended"
        );
        let (code, _, _) = run(&world, &As { editor: &editor, ..ANN }, &["edit", "db"]).await;
        assert_eq!(code, 130, "{signal}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{signal}");
    }
}
