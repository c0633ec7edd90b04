//! `hanse-agent join`. The token is used up last, when nothing else can go wrong any more, so that all
//! of it can be run again until it works.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use hanse_domain::history::log::LogHead;
use hanse_domain::ids::{Digest, InvalidId};
use jiff::SignedDuration;

use super::join_steps::Steps;
use super::settings::AgentSettings;
use super::{AdminAccess, join_fence, quote};
use crate::enroll::recipient::JoinToken;
use crate::enroll::{CaHash, EnrollError, Enrolled, Hub, PinError, Pledge};
use crate::identity::age::{self, AgeIdentities};
use crate::identity::{IDENTITY_FILE, parse_history};
use crate::terminal::{self, Failed, Mark};

/// In place of hashes that nobody gave: to print the fence takes no hub.
const UNUSED: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// How `join` is called.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hanse-agent join --hub hub.example.com:8443 --token-file - \\\n    \
                        --ca-hash sha256:… --fleet sha256:… --cluster east\n\nThe hub prints the whole command: \
                        hanse join-token create east"
)]
pub(super) struct JoinArgs {
    /// Where people and joining clusters reach the hub
    #[arg(
        long,
        value_name = "HOST:PORT",
        required = false,
        default_value_if("fence", "print", "")
    )]
    hub: String,
    /// The join token; better from a file or from standard input: others may see arguments
    #[arg(long, value_name = "hjt_…", env = "HANSE_JOIN_TOKEN", hide_env_values = true)]
    #[arg(conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the join token; `-` for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The hash of the hub's CA, so that the token is shown to nobody else
    #[arg(long, value_name = "sha256:…", required = false)]
    #[arg(default_value_if("fence", "print", UNUSED))]
    ca_hash: CaHash,
    /// The fleet to believe: the digest of its first trust root. Whoever signs for it decides what is
    /// applied in this cluster, and the hub does not
    #[arg(long, value_name = "sha256:…", value_parser = fleet, required = false)]
    #[arg(default_value_if("fence", "print", UNUSED))]
    fleet: Digest,
    /// How far the fleet's history has come: a past that does not lead there is refused, and so are
    /// keys that the fleet has given up since
    #[arg(long, value_name = "NUMBER:HASH", value_parser = parse_history)]
    history: Option<LogHead>,
    /// The cluster's name in the fleet, for which the token was made
    #[arg(long, value_name = "NAME", required = false, default_value_if("fence", "print", ""))]
    cluster: String,
    #[command(flatten)]
    admin: AdminAccess,
    /// Where the agent's identity goes [default: ~/.hanse/agents/NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How long the agent's token for the cluster should be valid, in days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    token_ttl: u32,
    /// The agent is to run in the cluster: keep its identity in a Secret there
    #[arg(long)]
    in_cluster: bool,
    /// Join anew, with another identity in place of the one in the directory
    #[arg(long)]
    force: bool,
    /// Look whether it would work. Nothing is written and the token stays good
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    fence: FenceArgs,
}

/// What bounds the agent in the cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "The fence")]
pub(super) struct FenceArgs {
    /// Install the policies that bound what the agent may write, only print them, or do without
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(super) fence: FenceMode,
    /// As whom the agent writes roles and bindings
    #[arg(long, value_enum, default_value_t, value_name = "MODEL")]
    pub(super) model: ModelChoice,
    /// A Ceiling of your own, where the cluster has none yet [default: the shipped one]
    #[arg(long, value_name = "FILE")]
    pub(super) ceiling: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FenceMode {
    /// Install it with the agent
    #[default]
    Apply,
    /// Print everything as YAML for the administrator, and do nothing
    Print,
    /// No fence: whoever has the agent's token has the cluster
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ModelChoice {
    /// `impersonate` where the server proves to have it
    #[default]
    Auto,
    /// The agent may `escalate` and `bind`, and only the fence bounds it
    Bind,
    /// The user hanse:ceiling, whom the API server bounds too; Kubernetes 1.36 and later
    Impersonate,
}

pub(super) async fn join(args: JoinArgs) -> anyhow::Result<()> {
    if args.fence.fence == FenceMode::Print {
        return join_fence::print(&args.admin, &args.fence).await;
    }
    let token = read_token(&args)?;
    let dir = directory(&args)?;
    check_directory(&dir, args.force)?;
    let ceiling = join_fence::read_ceiling(&args.fence)?;

    let hub = Hub::connect(&args.hub, args.ca_hash).await.map_err(|e| failed(&e, &args))?;
    terminal::step(Mark::Good, &format!("the hub at {} shows the CA {}", args.hub, args.ca_hash));
    let steps = Steps::begin(&args.admin, &dir, args.dry_run).await?;
    join_fence::install(&steps, &args.fence, ceiling.as_ref()).await?;
    if args.dry_run {
        terminal::step(
            Mark::Good,
            "the hub and the cluster would take it; nothing was written, and the token was not tried",
        );
        return Ok(());
    }
    let ttl = SignedDuration::from_hours(i64::from(args.token_ttl) * 24);
    if args.in_cluster {
        steps.check_secret(&args.cluster).await?;
    } else {
        steps.write_account(&args.cluster, ttl).await?;
    }

    if !args.in_cluster {
        AgentSettings { allow_unfenced: args.fence.fence == FenceMode::None }.save(&dir)?;
    }

    let age = if args.in_cluster {
        age::cluster::make_if_absent(&steps.client, false).await.map_err(anyhow::Error::new)
    } else if args.force {
        // Who joins anew may do so because somebody else has had the old key.
        let new = AgeIdentities::make();
        new.save(&dir).map(|()| new).map_err(anyhow::Error::new)
    } else {
        AgeIdentities::make_if_absent(&dir).map_err(anyhow::Error::new)
    };
    let recipient = age.context("cannot keep a key for secrets")?.newest();
    let vouch = token.vouch(&args.cluster, &args.fleet, &recipient);
    let pledge = Pledge {
        fleet: args.fleet,
        history: args.history,
        recipient: recipient.to_string(),
        vouch: vouch.map(Vec::from).unwrap_or_default(),
    };
    let enrolled = hub.enroll(&token.for_hub, &args.cluster, &steps.cluster, &pledge).await;
    let enrolled = enrolled.map_err(|e| failed(&e, &args))?;
    let facts = &enrolled.identity.facts;
    terminal::step(Mark::Good, &format!("joined as {} ({})", args.cluster, facts.cluster_id));
    steps.keep(&enrolled.identity, args.in_cluster).await.map_err(|error| {
        let hint =
            format!("put that right, then a new token: hanse join-token create {}", args.cluster);
        let why = format!("{error:#}; the token is used up");
        Failed::new("the identity cannot be kept", why).hint(hint)
    })?;
    terminal::step(Mark::Good, &format!("secrets for this cluster are sealed to {recipient}"));
    show_next(&args, &dir, &enrolled);
    Ok(())
}

/// Reads "sha256:<64 hexadecimal digits>".
fn fleet(text: &str) -> Result<Digest, String> {
    let digest = text.strip_prefix("sha256:").ok_or("it begins with sha256:")?;
    digest.parse().map_err(|error: InvalidId| error.to_string())
}

fn show_next(args: &JoinArgs, dir: &std::path::Path, enrolled: &Enrolled) {
    if !enrolled.accepted {
        let accept =
            format!("the cluster waits to be accepted: hanse cluster accept {}", args.cluster);
        terminal::step(Mark::Warning, &accept);
    }
    if args.in_cluster {
        if args.fence.fence == FenceMode::None {
            terminal::note(
                "without a fence it writes nothing unless --allow-unfenced is in its args",
            );
        }
        terminal::note("next, with an image of your own in it, start the agent in the cluster:");
        terminal::data(&format!(
            "kubectl apply -f deploy/agent/deployment.yaml{}",
            args.admin.as_flags()
        ));
    } else {
        terminal::note("next, start the agent:");
        terminal::data(&format!("hanse-agent run --dir {}", quote(dir)));
    }
}

fn read_token(args: &JoinArgs) -> anyhow::Result<JoinToken> {
    let text = match (&args.token_file, &args.token) {
        (Some(file), _) if file.as_os_str() != "-" => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the token in {}", file.display()))?,
        (None, Some(token)) if token != "-" => token.clone(),
        (None, None) => {
            return Err(Failed::new("there is no join token", "neither --token nor --token-file")
                .hint(format!("hanse join-token create {}", args.cluster))
                .into());
        }
        _ => {
            let mut text = String::new();
            // A token has 91 characters at most; what is longer is none.
            std::io::stdin()
                .take(4096)
                .read_to_string(&mut text)
                .context("cannot read the token")?;
            text
        }
    };
    JoinToken::parse(&text).map_err(|error| {
        Failed::new("this is no join token", error)
            .hint(format!("hanse join-token create {}", args.cluster))
            .into()
    })
}

fn directory(args: &JoinArgs) -> anyhow::Result<PathBuf> {
    if let Some(dir) = &args.dir {
        return Ok(std::path::absolute(dir)?);
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let name = &args.cluster;
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let why = format!("{name:?} is not lower-case letters, digits, dashes and dots");
        return Err(Failed::new("this is no name of a cluster", why).into());
    }
    let home = std::env::home_dir().context("there is no home directory; give --dir")?;
    Ok(home.join(".hanse/agents").join(name))
}

fn check_directory(dir: &std::path::Path, force: bool) -> anyhow::Result<()> {
    if force || !dir.join(IDENTITY_FILE).exists() {
        return Ok(());
    }
    let what = format!("{} holds an identity already", dir.display());
    Err(Failed::new(what, "a cluster joins once")
        .hint(format!(
            "hanse-agent run --dir {0}, or join with --force for another identity",
            quote(dir)
        ))
        .into())
}

fn failed(error: &EnrollError, args: &JoinArgs) -> anyhow::Error {
    let what = format!("{} cannot join", args.cluster);
    let new_token = format!("hanse join-token create {}", args.cluster);
    let failed = Failed::new(what, crate::terminal::chain(error));
    match error {
        EnrollError::Address(_) => failed.hint("--hub takes HOST:PORT"),
        EnrollError::Unreachable(_) => {
            failed.hint(format!("is the hub there? nc -vz {}", args.hub.replace(':', " ")))
        }
        EnrollError::Pin(PinError::NoCa(_)) => failed
            .hint("the token was not sent. Take hash and address from: hanse join-token create"),
        EnrollError::Pin(PinError::Leaf(_)) => failed.hint(
            "the token was not sent. The address must be a name in the hub's certificate, and the \
             clocks must agree",
        ),
        EnrollError::Refused(_) => failed.hint(format!(
            "a token is good once, for one name and for a short time; for a new one: {new_token}"
        )),
        EnrollError::OtherFleet(..) => failed.hint(
            "take the whole command from `hanse join-token create` again; if it was right, the hub is \
             not the one that it should be, and the token is used up",
        ),
        EnrollError::Answer(_) | EnrollError::Certificate(_) => {
            failed.hint(format!("the token may be used up; for a new one: {new_token}"))
        }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        join: JoinArgs,
    }

    #[test]
    fn the_fence_is_printed_without_a_hub() {
        let given = |args: &str| {
            Cli::try_parse_from(std::iter::once("join").chain(args.split_whitespace())).is_ok()
        };
        assert!(given("--fence print") && given("--fence print --cluster a"));
        let hub = format!("--hub h:1 --ca-hash {UNUSED} --cluster a");
        assert!(given(&format!("{hub} --fleet {UNUSED}")));
        assert!(!given(&hub) && !given(&format!("{hub} --fence none")) && !given(""));
    }
}
