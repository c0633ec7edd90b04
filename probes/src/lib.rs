//! What tests look with, in every crate: no cluster, no network, next to no dependencies.
//!
//! [`canary`] searches whatever a program left behind for a secret, in every encoding it may have
//! leaked in. [`fuzz`] makes bad inputs out of good ones, the same ones each time.

#![forbid(unsafe_code)]

pub mod canary;
pub mod fuzz;
