//! Writes files like those in `tests/vectors`: `cargo run -p hanse-sealing --example vectors DIR`.
//! The committed ones stay as they are; new ones are for a new version of the format.

use std::path::PathBuf;

use hanse_sealing::{Identity, SecretContext, SecretData, seal, wrap};
use secrecy::ExposeSecret;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    let context = SecretContext {
        fleet: [7; 32],
        name: "db".to_owned(),
        namespaces: vec!["billing".to_owned(), "shop".to_owned()],
        secret_type: "Opaque".to_owned(),
        version: 3,
    };
    let mut data = SecretData::default();
    data.insert("binary", b"\x00\xff\n".as_slice())?;
    data.insert("empty", b"".as_slice())?;
    data.insert("password", b"hunter2".as_slice())?;

    let owner = Identity::make_random();
    let (payload, version) = seal(&context, &data)?;
    let wrapped = wrap(&version, &context, &owner.recipient())?;
    let identity = owner.expose();
    let text = format!("# {}\n{}\n", owner.recipient(), identity.expose_secret());
    std::fs::write(folder.join("identity.txt"), text)?;
    std::fs::write(folder.join("payload.age"), payload.as_bytes())?;
    std::fs::write(folder.join("wrap.age"), wrapped)?;
    Ok(())
}
