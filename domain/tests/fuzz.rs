//! Bad input of every kind for each decoder and for what an agent is offered: nothing panics, nothing
//! takes long, nothing is believed that nobody said. `HANSE_FUZZ_ROUNDS=100` makes a hundred times as
//! many.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::result_large_err,
    reason = "a test fails by panicking, and builds its texts as it reads best"
)]

#[path = "domain/people.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "the other tests use the rest")]
mod people;
#[path = "domain/support.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod support;
#[path = "domain/world.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod world;

use std::path::PathBuf;
use std::str::from_utf8;

use hanse_domain::bundle::Offer;
use hanse_domain::history::changes::{Changes, ProvenChange};
use hanse_domain::history::log::LogProof;
use hanse_domain::history::manifest::Manifest;
use hanse_domain::history::merkle::InclusionProof;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::statement::Statement;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::Digest;
use hanse_domain::parse::parse_document;
use hanse_domain::trust::root::TrustRoot;
use hanse_domain::trust::scope::Scope;
use hanse_domain::trust::signature::signers;
use hanse_probes::fuzz::{mutations, rounds};

use crate::people::{ada, lea, people};
use crate::support::{READS_PODS, namespace, put, role};
use crate::world::Agent;

const ROUNDS: usize = 2_000;

fn read(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)).unwrap()
}

/// What is read is written again as it was.
fn canonical<T>(
    seed: u64,
    files: &[&str],
    decode: impl Fn(&[u8]) -> Option<T>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| read(file)).collect();
    for input in &corpus {
        assert_eq!(encode(&decode(input).unwrap()), *input);
    }
    for input in mutations(seed, &corpus, rounds(ROUNDS)) {
        if let Some(value) = decode(&input) {
            assert_eq!(encode(&value), input);
        }
    }
}

#[test]
fn statements() {
    let files = ["vectors/trust/statement.txt", "corpus/statement"];
    canonical(1, &files, |b| Statement::decode(b).ok(), Statement::encode);
}

#[test]
fn lists_of_changes() {
    let files = ["vectors/trust/changes.txt", "corpus/changes"];
    canonical(2, &files, |b| Changes::decode(b).ok(), Changes::encode);
}

#[test]
fn manifests() {
    let files = ["vectors/trust/manifest.txt", "corpus/manifest"];
    canonical(3, &files, |b| Manifest::decode(b).ok(), Manifest::encode);
}

#[test]
fn roster_entries() {
    let files = ["vectors/trust/cluster.txt", "corpus/cluster"];
    canonical(4, &files, |b| ClusterEntry::decode(b).ok(), ClusterEntry::encode);
}

#[test]
fn wrapped_keys() {
    canonical(5, &["vectors/trust/wrap.txt"], |b| Wrap::decode(b).ok(), Wrap::encode);
}

#[test]
fn trust_roots() {
    let files = ["vectors/trust/trust-root.txt", "corpus/trust-root"];
    canonical(6, &files, |b| TrustRoot::decode(b).ok(), TrustRoot::encode);
    let corpus = files.map(read);
    for input in mutations(7, &corpus, rounds(ROUNDS)) {
        if let Ok(root) = TrustRoot::parse(&input) {
            assert_eq!(TrustRoot::decode(&root.encode()), Ok(root));
        }
    }
}

#[test]
fn scopes() {
    let corpus: Vec<Vec<u8>> =
        read("corpus/scopes").split(|b| *b == b'\n').map(Vec::from).collect();
    let parse = |bytes: &[u8]| from_utf8(bytes).ok().and_then(|text| text.parse::<Scope>().ok());
    assert!(corpus.iter().filter(|line| !line.is_empty()).all(|line| parse(line).is_some()));
    for input in mutations(8, &corpus, rounds(ROUNDS)) {
        if let Some(scope) = parse(&input) {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
    }
}

#[test]
fn signatures() {
    let message = read("vectors/sshsig/message");
    let names = ["ed25519", "ecdsa", "sk-ed25519", "sk-ecdsa"];
    let corpus = names.map(|name| read(&format!("vectors/sshsig/{name}.sig")));
    let keys: Vec<_> = corpus.iter().flat_map(|s| signers(&message, s).unwrap()).collect();
    for input in mutations(9, &corpus, rounds(ROUNDS)) {
        for key in signers(&message, &input).into_iter().flatten() {
            assert!(keys.contains(&key));
        }
    }
}

#[test]
fn documents() {
    let names = ["namespace", "role", "binding", "secret", "invariant"];
    let corpus = names.map(|name| read(&format!("corpus/{name}.yaml")));
    for input in &corpus {
        parse_document(input).unwrap();
    }
    for input in mutations(10, &corpus, rounds(ROUNDS)) {
        if let Ok(document) = parse_document(&input) {
            assert_eq!((&*document.bytes, document.digest), (&*input, Digest::of(&input)));
        }
    }
}

/// The parts of an offer that are bytes.
fn parts(offer: &mut Offer) -> Vec<&mut Vec<u8>> {
    let mut parts = vec![&mut offer.statement, &mut offer.signatures, &mut offer.manifest];
    parts.extend(offer.contents.iter_mut());
    for evidence in &mut offer.evidence {
        parts.extend([&mut evidence.statement, &mut evidence.signatures]);
        parts.extend(evidence.shown.iter_mut().map(|shown| &mut shown.manifest));
    }
    parts
}

/// The changes that an offer shows.
fn changes(offer: &mut Offer) -> Vec<&mut ProvenChange> {
    let evidence = offer.evidence.iter_mut().flat_map(|evidence| &mut evidence.changes);
    offer.changes.iter_mut().chain(evidence).collect()
}

/// The proofs that an offer shows.
fn proofs(offer: &mut Offer) -> Vec<&mut InclusionProof> {
    let mut proofs = vec![&mut offer.inclusion];
    proofs.extend(offer.changes.iter_mut().map(|change| &mut change.inclusion));
    if let LogProof::Within(proof) = &mut offer.log {
        proofs.push(proof);
    }
    for evidence in &mut offer.evidence {
        proofs.push(&mut evidence.inclusion);
        proofs.extend(evidence.changes.iter_mut().map(|change| &mut change.inclusion));
        proofs.extend(evidence.shown.iter_mut().map(|shown| &mut shown.inclusion));
    }
    proofs
}

/// One agent that was away while documents came, changed and went, and one that is new.
fn offers() -> Vec<(Agent, Offer)> {
    let mut world = people();
    let mut away = Agent::new(1, &world);
    away.follow(&world);
    let removed = "FederatedNamespace/billing".parse().unwrap();
    world.commit(vec![hanse_domain::fleet::Edit::Remove(removed)], &[&ada()]);
    world.commit(vec![put(role("reads", "  rules: []\n")), put(namespace("more", ""))], &[&ada()]);
    let views = people::grant("views", "edit", "lea", "shop");
    world.commit(vec![put(views), put(role("writes", READS_PODS))], &[&ada(), &lea()]);
    let new = Agent::new(1, &world);
    [away, new].map(|agent| (agent.clone(), world.offer(&agent))).into()
}

#[test]
fn offers_with_one_part_altered() {
    for (seed, (agent, honest)) in (20..).zip(offers()) {
        let believed = agent.verify(&honest).unwrap().unwrap();
        let check = |offer: &Offer| {
            if let Ok(Some(other)) = agent.verify(offer) {
                assert_eq!(other.statement, believed.statement);
                assert_eq!(other.manifest, believed.manifest);
                assert_eq!(other.entry, believed.entry);
                assert_eq!(other.documents, believed.documents);
                assert_eq!(other.wraps, believed.wraps);
                assert_eq!(other.head, believed.head);
                assert_eq!(other.generation, believed.generation);
            }
        };
        let mut scratch = honest.clone();
        let corpus: Vec<Vec<u8>> = parts(&mut scratch).into_iter().map(|p| p.clone()).collect();
        let count = rounds(ROUNDS) / corpus.len();
        for (at, part) in corpus.iter().enumerate() {
            for input in mutations(seed + at as u64, std::slice::from_ref(part), count) {
                let mut offer = honest.clone();
                *parts(&mut offer)[at] = input;
                check(&offer);
            }
            // Another part in its place.
            for other in &corpus {
                let mut offer = honest.clone();
                parts(&mut offer)[at].clone_from(other);
                check(&offer);
            }
        }
        let lines: Vec<Vec<u8>> =
            changes(&mut scratch).into_iter().map(|c| c.line().into_bytes()).collect();
        for (at, line) in lines.iter().enumerate() {
            for input in mutations(seed, std::slice::from_ref(line), count) {
                let mut offer = honest.clone();
                let inclusion = changes(&mut offer)[at].inclusion.clone();
                let Some(change) = from_utf8(&input)
                    .ok()
                    .and_then(|text| ProvenChange::parse(text, inclusion).ok())
                else {
                    continue;
                };
                *changes(&mut offer)[at] = change;
                check(&offer);
            }
        }
        let all: Vec<InclusionProof> =
            proofs(&mut scratch).into_iter().map(|p| p.clone()).collect();
        for (at, proof) in all.iter().enumerate() {
            let with = |alter: &dyn Fn(&mut InclusionProof)| {
                let mut offer = honest.clone();
                alter(proofs(&mut offer)[at]);
                check(&offer);
            };
            for size in [0, 1, 2, proof.tree_size + 1, u64::MAX] {
                with(&|proof| proof.tree_size = size);
                with(&|proof| proof.leaf_index = size);
            }
            with(&|proof| proof.path.truncate(proof.path.len().saturating_sub(1)));
            with(&|proof| proof.path.push(Digest([0; 32])));
            with(&|proof| proof.path.reverse());
            for other in &all {
                with(&|proof| proof.clone_from(other));
            }
        }
        for evidence in 0..honest.evidence.len() {
            let mut offer = honest.clone();
            offer.evidence.remove(evidence);
            check(&offer);
        }
        for change in 0..honest.changes.len() {
            let mut offer = honest.clone();
            offer.changes.remove(change);
            check(&offer);
        }
    }
}
