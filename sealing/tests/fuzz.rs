//! Bad input of every kind for each decoder: none panics, none takes long, none yields what was
//! not sealed. `HANSE_FUZZ_ROUNDS=100` makes a hundred times as many.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use hanse_probes::fuzz::{mutations, rounds};
use hanse_sealing::shapes::{check_type, from_env_file, from_tls};
use hanse_sealing::{
    Identity, IdentityFile, Recipient, Refusal, SecretContext, VersionIdentity, open, unwrap,
};
use secrecy::SecretString;

const ROUNDS: usize = 2_000;

fn read(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)).unwrap()
}

fn context() -> SecretContext {
    SecretContext {
        fleet: [7; 32],
        name: "db".to_owned(),
        namespaces: vec!["shop".to_owned(), "billing".to_owned()],
        secret_type: "Opaque".to_owned(),
        version: 3,
    }
}

fn owner() -> Identity {
    let file = IdentityFile::parse(&read("vectors/identity.txt"), || None).unwrap();
    file.identities().first().unwrap().clone()
}

fn version() -> VersionIdentity {
    unwrap(&read("vectors/wrap.age"), &context(), &owner()).unwrap()
}

fn age_recipient(identity: &Identity) -> age::x25519::Recipient {
    identity.recipient().as_str().parse().unwrap()
}

#[test]
fn payloads() {
    let (context, version) = (context(), version());
    let corpus = [read("vectors/payload.age"), read("vectors/wrap.age")];
    let [valid, _] = &corpus;
    for input in mutations(1, &corpus, rounds(ROUNDS)) {
        let opened = open(&context, &input, &version);
        // What the recipient's stanza does not cover, the header's MAC does.
        assert!(opened.is_err() || input == *valid);
    }
}

#[test]
fn wraps() {
    let (context, owner) = (context(), owner());
    let corpus = [read("vectors/wrap.age"), read("vectors/payload.age")];
    let [valid, _] = &corpus;
    for input in mutations(2, &corpus, rounds(ROUNDS)) {
        assert!(unwrap(&input, &context, &owner).is_err() || input == *valid);
    }
}

/// What a recipient might be sent by somebody who knows its public key: a file that decrypts.
#[test]
fn plaintexts_of_payloads() {
    let version_text = age::decrypt(
        &secrecy::ExposeSecret::expose_secret(&owner().expose())
            .parse::<age::x25519::Identity>()
            .unwrap(),
        &read("vectors/wrap.age"),
    )
    .unwrap();
    let identity = IdentityFile::parse(&version_text, || None).unwrap();
    let recipient = age_recipient(identity.identities().first().unwrap());
    let (context, version) = (context(), version());
    let corpus = [read("vectors/payload.txt"), read("corpus/sealed-data.txt")];
    for input in mutations(3, &corpus, rounds(ROUNDS)) {
        let file = age::encrypt(&recipient, &input).unwrap();
        if let Err(error) = open(&context, &file, &version) {
            assert!(
                matches!(error.refusal, Refusal::Malformed(_) | Refusal::OtherContext(_)),
                "{error}"
            );
        }
    }
}

#[test]
fn plaintexts_of_wraps() {
    let owner = owner();
    let identity: age::x25519::Identity =
        secrecy::ExposeSecret::expose_secret(&owner.expose()).parse().unwrap();
    let corpus = [age::decrypt(&identity, &read("vectors/wrap.age")).unwrap()];
    let recipient = age_recipient(&owner);
    let context = context();
    for input in mutations(4, &corpus, rounds(ROUNDS)) {
        let file = age::encrypt(&recipient, &input).unwrap();
        drop(unwrap(&file, &context, &owner));
    }
}

#[test]
fn identity_files() {
    let corpus =
        [read("vectors/identity.txt"), read("corpus/identity.armored"), read("vectors/wrap.age")];
    for input in mutations(5, &corpus, rounds(ROUNDS)) {
        // Without a passphrase, since a mutation may ask for seconds of work, as any file may.
        drop(IdentityFile::parse(&input, || None));
        let text = String::from_utf8_lossy(&input);
        drop(Identity::parse(&text));
        drop(text.parse::<Recipient>());
    }
    let sealed = read("corpus/identity.armored");
    let opened = IdentityFile::parse(&sealed, || Some(SecretString::from("passphrase")));
    assert_eq!(opened.unwrap().identities().len(), 1);
}

#[test]
fn input_shapes() {
    let corpus = [
        read("corpus/env"),
        read("corpus/tls.pem"),
        read("corpus/dockerconfig.json"),
        read("vectors/payload.age"),
    ];
    for input in mutations(6, &corpus, rounds(ROUNDS)) {
        if let Ok(data) = from_env_file(&input, |_| None) {
            assert!(data.bytes() <= input.len());
            for secret_type in ["kubernetes.io/tls", "kubernetes.io/basic-auth"] {
                drop(check_type(secret_type, &data));
            }
        }
        drop(from_tls(input.as_slice(), input.as_slice()));
        let mut data = hanse_sealing::SecretData::default();
        if data.insert(".dockerconfigjson", input).is_ok() {
            drop(check_type("kubernetes.io/dockerconfigjson", &data));
        }
    }
}
