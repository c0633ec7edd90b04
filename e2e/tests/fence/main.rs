//! The fence on real clusters, in both models: a thief has the agent's token, and the cluster's own
//! audit log is the witness of what the thief got done.
//!
//! `docs/fence.md` is part of the test: what still passes is what it admits.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::needless_pass_by_value, clippy::too_many_lines, reason = "tables of requests")]

mod attacks;
mod call;
mod examples;
mod needed;
mod objects;
mod passes;
mod shipped;
mod witness;
mod world;

use std::collections::BTreeSet;
use std::fmt::Display;

use anyhow::Result;
use call::{Call, Outcome};
use hanse_testbed::{Options, Testbed};
use world::{Model, World};

async fn testbed(dir: &tempfile::TempDir) -> Result<Testbed> {
    Ok(Testbed::up(Options::new(dir.path().join("clusters"), 1)).await?)
}

/// Makes each request and expects it to pass.
async fn must_pass(world: &World<'_>, calls: &[(impl Display, Call)]) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, call) in calls {
        let outcome = call.send(&world.thief, world.model, false).await?;
        if outcome != Outcome::Passed {
            wrong.push(format!("{name}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "should pass:\n{}", wrong.join("\n"));
    Ok(())
}

fn traces<N>(calls: &[(N, Call)]) -> BTreeSet<String> {
    calls.iter().filter_map(|(_, call)| call.trace()).collect()
}

/// Makes every attempt; each must be refused by what the table says.
async fn attack(world: &World<'_>) -> Result<()> {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for attack in attacks::all() {
        let Some(by) = attack.denied_by(world.model) else { continue };
        count += 1;
        let outcome = attack.call.send(&world.thief, world.model, false).await?;
        let denied =
            matches!(&outcome, Outcome::Denied(code) if by.split('|').any(|by| by == code));
        if !denied {
            wrong.push(format!("{}: {outcome:?}, not {by}", attack.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} attempts:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 60, "only {count} attempts");
    Ok(())
}

/// With the bindings of the policies away: everything passes that a policy refused, so the matrix can
/// fail; what RBAC and the API server's own check refused is refused still.
async fn unfenced(world: &World<'_>) -> Result<usize> {
    world.open_the_fence().await?;
    let (mut wrong, mut passed) = (Vec::new(), 0);
    for attack in attacks::all() {
        let Some(by) = attack.denied_by(world.model) else { continue };
        let outcome = attack.call.send(&world.thief, world.model, true).await?;
        let by_itself = matches!(by, "RBAC" | "ESCALATION");
        match outcome {
            Outcome::Passed if !by_itself => passed += 1,
            Outcome::Denied(now) if by_itself && now == by => {}
            other @ (Outcome::Passed | Outcome::Denied(_) | Outcome::Odd(_)) => {
                wrong.push(format!("{} ({by}): {other:?}", attack.name));
            }
        }
    }
    assert!(wrong.is_empty(), "without the policies:\n{}", wrong.join("\n"));
    Ok(passed)
}

async fn matrix(model: Model) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let testbed = testbed(&dir).await?;
    let world = World::build(testbed.cluster("cluster-1")?, model).await?;
    world.sanity().await?;

    let mark = world.cluster.audit_mark();
    let examples = examples::calls()?;
    must_pass(&world, &examples).await?;
    assert_eq!(witness::writes(&world, mark).await?, traces(&examples));

    let mark = world.cluster.audit_mark();
    must_pass(&world, &passes::legitimate()).await?;
    assert_eq!(witness::writes(&world, mark).await?, traces(&passes::legitimate()));

    let mark = world.cluster.audit_mark();
    attack(&world).await?;
    let written = witness::writes(&world, mark).await?;
    assert!(written.is_empty(), "the audit log has writes of the thief: {written:#?}");

    let mark = world.cluster.audit_mark();
    must_pass(&world, &passes::admitted()).await?;
    assert_eq!(witness::writes(&world, mark).await?, traces(&passes::admitted()));

    let passed = unfenced(&world).await?;
    assert!(passed > 100, "{passed} attempts pass without the policies");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_gets_no_further_than_the_ceiling_where_the_agent_may_escalate() -> Result<()> {
    matrix(Model::Bind).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_gets_no_further_than_the_ceiling_where_the_agent_impersonates() -> Result<()> {
    matrix(Model::Impersonate).await
}
