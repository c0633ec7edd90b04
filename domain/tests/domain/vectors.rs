//! The vectors in `tests/vectors/trust` are what this code makes, to the byte; its README.md says what
//! they are. `UPDATE_VECTORS=1` writes them again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hanse_domain::history::changes::{Changes, Subject};
use hanse_domain::history::manifest::{Manifest, fleet_leaf};
use hanse_domain::history::merkle::{self, ConsistencyProof, InclusionProof};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::Digest;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::signature::signers;
use serde_json::{Value, json};

use crate::people::{ada, people, wrap};
use crate::support::{cluster_id, namespace, public, put};
use crate::world::World;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/trust")
}

/// Seven statements; the second has the most changes.
fn world() -> World {
    let mut world = people();
    for name in ["a", "b", "c", "d"] {
        world.commit(vec![put(namespace(name, ""))], &[&ada()]);
    }
    world
}

fn hex(path: &[Digest]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}

fn inclusion(leaf: Digest, root: Digest, proof: &InclusionProof) -> Value {
    assert!(proof.verify(leaf, root).is_ok());
    json!({
        "leaf_hash": leaf.to_string(),
        "leaf_index": proof.leaf_index,
        "tree_size": proof.tree_size,
        "path": hex(&proof.path),
        "root": root.to_string(),
    })
}

fn consistency(world: &World, old: u64, new: u64) -> Value {
    let proof: ConsistencyProof = world.log.consistency(old, new).unwrap();
    let root = |size| world.log.root_at(size).unwrap();
    assert!(proof.verify(old, root(old), new, root(new)).is_ok());
    json!({
        "old_size": old,
        "old_root": root(old).to_string(),
        "new_size": new,
        "new_root": root(new).to_string(),
        "path": hex(&proof.path),
    })
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let world = world();
    let said = &world.said[1];
    let shown = &said.shown[&cluster_id(1)];
    let member = world.fleet.member(cluster_id(1)).unwrap();
    let root = world.fleet.trust.current().root.encode();
    let statement = Statement::decode(&said.statement).unwrap();
    let leaf = Statement::leaf_hash(&said.statement);
    let wrapped =
        said.changes.prove([&Subject::Wrap(wrap("db", 1, 1, 1).reference)]).pop().unwrap();
    let line = merkle::leaf_hash(wrapped.line().as_bytes());
    let manifest_leaf = fleet_leaf(cluster_id(1), Digest::of(&shown.manifest));
    let in_history = |size| {
        let proof = world.log.inclusion(1, size).unwrap();
        inclusion(leaf, world.log.root_at(size).unwrap(), &proof)
    };
    let documents: Vec<(&str, Vec<u8>)> = vec![
        ("trust-root.txt", root),
        ("statement.txt", said.statement.clone()),
        ("changes.txt", said.changes.encode()),
        ("manifest.txt", shown.manifest.clone()),
        ("cluster.txt", member.entry.encode()),
        ("wrap.txt", wrap("db", 1, 1, 1).encode()),
    ];
    let mut digests = String::new();
    for (name, bytes) in &documents {
        let _ = writeln!(digests, "{}  {name}", Digest::of(bytes));
    }
    let proofs = json!({
        "statement_in_history": [in_history(2), in_history(3), in_history(7)],
        "history_extends": [
            consistency(&world, 1, 2),
            consistency(&world, 2, 7),
            consistency(&world, 3, 7),
            consistency(&world, 4, 7),
            consistency(&world, 7, 7),
        ],
        "change_in_statement": {
            "line": wrapped.line(),
            "proof": inclusion(line, statement.changes, &wrapped.inclusion),
        },
        "manifest_under_fleet_root": {
            "cluster": cluster_id(1).to_string(),
            "manifest_digest": Digest::of(&shown.manifest).to_string(),
            "proof": inclusion(manifest_leaf, statement.fleet_root, &shown.inclusion),
        },
        "no_statements": merkle::root(&[]).to_string(),
    });
    let mut files = documents;
    files.extend([
        ("SHA256SUMS", digests.into_bytes()),
        ("statement.txt.sig", said.signatures.clone()),
        ("allowed_signers", format!("ada {}\n", public(&ada())).into_bytes()),
        ("proofs.json", pretty(&proofs)),
    ]);
    files
}

#[test]
fn vectors_are_what_the_code_makes() {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::create_dir_all(folder()).unwrap();
        for (name, bytes) in files() {
            fs::write(folder().join(name), bytes).unwrap();
        }
    }
    for (name, bytes) in files() {
        let committed = fs::read(folder().join(name)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(text(&committed), text(&bytes), "{name}");
    }
}

#[test]
fn vectors_are_read() {
    let read = |name: &str| fs::read(folder().join(name)).unwrap();
    let statement = Statement::decode(&read("statement.txt")).unwrap();
    let root = TrustRoot::decode(&read("trust-root.txt")).unwrap();
    let changes = Changes::decode(&read("changes.txt")).unwrap();
    let manifest = Manifest::decode(&read("manifest.txt")).unwrap();
    let entry = ClusterEntry::decode(&read("cluster.txt")).unwrap();
    let wrap = Wrap::decode(&read("wrap.txt")).unwrap();
    assert_eq!((statement.fleet, statement.root), (root.digest(), root.digest()));
    assert_eq!(statement.changes, changes.root());
    assert_eq!(manifest.entry.digest, entry.digest());
    assert_eq!(manifest.wraps["db"].digest, wrap.digest());
    let signed = signers(&read("statement.txt"), &read("statement.txt.sig")).unwrap();
    assert_eq!(root.names_of(&signed), ["ada".parse().unwrap()].into());
}

#[test]
fn ssh_keygen_verifies_the_statement() {
    let verifies = |message: &str| {
        let status = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-n", "hanse", "-I", "ada", "-f"])
            .arg(folder().join("allowed_signers"))
            .arg("-s")
            .arg(folder().join("statement.txt.sig"))
            .stdin(fs::File::open(folder().join(message)).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.unwrap().success()
    };
    assert!(verifies("statement.txt"));
    assert!(!verifies("manifest.txt"));
}
