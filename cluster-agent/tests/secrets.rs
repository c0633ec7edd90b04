//! Secrets on a real API server, with the agent's own rights and behind the fence: written, looked
//! after and removed without reading one.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Bed, Outcome, eventually, namespace, object};
use hanse_agent::core::io::Failure;
use hanse_agent::identity::age::{AgeIdentities, cluster as age};
use hanse_agent::kube::apply::Applier;
use hanse_agent::kube::secret::{Probe, SecretWriter, Version, Written};
use hanse_domain::object::{MANAGED_LABEL, Object, ObjectKind, ObjectRef};
use hanse_probes::canary;
use hanse_sealing::SecretData;
use hanse_testbed::AuditEvent;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

const NAMESPACE: &str = "shop";
const AGENT: &str = "system:serviceaccount:hanse-agent:agent";
const FENCE: [&str; 4] = [
    include_str!("../../deploy/agent/fence/crd.yaml"),
    include_str!("../../deploy/agent/fence/ceiling.yaml"),
    include_str!("../../deploy/agent/fence/guard.yaml"),
    include_str!("../../deploy/agent/fence/ceiling-policy.yaml"),
];

/// A cluster, the agent's edge, and an administrator who may look.
struct Stage {
    bed: Bed,
    admin: Client,
    secrets: Api<Secret>,
    writer: SecretWriter,
}

impl Stage {
    async fn up() -> Outcome<Self> {
        let bed = Bed::with_agent().await?;
        let admin = bed.admin().await?;
        let agent = bed.agent().await?;
        Applier::new(admin.clone()).apply(&namespace(NAMESPACE)).await.unwrap();
        let secrets = Api::namespaced(admin.clone(), NAMESPACE);
        let stage = Self { bed, admin, secrets, writer: SecretWriter::new(agent) };
        // RBAC takes a moment to be enforced.
        eventually("the agent's rights", async || {
            Ok(stage.writer.dry_run(&secret("rights"), &data("x")).await.is_ok())
        })
        .await?;
        Ok(stage)
    }

    async fn fence(&self) -> Outcome {
        for text in FENCE {
            for value in serde_saphyr::from_multiple::<Value>(text)? {
                // The ceiling comes right behind its definition.
                eventually("the fence", async || Ok(self.install(&value).await.is_ok())).await?;
            }
        }
        let hidden = ObjectRef::namespaced(ObjectKind::Secret, "kube-system", "probe");
        let hidden = object(hidden, &json!({ "type": "Opaque" }));
        eventually("the fence's binding", async || {
            let refused = self.writer.dry_run(&hidden, &data("x")).await;
            Ok(refused.is_err_and(|failure| why(&failure).contains("the fence says F02 ")))
        })
        .await
    }

    async fn install(&self, value: &Value) -> Outcome {
        let object: DynamicObject = serde_json::from_value(value.clone())?;
        let types = object.types.clone().unwrap();
        let (group, version) = types.api_version.split_once('/').unwrap();
        let kind = GroupVersionKind::gvk(group, version, &types.kind);
        let (resource, _) = kube::discovery::pinned_kind(&self.admin, &kind).await?;
        let api = Api::<DynamicObject>::all_with(self.admin.clone(), &resource);
        let name = object.metadata.name.clone().unwrap();
        api.patch(&name, &PatchParams::apply("admin").force(), &Patch::Apply(&object)).await?;
        Ok(())
    }

    async fn made(&self, name: &str, value: &str) -> Version {
        let written = self.writer.write(&secret(name), &data(value), None, false).await.unwrap();
        assert!(written.made);
        written.version
    }

    async fn merge(&self, name: &str, patch: Value) -> Secret {
        self.secrets.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    async fn create_as_admin(&self, name: &str, metadata: Value) {
        let mut made = json!({ "metadata": metadata, "stringData": { "password": "theirs" } });
        made["metadata"]["name"] = json!(name);
        let made: Secret = serde_json::from_value(made).unwrap();
        self.secrets.create(&PostParams::default(), &made).await.unwrap();
    }

    async fn password(&self, name: &str) -> Option<String> {
        let found = self.secrets.get_opt(name).await.unwrap()?;
        let ByteString(value) = found.data?.remove("password")?;
        Some(String::from_utf8(value).unwrap())
    }

    async fn live(&self, name: &str) -> Version {
        version(&self.secrets.get(name).await.unwrap())
    }
}

fn version(secret: &Secret) -> Version {
    let metadata = secret.metadata.clone();
    Version { uid: metadata.uid.unwrap(), resource_version: metadata.resource_version.unwrap() }
}

fn secret(name: &str) -> Object {
    typed(name, "Opaque")
}

fn typed(name: &str, kind: &str) -> Object {
    object(ObjectRef::namespaced(ObjectKind::Secret, NAMESPACE, name), &json!({ "type": kind }))
}

fn data(password: &str) -> SecretData {
    entry("password", password)
}

fn entry(key: &str, value: &str) -> SecretData {
    let mut data = SecretData::default();
    data.insert(key, value.as_bytes()).unwrap();
    data
}

fn why(failure: &Failure) -> String {
    let (Failure::Refused(why) | Failure::Unavailable(why) | Failure::Conflict(why)) = failure;
    why.clone()
}

#[tokio::test]
async fn secrets_are_written_looked_after_and_removed() -> Outcome {
    let stage = Stage::up().await?;
    written_once_and_again(&stage).await;
    a_probe_sees_what_others_did(&stage).await;
    what_is_gone_is_made_again(&stage).await;
    what_others_made_in_our_place_stays(&stage).await;
    what_was_there_before_stays(&stage).await;
    another_type_takes_another_object(&stage).await;
    removal_needs_the_uid(&stage).await;
    bad_names_are_no_paths(&stage).await;
    only_written(&stage).await
}

async fn written_once_and_again(stage: &Stage) {
    let first = stage.made("db", "one").await;
    assert_eq!(stage.password("db").await.as_deref(), Some("one"));
    let again = stage.writer.write(&secret("db"), &data("one"), Some(&first), false).await.unwrap();
    assert_eq!(again, Written { version: first.clone(), made: false }, "nothing changes");

    let live = stage.secrets.get("db").await.unwrap();
    assert_eq!(live.immutable, None);
    assert_eq!(live.type_.as_deref(), Some("Opaque"));
    assert_eq!(live.metadata.labels.unwrap()[MANAGED_LABEL], "true");
    let managers = live.metadata.managed_fields.unwrap();
    assert_eq!(managers.len(), 1);
    assert_eq!(managers[0].manager.as_deref(), Some("hanse-agent/secret"));
    assert_eq!(managers[0].operation.as_deref(), Some("Update"));

    let new = stage.writer.write(&secret("db"), &data("two"), Some(&first), false).await.unwrap();
    assert!(!new.made && new.version.uid == first.uid && new.version != first);
    assert_eq!(stage.live("db").await, new.version);
    assert_eq!(stage.password("db").await.as_deref(), Some("two"));
}

async fn a_probe_sees_what_others_did(stage: &Stage) {
    let (object, data) = (secret("probed"), data("ours"));
    let known = stage.made("probed", "ours").await;
    for dry_run in [true, false] {
        let probe = stage.writer.probe(&object, &data, &known, dry_run).await.unwrap();
        assert_eq!(probe, Probe::Unchanged);
    }
    assert_eq!(stage.live("probed").await, known, "a probe is no write");

    let theirs = stage.merge("probed", json!({ "stringData": { "password": "theirs" } })).await;
    for dry_run in [true, false] {
        let probe = stage.writer.probe(&object, &data, &known, dry_run).await.unwrap();
        assert_eq!(probe, Probe::Changed);
    }
    assert_eq!(stage.live("probed").await, version(&theirs), "it is left as it is");

    let put_right = stage.writer.write(&object, &data, Some(&known), false).await.unwrap();
    assert!(!put_right.made);
    assert_eq!(stage.password("probed").await.as_deref(), Some("ours"));

    // A label that we do not have counts as well, and a value that is not what is remembered.
    let known = put_right.version;
    stage.merge("probed", json!({ "metadata": { "labels": { "theirs": "x" } } })).await;
    let probe = stage.writer.probe(&object, &data, &known, true).await.unwrap();
    assert_eq!(probe, Probe::Changed);
    let known = stage.live("probed").await;
    let probe = stage.writer.probe(&object, &data, &known, false).await.unwrap();
    let now = stage.live("probed").await;
    assert!(now != known);
    assert_eq!(probe, Probe::Written(now));
}

async fn what_is_gone_is_made_again(stage: &Stage) {
    let known = stage.made("gone", "ours").await;
    stage.secrets.delete("gone", &DeleteParams::default()).await.unwrap();
    for dry_run in [true, false] {
        let probe = stage.writer.probe(&secret("gone"), &data("ours"), &known, dry_run).await;
        assert_eq!(probe.unwrap(), Probe::Gone);
    }
    assert_eq!(stage.password("gone").await, None, "a probe makes nothing");
    let again = stage.writer.write(&secret("gone"), &data("ours"), Some(&known), false).await;
    let again = again.unwrap();
    assert!(again.made && again.version.uid != known.uid);
    assert_eq!(stage.password("gone").await.as_deref(), Some("ours"));
}

async fn what_others_made_in_our_place_stays(stage: &Stage) {
    let known = stage.made("replaced", "ours").await;
    stage.secrets.delete("replaced", &DeleteParams::default()).await.unwrap();
    stage.create_as_admin("replaced", json!({})).await;
    let probe = stage.writer.probe(&secret("replaced"), &data("ours"), &known, false).await;
    assert_eq!(probe.unwrap(), Probe::Changed);
    let refused = stage.writer.write(&secret("replaced"), &data("ours"), Some(&known), true).await;
    let Err(Failure::Conflict(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("kubectl -n shop delete secret replaced"), "{why}");
    assert_eq!(stage.password("replaced").await.as_deref(), Some("theirs"));
}

async fn what_was_there_before_stays(stage: &Stage) {
    stage.create_as_admin("theirs", json!({ "labels": { MANAGED_LABEL: "true" } })).await;
    let refused = stage.writer.write(&secret("theirs"), &data("ours"), None, false).await;
    let Err(Failure::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("the Secret shop/theirs is there already"), "{why}");
    assert!(why.contains("kubectl -n shop delete secret theirs"), "{why}");
    assert_eq!(stage.password("theirs").await.as_deref(), Some("theirs"));
}

async fn another_type_takes_another_object(stage: &Stage) {
    let known = stage.made("typed", "ours").await;
    // The API server would not take it, and that is found out before the old one goes.
    let docker = typed("typed", "kubernetes.io/dockerconfigjson");
    let refused = stage.writer.write(&docker, &data("ours"), Some(&known), false).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    let no_json = entry(".dockerconfigjson", "{");
    let refused = stage.writer.write(&docker, &no_json, Some(&known), false).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    assert_eq!(stage.live("typed").await, known);

    let login = typed("typed", "kubernetes.io/basic-auth");
    let new = stage.writer.write(&login, &data("ours"), Some(&known), false).await.unwrap();
    assert!(new.made && new.version.uid != known.uid);
    let live = stage.secrets.get("typed").await.unwrap();
    assert_eq!(live.type_.as_deref(), Some("kubernetes.io/basic-auth"));

    // So does one that somebody made immutable.
    stage.merge("typed", json!({ "immutable": true })).await;
    let known = new.version;
    let new = stage.writer.write(&login, &data("new"), Some(&known), false).await.unwrap();
    assert!(new.made);
    assert_eq!(stage.password("typed").await.as_deref(), Some("new"));
}

async fn removal_needs_the_uid(stage: &Stage) {
    let reference = secret("removed").reference;
    let known = stage.made("removed", "ours").await;
    let refused = stage.writer.remove(&reference, "another-uid").await;
    assert!(matches!(refused, Err(Failure::Conflict(_))), "{refused:?}");
    assert_eq!(stage.live("removed").await, known);
    stage.writer.remove(&reference, &known.uid).await.unwrap();
    assert_eq!(stage.password("removed").await, None);
    stage.writer.remove(&reference, &known.uid).await.unwrap();
}

async fn bad_names_are_no_paths(stage: &Stage) {
    for name in ["", "..", "../../kube-system/secrets/x", "a?dryRun=All", "A", "a%2fb"] {
        let refused = stage.writer.write(&secret(name), &data("x"), None, false).await;
        assert!(matches!(refused, Err(Failure::Refused(_))), "{name}: {refused:?}");
        let refused = stage.writer.remove(&secret(name).reference, "uid").await;
        assert!(matches!(refused, Err(Failure::Refused(_))), "{name}: {refused:?}");
    }
    let nowhere = ObjectRef { namespace: None, ..secret("x").reference };
    let refused = stage.writer.remove(&nowhere, "uid").await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
}

/// As the API server's audit log has it.
async fn only_written(stage: &Stage) -> Outcome {
    let events = stage.bed.cluster().audit().await?;
    let ours = |event: &&AuditEvent| event.user == AGENT && event.resource == "secrets";
    let ours: Vec<_> = events.iter().filter(ours).collect();
    assert!(ours.len() > 3, "the log is there");
    for event in ours {
        assert!(matches!(event.verb.as_str(), "create" | "update" | "delete"), "{event:?}");
        let manager = event.field_manager();
        let expected = (event.verb != "delete").then_some("hanse-agent/secret");
        assert_eq!(manager.as_deref(), expected, "{event:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_fence_tells_ours_from_theirs() -> Outcome {
    let stage = Stage::up().await?;
    let known = stage.made("db", "ours").await;
    stage.fence().await?;

    stage.create_as_admin("theirs", json!({})).await;
    let refused = stage.writer.write(&secret("theirs"), &data("ours"), None, true).await;
    let Err(Failure::Refused(why)) = refused else { panic!("{refused:?}") };
    let hand_over = "kubectl -n shop label secret theirs hanse.dev/managed=true";
    assert!(why.contains("F03 ") && why.contains(hand_over), "{why}");
    assert_eq!(stage.password("theirs").await.as_deref(), Some("theirs"));

    stage.merge("theirs", json!({ "metadata": { "labels": { MANAGED_LABEL: "true" } } })).await;
    let adopted = stage.writer.write(&secret("theirs"), &data("ours"), None, true).await.unwrap();
    assert_eq!(adopted, Written { version: stage.live("theirs").await, made: false });
    assert_eq!(stage.password("theirs").await.as_deref(), Some("ours"));

    // The ceiling does not allow this type; the old one is kept.
    let other = typed("db", "example.com/other");
    let refused = stage.writer.write(&other, &data("new"), Some(&known), true).await;
    let Err(Failure::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("the fence says C04 "), "{why}");
    assert_eq!(stage.live("db").await, known);

    // A label of somebody else's is not ours to take away, so ours is made anew without it.
    stage.merge("db", json!({ "metadata": { "labels": { "theirs": "x" } } })).await;
    let new = stage.writer.write(&secret("db"), &data("new"), Some(&known), true).await.unwrap();
    assert!(new.made && new.version.uid != known.uid);
    let labels = stage.secrets.get("db").await?.metadata.labels.unwrap();
    assert_eq!(labels.keys().collect::<Vec<_>>(), [MANAGED_LABEL]);

    // What an administrator took back is not touched any more.
    stage.merge("db", json!({ "metadata": { "labels": { MANAGED_LABEL: null } } })).await;
    let known = new.version;
    let probe = stage.writer.probe(&secret("db"), &data("new"), &known, false).await.unwrap();
    assert_eq!(probe, Probe::Changed);
    for refused in [
        stage.writer.write(&secret("db"), &data("newer"), Some(&known), true).await.map(|_| ()),
        stage.writer.remove(&secret("db").reference, &known.uid).await,
    ] {
        let Err(Failure::Refused(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("the fence says F03 "), "{why}");
    }
    assert_eq!(stage.password("db").await.as_deref(), Some("new"));
    only_written(&stage).await
}

#[tokio::test]
async fn the_agents_own_identities_are_kept_in_the_cluster() -> Outcome {
    let stage = Stage::up().await?;
    stage.fence().await?;
    let admin = &stage.admin;
    let secrets = Api::<Secret>::namespaced(admin.clone(), "hanse-agent");
    age::make_if_absent(admin, true).await?;
    assert_eq!(secrets.get_opt(age::AGE_SECRET).await?, None, "a dry run makes nothing");

    let mut held = age::make_if_absent(admin, false).await?;
    let again = age::make_if_absent(admin, false).await?;
    assert_eq!(again.recipients(), held.recipients(), "it is made once");

    // The agent's own rights do not let it, nor whoever has its token; an administrator's do.
    let agent = stage.bed.agent().await?;
    let added = held.add()?;
    assert!(age::save(&agent, &held).await.is_err());
    age::save(admin, &held).await?;
    let again = age::make_if_absent(admin, false).await?;
    assert_eq!(again.recipients(), held.recipients());
    assert_eq!(again.newest(), added);

    // As the mount shows it.
    let ByteString(content) = secrets.get(age::AGE_SECRET).await?.data.unwrap()["age.key"].clone();
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("age.key"), content)?;
    assert_eq!(AgeIdentities::load(dir.path())?.recipients(), held.recipients());
    only_written(&stage).await
}

/// Everything that is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_value_is_in_what_went_wrong() -> Outcome {
    let stage = Stage::up().await?;
    // An administrator's own policy whose message quotes the Secret.
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": "talkative" },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"],
                "operations": ["CREATE", "UPDATE"],
            }]},
            "matchConditions": [{
                "name": "named", "expression": "object.metadata.name == 'quoted'",
            }],
            "validations": [{
                "expression": "false",
                "messageExpression":
                    "\"F03 ValidatingAdmissionPolicy 'hanse-fence-guard' denied request: F03 \" \
                     + string(object.data['password'])",
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": "talkative" },
        "spec": { "policyName": "talkative", "validationActions": ["Deny"] },
    });
    stage.install(&policy).await?;
    stage.install(&binding).await?;
    let value: String = format!("{:032x}", rand::random::<u128>());
    let loud = json!({ "metadata": { "name": "quoted" }, "stringData": { "password": value } });
    let loud: Secret = serde_json::from_value(loud)?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    eventually("the policy quotes the value", async || {
        let Err(error) = stage.secrets.create(&dry_run, &loud).await else { return Ok(false) };
        Ok(canary::find(error.to_string().as_bytes(), value.as_bytes()).is_some())
    })
    .await?;

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let data = data(&value);
    let known = Version { uid: "uid".to_owned(), resource_version: "1".to_owned() };
    let quoted = secret("quoted");
    let docker = typed("invalid", "kubernetes.io/dockerconfigjson");
    let invalid = entry(".dockerconfigjson", &value);
    let nowhere = ObjectRef::namespaced(ObjectKind::Secret, "nowhere", "x");
    let nowhere = object(nowhere, &json!({ "type": "Opaque" }));
    let failures = [
        stage.writer.write(&quoted, &data, None, true).await.unwrap_err(),
        stage.writer.write(&quoted, &data, Some(&known), true).await.unwrap_err(),
        stage.writer.dry_run(&quoted, &data).await.unwrap_err(),
        stage.writer.write(&docker, &invalid, None, true).await.unwrap_err(),
        stage.writer.write(&nowhere, &data, None, true).await.unwrap_err(),
    ];
    let mut said = vec![format!("{failures:?} {data:?} {invalid:?}")];
    for failure in &failures {
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
        assert!(why(failure).starts_with("the API server answered 4"), "{failure:?}");
        said.push(why(failure));
    }
    let done = stage.writer.write(&secret("fine"), &data, None, true).await.unwrap();
    let probe = stage.writer.probe(&secret("fine"), &data, &done.version, false).await;
    said.push(format!("{done:?} {probe:?}"));
    drop(guard);

    let said = said.join("\n");
    assert_eq!(canary::find(said.as_bytes(), value.as_bytes()), None, "{said}");
    let log = log.0.lock().unwrap();
    assert!(!log.is_empty(), "something is logged");
    assert_eq!(canary::find(&log, value.as_bytes()), None);
    Ok(())
}
