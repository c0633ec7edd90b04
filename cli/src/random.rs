//! Random bytes, from the same source as TLS has them.

use crate::failure::{Failure, Outcome};

/// 32 bytes that nobody can guess.
pub(crate) fn bytes() -> Outcome<[u8; 32]> {
    let mut bytes = [0; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Failure::new("random", "this machine gives no random bytes"))?;
    Ok(bytes)
}
