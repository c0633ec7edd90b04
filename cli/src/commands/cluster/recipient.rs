//! A cluster's age recipient on its way into the signed roster. The hub carries it, and is not
//! believed: the join command's key vouches for it, or a person compares it with what the agent
//! printed where it was made.

use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::Digest;
use hanse_domain::trust::recipient::{VouchKey, check_recipient, check_vouch};
use hanse_proto::admin::Cluster;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::escape;

/// What the command line says of a recipient.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RecipientArgs {
    /// The age recipient that `hanse-agent join` printed, where nobody can be asked to compare it
    #[arg(long, value_name = "age1…", value_parser = recipient)]
    recipient: Option<String>,

    /// Add no recipient: no secret can be sealed to the cluster
    #[arg(long, conflicts_with = "recipient")]
    no_recipient: bool,
}

fn recipient(text: &str) -> Result<String, String> {
    check_recipient(text).map(|()| text.to_owned()).map_err(|e| e.to_string())
}

/// What to put into the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// Whatever is there stays.
    Nothing,
    Take(String),
    /// It is vouched for and takes the place of another: a person says yes where one can be asked,
    /// since the hub may show what the agent made long ago.
    Replace(String),
    /// Only a person can say whether this is the agent's.
    Ask(String),
}

/// The recipient for a cluster's entry. `entry`: the entry that it has; `key`: that of its join
/// command, if it was made here.
pub(super) async fn choose(
    args: &RecipientArgs,
    cluster: &Cluster,
    fleet: &Digest,
    entry: Option<&ClusterEntry>,
    key: Option<&VouchKey>,
) -> Outcome<Option<String>> {
    let known = entry.and_then(|entry| entry.recipient.clone());
    match decide(args, cluster, fleet, known.as_deref(), key)? {
        Decision::Nothing => Ok(known),
        Decision::Take(recipient) => Ok(Some(recipient)),
        Decision::Replace(recipient) if !output::can_ask() => Ok(Some(recipient)),
        Decision::Replace(recipient) | Decision::Ask(recipient) => {
            ask(&cluster.name, known.as_deref(), &recipient).await?;
            Ok(Some(recipient))
        }
    }
}

fn decide(
    args: &RecipientArgs,
    cluster: &Cluster,
    fleet: &Digest,
    known: Option<&str>,
    key: Option<&VouchKey>,
) -> Outcome<Decision> {
    let (name, offered) = (&cluster.name, &cluster.recipient_offered);
    if args.no_recipient {
        return Ok(Decision::Nothing);
    }
    if let Some(recipient) = &args.recipient {
        if !offered.is_empty() && offered != recipient {
            return Err(other(name).why(format!("it shows {offered}, and you gave {recipient}")));
        }
        return Ok(Decision::Take(recipient.clone()));
    }
    if offered.is_empty() || known == Some(offered) {
        return Ok(Decision::Nothing);
    }
    check_recipient(offered).map_err(|error| other(name).why(error.to_string()))?;
    let Some(key) = key else {
        return Ok(Decision::Ask(offered.clone()));
    };
    if check_vouch(key, name, fleet, offered, &cluster.recipient_vouch) {
        return Ok(match known {
            Some(_) => Decision::Replace(offered.clone()),
            None => Decision::Take(offered.clone()),
        });
    }
    // An agent that made another recipient later has no join command to vouch with.
    if known.is_some() {
        return Ok(Decision::Ask(offered.clone()));
    }
    Err(other(name)
        .why(format!("{offered} is not vouched for by the join command that was made here")))
}

fn other(name: &str) -> Failure {
    Failure::new(
        "other-recipient",
        format!("the hub shows another recipient than the agent of {name} made; nothing was signed"),
    )
    .hint(format!(
        "do not trust this hub until it is known why. If the cluster joined with another command, \
         compare by eye: hanse cluster accept {name} --recipient age1…, with what `hanse-agent join` printed"
    ))
}

async fn ask(name: &str, known: Option<&str>, recipient: &str) -> Outcome<()> {
    let given = format!("hanse cluster accept {name} --recipient age1…");
    if !output::can_ask() {
        return Err(Failure::new(
            "needs-recipient",
            format!("nobody can be asked whether the recipient of {name} is its agent's"),
        )
        .why(format!("the hub shows {recipient}, and its join command was not made here"))
        .hint(format!("{given}, with what `hanse-agent join` printed, or --no-recipient")));
    }
    let name = escape(name);
    if let Some(known) = known {
        output::note(&format!("Secrets are sealed to {known} until now."));
    }
    output::note(&format!(
        "The hub says that the agent of {name} made this recipient for secrets:\n\n  {recipient}\n"
    ));
    output::confirm(
        "Is it the one that `hanse-agent join` or `hanse-agent recipient` printed there?",
    )
    .await
}

#[cfg(test)]
mod tests {
    use hanse_domain::trust::recipient::vouch;

    use super::*;

    const ONE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn what_is_vouched_for_is_taken_and_nothing_else_unasked() {
        let two = ONE.replace("8p", "p8");
        let (fleet, key) = (Digest::of(b"root"), VouchKey([7; 32]));
        let offer = |recipient: &str, vouched: &[u8]| Cluster {
            name: "east".into(),
            recipient_offered: recipient.into(),
            recipient_vouch: vouched.to_vec().into(),
            ..Cluster::default()
        };
        let vouched = vouch(&key, "east", &fleet, ONE);
        let none = RecipientArgs { recipient: None, no_recipient: false };
        let with = |args: &RecipientArgs, cluster: &Cluster, known, key| {
            decide(args, cluster, &fleet, known, key).map_err(|failure| failure.code())
        };
        let (take, ask) = (Ok(Decision::Take(ONE.into())), Ok(Decision::Ask(ONE.into())));
        let (nothing, other) = (Ok(Decision::Nothing), Err("other-recipient"));
        let good = offer(ONE, &vouched);
        assert_eq!(with(&none, &good, None, Some(&key)), take);
        assert_eq!(with(&none, &good, None, None), ask);
        assert_eq!(with(&none, &good, Some(ONE), None), nothing);
        assert_eq!(with(&none, &offer("", &[]), None, Some(&key)), nothing);
        assert_eq!(with(&none, &offer(&two, &vouched), None, Some(&key)), other);
        assert_eq!(with(&none, &offer(ONE, &[]), None, Some(&key)), other);
        assert_eq!(with(&none, &offer("age1", &[]), None, None), other);
        assert_eq!(with(&none, &offer(ONE, &[]), Some(&two), Some(&key)), ask, "rotated");
        let replace = Ok(Decision::Replace(ONE.into()));
        assert_eq!(with(&none, &good, Some(&two), Some(&key)), replace, "rotated back");
        assert_eq!(with(&none, &good, Some(&two), None), ask);
        let given = RecipientArgs { recipient: Some(ONE.into()), no_recipient: false };
        assert_eq!(with(&given, &good, None, None), take);
        assert_eq!(with(&given, &offer("", &[]), None, None), take);
        assert_eq!(with(&given, &offer(&two, &vouched), None, Some(&key)), other);
        let no = RecipientArgs { recipient: None, no_recipient: true };
        assert_eq!(with(&no, &good, None, Some(&key)), nothing);
    }
}
