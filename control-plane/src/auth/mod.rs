//! Who is who: the hub's certificate authority, the identities in certificates, join tokens, and
//! what each caller may call.
//!
//! ```text
//! join token ──► CSR ──► CertificateAuthority ──► certificate ──► Peer ──► Caller ──► permitted
//! ```
//!
//! Nothing here reads a clock, opens a socket or knows the store: times are parameters, and what is
//! revoked is for the caller to look up.

pub mod ca;
mod ca_files;
pub mod csr;
pub mod identity;
pub mod names;
mod pem;
pub mod permissions;
pub mod token;

pub use ca::{CertificateAuthority, Identity, IssuedCertificate};
pub use ca_files::CaFileError;
pub use identity::Peer;
pub use names::{TrustDomain, UserName};
pub use permissions::{Caller, Role, permitted};
pub use token::JoinToken;
