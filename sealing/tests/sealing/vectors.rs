//! Files of the first version, which must open for as long as there are secrets sealed like them.

use std::io::Read;
use std::path::PathBuf;

use hanse_sealing::{IdentityFile, open, unwrap};

use crate::support::{context, data};

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    std::fs::read(&path).unwrap()
}

#[test]
fn files_of_the_first_version_open() {
    let owner = IdentityFile::parse(&vector("identity.txt"), || None).unwrap();
    let version = unwrap(&vector("wrap.age"), &context(), &owner.identities()[0]).unwrap();
    let opened = open(&context(), &vector("payload.age"), &version).unwrap();
    assert!(opened == data(&[("binary", b"\x00\xff\n"), ("empty", b""), ("password", b"hunter2")]));
}

#[test]
fn public_tools_open_them_without_us() {
    let decrypt = |file: &[u8], identities: &[u8]| {
        let identities = age::IdentityFile::from_buffer(identities).unwrap();
        let identities = identities.into_identities().unwrap();
        let decryptor = age::Decryptor::new(file).unwrap();
        let mut plaintext = Vec::new();
        decryptor
            .decrypt(identities.iter().map(|identity| identity.as_ref() as &dyn age::Identity))
            .unwrap()
            .read_to_end(&mut plaintext)
            .unwrap();
        plaintext
    };
    let version = decrypt(&vector("wrap.age"), &vector("identity.txt"));
    let plaintext = decrypt(&vector("payload.age"), &version);
    assert_eq!(plaintext, vector("payload.txt"));
}
