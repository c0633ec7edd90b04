//! `hanse auth`: who one is, and what one may do.

use clap::Subcommand;
use hanse_proto::admin::{WhoAmIRequest, WhoAmIResponse};
use jiff::Timestamp;

use crate::app::Session;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{self, TextOrJson};
use crate::text::{escape, near, time, until};

/// Every method that there is, the agents' included.
const METHODS: [&str; 33] = [
    "hanse.admin.v1.ClusterService/ListClusters",
    "hanse.admin.v1.ClusterService/CreateJoinToken",
    "hanse.admin.v1.ClusterService/RevokeCluster",
    "hanse.admin.v1.ClusterService/WatchClusters",
    "hanse.admin.v1.AccessService/ListWhoCan",
    "hanse.admin.v1.AccessService/ListWhatCan",
    "hanse.admin.v1.AccessService/ListDecisions",
    "hanse.admin.v1.AccessService/ListAccessDifferences",
    "hanse.admin.v1.AccessService/ListEscalations",
    "hanse.admin.v1.AccessService/PreviewAccess",
    "hanse.admin.v1.AccessService/ListViolations",
    "hanse.admin.v1.AccessService/WatchViolations",
    "hanse.admin.v1.AccessService/ListInventories",
    "hanse.admin.v1.AccessService/GetInventory",
    "hanse.admin.v1.AccessService/ImportGroups",
    "hanse.admin.v1.AccessService/ListGroups",
    "hanse.admin.v1.DriftService/ListDrift",
    "hanse.admin.v1.DriftService/WatchDrift",
    "hanse.admin.v1.FleetService/GetHistory",
    "hanse.admin.v1.FleetService/Commit",
    "hanse.admin.v1.FleetService/DryRun",
    "hanse.admin.v1.FleetService/ListProposals",
    "hanse.admin.v1.FleetService/GetProposal",
    "hanse.admin.v1.FleetService/SignProposal",
    "hanse.admin.v1.FleetService/WithdrawProposal",
    "hanse.admin.v1.FleetService/ListRevisions",
    "hanse.admin.v1.FleetService/GetRevision",
    "hanse.admin.v1.FleetService/WatchHead",
    "hanse.admin.v1.IdentityService/WhoAmI",
    "hanse.admin.v1.IdentityService/GetHubStatus",
    "hanse.agent.v1.AgentService/Session",
    "hanse.agent.v1.AgentService/RenewCertificate",
    "hanse.enroll.v1.EnrollService/Enroll",
];

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
                if !may {
                    known(&method)?;
                }
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

/// "No" is an answer only for a method that there is.
fn known(asked: &str) -> Outcome<()> {
    if may(&METHODS, asked) {
        return Ok(());
    }
    let short = |method: &'static str| method.rsplit('/').next().unwrap_or(method);
    // By whatever part of the name was typed.
    let typed = asked.rsplit(['/', '.']).next().unwrap_or(asked);
    let names = METHODS.map(short);
    let same = names.iter().find(|name| name.eq_ignore_ascii_case(typed));
    let all = format!("there are {}", names.join(", "));
    Err(Failure::usage(format!("there is no method `{asked}`")).hint(near(
        same.unwrap_or(&typed),
        names,
        &all,
    )))
}

/// A method by its full name, or by the end of it.
fn may(methods: &[impl AsRef<str>], asked: &str) -> bool {
    let matches = |method: &str| {
        method == asked
            || method.strip_suffix(asked).is_some_and(|before| before.ends_with(['/', '.']))
    };
    !asked.is_empty() && methods.iter().any(|method| matches(method.as_ref()))
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
    fn every_method_is_known_and_no_other() {
        let text = String::from_utf8_lossy(hanse_proto::DESCRIPTORS);
        for method in METHODS {
            let name = method.rsplit('/').next().unwrap_or_default();
            assert!(text.contains(name), "{method}");
            assert!(known(name).is_ok() && known(method).is_ok(), "{method}");
        }
        let failure = |asked| known(asked).err();
        let hint = |asked| failure(asked).and_then(|f| f.hint_text().map(str::to_owned));
        let near = hint("commit").unwrap_or_default();
        assert!(near.starts_with("did you mean `Commit`? Otherwise: there are Lis"), "{near}");
        assert!(hint("fly").unwrap_or_default().starts_with("there are ListClusters, "));
        assert_eq!(failure("").map(|f| f.exit_code()), Some(Exit::CANCELLED));
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
