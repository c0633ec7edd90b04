//! `--from-env-file`, by kubectl's rules (`k8s.io/kubectl/pkg/cmd/util/env_file.go`).

use zeroize::Zeroizing;

use super::ShapeError;
use crate::data::{DataError, SecretBytes, SecretData};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Lines of `KEY=value`. Space before the key goes, what is behind the `=` stays as it is, and empty
/// lines and those that begin with `#` say nothing. A line that is a key alone takes its value from
/// the `environment`; where kubectl takes an unset variable for an empty one, this is an error.
pub fn from_env_file(
    file: &[u8],
    environment: impl Fn(&str) -> Option<Zeroizing<String>>,
) -> Result<SecretData, ShapeError> {
    let mut data = SecretData::default();
    for (number, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
        let fail = |problem| ShapeError::Line { line: number, problem };
        let line = std::str::from_utf8(line).map_err(|_| fail("is not UTF-8"))?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if number == 1 { line.trim_start_matches(BYTE_ORDER_MARK) } else { line };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (line, None),
        };
        if key.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(fail("has a key that begins with a digit"));
        }
        let value = match value {
            Some(value) => SecretBytes::from(value.as_bytes()),
            None => environment(key)
                .map(|value| SecretBytes::from(value.as_bytes()))
                .ok_or_else(|| fail("has no `=`, and no variable of that name is set"))?,
        };
        data.insert(key, value).map_err(|error| match error {
            DataError::Key => fail("has a key with other characters than A-Z a-z 0-9 - _ ."),
            DataError::Duplicate(_) => fail("has the key of an earlier line"),
            error @ (DataError::TooLarge(_) | DataError::TooMany) => error.into(),
        })?;
    }
    Ok(data)
}
