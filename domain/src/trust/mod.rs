//! Who may sign a change, and whether a signature is theirs.

pub mod recipient;
pub mod signature;
