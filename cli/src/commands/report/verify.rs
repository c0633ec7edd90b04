//! `hanse report verify`: needs nothing but the bundle and the digest of a trust root.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use hanse_domain::ids::{Digest, InvalidId};

use crate::app::Session;
use crate::config::FleetPin;
use crate::failure::{Exit, Failure, Outcome};
use crate::output;
use crate::report::answer::Answer;
use crate::report::standing::Proof;
use crate::report::verify::{CODE, Pin, Verified, verify};
use crate::text::{count, escape};

/// Most times that are listed for one cluster.
const MAX_TIMES: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing of the bundle is believed before it is checked, and nothing is unpacked. Exit codes: 0 it is
what it says, also where only the hub says something; 1 it is not, or --all-proven and something is
not proven; 4 the current context, or the one that was named, does not say which fleet is meant.

Example:
  hanse report verify q1.tar --trust-root 9c1f…   the digest from somebody whom you believe")]
pub(crate) struct Args {
    /// What `hanse report access -o bundle` wrote
    file: PathBuf,

    /// Digest of the fleet's first trust root; the current context's fleet by default. On a machine
    /// without contexts and without this option any fleet's bundle passes: then compare the digest that
    /// is shown
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    trust_root: Option<Digest>,

    /// Fail also where something is only claimed by the hub, and when it is not said which fleet is meant
    #[arg(long)]
    all_proven: bool,
}

/// With or without `sha256:`.
fn digest(text: &str) -> Result<Digest, String> {
    if text.starts_with("sha256:") {
        return FleetPin::try_from(text.to_owned()).map(|pin| pin.0);
    }
    text.parse().map_err(|e: InvalidId| e.to_string())
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let pin = match self.trust_root {
            Some(digest) => Pin::Given(digest),
            None => pinned(session)?,
        };
        if self.all_proven && pin == Pin::Unknown {
            return Err(Failure::usage("--all-proven needs to know which fleet is meant")
                .why("whoever makes up a fleet can prove everything of it")
                .hint("name it: --trust-root DIGEST, from somebody whom you believe"));
        }
        let file = File::open(&self.file)
            .map_err(|e| Failure::io(format!("{} cannot be read", self.file.display()), &e))?;
        // On its own thread, so that Ctrl-C works meanwhile.
        let verifying = tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            let verified = verify(
                BufReader::new(file),
                pin,
                |root| output::note(&trusted(root, pin)),
                |answer| said.push_str(&cluster(answer)),
            );
            (said, verified)
        });
        let failed =
            |e: tokio::task::JoinError| Failure::new(CODE, "verifying ended").why(e.to_string());
        let (said, verified) = verifying.await.map_err(failed)?;
        output::data(&said)?;
        let verified = verified?;
        output::data(&whole(&verified))?;
        let totals = verified.summary.totals();
        if self.all_proven && totals.proven < totals.clusters {
            let rest = totals.clusters - totals.proven;
            return Err(Failure::new(CODE, format!("{} not proven", are(rest)))
                .why("with --all-proven what only the hub says is not enough"));
        }
        Ok(Exit::OK)
    }
}

fn are(clusters: usize) -> String {
    let verb = if clusters == 1 { "is" } else { "are" };
    format!("{} {verb}", count(clusters, "cluster"))
}

/// The fleet of the current context; any only where nothing is configured and nothing was named.
fn pinned(session: &Session) -> Outcome<Pin> {
    let name_it = "hanse context list; or name the fleet, as somebody says whom you believe: \
        --trust-root DIGEST";
    let Some(context) = session.context_if_any().map_err(|failure| failure.hint(name_it))? else {
        return Ok(Pin::Unknown);
    };
    context.fleet.map(|pin| Pin::Context(pin.0)).ok_or_else(|| {
        let what = format!("the context `{}` does not say which fleet it is of", context.name);
        Failure::new("config", what).hint(name_it).exit(Exit::NOT_LOGGED_IN)
    })
}

fn trusted(root: Digest, pin: Pin) -> String {
    match pin {
        Pin::Given(_) => format!("trust root {root}: the one that was named"),
        Pin::Context(_) => format!("trust root {root}: the one of the current context"),
        Pin::Unknown => format!(
            "trust root {root}: compare this digest with one that you have from somebody whom you \
             believe (`hanse trust show`), or name it: --trust-root DIGEST"
        ),
    }
}

/// What of one cluster is proven, on a few lines.
fn cluster(answer: &Answer) -> String {
    let standing = &answer.standing;
    let mut lines = vec![match (standing.contradictions.is_empty(), answer.evidence.hub.shown) {
        (false, _) => format!("cluster {}: CONTRADICTED", answer.entry.name),
        (true, false) => format!("cluster {}: nothing is known", answer.entry.name),
        (true, true) => format!(
            "cluster {}: {}, {}",
            answer.entry.name,
            match standing.whole() {
                Proof::Proven => "proven",
                Proof::FromGroup | Proof::Partly => "partly proven",
                Proof::Claimed => "only claimed by the hub",
            },
            count(standing.objects, "object"),
        ),
    }];
    let times = standing.proven.iter().map(|(from, until)| ("proven ", from, until));
    let gaps = standing.gaps.iter().map(|(from, until)| ("claimed", from, until));
    let mut times: Vec<_> = times.chain(gaps).collect();
    times.sort_by_key(|(_, from, until)| (**from, **until));
    let more = times.len().saturating_sub(MAX_TIMES);
    for (word, from, until) in times.into_iter().take(MAX_TIMES) {
        let span = if from == until { from.to_string() } else { format!("from {from} to {until}") };
        lines.push(format!("  {word} {span}"));
    }
    if more > 0 {
        lines.push(format!("  and {} more: see report.json", count(more, "time")));
    }
    if let (Some(before), false) = (standing.before, standing.gaps.is_empty()) {
        lines.push(format!("  the same objects were signed for up to {before}"));
    }
    lines.extend(standing.contradictions.iter().map(|why| format!("  {why}")));
    let mut out = String::new();
    for line in lines {
        out.push_str(&escape(&line));
        out.push('\n');
    }
    out
}

fn whole(verified: &Verified) -> String {
    let totals = verified.summary.totals();
    let question = &verified.manifest.question;
    let line = format!(
        "verified: {}, {}, {}\n{} by {} follow from the evidence, to the byte; history up to revision {}, {}\n",
        question.words(),
        question.clusters_in_words(),
        question.when.words(),
        count(totals.grants, "path"),
        count(totals.subjects, "subject"),
        verified.head.revision,
        verified.head.history,
    );
    crate::text::escape_lines(&line).into_owned()
}
