//! The plaintext of a payload: lines that a person can read, values with their length before them,
//! and padding.
//!
//! ```text
//! hanse secret v1
//! fleet 64 hexadecimal digits
//! name db
//! type Opaque
//! version 3
//! namespace shop            one line each, sorted, no two alike
//! data 7 password           the value's length and the key, sorted
//! hunter2                   the value's bytes and a line feed
//! end
//! zero bytes up to a multiple of the unit
//! ```
//!
//! There is one encoding for each meaning: what does not encode back to the same bytes is refused.
//!
//! The hub sees a payload's length. Padded to 256 bytes, a password's length cannot be told; a unit
//! that grows with the length as in Padmé (PURBs, Nikitin et al., 2019) keeps to few lengths
//! for large ones, at a cost of less than a twelfth.

use zeroize::Zeroizing;

use crate::context::SecretContext;
use crate::data::{SecretBytes, SecretData};
use crate::error::Refusal;

const HEADER: &str = "hanse secret v1";
const MIN_UNIT: usize = 256;

pub(crate) fn encode(context: &SecretContext, data: &SecretData) -> Zeroizing<Vec<u8>> {
    let mut head = format!(
        "{HEADER}\nfleet {}\nname {}\ntype {}\nversion {}\n",
        hex::encode(context.fleet),
        context.name,
        context.secret_type,
        context.version
    );
    for namespace in context.sorted_namespaces() {
        head.push_str("namespace ");
        head.push_str(namespace);
        head.push('\n');
    }
    let entry_line =
        |key: &str, value: &SecretBytes| format!("data {} {key}\n", value.expose().len());
    let entries: usize = data
        .iter()
        .map(|(key, value)| entry_line(key, value).len() + value.expose().len() + 1)
        .sum();
    let length = padded(head.len() + entries + "end\n".len());
    // All of it at once: a buffer that grows would leave pieces of the values behind.
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    out.extend_from_slice(head.as_bytes());
    for (key, value) in data.iter() {
        out.extend_from_slice(entry_line(key, value).as_bytes());
        out.extend_from_slice(value.expose());
        out.push(b'\n');
    }
    out.extend_from_slice(b"end\n");
    out.resize(length, 0);
    out
}

pub(crate) fn decode(plaintext: &[u8]) -> Result<(SecretContext, SecretData), Refusal> {
    let mut reader = Reader { rest: plaintext };
    if reader.line()? != HEADER {
        return Err(Refusal::Malformed("another header line"));
    }
    let mut fleet = [0; 32];
    hex::decode_to_slice(reader.field("fleet ")?, &mut fleet)
        .map_err(|_| Refusal::Malformed("the fleet is not 64 hexadecimal digits"))?;
    let mut context = SecretContext {
        fleet,
        name: reader.field("name ")?.to_owned(),
        namespaces: Vec::new(),
        secret_type: reader.field("type ")?.to_owned(),
        version: number(reader.field("version ")?)?,
    };
    let mut data = SecretData::default();
    loop {
        let line = reader.line()?;
        if line == "end" {
            break;
        } else if let Some(namespace) = line.strip_prefix("namespace ") {
            context.namespaces.push(namespace.to_owned());
        } else if let Some((length, key)) =
            line.strip_prefix("data ").and_then(|entry| entry.split_once(' '))
        {
            let value = reader.take(number(length)?)?;
            data.insert(key, value)
                .map_err(|_| Refusal::Malformed("more or other keys than a Secret may have"))?;
            if reader.take(1)? != b"\n" {
                return Err(Refusal::Malformed("no line feed behind a value"));
            }
        } else {
            return Err(Refusal::Malformed("an unknown line"));
        }
    }
    context.check().map_err(|_| Refusal::Malformed("a context that nothing is sealed to"))?;
    if *encode(&context, &data) != plaintext {
        return Err(Refusal::Malformed("not in its canonical form"));
    }
    Ok((context, data))
}

/// The length that a plaintext of `length` bytes is padded to.
fn padded(length: usize) -> usize {
    let exponent = length.max(2).ilog2();
    let significant = exponent.ilog2() + 1;
    let unit = 1 << exponent.saturating_sub(significant);
    length.next_multiple_of(MIN_UNIT.max(unit))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::Malformed("not a number where one belongs"))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The longest line has a key of 253 bytes and a length.
    const MAX_LINE: usize = 512;

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(Refusal::Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a str, Refusal> {
        let length = self
            .rest
            .iter()
            .take(Self::MAX_LINE)
            .position(|byte| *byte == b'\n')
            .ok_or(Refusal::Malformed("a line has no end"))?;
        let line = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| Refusal::Malformed("a line is not UTF-8"))
    }

    fn field(&mut self, key: &str) -> Result<&'a str, Refusal> {
        self.line()?.strip_prefix(key).ok_or(Refusal::Malformed("a field is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANONICAL: &str = concat!(
        "hanse secret v1\n",
        "fleet 0707070707070707070707070707070707070707070707070707070707070707\n",
        "name db\ntype Opaque\nversion 3\nnamespace a\nnamespace b\n",
        "data 1 a\n1\ndata 1 b\n2\nend\n"
    );

    fn decode_padded(text: &str, length: usize) -> Result<(), Refusal> {
        let mut plaintext = text.as_bytes().to_vec();
        plaintext.resize(length, 0);
        decode(&plaintext).map(drop)
    }

    #[test]
    fn one_meaning_has_one_encoding() {
        assert_eq!(decode_padded(CANONICAL, 256), Ok(()));
        let refused = Err(Refusal::Malformed("not in its canonical form"));
        assert_eq!(decode_padded(CANONICAL, 512), refused);
        assert_eq!(decode_padded(CANONICAL, CANONICAL.len()), refused);
        for (canonical, other) in [
            ("version 3", "version +3"),
            ("version 3", "version 03"),
            ("data 1 a", "data 01 a"),
            ("namespace a\nnamespace b", "namespace b\nnamespace a"),
            ("namespace b", "namespace a"),
            ("data 1 a\n1\ndata 1 b\n2\n", "data 1 b\n2\ndata 1 a\n1\n"),
            ("end\n", "end\n\u{1}"),
            ("namespace b\ndata 1 a\n1\n", "data 1 a\n1\nnamespace b\n"),
        ] {
            let text = CANONICAL.replace(canonical, other);
            assert_eq!(decode_padded(&text, 256), refused, "{other}");
        }
        let text = CANONICAL.replace("data 1 b", "data 1 a");
        assert!(decode_padded(&text, 256).is_err());
    }

    #[test]
    fn padding_hides_the_length_and_costs_little() {
        assert_eq!([1, 256, 257, 5_000].map(padded), [256, 256, 512, 5_120]);
        for length in (1..2_000_000).step_by(997) {
            let padded = padded(length);
            assert!(padded >= length && padded.is_multiple_of(256));
            assert!(padded - length < 256.max(length / 12), "{length} {padded}");
        }
    }
}
