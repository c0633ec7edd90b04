//! The only way to the terminal: data on stdout, everything else on stderr. Colours go where nobody
//! reads them (`NO_COLOR`, pipes), and a reader that closes the pipe ends the command quietly.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use jiff::Timestamp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;

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

/// One of the API's messages as JSON.
pub(crate) fn json(message: &impl Serialize) -> Outcome<()> {
    json_as_written(&in_utc(message)?)
}

/// What people wrote, as JSON.
pub(crate) fn json_as_written(value: &impl Serialize) -> Outcome<()> {
    let json = serde_json::to_string_pretty(value).map_err(|e| not_encodable(&e))?;
    exact(format!("{}\n", escape_json(&json)).as_bytes())
}

/// One of the API's messages as JSON, in one line.
pub(crate) fn json_line(message: &impl Serialize) -> Outcome<()> {
    let json = serde_json::to_string(&in_utc(message)?).map_err(|e| not_encodable(&e))?;
    exact(format!("{}\n", escape_json(&json)).as_bytes())
}

/// One of the API's messages as YAML.
pub(crate) fn yaml(message: &impl Serialize) -> Outcome<()> {
    let yaml = serde_saphyr::to_string(&in_utc(message)?).map_err(|e| not_encodable(&e))?;
    exact(yaml.as_bytes())
}

/// The fields of the API's messages that are times.
const TIMES: [&str; 23] = [
    "at",
    "caExpiresAt",
    "certificateExpiresAt",
    "changedAt",
    "createdAt",
    "detectedAt",
    "expiresAt",
    "from",
    "historyFrom",
    "importedAt",
    "joinedAt",
    "knownAt",
    "lastSeen",
    "learnedAt",
    "proposedAt",
    "recordedAt",
    "resolvedAt",
    "seenUntil",
    "since",
    "startedAt",
    "time",
    "to",
    "until",
];

/// One of the API's messages as a value, to be put into JSON.
pub(crate) fn value(message: &impl Serialize) -> Outcome<Value> {
    in_utc(message)
}

/// A message with its times as people and scripts expect UTC: `Z`, not `+00:00`.
fn in_utc(message: &impl Serialize) -> Outcome<Value> {
    let mut value = serde_json::to_value(message).map_err(|e| not_encodable(&e))?;
    zulu(&mut value);
    Ok(value)
}

fn zulu(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if let Value::String(text) = value {
                    let is_time =
                        TIMES.contains(&key.as_str()) && text.parse::<Timestamp>().is_ok();
                    if let Some(time) = text.strip_suffix("+00:00").filter(|_| is_time) {
                        *text = format!("{time}Z");
                    }
                } else {
                    zulu(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(zulu),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
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

/// Asks for something that must not be seen: the terminal shows nothing meanwhile. That it does
/// again afterwards is up to this future, so that Ctrl-C, which drops it, leaves a terminal in order.
pub(crate) async fn secret(question: &str) -> Outcome<SecretString> {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{question}: ");
    let _ = stderr.flush();
    let failed = |e: &io::Error| Failure::io("the answer could not be read", e);
    let hidden = Hidden::new().map_err(|e| failed(&e))?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().take(MAX_SECRET).read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.map_err(|e| failed(&e.into()))?.map_err(|e| failed(&e))?;
    drop(hidden);
    note("");
    Ok(answer.trim_end_matches(['\r', '\n']).into())
}

/// How long a secret may be that a person types, in bytes.
const MAX_SECRET: u64 = 4096;

/// A terminal that does not show what is typed.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use hanse_proto::admin::{Cluster, Drift, FieldDifference, ListClustersResponse, Revision};
    use serde_json::json;

    use super::*;

    #[test]
    fn times_of_messages_end_in_z() {
        let at = |nanos| Some(pbjson_types::Timestamp { seconds: 86_400, nanos });
        let cluster = Cluster { joined_at: at(5_000_000), last_seen: at(0), ..Cluster::default() };
        let clusters = ListClustersResponse { clusters: vec![cluster] };
        let joined = in_utc(&clusters).ok();
        assert_eq!(
            joined,
            Some(json!({ "clusters": [
                { "lastSeen": "1970-01-02T00:00:00Z", "joinedAt": "1970-01-02T00:00:00.005Z" }
            ] }))
        );
        let message = "1970-01-02T00:00:00+00:00";
        let revision = Revision { time: at(0), message: message.to_owned(), ..Revision::default() };
        assert_eq!(
            in_utc(&revision).ok(),
            Some(json!({ "time": "1970-01-02T00:00:00Z", "message": message }))
        );
    }

    #[test]
    fn what_is_no_time_stays() {
        let field = FieldDifference {
            path: "time".into(),
            live: "x+00:00".into(),
            ..FieldDifference::default()
        };
        let drift = Drift { fields: vec![field], ..Drift::default() };
        assert_eq!(in_utc(&drift).ok(), serde_json::to_value(&drift).ok());
        let odd =
            json!({ "time": "soon+00:00", "since": "1970-01-02T01:00:00+01:00", "lastSeen": null });
        assert_eq!(in_utc(&odd).ok(), Some(odd));
    }

    /// Every time of the wire is in the list.
    #[test]
    fn all_times_are_known() {
        let protos = [
            include_str!("../../proto/hanse/admin/v1/access.proto"),
            include_str!("../../proto/hanse/admin/v1/cluster.proto"),
            include_str!("../../proto/hanse/admin/v1/drift.proto"),
            include_str!("../../proto/hanse/admin/v1/fleet.proto"),
            include_str!("../../proto/hanse/admin/v1/identity.proto"),
        ];
        let mut fields: Vec<String> = protos
            .iter()
            .flat_map(|proto| proto.lines())
            .filter_map(|line| line.trim().strip_prefix("google.protobuf.Timestamp "))
            .filter_map(|field| field.split_once(' '))
            .map(|(field, _)| camel(field))
            .collect();
        fields.sort();
        fields.dedup();
        assert_eq!(fields, TIMES);
    }

    fn camel(snake: &str) -> String {
        let mut words = snake.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| {
            let (head, tail) = word.split_at(1);
            name + &head.to_uppercase() + tail
        })
    }
}
