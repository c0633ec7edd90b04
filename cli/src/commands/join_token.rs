//! `hanse join-token`: lets a cluster join.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use hanse_domain::fleet::Fleet;
use hanse_domain::ids::ClusterId;
use hanse_domain::names;
use hanse_domain::trust::recipient::VouchKey;
use hanse_proto::admin::{Cluster, CreateJoinTokenRequest, CreateJoinTokenResponse};
use serde::Serialize;

use crate::app::Session;
use crate::change::{CommitArgs, duration};
use crate::commands::cluster;
use crate::config::FleetPin;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{self, TextOrJson};
use crate::text::{escape, time};
use crate::{fleet, joins, random, selector};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a single-use token with which one cluster may join
    #[command(after_help = "\
The command that is printed names the fleet, so that the agent believes no other, and ends with a key
that the hub never sees: with it, `hanse cluster accept` knows the agent's recipient for secrets.

Example:
  hanse join-token create prod-1 --accept --label env=prod")]
    Create(Create),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The cluster's name: a DNS label, unique in the fleet
    cluster: String,

    /// How long the token can be used
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    ttl: std::time::Duration,

    /// Accept the cluster now, so that it is in the fleet as soon as it joins
    #[arg(long)]
    accept: bool,

    /// Label of the cluster, as placements match it; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = selector::label, requires = "accept")]
    labels: Vec<(String, String)>,

    /// Context of the kubeconfig with which the agent is installed; the cluster's name by default
    #[arg(long, value_name = "NAME")]
    kube_context: Option<String>,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT", requires = "accept")]
    message: Option<String>,

    /// Do not ask when accepting brings hazards
    #[arg(short, long)]
    yes: bool,

    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TextOrJson,
}

/// All that `hanse-agent join` needs.
#[derive(Serialize)]
struct Made<'m> {
    #[serde(flatten)]
    token: &'m CreateJoinTokenResponse,
    fleet: String,
    history: String,
}

impl Command {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let Self::Create(create) = self;
        create.run(session).await
    }
}

impl Create {
    async fn run(self, session: &Session) -> Outcome {
        names::check_dns_label(&self.cluster).map_err(|e| Failure::usage(e.to_string()))?;
        let hub = session.hub().await?;
        let request = CreateJoinTokenRequest {
            cluster_name: self.cluster.clone(),
            ttl_seconds: self.ttl.as_secs(),
        };
        let base = fleet::fetch(&hub).await?;
        let mut service = hub.clusters_service();
        let mut made = hub.call(service.create_join_token(request)).await?;
        let id = made.cluster_id.parse().map_err(|_| {
            Failure::new("hub-error", "the hub's answer has no valid cluster id")
                .hint("hanse check")
        })?;
        cluster::invited(&base, &self.cluster, id, self.accept)?;
        add_key(&mut made, id)?;
        let base = if self.accept {
            self.accept_now(&hub, id).await?;
            // With the acceptance in the history that the agent must see.
            fleet::fetch(&hub).await?
        } else {
            base
        };
        match self.output {
            TextOrJson::Json => {
                let (fleet, history) = (FleetPin(base.id()).into(), history(&base));
                output::json(&Made { token: &made, fleet, history })?;
            }
            TextOrJson::Text => {
                let context = self.kube_context.as_deref().unwrap_or(&self.cluster);
                output::line(&command(&made, &base, &self.cluster, context))?;
            }
        }
        if let Some(expires) = time(made.expires_at.as_ref()) {
            output::note(&format!("the token works once, until {expires}"));
        }
        if self.output == TextOrJson::Text {
            output::note("a shell may keep the token in its history until then");
        }
        let cluster = &self.cluster;
        // The token is made: without the list it is only the hint that is less exact.
        let known = if self.accept { Vec::new() } else { hub.clusters().await.unwrap_or_default() };
        output::note(&format!(
            "next: run that command where the kubeconfig of {cluster} is, then: {}",
            if self.accept { synced(cluster) } else { then(&known, &made.cluster_id, cluster) }
        ));
        if self.accept {
            output::note(&format!(
                "for secrets, its recipient is added after the join: hanse cluster accept {cluster}"
            ));
        }
        Ok(Exit::OK)
    }

    /// Commits the roster entry. Its output must not mix with the command on stdout.
    async fn accept_now(&self, hub: &crate::hub::Hub, id: ClusterId) -> Outcome<()> {
        let commit = CommitArgs {
            message: self.message.clone(),
            yes: self.yes,
            wait: false,
            timeout: std::time::Duration::ZERO,
            output: crate::output::TextOrJson::Text,
        };
        let labels = self.labels.iter().cloned().collect();
        cluster::accept(hub, id, &self.cluster, labels, &commit, true).await?;
        Ok(())
    }
}

/// Adds a key to the token that the hub does not know, and keeps it for `hanse cluster accept`.
fn add_key(made: &mut CreateJoinTokenResponse, id: ClusterId) -> Outcome<()> {
    let key = VouchKey(random::bytes()?);
    let kept = match joins::of_process() {
        Some(folder) => joins::keep(&folder, id, &key).map_err(|error| error.to_string()),
        None => Err("there is no home to keep it in".to_owned()),
    };
    if let Err(why) = kept {
        output::warn(&format!(
            "the key of the join command cannot be kept, so that the agent's recipient has to be \
             compared by eye: {why}"
        ));
        return Ok(());
    }
    made.token = format!("{}.{}", made.token, URL_SAFE_NO_PAD.encode(key.0));
    Ok(())
}

fn synced(cluster: &str) -> String {
    format!("hanse wait cluster/{cluster} --for=synced")
}

/// What is to be done once the cluster has joined.
fn then(known: &[Cluster], id: &str, cluster: &str) -> String {
    let accept = format!("hanse cluster accept {cluster} --label KEY=VALUE");
    let accepted = || known.iter().filter(|known| known.accepted);
    if accepted().any(|known| known.id == id) {
        synced(cluster)
    } else if accepted().any(|known| known.name == cluster) {
        // The one in the roster is another, which had the name before.
        format!("hanse cluster remove {cluster}; {accept}")
    } else {
        accept
    }
}

/// The command to paste. Arguments can be seen by everybody on a machine, so the token is not among
/// them but on standard input, in a form that every POSIX shell has. Everything that the hub chose is
/// quoted for a shell.
fn command(made: &CreateJoinTokenResponse, base: &Fleet, cluster: &str, context: &str) -> String {
    let fleet = String::from(FleetPin(base.id()));
    let history = history(base);
    let words = [
        ("--hub", made.hub_address.as_str()),
        ("--ca-hash", &made.ca_hash),
        ("--fleet", &fleet),
        ("--history", &history),
        ("--cluster", cluster),
        ("--context", context),
    ];
    let options: Vec<String> =
        words.iter().map(|(option, value)| format!("{option} {}", quoted(value))).collect();
    let token = escape(&made.token);
    format!("hanse-agent join {} --token-file - <<'TOKEN'\n{token}\nTOKEN", options.join(" "))
}

/// How far the history was verified here: the agent refuses a past that does not lead there.
fn history(base: &Fleet) -> String {
    format!("{}:{}", base.number, base.history)
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@=+,%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", escape(word).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_the_roster_is_not_accepted_again() {
        let known =
            [Cluster { id: "1".into(), name: "a".into(), accepted: true, ..Cluster::default() }];
        assert_eq!(then(&known, "1", "a"), "hanse wait cluster/a --for=synced");
        let accept = "hanse cluster accept a --label KEY=VALUE";
        assert_eq!(then(&known, "2", "a"), format!("hanse cluster remove a; {accept}"));
        assert_eq!(then(&[], "2", "a"), accept);
        let pending = known.map(|cluster| Cluster { accepted: false, ..cluster });
        assert_eq!(then(&pending, "1", "a"), accept);
    }

    #[test]
    fn the_command_can_be_pasted() {
        let made = CreateJoinTokenResponse {
            cluster_id: "id".into(),
            token: "hjt_abc_-123".into(),
            ca_hash: "sha256:00ff".into(),
            hub_address: "hub.example:7443".into(),
            ..CreateJoinTokenResponse::default()
        };
        insta::assert_snapshot!(command(&made, &fleet::example(""), "prod-1", "admin@prod"), @"
        hanse-agent join --hub hub.example:7443 --ca-hash sha256:00ff --fleet sha256:febae65ac6263fb4bcc0b77966cba026cf79631265aa114d960cddc237896529 --history 4:259aa8ef98a8b91de574cd904138ef643240c23080cf24da4793a6f10a43fa9d --cluster prod-1 --context admin@prod --token-file - <<'TOKEN'
        hjt_abc_-123
        TOKEN
        ");
        let evil = CreateJoinTokenResponse {
            hub_address: "x; rm -rf ~ '\n".into(),
            token: "x\nTOKEN\nrm -rf ~".into(),
            ..made
        };
        insta::assert_snapshot!(command(&evil, &fleet::example(""), "a", "b"), @r"
        hanse-agent join --hub 'x; rm -rf ~ '\''\u{a}' --ca-hash sha256:00ff --fleet sha256:febae65ac6263fb4bcc0b77966cba026cf79631265aa114d960cddc237896529 --history 4:259aa8ef98a8b91de574cd904138ef643240c23080cf24da4793a6f10a43fa9d --cluster a --context b --token-file - <<'TOKEN'
        x\u{a}TOKEN\u{a}rm -rf ~
        TOKEN
        ");
    }

    /// A shell makes of it what is meant, and the token is no argument.
    #[test]
    fn a_shell_reads_the_token_on_standard_input() {
        let made = CreateJoinTokenResponse { token: "hjt_$x`y`".into(), ..Default::default() };
        let script = command(&made, &fleet::example(""), "a", "b").replace("hanse-agent", "show");
        let show = "show() { echo \"$*\"; cat; }\n";
        let output =
            std::process::Command::new("sh").args(["-c", &format!("{show}{script}")]).output();
        let shown = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).ok();
        let base = fleet::example("");
        let (fleet, history) = (base.id(), base.history);
        let expected = format!(
            "join --hub  --ca-hash  --fleet sha256:{fleet} --history 4:{history} --cluster a \
             --context b --token-file -\nhjt_$x`y`\n"
        );
        assert_eq!(shown, Some(expected));
    }
}
