//! `hanse secret get`: what is known of a secret, and its values for an owner who asks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use hanse_domain::fleet::{Fleet, Held};
use hanse_domain::ids::Digest;
use hanse_sealing::{SecretBytes, SecretData};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::app::Session;
use crate::commands::describe::pairs;
use crate::document_table::placement;
use crate::failure::{Exit, Failure, Outcome};
use crate::secrets::identity::IdentityArgs;
use crate::secrets::states;
use crate::table::Table;
use crate::text::or_dash;
use crate::{fleet, output, secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --reveal nothing is opened: what is shown is what everybody in the fleet can see.

Examples:
  hanse secret get db
  hanse secret get db --reveal password           exactly its bytes
  hanse secret get db --reveal -o json            {\"data\": {\"password\": \"…base64…\"}}
  hanse secret get db --reveal -o env             password=…, as --from-env-file reads it")]
pub(crate) struct Args {
    /// Its name
    pub(super) name: String,

    /// Open it as an owner, and write out the value of KEY, or all of them with -o
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "")]
    reveal: Option<String>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Form,

    #[command(flatten)]
    identity: IdentityArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people; with --reveal one value as it is
    #[default]
    Text,
    /// For scripts; values in base64, as in a Secret
    Json,
    /// Lines KEY=value, with --reveal
    Env,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        let base = fleet::fetch(&hub).await?;
        let held = secrets::held(&base, &self.name)?;
        let Some(key) = &self.reveal else {
            match self.output {
                Form::Text => output::data(&text(&base, held)?)?,
                Form::Json => output::json_as_written(&value(&base, held)?)?,
                Form::Env => {
                    return Err(Failure::usage("-o env is for values").hint("add --reveal"));
                }
            }
            return Ok(Exit::OK);
        };
        let data = self.identity.open().await?.open(base.id(), &held.document)?;
        reveal(&self.name, &data, key, self.output)?;
        Ok(Exit::OK)
    }
}

fn reveal(name: &str, data: &SecretData, key: &str, form: Form) -> Outcome<()> {
    let keys = || data.iter().map(|(key, _)| key).collect::<Vec<_>>().join(", ");
    let mut all: Vec<(&str, &SecretBytes)> = data.iter().collect();
    if !key.is_empty() {
        all.retain(|(other, _)| *other == key);
        if all.is_empty() {
            return Err(Failure::new("no-such-key", format!("secret {name} has no key {key}"))
                .hint(format!("its keys: {}", keys())));
        }
    }
    match (form, all.as_slice()) {
        (Form::Text, [(_, value)]) => output::exact(value.expose()),
        (Form::Text, _) => Err(Failure::usage(format!("which key of secret {name}?"))
            .why(format!("its keys: {}", keys()))
            .hint("--reveal KEY; or all of them with -o json or -o env")),
        (Form::Json, all) => output::exact(&json_of(all)),
        (Form::Env, all) => output::exact(&env_of(all)?),
    }
}

/// `{"data": {…}}` with values in base64. Keys have nothing to escape.
fn json_of(values: &[(&str, &SecretBytes)]) -> Zeroizing<Vec<u8>> {
    let length: usize =
        values.iter().map(|(key, value)| key.len() + value.expose().len() * 2 + 16).sum();
    let mut out = Zeroizing::new(String::with_capacity(length + 64));
    out.push_str("{\n  \"data\": {");
    for (index, (key, value)) in values.iter().enumerate() {
        out.push_str(if index == 0 { "\n    \"" } else { ",\n    \"" });
        out.push_str(key);
        out.push_str("\": \"");
        STANDARD.encode_string(value.expose(), &mut out);
        out.push('"');
    }
    out.push_str("\n  }\n}\n");
    Zeroizing::new(out.as_bytes().to_vec())
}

/// Lines that `--from-env-file` reads back as they were.
fn env_of(values: &[(&str, &SecretBytes)]) -> Outcome<Zeroizing<Vec<u8>>> {
    let length: usize =
        values.iter().map(|(key, value)| key.len() + value.expose().len() + 2).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    for (key, value) in values {
        let value = value.expose();
        let is_line = std::str::from_utf8(value).is_ok()
            && !value.contains(&b'\n')
            && !value.ends_with(b"\r")
            && !key.starts_with(|c: char| c.is_ascii_digit());
        if !is_line {
            return Err(Failure::new(
                "not-an-env",
                format!("{key} cannot be a line of an env file"),
            )
            .why("its name begins with a digit, or its value has several lines or is no text")
            .hint("-o json"));
        }
        out.extend_from_slice(key.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value);
        out.push(b'\n');
    }
    Ok(out)
}

fn text(base: &Fleet, held: &Held) -> Outcome<String> {
    let document = &*held.document;
    let secret = secrets::spec(document)?;
    let joined = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    let pair = |key: &str, value: String| (key.to_owned(), value);
    let mut out = pairs(&[
        pair("Name", document.reference.name.clone()),
        pair("Type", secret.secret_type.clone()),
        pair("Version", secret.version.to_string()),
        pair("Keys", or_dash(joined(&mut secret.keys.iter().map(String::as_str)))),
        pair("Namespaces", joined(&mut secret.namespaces.iter().map(String::as_str))),
        pair("Owners", or_dash(joined(&mut secret.owners.iter().map(|owner| &*owner.name)))),
        pair("Revision", held.number.to_string()),
        pair("Digest", format!("sha256:{}", document.digest)),
        pair("Sealed", format!("sha256:{}", Digest::of(&secret.payload))),
        pair("Placement", placement(&document.placement)),
    ]);
    let mut table = Table::new(["  CLUSTER", "STATE"]);
    for (member, state) in states::of(base, document) {
        table.row([format!("  {}", member.entry.name), state.word().to_owned()]);
    }
    if table.is_empty() {
        out.push_str("Clusters: none: its placement selects no cluster\n");
    } else {
        out.push_str("Clusters:\n");
        out.push_str(&table.to_string());
    }
    Ok(out)
}

/// The stable form.
fn value(base: &Fleet, held: &Held) -> Outcome<Value> {
    let document = &*held.document;
    let secret = secrets::spec(document)?;
    let owners = secret.owners.iter();
    let owners: Vec<Value> =
        owners.map(|owner| json!({ "name": owner.name, "recipient": owner.recipient })).collect();
    let clusters = states::of(base, document).into_iter();
    let clusters: Vec<Value> = clusters
        .map(|(member, state)| json!({ "name": member.entry.name, "state": state.word() }))
        .collect();
    Ok(json!({
        "name": document.reference.name,
        "type": secret.secret_type,
        "version": secret.version,
        "keys": secret.keys,
        "namespaces": secret.namespaces,
        "owners": owners,
        "revision": held.number.0,
        "digest": document.digest.to_string(),
        "payloadDigest": Digest::of(&secret.payload).to_string(),
        "clusters": clusters,
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hanse_sealing::shapes::from_env_file;

    use super::*;

    #[test]
    fn all_values_are_written_so_that_they_are_read_back() {
        let mut data = SecretData::default();
        data.insert("a", b" x=\"y\" #z".as_slice()).unwrap();
        data.insert("b.c", b"".as_slice()).unwrap();
        let all: Vec<_> = data.iter().collect();
        assert_eq!(from_env_file(&env_of(&all).unwrap(), |_| None).unwrap(), data);
        let read: Value = serde_json::from_slice(&json_of(&all)).unwrap();
        assert_eq!(read, json!({ "data": { "a": STANDARD.encode(" x=\"y\" #z"), "b.c": "" } }));
        for (key, value) in [("c", b"a\nb".as_slice()), ("1", b""), ("d", b"\xff"), ("e", b"a\r")] {
            let mut data = SecretData::default();
            data.insert(key, value).unwrap();
            let all: Vec<_> = data.iter().collect();
            assert_eq!(env_of(&all).unwrap_err().code(), "not-an-env", "{key}");
        }
    }
}
