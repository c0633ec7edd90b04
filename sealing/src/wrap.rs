//! A version's identity, for one recipient: a small age file, whose plaintext is an age identity
//! file that says in comments what it is for.
//!
//! ```text
//! # hanse secret key v1
//! # fleet 64 hexadecimal digits
//! # name db
//! # version 3
//! AGE-SECRET-KEY-1…
//! ```
//!
//! It names no namespaces and no type: the payload does, and that opens for nothing else.

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::context::{ContextField, SecretContext};
use crate::envelope;
use crate::error::{OpenError, Refusal, SealError, SealedThing};
use crate::identity::{Identity, VersionIdentity};
use crate::recipient::Recipient;

/// The longest wrap.
pub const MAX_WRAP_BYTES: usize = 1_024;

/// Wraps a version's identity to one recipient.
pub fn wrap(
    identity: &VersionIdentity,
    context: &SecretContext,
    recipient: &Recipient,
) -> Result<Vec<u8>, SealError> {
    context.check()?;
    envelope::encrypt(&encode(context, identity), recipient.age())
}

/// Wraps a version's identity to each recipient, in their order.
pub fn wrap_all<'a>(
    identity: &VersionIdentity,
    context: &SecretContext,
    recipients: impl IntoIterator<Item = &'a Recipient>,
) -> Result<Vec<Vec<u8>>, SealError> {
    context.check()?;
    let plaintext = encode(context, identity);
    recipients.into_iter().map(|recipient| envelope::encrypt(&plaintext, recipient.age())).collect()
}

/// Takes the version's identity out of a wrap that was made for this secret and this version.
pub fn unwrap(
    wrap: &[u8],
    context: &SecretContext,
    identity: &Identity,
) -> Result<VersionIdentity, OpenError> {
    let version = || -> Result<VersionIdentity, Refusal> {
        let plaintext = envelope::decrypt(wrap, MAX_WRAP_BYTES, identity.age())?;
        let (fleet, name, version, key) = decode(&plaintext)?;
        let differs = [
            (ContextField::Fleet, fleet != hex::encode(context.fleet)),
            (ContextField::Name, name != context.name),
            (ContextField::Version, version != context.version.to_string()),
        ];
        if let Some((field, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            return Err(Refusal::OtherContext(field));
        }
        Identity::parse(key)
            .map(VersionIdentity)
            .map_err(|_| Refusal::Malformed("no identity at its end"))
    };
    version().map_err(|refusal| OpenError { what: SealedThing::Wrap, refusal })
}

fn encode(context: &SecretContext, identity: &VersionIdentity) -> Zeroizing<Vec<u8>> {
    let fleet = hex::encode(context.fleet);
    let version = context.version.to_string();
    let key = identity.0.expose();
    let mut plaintext = Zeroizing::new(Vec::with_capacity(MAX_WRAP_BYTES));
    for piece in [
        "# hanse secret key v1\n# fleet ",
        &fleet,
        "\n# name ",
        &context.name,
        "\n# version ",
        &version,
        "\n",
        key.expose_secret(),
        "\n",
    ] {
        plaintext.extend_from_slice(piece.as_bytes());
    }
    plaintext
}

/// Fleet, name, version and key, as they are written there.
fn decode(plaintext: &[u8]) -> Result<(&str, &str, &str, &str), Refusal> {
    let text = std::str::from_utf8(plaintext).map_err(|_| Refusal::Malformed("not UTF-8"))?;
    let lines: Vec<&str> = text.split('\n').collect();
    let ["# hanse secret key v1", fleet, name, version, key, ""] = lines.as_slice() else {
        return Err(Refusal::Malformed("not the lines of a wrapped key"));
    };
    match (
        fleet.strip_prefix("# fleet "),
        name.strip_prefix("# name "),
        version.strip_prefix("# version "),
    ) {
        (Some(fleet), Some(name), Some(version)) => Ok((fleet, name, version, key)),
        _ => Err(Refusal::Malformed("not the lines of a wrapped key")),
    }
}
