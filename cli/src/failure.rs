//! What went wrong, for a person: what, why, a hint with the command to type, and a code that greps
//! to the documentation. Also the exit codes, so that scripts can rely on them.

use std::fmt;

use clap::builder::styling::{AnsiColor, Style};

use crate::text::escape;

/// How a command ends: with an exit code, or with a failure to show.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// Done.
    pub(crate) const OK: Self = Self(0);
    /// Failed; for `diff` and `drift`: there is some; for `auth can-i`: no.
    pub(crate) const FAILED: Self = Self(1);
    /// Cancelled by the person, or not understood; for `plan --detailed-exitcode`: there are changes.
    pub(crate) const CANCELLED: Self = Self(2);
    /// `diff` and `drift` failed, since 1 has another meaning there.
    pub(crate) const COMPARISON_FAILED: Self = Self(3);
    /// Not logged in.
    pub(crate) const NOT_LOGGED_IN: Self = Self(4);
    /// Ctrl-C: 128 and the number of SIGINT, as shells have it.
    pub(crate) const INTERRUPTED: Self = Self(130);
}

/// A failure.
#[derive(Debug)]
pub(crate) struct Failure(Box<Report>);

#[derive(Debug)]
struct Report {
    details: Vec<String>,
    what: String,
    why: Option<String>,
    hint: Option<String>,
    code: &'static str,
    exit: Exit,
    quiet: bool,
}

impl Failure {
    pub(crate) fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self(Box::new(Report {
            details: Vec::new(),
            what: what.into(),
            why: None,
            hint: None,
            code,
            exit: Exit::FAILED,
            quiet: false,
        }))
    }

    /// A reader that went away, as `head` does: not an error.
    pub(crate) fn closed_pipe() -> Self {
        let mut failure = Self::new("closed-pipe", "the output was closed");
        failure.0.quiet = true;
        failure.exit(Exit::OK)
    }

    /// Ctrl-C: the person knows.
    pub(crate) fn interrupted() -> Self {
        let mut failure = Self::new("interrupted", "interrupted");
        failure.0.quiet = true;
        failure.exit(Exit::INTERRUPTED)
    }

    /// The person said no.
    pub(crate) fn cancelled() -> Self {
        Self::new("cancelled", "cancelled: nothing was changed").exit(Exit::CANCELLED)
    }

    /// The command line does not make sense, in a way that the parser of it cannot see.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new("usage", what).exit(Exit::CANCELLED)
    }

    /// Something about a file or a directory.
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new("file", what).why(error.to_string())
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.0.why = Some(why.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// Lines that are shown before the error: every parse error, for example.
    pub(crate) fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.0.details.extend(details);
        self
    }

    /// For commands in which 1 says something else than "failed".
    pub(crate) fn of_comparison(mut self) -> Self {
        if self.0.exit == Exit::FAILED {
            self.0.exit = Exit::COMPARISON_FAILED;
        }
        self
    }

    pub(crate) fn exit_code(&self) -> Exit {
        self.0.exit
    }

    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.0.quiet
    }

    /// What and why in one line.
    pub(crate) fn summary(&self) -> String {
        match &self.0.why {
            Some(why) => format!("{}: {why}", self.0.what),
            None => self.0.what.clone(),
        }
    }

    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    pub(crate) fn detail_lines(&self) -> &[String] {
        &self.0.details
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let bold = Style::new().bold();
        for detail in &self.0.details {
            writeln!(f, "{}", escape(detail))?;
        }
        write!(f, "{red}error:{red:#} {}", escape(&self.0.what))?;
        let rest = [("why: ", &self.0.why), ("hint:", &self.0.hint)];
        for (label, text) in rest {
            if let Some(text) = text {
                write!(f, "\n{bold}{label}{bold:#}  {}", escape(text))?;
            }
        }
        write!(f, "\n{bold}code:{bold:#}  {}", self.0.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_hint_and_code() {
        let failure = Failure::new("hub-unreachable", "the hub cannot be reached")
            .why("connection refused\u{1b}[2J")
            .hint("start it with `hanse-control-plane serve`");
        let shown = anstream::adapter::strip_str(&failure.to_string()).to_string();
        insta::assert_snapshot!(shown, @r"
        error: the hub cannot be reached
        why:   connection refused\u{1b}[2J
        hint:  start it with `hanse-control-plane serve`
        code:  hub-unreachable
        ");
    }

    #[test]
    fn exit_codes_mean_what_the_interface_says() {
        assert_eq!(Failure::new("x", "x").exit_code(), Exit(1));
        assert_eq!(Failure::new("x", "x").of_comparison().exit_code(), Exit(3));
        assert_eq!(Failure::cancelled().exit_code(), Exit(2));
        assert_eq!(Failure::cancelled().of_comparison().exit_code(), Exit(2));
        assert_eq!(Failure::usage("x").exit_code(), Exit(2));
        assert_eq!(Failure::closed_pipe().exit_code(), Exit(0));
        assert!(Failure::closed_pipe().is_quiet());
    }
}
