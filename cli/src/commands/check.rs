//! `hanse check`: whether everything is in order, with a hint for whatever is not.

mod findings;
mod fleet;
mod hub;
mod trust;

use jiff::Timestamp;

use crate::app::Session;
use crate::config;
use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::output::{self, TextOrJson};
use findings::Findings;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOrJson,
}

impl Args {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let mut findings = Findings::default();
        if let Err(failure) = look(session, &mut findings).await {
            findings.failure(&failure);
        }
        match self.output {
            TextOrJson::Text => output::data(&findings.text())?,
            TextOrJson::Json => output::json(&findings.json())?,
        }
        Ok(if findings.any_failed() { Exit::FAILED } else { Exit::OK })
    }
}

/// Looks at everything. `Err` where nothing behind can be looked at.
async fn look(session: &Session, findings: &mut Findings) -> Outcome<()> {
    let hub = connect(session, findings).await?;
    hub::identity(&hub, findings, Timestamp::now()).await?;
    hub::status(&hub, findings).await?;
    trust::trust(&hub, findings).await?;
    fleet::clusters(&hub, findings).await
}

async fn connect(session: &Session, findings: &mut Findings) -> Outcome<Hub> {
    findings.section("configuration");
    let path = &session.config_path;
    let config = session.config_with_hub()?;
    let context = config.context(session.context.as_deref())?;
    findings.ok(format!("{} has context `{}`", path.display(), context.name));
    if config::is_exposed(path) {
        findings.failed(
            format!("others can read {}, and a private key is in it", path.display()),
            format!("chmod 600 {}", path.display()),
        );
    } else {
        findings.ok("only you can read it".to_owned());
    }
    findings.section("connection");
    let hub = Hub::connect(context, path).await?;
    findings.ok(format!(
        "the hub at {} answers, over TLS, with a certificate of the known CA",
        hub.server()
    ));
    Ok(hub)
}

impl Findings {
    fn failure(&mut self, failure: &Failure) {
        self.failed(failure.summary(), failure.hint_text().unwrap_or_default().to_owned());
    }
}
