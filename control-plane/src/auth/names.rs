//! The names that occur in identities: of the fleet's trust domain and of people.

use std::fmt;
use std::str::FromStr;

/// The longest trust domain, in bytes (RFC 1035, section 2.3.4).
const TRUST_DOMAIN_MAX_BYTES: usize = 253;
const LABEL_MAX_BYTES: usize = 63;
const USER_NAME_MAX_BYTES: usize = 64;

/// The part of every identity that says which fleet it belongs to, such as `fleet.example.com`.
///
/// Lower-case DNS labels: narrower than SPIFFE-ID section 2.1, so that one domain has one spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = text.len() <= TRUST_DOMAIN_MAX_BYTES;
        if fits && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::TrustDomain)
        }
    }
}

/// A person's name, as in `spiffe://<trust domain>/user/<name>`: 1 to 64 of `a-z 0-9 . _ @ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserName {
    type Err = InvalidName;

    /// Refuses `.` and `..` too, which a URI's reader may take as path segments of their own.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = (1..=USER_NAME_MAX_BYTES).contains(&text.len());
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'@' | b'-');
        if fits && text.bytes().all(allowed) && text != "." && text != ".." {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::User)
        }
    }
}

/// Text that is not the name it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not a trust domain.
    #[error(
        "not a trust domain: it must be a DNS name in lower case of at most 253 characters, such as fleet.example.com"
    )]
    TrustDomain,
    /// Not a person's name.
    #[error("not a user name: it must be 1 to 64 characters of a-z, 0-9, '.', '_', '@' and '-'")]
    User,
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX_BYTES).contains(&label.len())
        && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_domains_are_lower_case_dns_names() {
        let longest = [["a"; 63].concat().as_str(); 4].join(".").split_off(2);
        assert_eq!(longest.len(), 253);
        for good in ["a", "fleet.example.com", "hanse-1.internal", &longest] {
            assert!(good.parse::<TrustDomain>().is_ok(), "{good}");
        }
        let label_too_long = ["a"; 64].concat();
        let too_long = format!("{longest}a");
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "A",
            "a_b",
            "-a",
            "a-",
            "a/b",
            "a:1",
            "u@a",
            "a b",
            "ä",
            "%61",
            "a\n",
            &label_too_long,
            &too_long,
        ] {
            assert!(bad.parse::<TrustDomain>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn user_names_have_no_second_meaning_in_a_path() {
        let longest = ["a"; 64].concat();
        for good in ["a", "erika", "e.m_1-x@example.com", "...", &longest] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        let too_long = ["a"; 65].concat();
        for bad in ["", ".", "..", "A", "a/b", "a b", "a%2e", "a?", "a#", "é", "a\0", &too_long] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
    }
}
