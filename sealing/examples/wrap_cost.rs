//! CPU time of wrapping one secret to 1,000 recipients: `cargo run --release -p hanse-sealing
//! --example wrap_cost`. The floor is the same number of plain age files.
#![expect(clippy::print_stderr, reason = "what it measured is for who started it")]

use std::time::Instant;

use hanse_sealing::{Identity, Recipient, SecretContext, SecretData, seal, wrap_all};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipients: Vec<Recipient> =
        (0..1_000).map(|_| Identity::make_random().recipient()).collect();
    let context = SecretContext {
        fleet: [7; 32],
        name: "db".to_owned(),
        namespaces: vec!["shop".to_owned()],
        secret_type: "Opaque".to_owned(),
        version: 1,
    };
    let (_, version) = seal(&context, &SecretData::default())?;
    let keys: Vec<age::x25519::Recipient> =
        recipients.iter().map(|recipient| recipient.as_str().parse()).collect::<Result<_, _>>()?;

    let start = Instant::now();
    let wraps = wrap_all(&version, &context, &recipients)?;
    let ours = start.elapsed();
    let start = Instant::now();
    for key in &keys {
        age::encrypt(key, b"a key of about this length")?;
    }
    let floor = start.elapsed();
    let bytes: usize = wraps.iter().map(Vec::len).sum();
    eprintln!("{} wraps, {bytes} bytes: {ours:?}; floor {floor:?}", wraps.len());
    Ok(())
}
