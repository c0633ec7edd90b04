//! The fence itself, and everything else in the cluster that could carry an attack.

use serde_json::{Value, json};

use super::{Attack, CORE, both, no_right};
use crate::call::{create, delete, get, merge, update};
use crate::objects::meta;

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const CEILING: &str = "/apis/fence.hanse.dev/v1alpha1/ceilings/hanse";

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = fence();
    all.extend(others());
    all
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

fn fence() -> Vec<Attack> {
    let policy = |name: &str| format!("{ADMISSION}/validatingadmissionpolicies/hanse-fence-{name}");
    let binding =
        |name: &str| format!("{ADMISSION}/validatingadmissionpolicybindings/hanse-fence-{name}");
    let ignore = json!({"spec": {"failurePolicy": "Ignore"}});
    let audit = json!({"spec": {"validationActions": ["Audit"]}});
    let narrow =
        json!({"spec": {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}});
    let crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ceilings.fence.hanse.dev";
    vec![
        no_right("deleting the guard", delete(&policy("guard"))),
        no_right("deleting the guard's binding", delete(&binding("guard"))),
        no_right("deleting the ceiling's policy", delete(&policy("ceiling"))),
        no_right("deleting the binding of the ceiling's policy", delete(&binding("ceiling"))),
        no_right("letting the guard fail open", merge(&policy("guard"), ignore)),
        no_right("letting the guard only watch", merge(&binding("guard"), audit)),
        no_right("narrowing the guard", merge(&binding("guard"), narrow)),
        no_right("raising the ceiling", merge(CEILING, json!({"spec": {"secretTypes": ["x"]}}))),
        no_right("replacing the ceiling", update(CEILING, named("hanse"))),
        no_right("deleting the ceiling", delete(CEILING)),
        no_right("another ceiling", create(&CEILING.replace("/hanse", ""), named("x"))),
        no_right("deleting the ceiling's definition", delete(crd)),
    ]
}

fn others() -> Vec<Attack> {
    let own = |what: &str| format!("{CORE}/namespaces/hanse-agent/{what}");
    let team = |what: &str| format!("{CORE}/namespaces/team/{what}");
    let admission = |what: &str| format!("{ADMISSION}/{what}");
    let certificates = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": {"token": "x"}});
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"},
        "involvedObject": {"namespace": "team"}});
    vec![
        no_right(
            "a mutating webhook",
            create(&admission("mutatingwebhookconfigurations"), named("x")),
        ),
        no_right(
            "a validating webhook",
            create(&admission("validatingwebhookconfigurations"), named("x")),
        ),
        no_right("a mutating policy", create(&admission("mutatingadmissionpolicies"), named("x"))),
        no_right("a policy", create(&admission("validatingadmissionpolicies"), named("x"))),
        no_right(
            "an aggregated API server",
            create("/apis/apiregistration.k8s.io/v1/apiservices", named("v1.x.example")),
        ),
        no_right(
            "a custom resource definition",
            create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", named("x.y")),
        ),
        no_right("a certificate", create(certificates, named("x"))),
        no_right(
            "approving a certificate",
            merge(&format!("{certificates}/x/approval"), json!({})),
        ),
        no_right(
            "asking whose a token is",
            create("/apis/authentication.k8s.io/v1/tokenreviews", review),
        ),
        no_right("a pod in a federated namespace", create(&team("pods"), named("x"))),
        no_right("a pod beside the agent", create(&own("pods"), named("x"))),
        no_right("exec", create(&team("pods/x/exec"), json!({}))),
        no_right("exec by websocket", get(&team("pods/x/exec")).query("&command=sh")),
        no_right("a debug container", merge(&team("pods/x/ephemeralcontainers"), json!({}))),
        no_right("the logs of a pod", get(&team("pods/x/log"))),
        no_right("the kubelet", get(&format!("{CORE}/nodes/x/proxy/pods"))),
        no_right(
            "another image for the agent",
            merge("/apis/apps/v1/namespaces/hanse-agent/deployments/hanse-agent", json!({})),
        ),
        no_right("a workload", create("/apis/apps/v1/namespaces/team/deployments", named("x"))),
        no_right("a job", create("/apis/batch/v1/namespaces/team/jobs", named("x"))),
        no_right("a service", create(&team("services"), named("x"))),
        no_right("endpoints of the thief's", create(&team("endpoints"), named("x"))),
        no_right(
            "an ingress",
            create("/apis/networking.k8s.io/v1/namespaces/team/ingresses", named("x")),
        ),
        no_right("a volume of the host", create(&format!("{CORE}/persistentvolumes"), named("x"))),
        no_right("a taint", merge(&format!("{CORE}/nodes/x"), json!({}))),
        no_right(
            "a ConfigMap in a federated namespace",
            create(&team("configmaps"), json!({"metadata": meta("x")})),
        ),
        no_right(
            "reading ConfigMaps of kube-system",
            get(&format!("{CORE}/namespaces/kube-system/configmaps")),
        ),
        both("another ConfigMap beside the ledger", create(&own("configmaps"), named("x")), "F01"),
        both(
            "another certificate authority for the agent",
            update(&own("configmaps/kube-root-ca.crt"), named("kube-root-ca.crt")),
            "F01",
        ),
        both(
            "deleting the certificate authority",
            delete(&own("configmaps/kube-root-ca.crt")),
            "F01",
        ),
        no_right("an Event elsewhere", create(&team("events"), event)),
        no_right(
            "a lease",
            create("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", named("x")),
        ),
        no_right("the API server's logs", get("/logs/")),
        no_right("the API server's profile", get("/debug/pprof/heap")),
        no_right("the API server's metrics", get("/metrics")),
    ]
}
