//! The names that Kubernetes accepts, checked before anything travels.
//! Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/> and
//! `k8s.io/apimachinery/pkg/util/validation`.

/// A name that Kubernetes would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {expected}", shorten(.name))]
pub struct InvalidName {
    name: String,
    expected: &'static str,
}

impl InvalidName {
    pub(crate) fn new(name: &str, expected: &'static str) -> Self {
        Self { name: name.to_owned(), expected }
    }
}

fn shorten(name: &str) -> String {
    let cut: String = name.chars().take(80).collect::<String>().escape_debug().collect();
    if name.chars().count() > 80 { cut + "…" } else { cut }
}

fn check(ok: bool, name: &str, expected: &'static str) -> Result<(), InvalidName> {
    if ok { Ok(()) } else { Err(InvalidName { name: name.to_owned(), expected }) }
}

pub(crate) fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && is_dns_label_of_any_length(name)
}

/// What Kubernetes asks of each part of a subdomain.
pub(crate) fn is_dns_label_of_any_length(name: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
}

fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

/// RFC 1123 label: namespaces and clusters.
pub fn check_dns_label(name: &str) -> Result<(), InvalidName> {
    check(
        is_dns_label(name),
        name,
        "a DNS label: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit",
    )
}

/// RFC 1123 subdomain: our documents, service accounts.
pub fn check_dns_subdomain(name: &str) -> Result<(), InvalidName> {
    check(
        is_dns_subdomain(name),
        name,
        "a DNS subdomain: DNS labels with '.' between, at most 253 characters",
    )
}

/// What RBAC objects may be named: a path segment (`k8s.io/apimachinery/pkg/api/validation/path`).
pub fn check_path_segment(name: &str) -> Result<(), InvalidName> {
    let ok = !name.is_empty()
        && name.len() <= 253
        && name != "."
        && name != ".."
        && !name.contains(['/', '%'])
        && !has_hidden(name)
        && !name.chars().any(char::is_whitespace);
    check(
        ok,
        name,
        "a name without '/', '%', spaces, control or invisible characters, at most 253 bytes",
    )
}

/// Whether a text has characters that a terminal does not show, or with which it shows others in
/// another order: what a person reads in a plan must be what is granted.
pub(crate) fn has_hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// Controls, and characters that are invisible or that turn the direction of text.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A qualified name: `[prefix/]name`.
pub fn check_label_key(key: &str) -> Result<(), InvalidName> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix).then_some(name),
        None => Some(key),
    };
    check(
        name.is_some_and(|name| !name.is_empty() && is_label_text(name)),
        key,
        "a label key: [prefix/]name, the name at most 63 of letters, digits, '-', '_' and '.', beginning \
         and ending with a letter or digit",
    )
}

/// A label's value; may be empty.
pub fn check_label_value(value: &str) -> Result<(), InvalidName> {
    check(
        value.is_empty() || is_label_text(value),
        value,
        "a label value: at most 63 of letters, digits, '-', '_' and '.', beginning and ending with a \
         letter or digit",
    )
}

fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && ends(bytes.first())
        && ends(bytes.last())
}

/// Namespaces that Hanse never touches, whatever is declared (invariant I11).
pub fn is_protected_namespace(name: &str) -> bool {
    name == "default"
        || name == "hanse-agent"
        || name.starts_with("kube-")
        || name.starts_with("openshift")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_kubernetes_does() {
        let long = "a".repeat(64);
        for good in ["a", "prod-1", "0a"] {
            assert!(check_dns_label(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "zürich", "a\n", long.as_str()] {
            assert!(check_dns_label(bad).is_err(), "{bad}");
        }
        for good in ["env", "example.org/env", "hanse.dev/managed", "A_b.c"] {
            assert!(check_label_key(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a/", "/a", "a/b/c", "-a", "a b", "Ex/a", long.as_str()] {
            assert!(check_label_key(bad).is_err(), "{bad}");
        }
        assert!(check_label_value("").is_ok());
        assert!(check_label_value("-").is_err());
        for bad in ["", ".", "..", "a/b", "a%2e", "a b", "a\u{7}"] {
            assert!(check_path_segment(bad).is_err(), "{bad:?}");
        }
        assert!(check_path_segment("system:node").is_ok());
    }

    #[test]
    fn protected_namespaces_are_protected() {
        for name in ["kube-system", "kube-public", "default", "hanse-agent", "openshift-x"] {
            assert!(is_protected_namespace(name), "{name}");
        }
        assert!(!is_protected_namespace("payments"));
    }
}
