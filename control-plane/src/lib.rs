//! stub

pub mod auth;
pub mod net;
