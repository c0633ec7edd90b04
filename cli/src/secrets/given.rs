//! An argument that may be a secret, though it must not be one. It is read behind the parser of
//! arguments, whose errors repeat what they are about.

use std::fmt;

use zeroize::Zeroizing;

/// The argument. It has no way to a terminal.
#[derive(Clone)]
pub(crate) struct Given(Zeroizing<String>);

impl Given {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// For clap.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
pub(crate) fn given(text: &str) -> Result<Given, String> {
    Ok(Given(Zeroizing::new(text.to_owned())))
}
