//! The file with which `hanse` finds a hub and says who one is: shaped like a kubeconfig.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::failure::Failure;
use super::settings::write_private;
use crate::auth::{CertificateAuthority, Identity, TrustDomain, UserName};

/// Writes a context for a person, for its owner alone. The current one is this.
pub(super) fn write(
    path: &Path,
    user: &UserName,
    trust_domain: &TrustDomain,
    server: &str,
    ca: &CertificateAuthority,
    identity: &Identity,
) -> Result<(), Failure> {
    let name = format!("{user}@{trust_domain}");
    let text = format!(
        "currentContext: {name:?}\ncontexts:\n  - name: {name:?}\n    server: {:?}\n    \
         certificateAuthority: |\n{}    clientCertificate: |\n{}    clientKey: |\n{}",
        format!("https://{server}"),
        indented(&ca.certificate_pem()),
        indented(&identity.chain_pem()),
        indented(identity.key_pem().expose_secret()),
    );
    write_private(path, &text)
}

fn indented(pem: &str) -> String {
    pem.lines().flat_map(|line| ["      ", line, "\n"]).collect()
}
