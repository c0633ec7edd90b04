//! Dry runs that must be denied by a named code, and one that must not be. They prove that the API
//! server that answers enforces the policies; they say nothing of its peers.

use hanse_domain::object::{MANAGED_LABEL, ObjectKind};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::report::{Aspect, FenceReport};
use crate::identity::age::cluster::AGE_SECRET;
use crate::kube::writers::{Model, Writers};
use crate::kube::{CallError, NAMESPACE, PINS_SECRET, resource, within};

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const FIELD_MANAGER: &str = "hanse-agent/probe";
/// What the API server itself says to somebody who would grant what they do not hold.
const NOT_HELD: &str = "attempting to grant RBAC permissions not currently held";
const HINT: &str = "kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings";

/// What is to come of a dry run.
enum Expected {
    /// A policy's code in the denial.
    Denied(&'static str),
    /// The API server's own words.
    Says(&'static str),
    Taken,
}

struct Probe {
    what: &'static str,
    expected: Expected,
    target: Target,
    body: Value,
}

/// What the dry run is about, and how it is asked.
enum Target {
    /// By server-side apply.
    Object(ObjectKind),
    /// A Secret that would be made: they are never patched.
    NewSecret,
    /// A Secret that would be overwritten. Where there is none, there is nothing to protect.
    Secret,
}

pub(super) async fn check(writers: &Writers, report: &mut FenceReport) -> Result<(), CallError> {
    for probe in probes(report.model) {
        let answer = match run(writers, &probe).await {
            Ok(()) => None,
            Err(error) if matches!(probe.target, Target::Secret) && error.is_not_found() => {
                continue;
            }
            // Somebody's denial, or the server's "no".
            Err(error) if error.status().is_some_and(|s| (400..500).contains(&s.code)) => {
                Some(error.to_string())
            }
            Err(error) => return Err(error),
        };
        judge(&probe, answer, report);
    }
    Ok(())
}

fn judge(probe: &Probe, answer: Option<String>, report: &mut FenceReport) {
    let what = probe.what;
    match (&probe.expected, answer) {
        (Expected::Taken, None) => report.good(Aspect::Probe, format!("{what} is let through")),
        (Expected::Taken, Some(why)) => {
            report.bad(Aspect::Probe, format!("{what} is let through"), why, HINT);
        }
        (Expected::Denied(code), None) => {
            let check = format!("{what} is denied ({code})");
            report.bad(Aspect::Probe, check, "the API server would take it", HINT);
        }
        (Expected::Denied(code), Some(why)) => {
            let check = format!("{what} is denied ({code})");
            if why.contains(&format!("denied request: {code} ")) {
                report.good(Aspect::Probe, check);
            } else if why.contains("denied") && !why.contains("cannot impersonate") {
                report.warning(
                    Aspect::Probe,
                    check,
                    format!("something else denies it: {why}"),
                    HINT,
                );
            } else {
                report.bad(Aspect::Probe, check, why, HINT);
            }
        }
        (Expected::Says(_), None) => {
            let check = format!("{what} is refused by the API server itself");
            report.bad(Aspect::Probe, check, "the API server would take it", HINT);
        }
        (Expected::Says(text), Some(why)) => {
            let check = format!("{what} is refused by the API server itself");
            if why.contains(text) {
                report.good(Aspect::Probe, check);
            } else {
                report.warning(Aspect::Probe, check, why, HINT);
            }
        }
    }
}

/// Each breaks one rule of one policy: of several denials only one is told, and not always the same.
/// What the guard is to deny is without our label, so that the ceiling's policy does not see it.
fn probes(model: Model) -> Vec<Probe> {
    let role = |name: &str, rules: Value| {
        json!({
            "apiVersion": RBAC, "kind": "ClusterRole", "rules": rules,
            "metadata": { "name": name, "labels": { MANAGED_LABEL: "true" } },
        })
    };
    let namespace = |name: &str, labels: Value| {
        json!({ "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": name, "labels": labels } })
    };
    let foreign =
        json!([{ "apiGroups": ["probe.invalid"], "resources": ["probe"], "verbs": ["get"] }]);
    let above = match model {
        Model::Bind => Expected::Denied("C01"),
        Model::Impersonate => Expected::Says(NOT_HELD),
    };
    let probe =
        |what, expected, kind, body| Probe { what, expected, target: Target::Object(kind), body };
    let overwrite = |what, name| Probe {
        what,
        expected: Expected::Denied("F02"),
        target: Target::Secret,
        body: secret(NAMESPACE, name),
    };
    vec![
        probe(
            "a role without rules",
            Expected::Taken,
            ObjectKind::ClusterRole,
            role("hanse:ns:fence-probe", json!([])),
        ),
        probe(
            "a role that is not named as the federation's",
            Expected::Denied("F05"),
            ObjectKind::ClusterRole,
            role("fence-probe", json!([])),
        ),
        probe(
            "a role above the ceiling",
            above,
            ObjectKind::ClusterRole,
            role("hanse:ns:fence-probe", foreign),
        ),
        probe(
            "a namespace of Kubernetes",
            Expected::Denied("F02"),
            ObjectKind::Namespace,
            namespace("kube-fence-probe", json!({})),
        ),
        probe(
            "a namespace with an old version of Pod Security",
            Expected::Denied("C05"),
            ObjectKind::Namespace,
            namespace(
                "hanse-fence-probe",
                json!({
                    MANAGED_LABEL: "true",
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/enforce-version": "v1.25",
                }),
            ),
        ),
        Probe {
            what: "a Secret in kube-system",
            expected: Expected::Denied("F02"),
            target: Target::NewSecret,
            body: secret("kube-system", "hanse-fence-probe"),
        },
        overwrite("overwriting whom the agent believes", PINS_SECRET),
        overwrite("overwriting the agent's key for secrets", AGE_SECRET),
    ]
}

/// Without a value.
fn secret(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": name, "namespace": namespace },
    })
}

async fn run(writers: &Writers, probe: &Probe) -> Result<(), CallError> {
    let text = |field: &str| {
        let value = probe.body.pointer(&format!("/metadata/{field}"));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let name = text("name");
    if let Target::Object(kind) = probe.target {
        let api = Api::<DynamicObject>::all_with(writers.of(kind).clone(), &resource(kind));
        let params = PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER).force() };
        within(api.patch(name, &params, &Patch::Apply(&probe.body))).await?;
        return Ok(());
    }
    let secrets = Api::<Secret>::namespaced(writers.own().clone(), text("namespace"));
    let params = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let secret = serde_json::from_value(probe.body.clone()).unwrap_or_default();
    if matches!(probe.target, Target::NewSecret) {
        within(secrets.create(&params, &secret)).await?;
    } else {
        within(secrets.replace(name, &params, &secret)).await?;
    }
    Ok(())
}
