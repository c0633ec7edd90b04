//! How many connections each remote address has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::host;

/// Counts connections by address. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, for as long as it lives.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// A place for one more connection of an address that has fewer than `most`.
    pub(super) fn enter(&self, remote: IpAddr, most: usize) -> Option<Place> {
        let address = host(remote);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&address).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        counts.insert(address, count + 1);
        Some(Place { crowd: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn each_address_has_its_places() {
        let crowd = Crowd::default();
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let held = [crowd.enter(one, 2).unwrap(), crowd.enter(one, 2).unwrap()];
        assert!(crowd.enter(one, 2).is_none());
        // The same host, as an IPv6 socket sees it.
        assert!(crowd.enter("::ffff:192.0.2.1".parse().unwrap(), 2).is_none());
        assert!(crowd.enter(other, 2).is_some());
        drop(held);
        assert!(crowd.enter(one, 2).is_some());
        assert!(crowd.0.lock().unwrap().is_empty());
        let _six = crowd.enter("2001:db8::1".parse().unwrap(), 1).unwrap();
        assert!(crowd.enter("2001:db8::2".parse().unwrap(), 1).is_none());
        assert!(crowd.enter("2001:db8:0:1::2".parse().unwrap(), 1).is_some());
    }
}
