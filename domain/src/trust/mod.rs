//! Whom the fleet believes, and for what.
//!
//! ```text
//! TrustRoot 1 ─ 2 ─ …        RootChain: each version put in place by a statement
//!     │ in force for a statement's number
//!     ▼
//! Signed::check(statement, signatures) ─▶ who signed ─▶ may_put, may_remove, may_change_roster, …
//! ```
//!
//! Who signs, and with what key file, is not here: keys are the author's machine's business.

pub mod authority;
pub mod chain;
pub(crate) mod fewest;
pub mod recipient;
pub mod root;
pub mod scope;
pub mod signature;
pub mod walk;
