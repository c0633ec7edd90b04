//! The fence on real clusters, in both models: a thief has the agent's token, and the cluster's own
//! audit log is the witness of what the thief got done.
//!
//! `docs/fence.md` is part of the test: what still passes is what it admits.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attacks;
mod call;
mod objects;
mod passes;
mod shipped;
mod witness;
mod world;

use std::collections::BTreeSet;

use anyhow::Result;
use call::{Call, Outcome};
use hanse_testbed::{Options, Testbed};
use world::{Model, World};

async fn testbed(dir: &tempfile::TempDir) -> Result<Testbed> {
    Ok(Testbed::up(Options::new(dir.path().join("clusters"), 1)).await?)
}

/// Makes each request and expects it to pass.
async fn must_pass(world: &World<'_>, calls: &[(&str, Call)]) -> Result<()> {
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

fn traces(calls: &[(&str, Call)]) -> BTreeSet<String> {
    calls.iter().filter_map(|(_, call)| call.trace()).collect()
}

/// Makes every attempt; returns the codes that refused one.
async fn attack(world: &World<'_>) -> Result<BTreeSet<String>> {
    let (mut wrong, mut codes, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for attack in attacks::all() {
        let Some(by) = attack.denied_by(world.model) else { continue };
        count += 1;
        match attack.call.send(&world.thief, world.model, false).await? {
            Outcome::Denied(code) if by.split('|').any(|by| by == code) => {
                codes.insert(code);
            }
            outcome => wrong.push(format!("{}: {outcome:?}, not {by}", attack.name)),
        }
    }
    assert!(wrong.is_empty(), "{} of {count} attempts:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 60, "only {count} attempts");
    Ok(codes)
}

/// With the bindings of the policies away: the attempts that would pass then.
async fn unfenced(world: &World<'_>) -> Result<BTreeSet<&'static str>> {
    world.open_the_fence().await?;
    let mut passed = BTreeSet::new();
    for attack in attacks::all().into_iter().filter(|a| a.denied_by(world.model).is_some()) {
        if attack.call.send(&world.thief, world.model, true).await? == Outcome::Passed {
            let by = attack.denied_by(world.model).unwrap();
            assert!(by != "RBAC" && by != "ESCALATION", "{} passes without {by}", attack.name);
            passed.insert(attack.name);
        }
    }
    Ok(passed)
}

async fn matrix(model: Model) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let testbed = testbed(&dir).await?;
    let world = World::build(testbed.cluster("cluster-1")?, model).await?;
    world.sanity().await?;

    let mark = world.cluster.audit_mark();
    must_pass(&world, &passes::legitimate()).await?;
    assert_eq!(witness::writes(&world, mark).await?, traces(&passes::legitimate()));

    let mark = world.cluster.audit_mark();
    let codes = attack(&world).await?;
    let written = witness::writes(&world, mark).await?;
    assert!(written.is_empty(), "the audit log has writes of the thief: {written:#?}");
    let unseen: Vec<String> =
        shipped::codes()?.into_keys().filter(|code| !codes.contains(code)).collect();
    // Nobody has the right to delete a namespace, so this code is never reached.
    assert_eq!(unseen, shipped::never_reached(model), "codes that no attempt met");

    let mark = world.cluster.audit_mark();
    must_pass(&world, &passes::admitted()).await?;
    assert_eq!(witness::writes(&world, mark).await?, traces(&passes::admitted()));

    let passed = unfenced(&world).await?;
    println!("{model:?}: without the policies {} attempts pass: {passed:#?}", passed.len());
    assert!(passed.contains("a bootstrap token"), "the matrix cannot fail: {passed:?}");
    assert!(passed.contains("privileged pods in kube-system"));
    assert_eq!(passed.contains("cluster-admin over the cluster"), model == Model::Bind);
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
