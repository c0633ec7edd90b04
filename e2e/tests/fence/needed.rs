//! Each rule of the fence is needed, and the guard holds whatever the Ceiling says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use hanse_e2e::poll;
use serde_json::{Value, json};

use crate::attacks::{self, Attack};
use crate::call::{Outcome, apply, create, delete, update};
use crate::objects::{namespace, secret, with};
use crate::world::{self, Model, World, documents, put};

const MODEL: Model = Model::Bind;

/// Rights that somebody gave the agent by mistake: to delete namespaces and to make `ConfigMap`s.
const TOO_MUCH: &str = "
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: mistake},
  rules: [{apiGroups: [''], resources: [namespaces, configmaps], verbs: [create, delete]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: mistake},
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mistake},
  subjects: [{kind: ServiceAccount, namespace: hanse-agent, name: agent}]}
";

/// A Ceiling that allows all that the attempts ask for.
fn careless() -> Value {
    let (mut rights, mut urls) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeSet::new());
    let (mut roles, mut types) = (BTreeSet::new(), BTreeSet::new());
    let texts = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    for attack in attacks::all() {
        let Some(body) = attack.call.body() else { continue };
        for rule in body["rules"].as_array().into_iter().flatten() {
            urls.extend(texts(&rule["nonResourceURLs"]));
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    let verbs = rights.entry(format!("{group}/{resource}")).or_default();
                    verbs.extend(texts(&rule["verbs"]));
                }
            }
        }
        roles.extend(body["roleRef"]["name"].as_str().map(str::to_owned));
        types.extend(body["type"].as_str().map(str::to_owned));
    }
    let keys = |field: &str| -> BTreeSet<String> {
        let all = attacks::all();
        let maps =
            all.iter().filter_map(|attack| attack.call.body()?["metadata"][field].as_object());
        maps.flat_map(|map| map.keys().cloned()).collect()
    };
    json!({
        "apiVersion": "fence.hanse.dev/v1alpha1", "kind": "Ceiling", "metadata": {"name": "hanse"},
        "spec": {
            "namespaced": rights, "cluster": rights, "nonResourceURLs": urls,
            "clusterRoleRefs": roles, "clusterWideRoleRefs": roles, "roleRefs": roles,
            "subjects": {
                "anyUser": true, "anyGroup": true,
                "serviceAccountNamespaces": ["kube-system", "default", "hanse-agent", "other", "team"],
            },
            "podSecurityLevels": ["restricted", "baseline", "privileged", "none"],
            "secretTypes": types, "anyNamespace": true, "reservedNamespacePrefixes": [],
            "namespaceLabels": keys("labels"), "namespaceAnnotations": keys("annotations"),
        },
    })
}

async fn outcome(world: &World<'_>, attack: &Attack) -> Result<Outcome> {
    attack.call.send(&world.thief, MODEL, true).await
}

/// Waits until one of the attempts passes.
async fn one_passes(world: &World<'_>, what: &str, attacks: &[&Attack]) -> Result<()> {
    assert!(!attacks.is_empty(), "{what}: no attempt");
    poll::until(what, || async {
        for attack in attacks {
            if outcome(world, attack).await? == Outcome::Passed {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .await?;
    Ok(())
}

/// Takes one rule out of a policy, with all others in it.
async fn take_out(world: &World<'_>, manifest: &str, code: &str) -> Result<()> {
    let mut policy = documents(manifest)?.remove(0);
    let rules = policy["spec"]["validations"].as_array_mut().context("no rules")?;
    rules.retain(|rule| !rule["message"].as_str().unwrap().starts_with(code));
    put(&world.admin, policy).await
}

fn codes(manifest: &str) -> Result<Vec<String>> {
    let policy = documents(manifest)?.remove(0);
    let rules = policy["spec"]["validations"].as_array().context("no rules")?;
    Ok(rules.iter().map(|rule| rule["message"].as_str().unwrap()[..3].to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_rules_something_passes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let testbed = crate::testbed(&dir).await?;
    let world = World::build(testbed.cluster("cluster-1")?, MODEL).await?;
    let all = attacks::all();
    let denied_by = |attack: &&Attack| attack.denied_by(MODEL).unwrap_or("RBAC").to_owned();

    for code in codes(world::POLICY)? {
        let alone: Vec<&Attack> = all.iter().filter(|a| denied_by(a) == code).collect();
        take_out(&world, world::POLICY, &code).await?;
        one_passes(&world, &format!("without {code}"), &alone).await?;
    }
    take_out(&world, world::POLICY, "none").await?;

    // The guard's word does not hang on the Ceiling.
    put(&world.admin, careless()).await?;
    let (high, guarded): (Vec<&Attack>, Vec<&Attack>) = all
        .iter()
        .filter(|a| a.denied_by(MODEL).is_some_and(|by| by != "RBAC"))
        .partition(|a| !denied_by(a).contains('F'));
    // No Ceiling allows an older version of Pod Security.
    for attack in high.into_iter().filter(|attack| !attack.name.contains("of old")) {
        one_passes(&world, attack.name, &[attack]).await?;
    }
    for attack in &guarded {
        let found = outcome(&world, attack).await?;
        let by = denied_by(attack);
        let Outcome::Denied(code) = &found else { bail!("{}: {found:?}", attack.name) };
        // Where both refuse, either may speak. Of these the careless Ceiling knows not all.
        let measured = by.contains("F05") || attack.name == "a path in a role for namespaces";
        assert!(
            (code.starts_with('F') || measured) && by.contains(code.as_str()),
            "{}: {code}",
            attack.name
        );
    }

    world::install(&world.admin, TOO_MUCH).await?;
    let mistakes = BTreeMap::from([
        ("F01", all.iter().find(|a| a.name == "a ConfigMap in a federated namespace").unwrap()),
        ("F12", all.iter().find(|a| a.name == "deleting a federated namespace").unwrap()),
    ]);
    for (code, attack) in &mistakes {
        poll::until(code, || async {
            let denied = outcome(&world, attack).await? == Outcome::Denied((*code).to_owned());
            Ok(denied.then_some(()))
        })
        .await?;
    }
    for code in codes(world::GUARD)? {
        let mut attempts: Vec<&Attack> =
            guarded.iter().filter(|a| denied_by(a).contains(&code)).copied().collect();
        attempts.extend(mistakes.get(code.as_str()));
        take_out(&world, world::GUARD, &code).await?;
        one_passes(&world, &format!("without {code}"), &attempts).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ceiling_stops_what_is_federated_and_nothing_else() -> Result<()> {
    const TEAM: &str = "/api/v1/namespaces/team";
    const OTHER: &str = "/api/v1/namespaces/other/secrets";
    const IDENTITY: &str = "hanse-agent-identity";
    let dir = tempfile::tempdir()?;
    let testbed = crate::testbed(&dir).await?;
    let world = World::build(testbed.cluster("cluster-1")?, MODEL).await?;
    let gone = delete("/apis/fence.hanse.dev/v1alpha1/ceilings/hanse");
    assert_eq!(gone.send(&world.admin, MODEL, false).await?, Outcome::Passed);
    let work = apply(TEAM, namespace("team", "restricted"));
    poll::until("no work without a Ceiling", || async {
        let outcome = work.send(&world.thief, MODEL, true).await?;
        Ok(matches!(outcome, Outcome::Odd(why) if why.contains("no params found")).then_some(()))
    })
    .await?;

    let unlabelled = |name: &str| with(secret(name, "Opaque"), "labels", json!({}));
    let own = format!("/api/v1/namespaces/hanse-agent/secrets/{IDENTITY}");
    let identity = update(&own, unlabelled(IDENTITY));
    assert_eq!(identity.send(&world.thief, MODEL, true).await?, Outcome::Passed);
    let others = create(OTHER, unlabelled("x"));
    assert_eq!(others.send(&world.admin, MODEL, true).await?, Outcome::Passed);
    let removed = delete(&format!("{TEAM}/secrets/ours"));
    assert_eq!(removed.send(&world.admin, MODEL, true).await?, Outcome::Passed);
    // As the book says: whoever writes a federated object is refused, the administrator included.
    let labelled = create(OTHER, secret("x", "Opaque"));
    let refused = labelled.send(&world.admin, MODEL, true).await?;
    assert!(
        matches!(&refused, Outcome::Odd(why) if why.contains("no params found")),
        "{refused:?}"
    );

    world::install(&world.admin, world::CEILING).await?;
    poll::until("work with a Ceiling", || async {
        Ok((work.send(&world.thief, MODEL, true).await? == Outcome::Passed).then_some(()))
    })
    .await?;
    Ok(())
}
