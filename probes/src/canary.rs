//! Finds a secret value in what must not contain it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// How a value was written where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Raw,
    /// In base64 of either alphabet; the value began so many bytes behind a group of three.
    Base64 {
        /// 0, 1 or 2.
        alignment: usize,
    },
    /// In hexadecimal digits of either case.
    Hex,
    /// Each byte as a 16-bit unit, low byte first.
    Utf16Le,
    /// Each byte as a 16-bit unit, high byte first.
    Utf16Be,
}

/// The first encoding in which `value` is somewhere in `haystack`. A value of fewer than eight bytes
/// proves little, as it may be there by chance; take 32 random ones.
pub fn find(haystack: &[u8], value: &[u8]) -> Option<Encoding> {
    needles(value)
        .into_iter()
        .find_map(|(encoding, needle)| contains(haystack, &needle).then_some(encoding))
}

/// Every form of the value that is searched for, for callers that search as they read.
pub fn needles(value: &[u8]) -> Vec<(Encoding, Vec<u8>)> {
    let hex = hex::encode(value);
    let mut needles = vec![
        (Encoding::Raw, value.to_vec()),
        (Encoding::Hex, hex.to_ascii_uppercase().into_bytes()),
        (Encoding::Hex, hex.into_bytes()),
        (Encoding::Utf16Le, value.iter().flat_map(|byte| [*byte, 0]).collect()),
        (Encoding::Utf16Be, value.iter().flat_map(|byte| [0, *byte]).collect()),
    ];
    for alignment in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let mut bytes = vec![0; alignment];
            bytes.extend_from_slice(value);
            let text = engine.encode(&bytes);
            // The characters at both ends hold bits of the neighbours, too.
            let first = (alignment * 8).div_ceil(6);
            let last = bytes.len() * 8 / 6;
            let inner: Vec<u8> = text.bytes().take(last).skip(first).collect();
            needles.push((Encoding::Base64 { alignment }, inner));
        }
    }
    needles.retain(|(_, needle)| !needle.is_empty());
    needles
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        let Some(tail) = rest.get(at..) else { return false };
        if tail.starts_with(needle) {
            return true;
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const VALUE: [u8; 32] = *b"\x00k?>\xff3~?canary-\xfb\xef\xbe\x80of 32 bytes!\xe1";

    fn amid(needle: &[u8]) -> Vec<u8> {
        [b"before \0\x01".as_slice(), needle, b" behind"].concat()
    }

    #[test]
    fn finds_each_encoding() {
        for (text, encoding) in [
            (VALUE.to_vec(), Encoding::Raw),
            (hex::encode(VALUE).into_bytes(), Encoding::Hex),
            (hex::encode_upper(VALUE).into_bytes(), Encoding::Hex),
            (VALUE.iter().flat_map(|b| [*b, 0]).collect(), Encoding::Utf16Le),
            (VALUE.iter().flat_map(|b| [0, *b]).collect(), Encoding::Utf16Be),
        ] {
            assert_eq!(find(&amid(&text), &VALUE), Some(encoding));
        }
    }

    #[test]
    fn finds_base64_whatever_surrounds_the_value() {
        for before in 0..7 {
            for after in 0..4 {
                let bytes = [vec![b'x'; before], VALUE.to_vec(), vec![b'y'; after]].concat();
                for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                    let alignment = before % 3;
                    let found = find(&amid(text.as_bytes()), &VALUE).unwrap();
                    assert_eq!(found, Encoding::Base64 { alignment }, "{before} {after}");
                }
            }
        }
    }

    #[test]
    fn finds_nothing_where_nothing_is() {
        let mut other = VALUE;
        other[16] ^= 1;
        for (encoding, needle) in needles(&other) {
            assert_eq!(find(&amid(&needle), &VALUE), None, "{encoding:?}");
            assert!(find(&amid(&needle), &other).is_some(), "{encoding:?}");
        }
        assert_eq!(find(b"", &VALUE), None);
        assert_eq!(find(&VALUE[..31], &VALUE), None);
    }
}
