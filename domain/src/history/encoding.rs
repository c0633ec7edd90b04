//! The one canonical text form of statements, manifests and roster entries: a header line, then
//! lines of a key and values with single spaces between, each ended by a line feed. Whatever does
//! not encode back to the same bytes is refused, so that one meaning has one digest.

/// Bytes that are not a canonical encoding of what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {why}")]
pub struct Malformed {
    /// "statement", "manifest", "roster entry".
    pub what: &'static str,
    /// The line and what is wrong with it.
    pub why: String,
}

/// Reads lines in order.
pub(crate) struct Lines<'a> {
    what: &'static str,
    rest: std::iter::Peekable<std::str::Split<'a, char>>,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Begins behind the header line.
    pub(crate) fn open(
        what: &'static str,
        header: &str,
        bytes: &'a [u8],
        limit: usize,
    ) -> Result<Self, Malformed> {
        let fail = |why: &str| Malformed { what, why: why.to_owned() };
        if bytes.len() > limit {
            return Err(fail(&format!("{} bytes, more than {limit}", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| fail("not UTF-8"))?;
        let text = text.strip_suffix('\n').ok_or_else(|| fail("no line feed at the end"))?;
        let mut lines = Self { what, rest: text.split('\n').peekable(), line: 0 };
        if lines.next() == Some(header) { Ok(lines) } else { Err(fail("another header line")) }
    }

    fn next(&mut self) -> Option<&'a str> {
        self.line += 1;
        self.rest.next()
    }

    pub(crate) fn fail(&self, why: impl std::fmt::Display) -> Malformed {
        Malformed { what: self.what, why: format!("line {}: {why}", self.line) }
    }

    /// The value of the next line, which must have this key.
    pub(crate) fn field(&mut self, key: &str) -> Result<&'a str, Malformed> {
        self.optional(key).ok_or_else(|| {
            self.line += 1;
            self.fail(format_args!("`{key}` expected"))
        })
    }

    /// The value of the next line, if it has this key.
    pub(crate) fn optional(&mut self, key: &str) -> Option<&'a str> {
        let value = self.rest.peek()?.strip_prefix(key)?.strip_prefix(' ')?;
        self.next();
        Some(value)
    }

    /// The next line, whatever it is.
    pub(crate) fn any(&mut self) -> Option<&'a str> {
        self.next()
    }

    /// Nothing may follow.
    pub(crate) fn end(mut self) -> Result<(), Malformed> {
        match self.next() {
            None => Ok(()),
            Some(_) => Err(self.fail("unexpected line")),
        }
    }
}

/// Splits a value into exactly `N` words.
pub(crate) fn words<const N: usize>(value: &str) -> Option<[&str; N]> {
    let mut words = value.split(' ');
    let mut out = [""; N];
    for slot in &mut out {
        *slot = words.next()?;
    }
    words.next().is_none().then_some(out)
}
