//! The file with which a person finds a hub and says who one is: shaped like a kubeconfig.

use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use crate::auth::{CertificateAuthority, Identity, UserName};

/// A context for a person, for its owner alone. The current one is this.
pub(super) fn text(
    user: &UserName,
    server: &str,
    ca: &CertificateAuthority,
    identity: &Identity,
) -> Zeroizing<String> {
    let name = format!("{user}@{}", ca.trust_domain());
    Zeroizing::new(format!(
        "currentContext: {name:?}\ncontexts:\n  - name: {name:?}\n    server: {:?}\n    \
         certificateAuthority: |\n{}    clientCertificate: |\n{}    clientKey: |\n{}",
        format!("https://{server}"),
        indented(&ca.certificate_pem()),
        indented(&identity.chain_pem()),
        indented(identity.key_pem().expose_secret()),
    ))
}

fn indented(pem: &str) -> String {
    pem.lines().flat_map(|line| ["      ", line, "\n"]).collect()
}
