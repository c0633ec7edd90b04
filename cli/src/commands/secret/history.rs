//! `hanse secret history`: which versions there were, by digest, and who signed them.

use hanse_domain::ids::Digest;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::Session;
use crate::failure::{Exit, Failure, Outcome};
use crate::fleet;
use crate::output::{self, TextOrJson};
use crate::secrets::history::Step;
use crate::table::Table;
use crate::text::{age, or_dash, shorten};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The history is verified once more for it, from its first statement on. Digests are of documents,
as `hanse revisions NUMBER` has them; what a version said is nowhere but with who can open it.")]
pub(crate) struct Args {
    /// Its name
    pub(super) name: String,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOrJson,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        let mut steps = Vec::new();
        fleet::walk(&hub, |base, change, signers| {
            steps.extend(Step::of(&self.name, base, change, signers));
        })
        .await?;
        if steps.is_empty() {
            let what = format!("there never was a secret {}", self.name);
            return Err(Failure::new("not-found", what).hint("hanse secret list"));
        }
        match self.output {
            TextOrJson::Json => {
                let steps: Vec<Value> = steps.iter().map(value).collect();
                output::json_as_written(&json!({ "name": self.name, "revisions": steps }))?;
            }
            TextOrJson::Text => output::data(&table(&steps, Timestamp::now()).to_string())?,
        }
        Ok(Exit::OK)
    }
}

fn table(steps: &[Step], now: Timestamp) -> Table {
    let mut table =
        Table::new(["REVISION", "AGE", "WHAT", "VERSION", "DIGEST", "SIGNED BY", "MESSAGE"]);
    for step in steps.iter().rev() {
        let (old, new) = step.version;
        let version =
            |version: Option<u64>| or_dash(version.map(|v| v.to_string()).unwrap_or_default());
        let digest =
            |digest: Option<Digest>| or_dash(digest.map(|d| d.short()).unwrap_or_default());
        let arrow = |before: String, after: String| {
            if before == after { before } else { format!("{before} → {after}") }
        };
        table.row([
            step.revision.to_string(),
            age(now, step.time),
            step.what(),
            arrow(version(old), version(new)),
            arrow(digest(step.digest.0), digest(step.digest.1)),
            or_dash(step.signed_by.join(",")),
            or_dash(shorten(step.message.lines().next().unwrap_or_default(), 72)),
        ]);
    }
    table
}

fn value(step: &Step) -> Value {
    let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
    json!({
        "revision": step.revision,
        "time": step.time.to_string(),
        "versionBefore": step.version.0,
        "versionAfter": step.version.1,
        "digestBefore": digest(step.digest.0),
        "digestAfter": digest(step.digest.1),
        "sealedTo": step.sealed_to,
        "signedBy": step.signed_by,
        "message": step.message,
    })
}
