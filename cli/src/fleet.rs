//! The fleet, verified on this machine: what the hub shows is believed as far as it is signed, from
//! the pinned trust root on, statement by statement. What is planned on and signed is this fleet.
//!
//! ```text
//! cache (up to 7) ─┐
//!                  ├─ hub: 7, 8, 9 ─ the same 7? ─ check 8, 9 with their signatures ─ cache (up to 9)
//! pinned fleet id ─┘
//! ```

mod cache;
mod replay;
mod walk;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hanse_domain::document::DocumentRef;
use hanse_domain::fleet::Fleet;
use hanse_domain::ids::Digest;
use hanse_proto::admin::get_history_response::Part;
use hanse_proto::admin::{CommittedStatement, GetHistoryRequest, GetHistoryResponse};
use tonic::{Code, Streaming};

use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::text;
use crate::{config::FleetPin, output};
use cache::Store;
pub(crate) use replay::Replay;
pub(crate) use walk::{walk, walk_with_bytes};

/// The code of a hub that shows what was not signed.
pub(crate) const UNTRUSTED: &str = "untrusted-base";

/// How often one hears how far the verification is.
const PROGRESS: Duration = Duration::from_secs(1);

/// The fleet as the hub has it now, verified.
pub(crate) async fn fetch(hub: &Hub) -> Outcome<Fleet> {
    let pin = match hub.fleet_pin() {
        Some(pin) => pin,
        None => first_use(hub).await?,
    };
    let store = open_store(pin).await;
    let known = store.as_ref().and_then(|store| match store.load(pin) {
        Ok(known) => known,
        Err(why) => {
            let file = store.file();
            output::note(&format!(
                "what was verified before is not used, and the whole history is verified anew: \
                 {}: {why}",
                file.display()
            ));
            None
        }
    });
    let before = known.as_ref().map_or(0, Replay::number);
    let replay = follow(hub, pin, known, store.as_ref()).await?;
    if let (Some(store), true) = (&store, replay.number() > before)
        && let Err(error) = store.store(&replay)
    {
        not_kept(&error);
    }
    Ok(replay.fleet)
}

/// A hint for a document that is not there.
pub(crate) fn near(fleet: &Fleet, reference: &DocumentRef) -> String {
    let names = fleet.documents().keys().filter(|other| other.kind == reference.kind);
    text::near(&reference.name, names.map(|other| &*other.name), "hanse get all")
}

async fn open_store(fleet: Digest) -> Option<Store> {
    let base = cache::base(|name| std::env::var_os(name).map(PathBuf::from))?;
    match Store::open(&base, fleet).await {
        Ok(store) => Some(store),
        Err(error) => {
            not_kept(&error);
            None
        }
    }
}

fn not_kept(error: &std::io::Error) {
    output::note(&format!(
        "what was verified cannot be kept, so that the next command verifies it again: {error}"
    ));
}

/// Believes the hub once, since this context does not say yet which fleet is meant.
async fn first_use(hub: &Hub) -> Outcome<Digest> {
    let mut stream = history(hub, 0).await?.ok_or_else(cut_off)?;
    let Some(Part::TrustRoot(root)) = next(hub, &mut stream).await? else {
        return Err(cut_off());
    };
    let fleet = Digest::of(&root);
    hub.pin_fleet(FleetPin(fleet));
    Ok(fleet)
}

/// The history after a statement; nothing when the hub does not have so much.
async fn history(hub: &Hub, after: u64) -> Outcome<Option<Streaming<GetHistoryResponse>>> {
    let mut service = hub.fleet_service();
    match hub.try_call(service.get_history(GetHistoryRequest { after })).await? {
        Ok(stream) => Ok(Some(stream)),
        Err(status) if status.code() == Code::OutOfRange => Ok(None),
        Err(status) => Err(hub.refined_failure(&status).await),
    }
}

async fn next(hub: &Hub, stream: &mut Streaming<GetHistoryResponse>) -> Outcome<Option<Part>> {
    match hub.next(stream).await? {
        None => Ok(None),
        Some(message) => message.part.map(Some).ok_or_else(cut_off),
    }
}

/// Replays what came after what is known.
async fn follow(
    hub: &Hub,
    pin: Digest,
    known: Option<Replay>,
    store: Option<&Store>,
) -> Outcome<Replay> {
    let file = store.map(|store| store.file().display().to_string()).unwrap_or_default();
    // The newest statement that is known comes again, to see that the hub still has this history.
    let after = known.as_ref().map_or(0, |known| known.number().saturating_sub(1));
    let Some(mut stream) = history(hub, after).await? else {
        return Err(behind(after + 1, &file));
    };
    let mut replay = match known {
        Some(mut known) => {
            let again = loop {
                match next(hub, &mut stream).await? {
                    Some(Part::TrustRoot(_)) => {}
                    Some(Part::Statement(statement)) => break statement,
                    None => return Err(behind(known.number(), &file)),
                }
            };
            same(&mut known, &again, &file)?;
            known
        }
        None => match next(hub, &mut stream).await? {
            Some(Part::TrustRoot(root)) => {
                Replay::begin(pin, &root).map_err(|error| other_fleet(&error))?
            }
            Some(Part::Statement(_)) | None => return Err(cut_off()),
        },
    };
    let mut shown = Instant::now();
    while let Some(part) = next(hub, &mut stream).await? {
        let Part::Statement(statement) = part else {
            return Err(cut_off());
        };
        let number = replay.number() + 1;
        replay.take(&statement).map_err(|error| unsigned(number, &error))?;
        if shown.elapsed() >= PROGRESS {
            shown = Instant::now();
            output::note(&format!("verified {number} of {} statements…", statement.newest));
        }
    }
    Ok(replay)
}

fn same(known: &mut Replay, again: &CommittedStatement, file: &str) -> Outcome<()> {
    if again.statement[..] == known.newest[..] {
        return Ok(());
    }
    let what = format!(
        "the hub shows another history than the one that this machine has verified up to statement {}",
        known.number()
    );
    Err(Failure::new("other-history", what)
        .why(format!(
            "its statement {} is another; nothing was signed, and nothing is believed",
            known.number()
        ))
        .hint(format!(
            "ask the others what their machines say. If a backup was restored and the fleet went on \
             from there, as you know from elsewhere, forget what was verified: rm {file}"
        )))
}

fn behind(number: u64, file: &str) -> Failure {
    Failure::new(
        "hub-behind",
        "the hub is behind what this machine has verified (restored from an old backup?)",
    )
    .why(format!("this machine knows statement {number}, and the hub does not have it"))
    .hint(format!(
        "nothing was signed; put the newest backup in place. If what is missing is given up for \
         good, forget what was verified: rm {file}"
    ))
}

fn other_fleet(error: &dyn std::error::Error) -> Failure {
    Failure::new(UNTRUSTED, "the hub shows another fleet than the one that this context names")
        .why(error.to_string())
        .hint("nothing was signed; was the hub set up anew? then import its new admin.yaml: `hanse context import --replace FILE`")
}

fn unsigned(number: u64, error: &dyn std::error::Error) -> Failure {
    let what = format!("the hub shows a fleet that nobody signed: statement {number}: {error}");
    Failure::new(UNTRUSTED, what)
        .why("every statement must be signed by whom the trust root allows it; nothing was signed")
        .hint("do not trust this hub until it is known why: keep its database as it is, and see docs/trust.md")
}

fn cut_off() -> Failure {
    Failure::new("hub-error", "the hub's answer cannot be read as a history")
        .hint("compare the versions of hub and command line: `hanse check`")
}

/// A fleet in memory, for tests: the clusters cluster-1 and cluster-2 (env=prod) and cluster-3
/// (env=test), with the documents given as one YAML text, at revision 4.
#[cfg(test)]
pub(crate) fn example(yaml: &str) -> Fleet {
    use hanse_domain::fleet::Everything;
    use hanse_domain::history::roster::ClusterEntry;
    use hanse_domain::ids::{ClusterId, RevisionNumber};
    let documents = hanse_domain::parse::parse_files([("test.yaml", yaml.as_bytes())]);
    let roster = [("prod", 1), ("prod", 2), ("test", 3)].map(|(env, number)| {
        let id = ClusterId(uuid::Uuid::from_u128(number));
        let labels = [("env".to_owned(), env.to_owned())].into();
        (ClusterEntry::new(id, format!("cluster-{number}"), labels), RevisionNumber(1))
    });
    let documents = documents.unwrap_or_default().into_iter();
    let held = Everything {
        roster: roster.into(),
        documents: documents.map(|document| (document, RevisionNumber(3))).collect(),
        wraps: Vec::new(),
    };
    Fleet::assemble(tests::trust(), RevisionNumber(4), Digest::of(b"history"), held)
}

#[cfg(test)]
#[path = "fleet/tests.rs"]
mod tests;
