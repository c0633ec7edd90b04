//! What is shipped and what is written about it: manifests and docs/fence.md agree.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::attacks;
use crate::passes;
use crate::world::{self, Model, documents};

const DOC: &str = include_str!("../../../docs/fence.md");

/// Code → what the policies say with it.
fn codes() -> Result<BTreeMap<String, String>> {
    let mut codes = BTreeMap::new();
    for text in [world::GUARD, world::POLICY] {
        for document in documents(text)? {
            for validation in document["spec"]["validations"].as_array().into_iter().flatten() {
                let message = validation["message"].as_str().context("no message")?;
                let (code, what) = message.split_once(' ').context("no code")?;
                assert_eq!(codes.insert(code.to_owned(), what.to_owned()), None, "{code} twice");
            }
        }
    }
    Ok(codes)
}

/// The first cells of the table under a heading, without the head.
fn table(heading: &str) -> Vec<String> {
    let (_, rest) = DOC.split_once(&format!("## {heading}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    rows.skip(1).map(|row| row.split(" | ").next().unwrap()[2..].trim().to_owned()).collect()
}

/// The rules of a `ClusterRole` or the fields of a `Ceiling` as single rights.
fn rights(rules: &Value) -> BTreeSet<String> {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in rules.as_array().unwrap() {
        for verb in list(&rule["verbs"]) {
            for url in list(&rule["nonResourceURLs"]) {
                rights.insert(format!("{verb} {url}"));
            }
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    rights.insert(format!("{verb} {group}/{resource}"));
                }
            }
        }
    }
    rights
}

#[test]
fn the_ceilings_user_holds_the_ceiling() -> Result<()> {
    let ceiling = documents(world::CEILING)?.remove(0);
    let manifest = documents(Model::Impersonate.manifest())?;
    let named = |object: &&Value| {
        object["kind"] == "ClusterRole" && object["metadata"]["name"] == "hanse-ceiling"
    };
    let role = manifest.iter().find(named).context("no hanse-ceiling")?;
    let mut listed = BTreeSet::new();
    for class in ["namespaced", "cluster"] {
        for (key, verbs) in ceiling["spec"][class].as_object().unwrap() {
            for verb in verbs.as_array().unwrap() {
                listed.insert(format!("{} {key}", verb.as_str().unwrap()));
            }
        }
    }
    for url in ceiling["spec"]["nonResourceURLs"].as_array().unwrap() {
        listed.insert(format!("get {}", url.as_str().unwrap()));
    }
    let group = " rbac.authorization.k8s.io/";
    let held: BTreeSet<String> =
        rights(&role["rules"]).into_iter().filter(|right| !right.contains(group)).collect();
    let missing: Vec<_> = listed.difference(&held).collect();
    assert!(missing.is_empty(), "hanse-ceiling lacks {missing:?}");
    let extra: Vec<_> = held.difference(&listed).collect();
    assert!(extra.is_empty(), "hanse-ceiling holds {extra:?}, which the Ceiling does not allow");
    let bind = role["rules"].as_array().unwrap().iter().find(|rule| rule["verbs"][0] == "bind");
    assert_eq!(bind.unwrap()["resourceNames"], ceiling["spec"]["clusterRoleRefs"]);
    Ok(())
}

#[test]
fn neither_model_holds_more_than_it_says() -> Result<()> {
    for model in [Model::Bind, Model::Impersonate] {
        let text = model.manifest();
        assert!(!text.contains('*'), "{model:?}: a wildcard");
        let manifest = documents(text)?;
        let named = |object: &&Value| {
            object["kind"] == "ClusterRole" && object["metadata"]["name"] == "hanse-agent"
        };
        let agent = rights(&manifest.iter().find(named).context("no role")?["rules"]);
        let escalates = agent.contains("escalate rbac.authorization.k8s.io/clusterroles");
        assert_eq!(escalates, model == Model::Bind);
        for verb in ["get", "list", "watch", "patch", "deletecollection"] {
            assert!(!agent.contains(&format!("{verb} /secrets")), "{model:?}: {verb} Secrets");
        }
        assert!(!agent.contains("delete /namespaces"), "{model:?}");
        let inventory = |object: &&Value| {
            object["kind"] == "ClusterRole" && object["metadata"]["name"] == "hanse-agent-inventory"
        };
        let sees = rights(&manifest.iter().find(inventory).context("no role")?["rules"]);
        let reads =
            |right: &String| ["get ", "list ", "watch "].iter().any(|verb| right.starts_with(verb));
        assert!(sees.iter().all(reads), "{model:?}: {sees:?}");
        assert!(
            !sees.iter().any(|right| right.contains("secrets") || right.contains("configmaps"))
        );
    }
    Ok(())
}

#[test]
fn the_book_has_every_code_with_its_words() -> Result<()> {
    let shipped: Vec<String> =
        codes()?.into_iter().map(|(code, what)| format!("`{code}` {what}")).collect();
    assert_eq!(table("What the codes mean"), shipped);
    Ok(())
}

#[test]
fn the_book_has_every_field_of_the_ceiling() -> Result<()> {
    let crd = documents(world::CRD)?.remove(0);
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut fields = Vec::new();
    for (name, field) in schema["properties"].as_object().unwrap() {
        match field["properties"].as_object() {
            Some(below) => fields.extend(below.keys().map(|key| format!("`{name}.{key}`"))),
            None => fields.push(format!("`{name}`")),
        }
    }
    assert_eq!(table("The ceiling, field by field"), fields);
    let shipped = documents(world::CEILING)?.remove(0);
    let in_schema: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let used: BTreeSet<&String> = shipped["spec"].as_object().unwrap().keys().collect();
    assert_eq!(used, in_schema, "the shipped ceiling shows every field");
    Ok(())
}

#[test]
fn the_book_admits_what_passes() {
    let names: Vec<&str> = passes::admitted().iter().map(|(name, _)| *name).collect();
    assert_eq!(table("What still passes"), names);
}

#[test]
fn no_two_attempts_have_one_name() {
    let all = attacks::all();
    let names: BTreeSet<&str> = all.iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), all.len());
}
