//! `hanse secret list`.

use hanse_domain::selector::LabelSelector;
use serde_json::{Value, json};

use crate::app::Session;
use crate::failure::{Exit, Outcome};
use crate::output::{self, TextOrJson};
use crate::secrets::states;
use crate::table::Table;
use crate::{fleet, secrets, selector};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those that go to this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Only those with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOrJson,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let selector: Option<LabelSelector> =
            self.selector.as_deref().map(selector::parse).transpose()?;
        let base = fleet::fetch(&session.hub().await?).await?;
        let wanted = secrets::all(&base).filter(|(held, secret)| {
            selector.as_ref().is_none_or(|selector| selector.matches(&held.document.labels))
                && self.namespace.as_ref().is_none_or(|name| secret.namespaces.contains(name))
        });
        let mut table = Table::new(["NAME", "NAMESPACES", "TYPE", "VERSION", "SEALED", "REVISION"]);
        let mut items: Vec<Value> = Vec::new();
        let mut pending = false;
        for (held, secret) in wanted {
            let (name, document) = (&held.document.reference.name, &held.document);
            let (sealed, placed) = states::counts(&base, document);
            pending |= sealed < placed;
            let namespaces: Vec<&str> = secret.namespaces.iter().map(String::as_str).collect();
            items.push(json!({
                "name": name, "namespaces": namespaces, "type": secret.secret_type,
                "version": secret.version, "sealed": sealed, "placed": placed,
                "revision": held.number.0,
            }));
            table.row([
                name.clone(),
                namespaces.join(","),
                secret.secret_type.clone(),
                secret.version.to_string(),
                states::sealed(&base, document),
                held.number.to_string(),
            ]);
        }
        match self.output {
            TextOrJson::Json => output::json_as_written(&json!({ "secrets": items }))?,
            TextOrJson::Text if table.is_empty() => output::note("no secrets"),
            TextOrJson::Text => {
                output::data(&table.to_string())?;
                if pending {
                    output::note(
                        "some are not sealed to all their clusters: hanse secret reseal --all",
                    );
                }
            }
        }
        Ok(Exit::OK)
    }
}
