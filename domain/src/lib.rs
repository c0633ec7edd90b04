//! stub
pub mod ids;
