//! The file with which a person finds a hub and says who one is: shaped like a kubeconfig.

use hanse_domain::ids::Digest;
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use crate::auth::{CertificateAuthority, Identity, UserName};

/// How a person finds a fleet and signs for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signing<'s> {
    /// The fleet's id: a hub with another fleet is not believed.
    pub(super) fleet: Option<Digest>,
    /// The key file, beside this file.
    pub(super) key: Option<&'s str>,
}

/// A context for a person, for its owner alone. The current one is this.
pub(super) fn text(
    user: &UserName,
    server: &str,
    ca: &CertificateAuthority,
    identity: &Identity,
    signing: Signing<'_>,
) -> Zeroizing<String> {
    let name = format!("{user}@{}", ca.trust_domain());
    let fleet = signing.fleet.map(|id| format!("    fleet: sha256:{id}\n")).unwrap_or_default();
    let key = signing.key.map(|key| format!("    signingKey: {key:?}\n")).unwrap_or_default();
    Zeroizing::new(format!(
        "currentContext: {name:?}\ncontexts:\n  - name: {name:?}\n    server: {:?}\n    \
         certificateAuthority: |\n{}    clientCertificate: |\n{}    clientKey: |\n{}{fleet}{key}",
        format!("https://{server}"),
        indented(&ca.certificate_pem()),
        indented(&identity.chain_pem()),
        indented(identity.key_pem().expose_secret()),
    ))
}

fn indented(pem: &str) -> String {
    pem.lines().flat_map(|line| ["      ", line, "\n"]).collect()
}
