//! What a person sees: steps and checks on stderr, data on stdout, and errors in three lines.

use std::fmt;
use std::io::Write as _;

/// An error as a person needs it.
#[derive(Debug)]
pub struct Failed {
    /// What did not work.
    pub what: String,
    /// Why.
    pub why: String,
    /// The exact command, or what to do.
    pub hint: Option<String>,
}

impl Failed {
    /// An error without a hint.
    pub fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Failed {}

/// How a step or a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// √
    Good,
    /// ‼
    Warning,
    /// ×
    Bad,
}

impl Mark {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m√\x1b[0m",
            Self::Warning => "\x1b[33m‼\x1b[0m",
            Self::Bad => "\x1b[31m×\x1b[0m",
        }
    }
}

/// One line with a mark, on stderr.
pub fn step(mark: Mark, text: &str) {
    let _ = writeln!(anstream::stderr(), "{} {}", mark.symbol(), plain(text));
}

/// A line without a mark, on stderr.
pub fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", plain(text));
}

/// A line of data, on stdout. A closed pipe is nobody's error.
pub fn data(text: &str) {
    let _ = writeln!(anstream::stdout(), "{}", plain(text));
}

/// A line with a mark, on stdout: what `check` is asked for.
pub fn data_step(mark: Mark, text: &str) {
    let _ = writeln!(anstream::stdout(), "{} {}", mark.symbol(), plain(text));
}

/// Shows why the program ends.
pub fn error(error: &anyhow::Error) {
    let mut err = anstream::stderr();
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(err, "\x1b[1m{name}:\x1b[0m {}", plain(text));
    };
    if let Some(failed) = error.downcast_ref::<Failed>() {
        line("error", &failed.what);
        line("why", &failed.why);
        if let Some(hint) = &failed.hint {
            line("hint", hint);
        }
        return;
    }
    line("error", &error.to_string());
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if !causes.is_empty() {
        line("why", &causes.join(": "));
    }
}

/// An error with its sources, on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // Many libraries repeat a source's text in their own.
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// Text from elsewhere, without what would move a terminal's cursor or turn its text around.
pub fn plain(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\n");
    }
}
