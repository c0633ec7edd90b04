//! The only way to the terminal: data on stdout, everything else on stderr. Colours go where nobody
//! reads them (`NO_COLOR`, pipes), and a reader that closes the pipe ends the command quietly.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::text::{escape, escape_json, escape_lines};

/// Formats of `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns
    #[default]
    Table,
    /// More columns
    Wide,
    /// The API's messages as JSON: the stable form for scripts
    Json,
    /// Documents exactly as they were written, anything else as JSON written as YAML
    Yaml,
    /// KIND/NAME, one a line
    Name,
}

/// Formats of `-o` where a table or JSON is all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// For people
    #[default]
    Text,
    /// The stable form for scripts
    Json,
}

fn written(result: io::Result<()>) -> Outcome<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::closed_pipe()),
        Err(error) => Err(Failure::io("the output could not be written", &error)),
    }
}

/// Data, as it is. Whoever calls has escaped what is not its own.
pub(crate) fn data(text: &str) -> Outcome<()> {
    let mut stdout = anstream::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// A line of data.
pub(crate) fn line(text: &str) -> Outcome<()> {
    data(&format!("{text}\n"))
}

/// Lines of data, escaped.
pub(crate) fn lines(lines: impl Iterator<Item = String>) -> Outcome<()> {
    let mut out = String::new();
    for line in lines {
        out.push_str(&escape(&line));
        out.push('\n');
    }
    data(&out)
}

/// Bytes that must arrive as they are, except on a terminal, where nothing may steer it.
pub(crate) fn exact(bytes: &[u8]) -> Outcome<()> {
    let mut stdout = io::stdout().lock();
    let result = if stdout.is_terminal() {
        stdout.write_all(escape_lines(&String::from_utf8_lossy(bytes)).as_bytes())
    } else {
        stdout.write_all(bytes)
    };
    written(result.and_then(|()| stdout.flush()))
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Outcome<()> {
    let json = serde_json::to_string_pretty(value).map_err(|e| not_encodable(&e))?;
    exact(format!("{}\n", escape_json(&json)).as_bytes())
}

/// A value as JSON, in one line.
pub(crate) fn json_line(value: &impl Serialize) -> Outcome<()> {
    let json = serde_json::to_string(value).map_err(|e| not_encodable(&e))?;
    exact(format!("{}\n", escape_json(&json)).as_bytes())
}

/// A value as YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Outcome<()> {
    let value = serde_json::to_value(value).map_err(|e| not_encodable(&e))?;
    let yaml = serde_saphyr::to_string(&value).map_err(|e| not_encodable(&e))?;
    exact(yaml.as_bytes())
}

fn not_encodable(error: &dyn std::error::Error) -> Failure {
    Failure::new("output", "the answer could not be written out").why(error.to_string())
}

/// Progress, warnings and next steps. That nobody reads them stops nothing.
pub(crate) fn note(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Something that the person should know, though it goes on.
pub(crate) fn warn(text: &str) {
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    note(&format!("{yellow}warning:{yellow:#} {}", escape_lines(text)));
}

/// Whether there is a person to ask.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks yes or no; anything but yes is no. Ctrl-C works meanwhile: the reading has its own thread.
pub(crate) async fn confirm(question: &str) -> Outcome<()> {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{question} [y/N] ");
    let _ = stderr.flush();
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let failed = |e: &io::Error| Failure::io("the answer could not be read", e);
    let answer = answer.await.map_err(|e| failed(&e.into()))?.map_err(|e| failed(&e))?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::cancelled())
    }
}
