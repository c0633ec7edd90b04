//! `examples/`, as the agent renders them, against the shipped Ceiling; and what a plan warns of.

use std::path::Path;

use anyhow::Result;
use hanse_domain::ceiling::Ceiling;
use hanse_domain::ids::RevisionNumber;
use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use hanse_domain::parse::parse_files;
use hanse_domain::render::render;

use crate::attacks;
use crate::call::{Call, apply};
use crate::world::{self, Model, documents};

const FOLDERS: [&str; 2] = ["payments", "platform"];

/// All their objects, in the order in which the agent applies them, for a cluster of this environment.
fn objects(env: &str) -> Result<Vec<Object>> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(folder);
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            files.push((path.display().to_string(), std::fs::read(path)?));
        }
    }
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_slice()));
    let parsed = parse_files(texts).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let labels = [("env".to_owned(), env.to_owned()), ("migrated".to_owned(), "true".to_owned())];
    let number = RevisionNumber(1);
    let now = "2026-01-01T00:00:00Z".parse()?;
    let rendered = render(parsed.iter().map(|document| (document, number)), &labels.into(), now);
    assert!(rendered.problems.is_empty(), "{:?}", rendered.problems);
    Ok(rendered.objects.into_values().map(|rendered| rendered.object).collect())
}

fn path(reference: &ObjectRef) -> String {
    let (group, version, _, plural) = reference.kind.resource();
    let root = if group.is_empty() { "/api/v1".into() } else { format!("/apis/{group}/{version}") };
    let place =
        reference.namespace.as_ref().map_or(String::new(), |name| format!("/namespaces/{name}"));
    format!("{root}{place}/{plural}/{}", reference.name)
}

/// What the agent would send for them.
pub(crate) fn calls() -> Result<Vec<(String, Call)>> {
    let mut calls = Vec::new();
    for env in ["prod", "staging"] {
        for object in objects(env)? {
            let name = format!("{} in {env}", object.reference);
            calls.push((name, apply(&path(&object.reference), object.body)));
        }
    }
    assert!(calls.len() > 20, "{}", calls.len());
    Ok(calls)
}

#[test]
fn a_plan_warns_of_nothing_in_the_examples() -> Result<()> {
    let ceiling = documents(world::CEILING)?.remove(0);
    let ceiling = Ceiling::parse(&ceiling["spec"].to_string())?;
    for object in objects("prod")? {
        assert_eq!(ceiling.refusals(&object), Vec::<String>::new(), "{}", object.reference);
    }
    Ok(())
}

/// The whole object that an attempt sends; nothing for patches of one that is there.
fn whole(call: &Call) -> Option<Object> {
    let body = call.body()?;
    let kind = ObjectKind::ALL.into_iter().find(|kind| body["kind"] == kind.name())?;
    let name = body["metadata"]["name"].as_str()?.to_owned();
    let namespace = call
        .path()
        .split_once("/namespaces/")
        .and_then(|(_, rest)| rest.split_once('/').map(|(namespace, _)| namespace.to_owned()));
    Some(Object { reference: ObjectRef { kind, namespace, name }, body: body.clone() })
}

#[test]
fn a_plan_warns_of_what_the_cluster_would_refuse() -> Result<()> {
    let ceiling = documents(world::CEILING)?.remove(0);
    let ceiling = Ceiling::parse(&ceiling["spec"].to_string())?;
    let mut count = 0;
    for attack in attacks::all() {
        let by = attack.denied_by(Model::Bind).unwrap_or_default();
        let Some(object) = whole(&attack.call) else { continue };
        // What is there already, and whose it is, a plan cannot know.
        let plain = by.contains('C') && by != "RBAC" && !by.starts_with("F03");
        if !plain && !["F09", "F10", "F11"].contains(&by) {
            continue;
        }
        count += 1;
        let found = ceiling.refusals(&object);
        let warned = by.split('|').any(|by| found.iter().any(|text| text.starts_with(by)));
        assert!(warned, "{} ({by}): {found:?}", attack.name);
    }
    assert!(count > 60, "{count}");
    Ok(())
}
