//! `spec` of `FederatedSecret`. `hanse secret` writes these documents; what is checked here is their
//! form, since nobody can look inside without an owner's key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::cursor::{Cursor, Fields, Report};
use super::binding::namespace;
use crate::history::wrap::MAX_WRAP_BYTES;
use crate::kinds::secret::{MAX_OWNERS, MAX_PAYLOAD_BYTES, Owner, SecretSpec};
use crate::names::{self, InvalidName};
use crate::trust::recipient::check_recipient;

/// Types with a meaning of their own to Kubernetes, which nobody may plant.
const REFUSED_TYPES: [&str; 2] =
    ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];

pub(super) fn spec(report: &mut Report, fields: &mut Fields<'_>) -> Option<SecretSpec> {
    let secret_type = match fields.optional("type") {
        None => Some("Opaque".to_owned()),
        Some(cursor) => secret_type(report, &cursor),
    };
    let namespaces = fields.required(report, "namespaces").and_then(|cursor| {
        let names = cursor.list(report, |report, item| namespace(report, &item))?;
        if names.is_empty() {
            cursor.error(report, "at least one namespace is needed");
            return None;
        }
        Some(names.into_iter().collect())
    });
    let version = fields.required(report, "version").and_then(|cursor| {
        let version = cursor.number(report)?;
        if version == 0 {
            cursor.error(report, "versions begin at 1");
            return None;
        }
        Some(version)
    });
    let keys = fields
        .required(report, "keys")
        .and_then(|keys| keys.list(report, |report, key| key.checked(report, check_data_key)));
    let payload = fields
        .required(report, "payload")
        .and_then(|payload| sealed(report, &payload, MAX_PAYLOAD_BYTES));
    let owners = match fields.optional("owners") {
        None => Some(Vec::new()),
        Some(cursor) => {
            let owners = cursor.list(report, |report, item| owner(report, &item));
            if owners.as_ref().is_some_and(|owners| owners.len() > MAX_OWNERS) {
                cursor.error(report, format!("more than {MAX_OWNERS} owners"));
                return None;
            }
            owners
        }
    };
    Some(SecretSpec {
        secret_type: secret_type?,
        namespaces: namespaces?,
        version: version?,
        keys: keys?.into_iter().collect(),
        payload: payload?,
        owners: owners?,
    })
}

fn secret_type(report: &mut Report, cursor: &Cursor<'_>) -> Option<String> {
    let name = cursor.string(report)?;
    if REFUSED_TYPES.contains(&name.as_str()) {
        cursor.error(report, "Secrets of this type are Kubernetes' own credentials");
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    if name.is_empty() || name.len() > 253 || !name.chars().all(plain) {
        cursor.error(report, "no type of a Secret; the usual one is `Opaque`");
        return None;
    }
    Some(name)
}

fn owner(report: &mut Report, cursor: &Cursor<'_>) -> Option<Owner> {
    cursor.fields(report, |report, fields| {
        let name = fields
            .required(report, "name")
            .and_then(|name| name.checked(report, names::check_dns_subdomain));
        let recipient =
            fields.required(report, "recipient").and_then(|cursor| recipient(report, &cursor));
        let wrap =
            fields.required(report, "wrap").and_then(|wrap| sealed(report, &wrap, MAX_WRAP_BYTES));
        Some(Owner { name: name?, recipient: recipient?, wrap: wrap? })
    })
}

fn recipient(report: &mut Report, cursor: &Cursor<'_>) -> Option<String> {
    let text = cursor.string(report)?;
    match check_recipient(&text) {
        Ok(()) => Some(text),
        Err(error) => {
            cursor.error(report, error.to_string());
            None
        }
    }
}

/// The bytes of an age file, in base64 (RFC 4648, section 4) with padding.
fn sealed(report: &mut Report, cursor: &Cursor<'_>, limit: usize) -> Option<Vec<u8>> {
    let text = cursor.string(report)?;
    match STANDARD.decode(text.as_bytes()) {
        Ok(bytes) if bytes.len() > limit => {
            cursor.error(report, format!("{} bytes, more than {limit}", bytes.len()));
            None
        }
        Ok(bytes) if bytes.starts_with(b"age-encryption.org/v1\n") => Some(bytes),
        Ok(_) | Err(_) => {
            cursor.error(report, "not an age file in base64; `hanse secret set` makes it");
            None
        }
    }
}

/// A key in the `data` of a Secret, as Kubernetes' `IsConfigMapKey` and `hanse-sealing` have it.
fn check_data_key(key: &str) -> Result<(), InvalidName> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let path = key == "." || key.starts_with("..");
    if key.is_empty() || key.len() > 253 || path || !key.chars().all(plain) {
        return Err(InvalidName::new(
            key,
            "letters, digits, `-`, `_` and `.`, at most 253, not `.` and not beginning with `..`",
        ));
    }
    Ok(())
}
