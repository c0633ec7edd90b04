//! What is believed, and what is kept.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;

use super::*;

/// A trust root with the key of somebody who signs nothing here.
pub(super) fn trust() -> RootChain {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdcZQTHE0zWCAiZtxpy5o1g3r31XcR/MYxW2buEFIeu";
    let root = TrustRoot::single([7; 32], "ann".parse().unwrap(), key.parse().unwrap());
    RootChain::begin(root).unwrap()
}

#[test]
fn what_is_kept_is_where_the_xdg_specification_says() {
    let base = |pairs: &'static [(&str, &str)]| {
        let env = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        cache::base(env).map(|path| path.display().to_string())
    };
    assert_eq!(base(&[("HOME", "/h")]).as_deref(), Some("/h/.cache/hanse/fleets"));
    let both = &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")];
    assert_eq!(base(both).as_deref(), Some("/x/hanse/fleets"));
    assert_eq!(base(&[("XDG_CACHE_HOME", "relative")]), None);
}
