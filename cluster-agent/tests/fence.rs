//! The fence on a real API server: how the agent sees that it stands, that it does not, and why.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Bed, Outcome, SOON, namespace, role};
use hanse_agent::core::io::Input;
use hanse_agent::fence::running::{FenceWatch, Poke};
use hanse_agent::fence::{self, FenceReport, FenceState, Level};
use hanse_agent::kube::apply::Applier;
use hanse_agent::kube::install;
use hanse_agent::kube::observe::Observer;
use hanse_agent::kube::writers::{CEILING_USER, Model, Writers};
use hanse_agent::metrics::Metrics;
use hanse_domain::object::{Object, ObjectKind};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const AGENT: &str = "system:serviceaccount:hanse-agent:agent";

fn api(client: &Client, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::all_with(client.clone(), &resource)
}

/// Something that an administrator, or somebody who took over, does to the fence.
enum Blow {
    Delete(&'static str, &'static str, &'static str),
    Merge(&'static str, &'static str, &'static str, Value),
    /// A rule bound to everybody who is authenticated.
    Grant(Value),
}

impl Blow {
    async fn strike(&self, admin: &Client) -> Outcome {
        match self {
            Self::Delete(group, kind, name) => {
                let api = api(admin, group, version(group), kind);
                api.delete(name, &DeleteParams::default()).await?;
            }
            Self::Merge(group, kind, name, patch) => {
                let api = api(admin, group, version(group), kind);
                api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            }
            Self::Grant(rule) => {
                let params = PatchParams::apply("test").force();
                for (kind, rest) in [
                    ("ClusterRole", json!({ "rules": [rule] })),
                    (
                        "ClusterRoleBinding",
                        json!({
                            "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": "blow" },
                            "subjects": [{ "apiGroup": RBAC, "kind": "Group",
                                           "name": "system:authenticated" }],
                        }),
                    ),
                ] {
                    let mut body = json!({ "apiVersion": format!("{RBAC}/v1"), "kind": kind,
                                           "metadata": { "name": "blow" } });
                    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
                    api(admin, RBAC, "v1", kind)
                        .patch("blow", &params, &Patch::Apply(body))
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn mend(&self, bed: &Bed, model: Model) -> Outcome {
        let admin = bed.admin().await?;
        if matches!(self, Self::Grant(_)) {
            for kind in ["ClusterRoleBinding", "ClusterRole"] {
                api(&admin, RBAC, "v1", kind).delete("blow", &DeleteParams::default()).await?;
            }
        }
        // What somebody else added is not ours to take away by an apply.
        for object in install::policies()? {
            let kind = object.types.as_ref().unwrap().kind.clone();
            let name = object.metadata.name.clone().unwrap();
            let delete = api(&admin, ADMISSION, "v1", &kind);
            let _ = delete.delete(&name, &DeleteParams::default()).await;
        }
        bed.fence(model).await
    }
}

fn version(group: &str) -> &'static str {
    if group == "fence.hanse.dev" { "v1alpha1" } else { "v1" }
}

fn blows() -> Vec<(Blow, &'static str)> {
    const BINDING: &str = "ValidatingAdmissionPolicyBinding";
    const POLICY: &str = "ValidatingAdmissionPolicy";
    let guard = "hanse-fence-guard";
    let merge = |kind, spec: Value| Blow::Merge(ADMISSION, kind, guard, json!({ "spec": spec }));
    let elsewhere = json!({ "matchLabels": { "no": "where" } });
    vec![
        (Blow::Delete(ADMISSION, BINDING, guard), "it is not there"),
        (Blow::Delete(ADMISSION, POLICY, "hanse-fence-ceiling"), "it is not there"),
        (Blow::Delete("fence.hanse.dev", "Ceiling", "hanse"), "without it every write is denied"),
        (
            merge(BINDING, json!({ "matchResources": { "namespaceSelector": elsewhere } })),
            "spec.matchResources differs",
        ),
        (merge(BINDING, json!({ "validationActions": ["Audit"] })), "spec.validationActions"),
        (merge(POLICY, json!({ "failurePolicy": "Ignore" })), "spec.failurePolicy differs"),
        (
            merge(POLICY, json!({ "matchConstraints": { "namespaceSelector": elsewhere } })),
            "spec.matchConstraints.namespaceSelector",
        ),
        (
            merge(
                POLICY,
                json!({ "matchConditions": [{ "name": "agent", "expression": "false" }] }),
            ),
            "spec.matchConditions",
        ),
        (
            Blow::Grant(json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] })),
            "it can: list secrets",
        ),
        (
            Blow::Grant(json!({ "apiGroups": [ADMISSION], "verbs": ["delete"],
                                "resources": ["validatingadmissionpolicybindings"] })),
            "delete validatingadmissionpolicybindings",
        ),
    ]
}

/// Looks until the fence is found as it should be; the last look otherwise.
async fn looked(writers: &Writers, stands: bool) -> Outcome<FenceReport> {
    let deadline = std::time::Instant::now() + SOON;
    loop {
        let report = fence::check(writers).await?;
        if report.broken().is_empty() == stands {
            return Ok(report);
        }
        if std::time::Instant::now() > deadline {
            return Err(format!("it should {stands}: {:#?}", report.findings).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn every_blow_is_found(model: Model) -> Outcome {
    let bed = Bed::fenced(model).await?;
    let writers = bed.writers().await?;
    let whole = looked(&writers, true).await?;
    assert_eq!(whole.model, model);
    let warnings: Vec<_> = whole.findings.iter().filter(|f| f.level != Level::Good).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
    let ceiling = whole.ceiling.clone().unwrap();
    assert!(ceiling.ceiling().is_some() && !ceiling.uid.is_empty());
    let admin = bed.admin().await?;
    for (blow, why) in blows() {
        blow.strike(&admin).await?;
        let broken = looked(&writers, false).await?.broken();
        assert!(broken.iter().any(|text| text.contains(why)), "{why}: {broken:#?}");
        blow.mend(&bed, model).await?;
        looked(&writers, true).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_blow_is_found_in_the_model_bind() -> Outcome {
    every_blow_is_found(Model::Bind).await
}

#[tokio::test]
async fn every_blow_is_found_in_the_model_impersonate() -> Outcome {
    every_blow_is_found(Model::Impersonate).await
}

async fn becomes(
    states: &mut watch::Receiver<FenceState>,
    test: impl Fn(&FenceState) -> bool,
) -> Outcome<FenceState> {
    let found = tokio::time::timeout(SOON, states.wait_for(|state| test(state))).await;
    Ok(found.map_err(|_| "the state never came")??.clone())
}

#[tokio::test]
async fn a_running_agent_sees_what_becomes_of_its_fence() -> Outcome {
    let bed = Bed::fenced(Model::Impersonate).await?;
    let (admin, writers) = (bed.admin().await?, bed.writers().await?);
    looked(&writers, true).await?;
    let poke = Poke::default();
    let (inputs, mut seen) = tokio::sync::mpsc::channel(64);
    let (wake, check_poke) = (poke.clone(), poke.clone());
    tokio::spawn(async move {
        while let Some(input) = seen.recv().await {
            if let Input::Seen(object) = input {
                wake.saw(&object);
            }
        }
    });
    let observer = Observer::new(writers.own().clone(), true, inputs);
    tokio::spawn(observer.watch(ObjectKind::ClusterRoleBinding));
    let (publish, mut states) = watch::channel(FenceState::Unknown);
    let metrics = Metrics::default();
    let check = FenceWatch {
        writers: writers.clone(),
        allow_unfenced: false,
        poke,
        publish,
        metrics: metrics.clone(),
    };
    let soft = CancellationToken::new();
    let running = tokio::spawn(check.run(soft.clone()));
    let stands = |state: &FenceState| matches!(state, FenceState::Standing { .. });
    let first = becomes(&mut states, stands).await?;
    assert!(first.may_write());
    // While nothing changes it watches, and asks nothing.
    let mark = bed.cluster().audit_mark();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let events = bed.cluster().audit_since(mark).await?;
    let calls = events.iter().filter(|event| event.user == AGENT && event.verb != "watch");
    assert_eq!(calls.count(), 0, "{events:#?}");
    for (blow, why) in [blows().remove(0), blows().remove(8)] {
        blow.strike(&admin).await?;
        let broken = becomes(&mut states, |state| !stands(state)).await?;
        let FenceState::Broken(found) = &broken else { panic!("{broken:?}") };
        assert!(!broken.may_write() && found.iter().any(|text| text.contains(why)), "{found:?}");
        blow.mend(&bed, Model::Impersonate).await?;
        // A right that is gone wakes nobody but the timer: the test does not wait for that.
        if matches!(blow, Blow::Grant(_)) {
            check_poke.now();
        }
        becomes(&mut states, stands).await?;
    }
    // Another ceiling is told, too.
    let spec = json!({ "spec": { "secretTypes": ["example.org/other"] } });
    let ceilings = api(&admin, "fence.hanse.dev", "v1alpha1", "Ceiling");
    ceilings.patch("hanse", &PatchParams::default(), &Patch::Merge(&spec)).await?;
    let told = |state: &FenceState| match state {
        FenceState::Standing { ceiling, .. } => ceiling.spec.contains("example.org/other"),
        FenceState::Unknown | FenceState::Broken(_) | FenceState::Unfenced(_) => false,
    };
    becomes(&mut states, told).await?;
    soft.cancel();
    running.await??;
    Ok(())
}

#[tokio::test]
async fn an_agent_without_a_fence_writes_only_if_it_may() -> Outcome {
    let bed = Bed::with_agent().await?;
    let writers = bed.writers().await?;
    let report = looked(&writers, false).await?;
    let FenceState::Broken(why) = report.state(false) else { panic!("{report:?}") };
    assert!(why.iter().any(|text| text.contains("hanse-fence-guard")), "{why:?}");
    assert!(matches!(report.state(true), FenceState::Unfenced(_)));
    assert!(report.state(true).may_write() && !report.state(false).may_write());
    Ok(())
}

#[tokio::test]
async fn roles_and_bindings_are_written_as_the_ceiling_user() -> Outcome {
    let bed = Bed::fenced(Model::Impersonate).await?;
    let writers = bed.writers().await?;
    looked(&writers, true).await?;
    let applier = Applier::new(writers.clone());
    let reader = role("hanse:ns:reader", "get");
    let live = applier.apply(&reader).await.map_err(|error| format!("{error:?}"))?;
    applier.dry_run(&reader).await?;
    applier.remove(&reader.reference, &live.uid).await.map_err(|error| format!("{error:?}"))?;
    let space = fenced_namespace("team");
    applier.apply(&space).await.map_err(|error| format!("{error:?}"))?;
    let events = bed.cluster().audit().await?;
    let written = events.iter().filter(|event| event.is_write() && event.user == AGENT);
    let mut as_ceiling = 0;
    for event in written.filter(|event| !event.resource.ends_with("reviews")) {
        let expected = (event.group == RBAC).then_some(CEILING_USER);
        assert_eq!(event.impersonated.as_deref(), expected, "{event:?}");
        as_ceiling += usize::from(expected.is_some());
    }
    assert!(as_ceiling >= 6, "{as_ceiling}: probes, a role made, tried and removed");
    let reads = events.iter().filter(|event| !event.is_write() && event.user == AGENT);
    assert!(reads.clone().count() > 0);
    assert!(reads.clone().all(|event| event.impersonated.is_none()), "it reads as itself");
    Ok(())
}

fn fenced_namespace(name: &str) -> Object {
    let mut space = namespace(name);
    space
        .body
        .pointer_mut("/metadata/labels")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .insert("pod-security.kubernetes.io/enforce".to_owned(), json!("restricted"));
    space
}
