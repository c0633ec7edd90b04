//! Free ports on the loopback.
//!
//! They are taken from below the range that Linux gives to outgoing connections (32768 and up), so
//! that a cluster that is stopped for a while finds its port free when it starts again.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use rand::Rng;

use crate::error::{Error, Result};

const FIRST: u16 = 20_000;
const LAST: u16 = 32_767;
const TRIES: usize = 1_000;

/// `count` different ports that nobody listens on now. Someone may a moment later: who starts a
/// server on one of them must be ready to try another.
pub fn free(count: usize) -> Result<Vec<u16>> {
    let mut random = rand::rng();
    let mut ports = BTreeSet::new();
    for _ in 0..TRIES {
        if ports.len() == count {
            break;
        }
        let port = random.random_range(FIRST..=LAST);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            ports.insert(port);
        }
    }
    if ports.len() < count {
        let why = format!("{TRIES} tries between {FIRST} and {LAST} found {}", ports.len());
        return Err(Error::new(format!("cannot find {count} free ports"), why));
    }
    Ok(ports.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that another test is starting holds a copy of each listener until its `exec`, so a
    /// port that was just let go may stay taken for a moment.
    fn bind_soon(port: u16) -> Option<TcpListener> {
        (0..100).find_map(|_| {
            let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
            if bound.is_none() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            bound
        })
    }

    #[test]
    fn ports_are_free_and_differ() -> Result<()> {
        let held: Vec<_> = free(20)?.into_iter().filter_map(bind_soon).collect();
        assert_eq!(held.len(), 20);
        Ok(())
    }
}
