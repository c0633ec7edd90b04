//! `hanse auth`: who one is, and what one may do.

use clap::Subcommand;
use hanse_proto::admin::{WhoAmIRequest, WhoAmIResponse};
use jiff::Timestamp;

use crate::app::Session;
use crate::failure::{Exit, Outcome};
use crate::output::{self, TextOrJson};
use crate::text::{escape, time, until};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who one is to the hub
    Whoami {
        /// Output format
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: TextOrJson,
    },
    /// Say whether one may call a method; exit with 1 when not
    CanI {
        /// Method, such as Commit or hanse.admin.v1.FleetService/Commit
        method: String,
    },
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let hub = session.hub().await?;
        let mut service = hub.identity_service();
        let me = hub.call(service.who_am_i(WhoAmIRequest {})).await?;
        match self {
            Self::Whoami { output: TextOrJson::Json } => output::json(&me)?,
            Self::Whoami { output: TextOrJson::Text } => {
                output::data(&describe(&me, Timestamp::now()))?;
            }
            Self::CanI { method } => {
                let may = may(&me.methods, &method);
                output::line(if may { "yes" } else { "no" })?;
                return Ok(if may { Exit::OK } else { Exit::FAILED });
            }
        }
        Ok(Exit::OK)
    }
}

fn describe(me: &WhoAmIResponse, now: Timestamp) -> String {
    let expires = time(me.certificate_expires_at.as_ref())
        .map_or_else(|| "unknown".to_owned(), |at| format!("{at} ({})", until(now, at)));
    let mut out = format!(
        "Name:         {}\nRole:         {}\nCertificate:  expires {expires}\nMethods:\n",
        escape(&me.name),
        escape(&me.role)
    );
    for method in &me.methods {
        out.push_str("  ");
        out.push_str(&escape(method));
        out.push('\n');
    }
    out
}

/// A method by its full name, or by the end of it.
fn may(methods: &[String], asked: &str) -> bool {
    let matches = |method: &String| {
        method == asked
            || method.strip_suffix(asked).is_some_and(|before| before.ends_with(['/', '.']))
    };
    !asked.is_empty() && methods.iter().any(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_may_be_named_by_its_end() {
        let methods = ["hanse.admin.v1.FleetService/Commit".to_owned()];
        for (asked, expected) in [
            ("Commit", true),
            ("FleetService/Commit", true),
            ("hanse.admin.v1.FleetService/Commit", true),
            ("ommit", false),
            ("commit", false),
            ("", false),
        ] {
            assert_eq!(may(&methods, asked), expected, "{asked}");
        }
    }

    #[test]
    fn one_sees_who_one_is() {
        let me = WhoAmIResponse {
            name: "ann\u{1b}".into(),
            role: "administrator".into(),
            certificate_expires_at: Some(pbjson_types::Timestamp { seconds: 86_400, nanos: 0 }),
            methods: vec!["hanse.admin.v1.FleetService/Commit".into()],
        };
        insta::assert_snapshot!(describe(&me, Timestamp::UNIX_EPOCH), @r"
        Name:         ann\u{1b}
        Role:         administrator
        Certificate:  expires 1970-01-02T00:00:00Z (in 24h)
        Methods:
          hanse.admin.v1.FleetService/Commit
        ");
    }
}
