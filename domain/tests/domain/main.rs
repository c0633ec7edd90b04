//! What the core promises, from outside: messages, laws and refusals.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::result_large_err,
    reason = "a test fails by panicking, and builds its texts as it reads best"
)]

mod attacks_contents;
mod attacks_roots;
mod attacks_signatures;
mod attacks_statement;
mod authenticator;
mod authority;
mod bundle;
mod change;
mod drift;
mod drift_managers;
mod encodings;
mod fleet;
mod hazards;
mod honest;
mod parse_documents;
mod parse_fields;
mod parse_invariant;
mod parse_kinds;
mod parse_secret;
mod parse_text;
mod people;
mod plan;
mod render;
mod signatures;
mod support;
mod vectors;
mod world;
