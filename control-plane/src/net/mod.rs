//! How connections reach the hub: TLS settings and the two listeners.
//!
//! ```text
//! accept ──► permit ──► handshake, in a task with a deadline ──► Connection ──► tonic
//! ```
//!
//! What a certificate means is not decided here: a connection carries the verified certificate, and
//! [`Peer::identify`](crate::auth::Peer::identify) reads it.

mod connection;
mod crowd;
pub mod listener;
mod quiet;
#[cfg(test)]
mod test_hub;
pub mod tls;

pub use connection::{Connection, PeerInfo};
pub use listener::{Limits, TlsListener};
pub use tls::{Listener, TlsConfig};
