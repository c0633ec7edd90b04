//! Remote addresses.

use std::net::IpAddr;

/// What one host can have: an IPv4 address, or the first 64 bits of an IPv6 address.
pub(crate) fn host(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}
