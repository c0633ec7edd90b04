//! Whether the engine says of each access what Kubernetes' own authoriser says.
//!
//! ```text
//! seed ─→ policies ─→ a real API server ─┬─ SubjectAccessReview ───────────────┐
//!                                        └─ listing ─→ engine: as a snapshot,  ├─ must be one
//!                                                      and change by change ───┘
//! ```
//!
//! Policies come in rounds, odd ones first; what the API server refuses is counted. Each round's
//! questions are drawn from what is bound in it, and half of them just miss. `make test` asks a few
//! thousand with the same seed every time; `make verify-access` a hundred thousand with a new one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]
#![expect(clippy::print_stderr, reason = "it tells how far it is")]

mod aggregation;
mod ask;
mod compare;
mod engine;
mod odd;
mod policy;
mod server;
mod who;
mod words;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use ask::Bound;
use compare::Tally;
use engine::Engine;
use hanse_e2e::raw::Caller;
use hanse_testbed::{Options, Testbed};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use server::{Listing, Server};

/// How many decisions, and from which seed: what `make verify-access` sets.
const DECISIONS: &str = "HANSE_ACCESS_DECISIONS";
const SEED: &str = "HANSE_ACCESS_SEED";
/// Questions of a round, each asked by about eight.
const QUESTIONS: usize = 120;

fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is no number: {text}")),
        Err(_) => Ok(default),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_says_what_kubernetes_says() -> Result<()> {
    let wanted = usize::try_from(setting(DECISIONS, 6000)?)?;
    let seed = setting(SEED, 20)?;
    eprintln!("{wanted} decisions from the seed {seed}: {SEED}={seed} tries the same again");
    let dir = tempfile::tempdir()?;
    let testbed = Testbed::up(Options::new(dir.path(), 1)).await?;
    let admin = Caller::new(testbed.cluster("cluster-1")?.client().await?);
    let server = Server::prepare(admin).await?;

    let mut rng = StdRng::seed_from_u64(seed);
    let mut tally = Tally::default();
    let mut listing = Listing::new();
    let mut followed = Engine::from_snapshot(&listing)?;
    let mut number = 0;
    while tally.decisions < wanted {
        number += 1;
        let changes = match number {
            1 => odd::round(),
            2 => policy::round(&mut rng, 150),
            _ => policy::round(&mut rng, 40),
        };
        let refused = server.write(&changes).await?;
        tally.written += changes.len() - refused.len();
        tally.refused += refused.len();
        server.settle(number).await?;
        let before = std::mem::replace(&mut listing, server.list().await?);
        followed.follow(&mut rng, &before, &listing)?;
        let fresh = Engine::from_snapshot(&listing)?;

        let bound = Bound::of(&listing);
        let questions: Vec<_> = (0..QUESTIONS).map(|_| bound.question(&mut rng)).collect();
        let round = compare::Round { server: &server, fresh: &fresh, followed: &followed };
        let mismatches = round.ask(&questions, &mut tally).await?;
        // What moved while it was asked would make the comparison one of different things.
        ensure!(server.list().await? == listing, "the cluster changed during round {number}");
        if !mismatches.is_empty() {
            let shown: BTreeSet<String> = mismatches.iter().map(|m| m.show(&listing)).collect();
            let all: Vec<String> = shown.into_iter().take(5).collect();
            bail!(
                "{} of {} decisions differ in round {number} of the seed {seed}:\n\n{}",
                mismatches.len(),
                tally.decisions,
                all.join("\n\n")
            );
        }
        eprintln!("round {number}: {tally}");
    }
    // A generator that is refused everywhere, or whose questions are all answered alike, proves nothing.
    let share = tally.allowed * 100 / tally.decisions;
    ensure!((15..=70).contains(&share), "{share} % allowed");
    ensure!(tally.refused > 0 && tally.written > tally.refused * 3, "{tally}");
    ensure!(tally.listed > tally.decisions / 20, "{tally}");
    Ok(())
}
