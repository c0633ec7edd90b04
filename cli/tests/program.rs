//! The program as it is run, without a hub: names, pipes, exit codes, contexts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const HANSE: &str = env!("CARGO_BIN_EXE_hanse");

const ADMIN: &str = "\
currentContext: demo
contexts:
  - name: demo
    server: https://127.0.0.1:1
    certificateAuthority: an authority
    clientCertificate: a certificate
    clientKey: |
      canary-3f1c9be2
";

fn hanse(directory: &Path, args: &[&str]) -> Output {
    let config = directory.join("config.yaml");
    Command::new(HANSE).args(args).env("HANSE_CONFIG", config).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn as_a_kubectl_plugin_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = directory.path().join("kubectl-hanse");
    symlink(HANSE, &plugin).unwrap();
    let usage = |program: &Path| {
        let output = Command::new(program).args(["get", "--help"]).output().unwrap();
        text(&output.stdout).lines().find(|line| line.starts_with("Usage:")).unwrap().to_owned()
    };
    assert!(usage(&plugin).starts_with("Usage: kubectl hanse get "), "{}", usage(&plugin));
    assert!(usage(Path::new(HANSE)).starts_with("Usage: hanse get "));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(HANSE)
        .args(["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn exit_codes_and_streams() {
    let directory = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["version"][..], 0),
        (&["explain", "role.spec.rules"], 0),
        (&["no-such-command"], 2),
        (&["explain", "pods"], 2),
        (&["get", "all"], 4),
        (&["apply", "-f", "no-such-file"], 1),
        (&["diff", "-f", "no-such-file"], 3),
    ] {
        let output = hanse(directory.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let data_only_when_done = output.stdout.is_empty() == (code != 0);
        assert!(data_only_when_done, "{args:?}");
        assert!(!text(&output.stderr).contains('\u{1b}'), "no colours in a pipe: {args:?}");
    }
}

#[test]
fn an_empty_name_of_the_configuration_is_none_and_a_named_one_must_be_there() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], config: &str| {
        let output = Command::new(HANSE)
            .args(args)
            .env("HANSE_CONFIG", config)
            .env("XDG_CONFIG_HOME", home.path())
            .output()
            .unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, stderr) = run(&["get", "all"], "");
    assert!(code == Some(4) && stderr.contains("no hub is configured"), "{stderr}");
    for (args, config) in [(&["get", "all", "--config", "/nope"][..], ""), (&["drift"], "/nope")] {
        let (code, stderr) = run(args, config);
        assert!(code == Some(4) && stderr.contains("/nope does not exist"), "{stderr}");
    }
}

/// Which fleet a bundle must be of is not left open because a name or a file is wrong.
#[test]
fn a_bundle_of_any_fleet_passes_only_where_nothing_is_configured() {
    let (home, bare) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = home.path().join("hanse/config.yaml");
    std::fs::create_dir(home.path().join("hanse")).unwrap();
    let run = |home: &Path, named: &str, options: &[&str]| {
        let output = Command::new(HANSE)
            .args(["report", "verify", "/no/bundle"])
            .args(options)
            .env("HANSE_CONFIG", named)
            .env("XDG_CONFIG_HOME", home)
            .output()
            .unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let digest = "0".repeat(64);
    let pinned = format!("{ADMIN}    fleet: sha256:{digest}\n");
    let broken = "contexts: 7\n";
    let emptied = "contexts: []\n";
    let missing = "/nope/config.yaml";
    let is_not_there = "/no/bundle cannot be read";
    let none = "does not say which fleet";
    // What is configured, what the environment and the options name, and what is said of it.
    for (config, named, options, code, expected) in [
        (None, "", &[][..], 1, is_not_there),
        (None, "", &["--all-proven"], 2, "--all-proven needs to know which fleet is meant"),
        (None, "", &["--context", "demo"], 4, "no hub is configured"),
        (None, "", &["--config", missing], 4, "does not exist"),
        (None, missing, &[], 4, "does not exist"),
        (None, missing, &["--trust-root", &digest], 1, is_not_there),
        (Some(&*pinned), "", &["--all-proven"], 1, is_not_there),
        (Some(&*pinned), "", &["--context", "dmeo"], 4, "there is no context `dmeo`"),
        (Some(ADMIN), "", &[], 4, none),
        (Some(broken), "", &[], 4, "is not a valid configuration"),
        (Some(broken), "", &["--trust-root", &digest], 1, is_not_there),
        (Some(emptied), "", &[], 4, "no hub is configured"),
    ] {
        if let Some(config) = config {
            std::fs::write(&file, config).unwrap();
        }
        let home = config.map_or(bare.path(), |_| home.path());
        let (found, stderr) = run(home, named, options);
        let what = format!("{config:?} {named} {options:?}: {stderr}");
        assert!(found == Some(code) && stderr.contains(expected), "{what}");
    }
}

#[test]
fn contexts_come_and_go_and_their_keys_are_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let admin = directory.path().join("admin.yaml");
    std::fs::write(&admin, ADMIN).unwrap();
    let admin = admin.display().to_string();
    let mut shown = String::new();
    for (args, expected, code) in [
        (&["context", "import", &admin][..], "the current context is `demo`", 0),
        (&["context", "list"], "*         demo   https://127.0.0.1:1", 0),
        (&["context", "current"], "demo", 0),
        (&["context", "use", "absent"], "code:  not-logged-in", 4),
        (&["get", "all"], "code:  config", 1),
        (&["check"], "×", 1),
        (&["context", "remove", "demo"], "forgotten", 0),
        (&["context", "current"], "code:  not-logged-in", 4),
    ] {
        let output = hanse(directory.path(), args);
        let both = text(&output.stdout) + &text(&output.stderr);
        assert!(both.contains(expected), "{args:?}: {both}");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {both}");
        shown.push_str(&both);
    }
    assert!(!shown.contains("canary"), "{shown}");
    let mode = directory.path().join("config.yaml").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn manual_pages_and_completions_are_made() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man");
    let pages_name = pages.display().to_string();
    assert!(hanse(directory.path(), &["man", "--dir", &pages_name]).status.success());
    assert!(pages.join("hanse.1").exists() && pages.join("hanse-join-token-create.1").exists());
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = hanse(directory.path(), &["completion", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("join-token"), "{shell}");
    }
}
