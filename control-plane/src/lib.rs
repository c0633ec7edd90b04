//! The hub of Hanse.
//!
//! ```text
//! cli ─▶ wire ─┬─▶ net ─▶ api ─▶ service ─▶ store
//!              │           └──────▶ auth       ▲
//!              ├─▶ background ─────────────────┘
//!              └─▶ supervisor: every task, two ways to end
//! ```

mod address;
pub mod api;
pub mod auth;
pub mod background;
pub mod cli;
pub mod metrics;
pub mod net;
pub mod service;
pub mod store;
pub mod supervisor;
pub mod wire;
