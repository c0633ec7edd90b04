//! Drift on a real cluster: every class, both policies, and who did it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use anyhow::Result;
use common::{binding, namespace, role};
use hanse_domain::drift::is_bootstrap;
use hanse_domain::object::{ObjectKind, ObjectRef};
use hanse_e2e::{look, poll};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt as _};
use serde_json::{Value, json};

/// Waits for a drift of an object that is in a state.
async fn drift(one: &common::One, name: &str, state: &str) -> Result<Value> {
    let (found, _) = poll::until(&format!("drift of {name} that is {state}"), || async {
        let all = one.hanse().drift(true).await?;
        Ok(all.into_iter().find(|d| d["object"]["name"] == name && d["state"] == state))
    })
    .await?;
    Ok(found)
}

async fn patch(client: &Client, name: &str, manager: &str, body: Value) -> Result<()> {
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    Api::<ClusterRole>::all(client.clone()).patch(name, &params, &Patch::Merge(body)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_of_drift_is_seen_and_put_right() -> Result<()> {
    let one = common::One::start().await?;
    let client = one.client().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce"), role("seen", "Report")]).await?;
    one.apply(&[binding("devs", "dev", "team")]).await?;

    // Modified: a rule is widened with kubectl.
    let wider =
        json!({"rules": [{"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get"]}]});
    patch(&client, "hanse:ns:dev", "kubectl-edit", wider.clone()).await?;
    let found = drift(&one, "hanse:ns:dev", "STATE_CORRECTED").await?;
    assert_eq!(found["class"], "CLASS_MODIFIED");
    assert_eq!(found["manager"], "kubectl-edit");
    assert_eq!(found["source"], "FederatedRole/dev");
    assert_eq!(found["fields"][0]["path"], "rules");
    assert!(found["fields"][0]["live"].as_str().unwrap().contains("secrets"));
    let live = Api::<ClusterRole>::all(client.clone()).get("hanse:ns:dev").await?;
    assert_eq!(live.rules.unwrap()[0].resources, Some(vec!["pods".to_owned()]));

    // Report only: seen, and left as it is.
    patch(&client, "hanse:ns:seen", "kubectl-edit", wider).await?;
    drift(&one, "hanse:ns:seen", "STATE_OPEN").await?;
    let live = Api::<ClusterRole>::all(client.clone()).get("hanse:ns:seen").await?;
    assert_eq!(live.rules.unwrap()[0].resources.as_ref().unwrap().len(), 2);

    // Missing: the binding is deleted.
    let bindings = Api::<RoleBinding>::namespaced(client.clone(), "team");
    bindings.delete("hanse:ns:devs", &DeleteParams::default()).await?;
    let found = drift(&one, "hanse:ns:devs", "STATE_CORRECTED").await?;
    assert_eq!(found["class"], "CLASS_MISSING");
    assert_eq!(look::subjects(&client, "team", "hanse:ns:devs").await?.unwrap(), ["devs"]);

    // Conflicting: another controller applies our field, by force.
    let params = PatchParams::apply("argocd").force();
    let theirs = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "hanse:ns:dev"},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
    });
    Api::<ClusterRole>::all(client.clone())
        .patch("hanse:ns:dev", &params, &Patch::Apply(theirs))
        .await?;
    let (found, _) = poll::until("a conflict", || async {
        let all = one.hanse().drift(true).await?;
        Ok(all.into_iter().find(|d| d["class"] == "CLASS_CONFLICTING"))
    })
    .await?;
    assert_eq!(found["manager"], "argocd");

    // Our label goes from a guard rail that is watched by its label.
    let quotas =
        Api::<k8s_openapi::api::core::v1::ResourceQuota>::namespaced(client.clone(), "team");
    let unlabel = json!({"metadata": {"labels": {"hanse.dev/managed": null}}});
    quotas.patch("hanse", &PatchParams::default(), &Patch::Merge(unlabel)).await?;
    let found = drift(&one, "hanse", "STATE_CORRECTED").await?;
    assert_eq!(found["class"], "CLASS_MODIFIED", "{found}");
    assert_eq!(quotas.get("hanse").await?.labels()["hanse.dev/managed"], "true");
    Ok(())
}

/// Everything of one kind in a cluster, by name.
async fn names<K>(client: &Client, kind: ObjectKind) -> Result<Vec<ObjectRef>>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let all = Api::<K>::all(client.clone()).list(&ListParams::default()).await?;
    Ok(all
        .iter()
        .map(|o| ObjectRef { kind, namespace: o.namespace(), name: o.name_any() })
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_own_policy_is_not_unmanaged_until_somebody_touches_it() -> Result<()> {
    let one = common::One::start().await?;
    let client = one.client().await?;
    // The list of names is that of a fresh cluster, to the letter.
    let mut all = names::<ClusterRole>(&client, ObjectKind::ClusterRole).await?;
    all.extend(names::<ClusterRoleBinding>(&client, ObjectKind::ClusterRoleBinding).await?);
    all.extend(names::<Role>(&client, ObjectKind::Role).await?);
    all.extend(names::<RoleBinding>(&client, ObjectKind::RoleBinding).await?);
    let ours = |r: &&ObjectRef| r.name.starts_with("hanse-agent") || r.name == "hanse-ceiling";
    let unknown: Vec<&ObjectRef> = all.iter().filter(|r| !is_bootstrap(r) && !ours(r)).collect();
    assert!(unknown.is_empty(), "not in domain/src/drift/bootstrap: {unknown:?}");
    assert!(all.len() > 130, "{}", all.len());
    one.settled().await?;
    assert_eq!(one.hanse().drift(false).await?, Vec::<Value>::new());

    // The oldest trick: one more subject for cluster-admin.
    let more = json!({"subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:masters"},
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"},
    ]});
    let params =
        PatchParams { field_manager: Some("kubectl-patch".into()), ..PatchParams::default() };
    let bindings = Api::<ClusterRoleBinding>::all(client.clone());
    bindings.patch("cluster-admin", &params, &Patch::Merge(more)).await?;
    let found = drift(&one, "cluster-admin", "STATE_OPEN").await?;
    assert_eq!(found["class"], "CLASS_UNMANAGED");
    assert_eq!(found["manager"], "kubectl-patch");
    assert!(found["fields"].to_string().contains("eve"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_a_guard_rail_mean_something_else_is_taken_away() -> Result<()> {
    use k8s_openapi::api::core::v1::Namespace;
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    let one = common::One::start().await?;
    let client = one.client().await?;
    one.apply(&[namespace("team"), role("dev", "Enforce")]).await?;
    let policies = Api::<NetworkPolicy>::namespaced(client.clone(), "team");
    let opened = json!({"spec": {
        "podSelector": {"matchLabels": {"a": "b"}}, "ingress": [{}], "egress": [{}],
    }});
    policies.patch("hanse-deny", &PatchParams::default(), &Patch::Merge(opened)).await?;
    drift(&one, "hanse-deny", "STATE_CORRECTED").await?;
    let spec = policies.get("hanse-deny").await?.spec.unwrap();
    assert_eq!(spec.pod_selector.and_then(|selector| selector.match_labels), None);
    assert_eq!((spec.ingress, spec.egress), (None, None));

    let namespaces = Api::<Namespace>::all(client.clone());
    let older =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce-version": "v1.0"}}});
    namespaces.patch("team", &PatchParams::default(), &Patch::Merge(older)).await?;
    drift(&one, "team", "STATE_CORRECTED").await?;
    let labels = namespaces.get("team").await?.labels().clone();
    assert!(!labels.contains_key("pod-security.kubernetes.io/enforce-version"), "{labels:?}");

    let aggregate =
        json!({"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}}});
    patch(&client, "hanse:ns:dev", "kubectl-label", aggregate).await?;
    drift(&one, "hanse:ns:dev", "STATE_CORRECTED").await?;
    let live = Api::<ClusterRole>::all(client.clone()).get("hanse:ns:dev").await?;
    assert!(!live.labels().keys().any(|key| key.contains("aggregate")), "{:?}", live.labels());
    Ok(())
}
