//! `FederatedSecret`: its form, since nobody can look inside.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_domain::kinds::secret::{MAX_OWNERS, MAX_PAYLOAD_BYTES};
use insta::assert_snapshot;

use crate::people::RECIPIENT;
use crate::support::{document, errors, everywhere};

const SEALED: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==";

/// A secret with this many bytes in its age file.
fn sealed(bytes: usize) -> String {
    let mut file = b"age-encryption.org/v1\n".to_vec();
    file.resize(bytes, b'x');
    STANDARD.encode(file)
}

fn whole() -> String {
    everywhere(
        "FederatedSecret",
        "db",
        &format!(
            "  type: kubernetes.io/basic-auth\n  namespaces: [shop, billing]\n  version: 3\n  \
             keys: [username, password]\n  payload: {SEALED}\n  owners:\n  - name: ada\n    \
             recipient: {RECIPIENT}\n    wrap: {SEALED}\n"
        ),
    )
}

#[test]
fn a_sealed_secret_is_read() {
    let document = document(&whole());
    let secret = document.secret().unwrap();
    assert_eq!(secret.secret_type, "kubernetes.io/basic-auth");
    assert_eq!((secret.version, secret.namespaces.len(), secret.keys.len()), (3, 2, 2));
    assert_eq!(secret.owners[0].recipient, RECIPIENT);
    // What is in it is not shown by accident.
    assert!(!format!("{secret:?}").contains("YWdl"));
    let plain = whole().replace("  type: kubernetes.io/basic-auth\n", "");
    assert_eq!(crate::support::document(&plain).secret().unwrap().secret_type, "Opaque");
}

#[test]
fn what_is_wrong_with_a_secret_is_told_with_its_line() {
    let refused = |from: &str, to: &str| {
        assert!(whole().contains(from), "{from}");
        errors(&whole().replacen(from, to, 1))
    };
    assert_snapshot!(refused("  payload: YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n", ""), @"f.yaml:6: spec.payload: this field is required");
    assert_snapshot!(refused("payload: YWdl", "payload: XWdl"), @"f.yaml:11: spec.payload: not an age file in base64; `hanse secret set` makes it");
    assert_snapshot!(refused("Cg==\n  owners", "Cg=\n  owners"), @"f.yaml:11: spec.payload: not an age file in base64; `hanse secret set` makes it");
    assert_snapshot!(refused("payload: YWdlLW", "payload: not an age file YWdlLW"), @"f.yaml:11: spec.payload: not an age file in base64; `hanse secret set` makes it");
    assert_snapshot!(refused("version: 3", "version: 0"), @"f.yaml:9: spec.version: versions begin at 1");
    assert_snapshot!(refused("version: 3", "version: -1"), @"f.yaml:9: spec.version: expected a whole number, found the number -1");
    assert_snapshot!(refused("version: 3", "version: 18446744073709551616"), @"f.yaml:9: spec.version: expected a whole number, found the number 18446744073709551616");
    assert_snapshot!(refused("namespaces: [shop, billing]", "namespaces: []"), @"f.yaml:8: spec.namespaces: at least one namespace is needed");
    assert_snapshot!(refused("namespaces: [shop, billing]", "namespaces: [kube-system]"), @"f.yaml:8: spec.namespaces[0]: `kube-system` is a protected namespace, which Hanse never touches");
    assert_snapshot!(refused("keys: [username, password]", "keys: [a/b, '..', '', '.', ..a, ...]"), @r#"
    f.yaml:10: spec.keys[0]: `a/b` is not letters, digits, `-`, `_` and `.`, at most 253, not `.` and not beginning with `..`
    f.yaml:10: spec.keys[1]: `..` is not letters, digits, `-`, `_` and `.`, at most 253, not `.` and not beginning with `..`
    f.yaml:10: spec.keys[2]: `` is not letters, digits, `-`, `_` and `.`, at most 253, not `.` and not beginning with `..`
    f.yaml:10: spec.keys[3]: `.` is not letters, digits, `-`, `_` and `.`, at most 253, not `.` and not beginning with `..`
    f.yaml:10: spec.keys[4]: `..a` is not letters, digits, `-`, `_` and `.`, at most 253, not `.` and not beginning with `..`
    f.yaml:10: spec.keys[5]: `...` is not letters, digits, `-`, `_` and `.`, at most 253, not `.` and not beginning with `..`
    "#);
    assert_snapshot!(refused("recipient: age1", "recipient: AGE1"), @"f.yaml:14: spec.owners[0].recipient: this is no age recipient: it is age1 and 58 letters and digits");
    assert_snapshot!(refused("name: ada", "name: Ada"), @"f.yaml:13: spec.owners[0].name: `Ada` is not a DNS subdomain: DNS labels with '.' between, at most 253 characters");
    assert_snapshot!(refused("    wrap: ", "    more: 1\n    wrap: "), @"f.yaml:15: spec.owners[0].more: unknown field; known are name, recipient, wrap");
    assert_snapshot!(refused("  version: 3\n", "  version: 3\n  data: {a: Yg==}\n"), @"f.yaml:10: spec.data: unknown field; known are placement, overrides, drift, type, namespaces, version, keys, payload, owners");
}

#[test]
fn credentials_of_kubernetes_are_not_planted() {
    let of_type = |name: &str| errors(&whole().replace("kubernetes.io/basic-auth", name));
    assert_snapshot!(of_type("kubernetes.io/service-account-token"), @"f.yaml:7: spec.type: Secrets of this type are Kubernetes' own credentials");
    assert_snapshot!(of_type("bootstrap.kubernetes.io/token"), @"f.yaml:7: spec.type: Secrets of this type are Kubernetes' own credentials");
    assert_snapshot!(of_type("''"), @"f.yaml:7: spec.type: no type of a Secret; the usual one is `Opaque`");
    assert_snapshot!(of_type("\"a b\""), @"f.yaml:7: spec.type: no type of a Secret; the usual one is `Opaque`");
}

#[test]
fn a_secret_is_the_same_on_every_cluster() {
    let overridden = format!(
        "{}  overrides:\n  - clusterSelector: {{}}\n    patch: {{namespaces: [other]}}\n",
        whole()
    );
    assert_snapshot!(errors(&overridden), @r#"
    f.yaml:7: spec.type: unknown field; known are placement, overrides
    f.yaml:8: spec.namespaces: unknown field; known are placement, overrides
    f.yaml:9: spec.version: unknown field; known are placement, overrides
    f.yaml:10: spec.keys: unknown field; known are placement, overrides
    f.yaml:11: spec.payload: unknown field; known are placement, overrides
    f.yaml:12: spec.owners: unknown field; known are placement, overrides
    f.yaml:17: spec.overrides: a sealed secret is the same wherever it goes: it has no overrides
    "#);
}

#[test]
fn secrets_are_bounded() {
    let of = |bytes: usize| whole().replacen(SEALED, &sealed(bytes), 1);
    let largest = document(&of(MAX_PAYLOAD_BYTES));
    assert_eq!(largest.secret().unwrap().payload.len(), MAX_PAYLOAD_BYTES);
    // A Secret of 1 MiB, which is the most that Kubernetes takes, fits with its padding.
    const { assert!(MAX_PAYLOAD_BYTES > 1024 * 1024) };
    assert_snapshot!(errors(&of(MAX_PAYLOAD_BYTES + 1)), @"f.yaml:11: spec.payload: 1300001 bytes, more than 1300000");
    let owner = format!("  - {{name: a, recipient: {RECIPIENT}, wrap: {SEALED}}}\n");
    let owners = |count: usize| format!("{}{}", whole(), owner.repeat(count - 1));
    assert_eq!(document(&owners(MAX_OWNERS)).secret().unwrap().owners.len(), MAX_OWNERS);
    assert_snapshot!(errors(&owners(MAX_OWNERS + 1)), @"f.yaml:13: spec.owners: more than 100 owners");
    let wrap = format!("wrap: {}", sealed(8 * 1024 + 1));
    assert_snapshot!(errors(&whole().replace(&format!("wrap: {SEALED}"), &wrap)), @"f.yaml:15: spec.owners[0].wrap: 8193 bytes, more than 8192");
}
