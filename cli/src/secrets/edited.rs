//! A secret's values as a text for an editor, and back.
//!
//! ```yaml
//! # FederatedSecret/db, version 3
//! stringData:
//!   password: hunter2
//! data:               # in base64, what is no text
//!   key.der: AAEC
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_sealing::{SecretBytes, SecretData};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::sources;
use crate::failure::{Failure, Outcome};

/// Lines of ours at the top.
const NOTE: &str = "#! ";

/// The text.
pub(crate) fn text(name: &str, version: u64, data: &SecretData) -> Zeroizing<String> {
    // An escaped byte takes six at most: the buffer never grows and leaves nothing behind.
    let mut out = Zeroizing::new(String::with_capacity(data.bytes() * 7 + 64 * data.len() + 512));
    out.push_str("# The values of secret ");
    out.push_str(name);
    out.push_str(", version ");
    out.push_str(&version.to_string());
    out.push_str(
        ". Text is in stringData; under data, values are in base64.\n\
         # This file is in memory only, and goes when the editor ends.\n",
    );
    let text = |value: &SecretBytes| is_text(value.expose());
    out.push_str("stringData:\n");
    for (key, value) in data.iter().filter(|(_, value)| text(value)) {
        entry(&mut out, key);
        value_lines(&mut out, std::str::from_utf8(value.expose()).unwrap_or_default());
    }
    if data.iter().any(|(_, value)| !text(value)) {
        out.push_str("data:\n");
    }
    for (key, value) in data.iter().filter(|(_, value)| !text(value)) {
        entry(&mut out, key);
        out.push(' ');
        STANDARD.encode_string(value.expose(), &mut out);
        out.push('\n');
    }
    out
}

fn is_text(value: &[u8]) -> bool {
    std::str::from_utf8(value)
        .is_ok_and(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r')))
}

fn entry(out: &mut String, key: &str) {
    // Quotes keep a key like `1` or `true` a string; there is nothing to escape in one.
    out.push_str("  \"");
    out.push_str(key);
    out.push_str("\":");
}

/// A value behind its key: several lines as a block, if that says exactly what is in it.
fn value_lines(out: &mut String, value: &str) {
    let body = value.strip_suffix('\n').unwrap_or(value);
    let plain = |c: char| c == '\n' || c == '\t' || (!c.is_control() && !is_line_break(c));
    let block = body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with(char::is_whitespace)
        && body.chars().all(plain);
    if !block {
        out.push(' ');
        quoted(out, value);
        out.push('\n');
        return;
    }
    out.push_str(if body.len() == value.len() { " |-\n" } else { " |\n" });
    for line in body.split('\n') {
        if !line.is_empty() {
            out.push_str("    ");
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// What YAML 1.1 takes for the end of a line, or readers for nothing.
fn is_line_break(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A string in double quotes.
fn quoted(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{85}' => {
                use std::fmt::Write as _;
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default)]
    string_data: Option<BTreeMap<String, String>>,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

/// Reads the text again. Errors name a line, and nothing of what stands there.
pub(crate) fn read(text: &[u8]) -> Outcome<SecretData> {
    let invalid = |why: String| {
        Failure::new("invalid-secret", "the text cannot be read as the values of a secret")
            .why(why)
            .hint("`stringData:` and `data:` have lines `key: value`; a value with `: ` or `#` is in quotes")
    };
    let text = std::str::from_utf8(text).map_err(|_| invalid("it is not UTF-8".to_owned()))?;
    let written: Written = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |at| at.line());
        invalid(format!("near line {line}: not YAML, a key that is there twice, or not a text"))
    })?;
    let mut data = SecretData::default();
    for (key, value) in written.string_data.unwrap_or_default() {
        let value = SecretBytes::from(value.into_bytes());
        sources::insert(&mut data, &key, value.expose())?;
    }
    for (key, value) in written.data.unwrap_or_default() {
        let value = Zeroizing::new(value);
        let spaceless: Zeroizing<Vec<u8>> =
            Zeroizing::new(value.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
        let bytes = STANDARD.decode(&*spaceless).map(SecretBytes::from);
        let bytes = bytes.map_err(|_| invalid("a value under `data` is not base64".to_owned()))?;
        sources::insert(&mut data, &key, bytes.expose())?;
    }
    Ok(data)
}

/// A text with comments of ours at its top.
pub(crate) fn with_notes(notes: &[String], text: &[u8]) -> Zeroizing<Vec<u8>> {
    let lines: Vec<String> = notes.iter().map(|note| note.replace('\n', " ")).collect();
    let top: usize = lines.iter().map(|line| NOTE.len() + line.len() + 1).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(top + text.len()));
    for line in lines {
        out.extend_from_slice(NOTE.as_bytes());
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(text);
    out
}

/// The part of a text behind the comments at its top.
pub(crate) fn behind_notes(text: &[u8]) -> Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(NOTE.as_bytes()) {
            break;
        }
        start += line.len();
    }
    start..text.len()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn data(entries: &[(&str, &[u8])]) -> SecretData {
        let mut data = SecretData::default();
        for (key, value) in entries {
            data.insert(*key, *value).unwrap();
        }
        data
    }

    #[test]
    fn people_see_lines() {
        let data = data(&[
            ("key.der", b"\x00\x01\x02"),
            ("password", b"it's: #1"),
            ("pem", b"-----BEGIN-----\nAAA=\n\n-----END-----\n"),
        ]);
        insta::assert_snapshot!(*text("db", 3, &data), @r##"
        # The values of secret db, version 3. Text is in stringData; under data, values are in base64.
        # This file is in memory only, and goes when the editor ends.
        stringData:
          "password": "it's: #1"
          "pem": |
            -----BEGIN-----
            AAA=

            -----END-----
        data:
          "key.der": AAEC
        "##);
    }

    #[test]
    fn what_was_not_touched_comes_back() {
        let odd = [
            "",
            " ",
            "\n",
            "a\n",
            "a\n\n",
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            " a\nb",
            "\na\nb",
            "a \nb ",
            "a\n\tb",
            "\ta\nb",
            "a\r\nb",
            "a\n  b\nc",
            "a\n#b\n---\n...\nc",
            "null",
            "true",
            "1.10",
            "~",
            "'",
            "\"",
            "\\",
            "|\nx",
            ": ",
            "- a\n- b",
            "a\u{85}b\nc",
            "a\u{2028}b",
            "\u{feff}a\nb",
            "ü\n漢",
            "{}\n[]",
            "!x",
            "&a *a",
            "%x\ny",
            "a\n    \nb",
            "a\n ",
        ];
        for value in odd {
            let data = data(&[("a", value.as_bytes()), ("b", b"1"), ("c", b"\xff")]);
            let text = text("db", 1, &data);
            assert_eq!(read(text.as_bytes()).unwrap(), data, "{value:?}: {}", *text);
        }
    }

    #[test]
    fn what_people_write_is_read_and_errors_say_nothing() {
        let read_text = |text: &str| read(text.as_bytes());
        let expected = data(&[("a", b"12345"), ("b", b"x y"), ("c", b"\x00")]);
        let text = "stringData:\n  a: 12345\n  b: x y\ndata:\n  c: |\n    AA\n    ==\n";
        assert_eq!(read_text(text).unwrap(), expected);
        assert!(read_text("stringData:\ndata: {}\n").unwrap().is_empty());
        for bad in [
            "stringData: {a: canary, a: canary}",
            "stringData: {a: [canary]}",
            "stringData: {a: {b: canary}}",
            "canary: {a: b}",
            "canary",
            "stringData: {a: \"canary}",
            "stringData: {'c a n a r y': x}",
            "data: {a: canary!}",
        ] {
            let failure = read_text(bad).unwrap_err();
            assert!(!format!("{failure}{failure:?}").contains("canary"), "{bad}: {failure}");
        }
    }

    #[test]
    fn notes_come_and_go() {
        let noted = with_notes(&["a\nb".to_owned(), "c".to_owned()], b"#! d\nx\n");
        assert_eq!(&**noted, b"#! a b\n#! c\n#! d\nx\n");
        assert_eq!(noted.get(behind_notes(&noted)).unwrap(), b"x\n");
        assert_eq!(behind_notes(b"x"), 0..1);
    }
}
