//! A secret as people see it: by its version and the digest of what is sealed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_domain::document::Document;
use hanse_domain::ids::Digest;
use hanse_domain::kinds::secret::SecretSpec;
use serde_json::{Value, json};

/// "(sealed, version 3, sha256:…)".
pub(crate) fn sealed(secret: &SecretSpec) -> String {
    format!("(sealed, version {}, sha256:{})", secret.version, Digest::of(&secret.payload).short())
}

/// "version 2 → 3, sha256:0123…", in a plan.
pub(crate) fn change(before: Option<&SecretSpec>, after: &SecretSpec) -> String {
    let version = match before {
        Some(before) if before.version != after.version => {
            format!("version {} → {}", before.version, after.version)
        }
        Some(_) | None => format!("version {}", after.version),
    };
    format!("{version}, sealed, sha256:{}", Digest::of(&after.payload).short())
}

/// A document's text. In place of what is sealed stands what it is.
pub(crate) fn text(document: &Document) -> String {
    let text = String::from_utf8_lossy(&document.bytes).into_owned();
    match document.secret() {
        Some(secret) => without_sealed(&text, secret).unwrap_or_else(|| rewritten(&text, secret)),
        None => text,
    }
}

/// The text as it was written, if what is sealed stands in it in one piece.
fn without_sealed(text: &str, secret: &SecretSpec) -> Option<String> {
    let mut shown = replaced(text, &secret.payload, &sealed(secret))?;
    for owner in &secret.owners {
        shown = replaced(&shown, &owner.wrap, &key(secret, &owner.wrap))?;
    }
    Some(shown)
}

fn replaced(text: &str, bytes: &[u8], by: &str) -> Option<String> {
    let encoded = STANDARD.encode(bytes);
    text.contains(&encoded).then(|| text.replace(&encoded, by))
}

/// The document in our own form, where the written one cannot be followed.
fn rewritten(text: &str, secret: &SecretSpec) -> String {
    let Ok(mut whole) = serde_saphyr::from_str::<Value>(text) else {
        return sealed(secret);
    };
    if let Some(payload) = whole.pointer_mut("/spec/payload") {
        *payload = json!(sealed(secret));
    }
    let owners = whole.pointer_mut("/spec/owners").and_then(Value::as_array_mut);
    for (value, owner) in owners.into_iter().flatten().zip(&secret.owners) {
        if let Some(wrap) = value.pointer_mut("/wrap") {
            *wrap = json!(key(secret, &owner.wrap));
        }
    }
    serde_saphyr::to_string(&whole).unwrap_or_else(|_| sealed(secret))
}

fn key(secret: &SecretSpec, wrap: &[u8]) -> String {
    format!("(key of version {}, sha256:{})", secret.version, Digest::of(wrap).short())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SECRET: &str = "\
# mind this
apiVersion: hanse.dev/v1alpha1
kind: FederatedSecret
metadata: {name: db}
spec:
  placement: {clusterSelector: {}}
  namespaces: [shop]
  version: 3
  keys: [password]
  payload: YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==
  owners: [{name: ann, recipient: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p, wrap: YWdlLWVuY3J5cHRpb24ub3JnL3YxCmE=}]
";

    fn shown(text: &str) -> String {
        super::text(&hanse_domain::parse::parse_document(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_sealed_is_shown_by_version_and_digest() {
        insta::assert_snapshot!(shown(SECRET), @"
        # mind this
        apiVersion: hanse.dev/v1alpha1
        kind: FederatedSecret
        metadata: {name: db}
        spec:
          placement: {clusterSelector: {}}
          namespaces: [shop]
          version: 3
          keys: [password]
          payload: (sealed, version 3, sha256:66c2c08ff126)
          owners: [{name: ann, recipient: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p, wrap: (key of version 3, sha256:fd72089e0023)}]
        ");
        let folded = SECRET.replace("payload: YWdlLWVuY3J5", "payload: >-\n    YWdlLWVuY3J5\n    ");
        let folded = folded.replace("YWdlLWVuY3J5\n    c", "YWdlLWVuY3J5c");
        let quoted = SECRET.replace(
            "YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==",
            "\"YWdlLWVuY3J5\\\n    cHRpb24ub3JnL3YxCg==\"",
        );
        for odd in [folded, quoted] {
            let shown = shown(&odd);
            assert!(shown.contains("(sealed, version 3, ") && !shown.contains("YWdl"), "{shown}");
        }
        assert_eq!(shown("apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {name: b}\nspec: {placement: {clusterSelector: {}}}\n").lines().count(), 4);
    }

    #[test]
    fn a_plan_names_the_versions() {
        let document = hanse_domain::parse::parse_document(SECRET.as_bytes()).unwrap();
        let before = document.secret().unwrap();
        let mut after = before.clone();
        insta::assert_snapshot!(change(None, &after), @"version 3, sealed, sha256:66c2c08ff126");
        after.version = 4;
        insta::assert_snapshot!(change(Some(before), &after), @"version 3 → 4, sealed, sha256:66c2c08ff126");
    }
}
