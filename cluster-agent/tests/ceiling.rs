//! What `domain::ceiling` says beforehand of an object is what a real API server says of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Bed, Outcome, eventually, namespace, object};
use hanse_agent::fence;
use hanse_agent::kube::writers::{Model, Writers};
use hanse_agent::kube::{install, within};
use hanse_domain::object::{Object, ObjectKind, ObjectRef};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";
const TEAM: &str = "team";

/// Stricter than the shipped one, so that each of its fields decides something.
const CEILING: &str = r#"
apiVersion: fence.hanse.dev/v1alpha1
kind: Ceiling
metadata: {name: hanse}
spec:
  namespaced:
    "/pods": [get, list, watch]
    "/secrets": [get]
    "apps/deployments": [get, patch]
    "rbac.authorization.k8s.io/roles": [get, create]
  cluster:
    "/nodes": [get, patch]
    "/secrets": [get]
  nonResourceURLs: [/metrics]
  clusterRoleRefs: [view, admin]
  clusterWideRoleRefs: [view]
  roleRefs: [local]
  subjects: {userPrefixes: ["oidc:"], anyGroup: true, serviceAccountNamespaces: [ci, kube-system]}
  podSecurityLevels: [restricted, none]
  secretTypes: [Opaque, bootstrap.kubernetes.io/token]
  namespacePrefixes: ["fed-"]
  reservedNamespacePrefixes: ["fed-up"]
  namespaceLabels: [team]
  namespaceAnnotations: [owner]
"#;

fn role(name: &str, rule: impl Into<Value>) -> Object {
    let reference = ObjectRef::cluster(ObjectKind::ClusterRole, name);
    object(reference, &json!({ "rules": [rule.into()] }))
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
}

fn url(url: &str) -> Value {
    json!({ "nonResourceURLs": [url], "verbs": ["get"] })
}

fn binding(wide: bool, role: (&str, &str), subject: impl Into<Value>) -> Object {
    let reference = if wide {
        ObjectRef::cluster(ObjectKind::ClusterRoleBinding, "hanse:cluster:b")
    } else {
        ObjectRef::namespaced(ObjectKind::RoleBinding, TEAM, "hanse:ns:b")
    };
    let role = json!({ "apiGroup": RBAC, "kind": role.0, "name": role.1 });
    object(reference, &json!({ "roleRef": role, "subjects": [subject.into()] }))
}

fn subject(kind: &str, name: &str) -> Value {
    json!({ "apiGroup": RBAC, "kind": kind, "name": name })
}

fn account(namespace: &str) -> Value {
    json!({ "kind": "ServiceAccount", "name": "robot", "namespace": namespace })
}

fn labelled(name: &str, labels: &[(&str, &str)], annotation: Option<&str>) -> Object {
    let mut space = namespace(name);
    let metadata = space.body.get_mut("metadata").unwrap();
    for (key, value) in labels {
        metadata
            .get_mut("labels")
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert((*key).to_owned(), json!(value));
    }
    if let Some(key) = annotation {
        let annotations = json!({ key: "x" });
        metadata.as_object_mut().unwrap().insert("annotations".to_owned(), annotations);
    }
    space
}

fn secret(kind: &str) -> Object {
    let reference = ObjectRef::namespaced(ObjectKind::Secret, TEAM, "a");
    object(reference, &json!({ "type": kind }))
}

/// Each with the first code of the verdict; nothing for what may pass.
fn table() -> Vec<(Object, Option<&'static str>)> {
    const LEVEL: &str = "pod-security.kubernetes.io/enforce";
    const VERSION: &str = "pod-security.kubernetes.io/enforce-version";
    let (ours, wide) = (("ClusterRole", "hanse:ns:a"), ("ClusterRole", "hanse:cluster:a"));
    let alice = || subject("User", "oidc:alice");
    let level = (LEVEL, "restricted");
    vec![
        (role("hanse:ns:a", rule("", "pods", &["get", "list"])), None),
        (role("hanse:ns:a", rule("", "pods", &["get", "delete"])), Some("C01")),
        (role("hanse:ns:a", rule("apps", "pods", &["get"])), Some("C01")),
        (role("hanse:ns:a", rule("", "secrets", &["get"])), None),
        (role("hanse:cluster:a", rule("", "secrets", &["get"])), Some("F09")),
        (role("hanse:cluster:a", rule("", "pods", &["get"])), Some("C01")),
        (role("hanse:cluster:a", rule("", "nodes", &["get"])), None),
        (role("hanse:cluster:a", rule("", "nodes", &["patch"])), Some("F09")),
        (role("hanse:ns:a", rule(RBAC, "roles", &["get"])), None),
        (role("hanse:ns:a", rule(RBAC, "roles", &["create"])), Some("F09")),
        (role("hanse:ns:a", rule("", "pods", &["*"])), Some("F09")),
        (role("hanse:ns:a", rule("", "pods", &["impersonate"])), Some("F09")),
        (role("hanse:cluster:a", url("/metrics")), None),
        (role("hanse:cluster:a", url("/logs")), Some("C01")),
        (role("hanse:ns:a", url("/metrics")), Some("F09")),
        (binding(false, ours, alice()), None),
        (binding(false, ("ClusterRole", "view"), alice()), None),
        (binding(false, ("ClusterRole", "edit"), alice()), Some("C03")),
        (binding(false, ("ClusterRole", "admin"), alice()), Some("F11")),
        (binding(false, ("Role", "local"), alice()), None),
        (binding(false, ("Role", "other"), alice()), Some("C03")),
        (binding(false, wide, alice()), Some("F11")),
        (binding(true, wide, alice()), None),
        (binding(true, ours, alice()), Some("F11")),
        (binding(true, ("ClusterRole", "view"), alice()), None),
        (binding(true, ("ClusterRole", "edit"), alice()), Some("F11")),
        (binding(false, ours, subject("User", "bob")), Some("C02")),
        (binding(false, ours, subject("Group", "devs")), None),
        (binding(false, ours, subject("Group", "system:authenticated")), Some("F10")),
        (binding(false, ours, account(TEAM)), None),
        (binding(false, ours, account("ci")), None),
        (binding(false, ours, account("other")), Some("C02")),
        (binding(true, wide, account("kube-system")), Some("F10")),
        (labelled("fed-a", &[level], None), None),
        (labelled("fed-a", &[], None), None),
        (labelled("fed-a", &[(LEVEL, "privileged")], None), Some("C05")),
        (labelled("fed-a", &[level, (VERSION, "v1.30")], None), Some("C05")),
        (labelled("fed-a", &[level, ("team", "x")], Some("owner")), None),
        (labelled("fed-a", &[level, ("istio-injection", "x")], None), Some("C06")),
        (labelled("fed-a", &[level], Some("example.org/other")), Some("C06")),
        (labelled("web", &[level], None), Some("C07")),
        (labelled("fed-up", &[level], None), Some("C07")),
        (secret("Opaque"), None),
        (secret("example.org/other"), Some("C04")),
        (secret("bootstrap.kubernetes.io/token"), Some("F13")),
    ]
}

/// What the API server says to a dry run: a code of the fence, or nothing when it takes it.
async fn verdict(writers: &Writers, object: &Object) -> Outcome<Option<String>> {
    let reference = &object.reference;
    let (group, version, kind, plural) = reference.kind.resource();
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    let client = writers.of(reference.kind).clone();
    let api: Api<DynamicObject> = match &reference.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let asked = if reference.kind == ObjectKind::Secret {
        let secret: DynamicObject = serde_json::from_value(object.body.clone())?;
        let params = PostParams { dry_run: true, ..PostParams::default() };
        within(api.create(&params, &secret)).await
    } else {
        let params = PatchParams { dry_run: true, ..PatchParams::apply("test").force() };
        within(api.patch(&reference.name, &params, &Patch::Apply(&object.body))).await
    };
    let Err(error) = asked else { return Ok(None) };
    let text = error.to_string();
    let code = text.split_once("denied request: ").and_then(|(_, rest)| rest.split(' ').next());
    Ok(Some(code.map(str::to_owned).ok_or(text)?))
}

#[tokio::test]
async fn the_server_says_what_the_pure_verdict_says() -> Outcome {
    let bed = Bed::up().await?;
    let own = install::ceiling(CEILING)?;
    bed.apply(&install::definition()?).await?;
    install::ensure_ceiling(&bed.admin().await?, &own).await?;
    bed.fence(Model::Bind).await?;
    let writers = bed.writers().await?;
    eventually("the fence", async || Ok(fence::check(&writers).await?.broken().is_empty())).await?;
    bed.apply(&[serde_json::from_value(namespace(TEAM).body)?]).await?;
    let ceiling = fence::check(&writers).await?.ceiling.unwrap().ceiling().unwrap();
    assert_eq!(ceiling, install::ceiling_spec(&own)?, "what was there stays");
    for (object, expected) in table() {
        let said = ceiling.refusals(&object);
        let codes: Vec<&str> = said.iter().filter_map(|text| text.split(' ').next()).collect();
        let what = format!("{}", object.body);
        assert_eq!(codes.first().copied(), expected, "{what}: {said:?}");
        let answer = verdict(&writers, &object).await?;
        assert_eq!(answer.is_some(), expected.is_some(), "{what}: {answer:?}");
        // Of the denials of two policies the API server tells one.
        assert!(answer.iter().all(|code| codes.contains(&code.as_str())), "{what}: {answer:?}");
    }
    Ok(())
}
