//! Clusters behave as clusters: controllers work, RBAC refuses, the audit log tells, outages end.

use std::error::Error;
use std::time::{Duration, Instant};

use hanse_testbed::{ADMIN, Cluster, Options, Testbed};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::Client;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};

type Outcome = Result<(), Box<dyn Error>>;

const SOON: Duration = Duration::from_secs(20);

async fn make_namespace(client: &Client, name: &str) -> kube::Result<()> {
    let metadata = ObjectMeta { name: Some(name.into()), ..Default::default() };
    let namespace = Namespace { metadata, ..Default::default() };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.map(|_| ())
}

/// The service account that a controller makes in each namespace.
async fn wait_for_account(client: &Client, namespace: &str) -> Outcome {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let deadline = Instant::now() + SOON;
    while accounts.get_opt("default").await?.is_none() {
        if Instant::now() > deadline {
            return Err("no controller made the default service account".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn token_of(client: &Client, namespace: &str) -> Result<String, Box<dyn Error>> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..Default::default() };
    let made = accounts.create_token_request("default", &PostParams::default(), &request).await?;
    Ok(made.status.and_then(|status| status.token).ok_or("no token")?)
}

fn code(error: &kube::Error) -> Option<u16> {
    if let kube::Error::Api(status) = error { Some(status.code) } else { None }
}

async fn controllers_work_and_rbac_refuses(cluster: &Cluster) -> Outcome {
    let admin = cluster.client().await?;
    make_namespace(&admin, "shop").await?;
    wait_for_account(&admin, "shop").await?;

    let token = token_of(&admin, "shop").await?;
    let mark = cluster.audit_mark();
    let account = cluster.client_with_token(&token).await?;
    let refused = Api::<Namespace>::all(account).list(&ListParams::default()).await;
    assert_eq!(refused.err().as_ref().and_then(code), Some(403), "a token without rights");

    let stranger = cluster.client_with_token("not-a-token").await?;
    let unknown = Api::<Namespace>::all(stranger).list(&ListParams::default()).await;
    assert_eq!(unknown.err().as_ref().and_then(code), Some(401), "an unknown token");

    let alice = cluster.client_for("alice", Some("auditors")).await?;
    let refused = Api::<Namespace>::all(alice).list(&ListParams::default()).await;
    assert_eq!(refused.err().as_ref().and_then(code), Some(403), "a certificate without rights");

    let events = cluster.audit_since(mark).await?;
    let refused_to = |user: &str| events.iter().any(|e| e.user == user && e.code == 403);
    assert!(refused_to("system:serviceaccount:shop:default"), "{events:#?}");
    assert!(refused_to("alice"), "{events:#?}");
    assert!(events.iter().all(|e| e.user != "alice" || e.groups.contains(&"auditors".into())));
    Ok(())
}

async fn the_audit_log_says_who_wrote_what(cluster: &Cluster) -> Outcome {
    let admin = cluster.client().await?;
    let maps = Api::<ConfigMap>::namespaced(admin, "shop");
    let mark = cluster.audit_mark();
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prices"}, "data": {"tea": "2"}
    });
    maps.patch("prices", &PatchParams::apply("till/1"), &Patch::Apply(&map)).await?;

    let events = cluster.audit_since(mark).await?;
    let mut about = events.iter().filter(|e| e.is_about("configmaps", "shop", "prices"));
    let write = about.find(|event| event.is_write()).ok_or("the write is not in the log")?;
    assert_eq!((write.user.as_str(), write.verb.as_str(), write.code), (ADMIN, "patch", 201));
    assert_eq!(write.field_manager().as_deref(), Some("till/1"));
    let all = cluster.audit().await?;
    let maker = all
        .iter()
        .find(|e| e.verb == "create" && e.resource == "serviceaccounts" && e.namespace == "shop");
    let maker = maker.ok_or("nobody made the service account")?;
    assert_eq!(maker.user, "system:serviceaccount:kube-system:service-account-controller");
    assert!(maker.user_agent.contains("kube-controller-manager/v1.36"), "{}", maker.user_agent);
    Ok(())
}

#[tokio::test]
async fn two_clusters_in_one_etcd() -> Outcome {
    let dir = tempfile::tempdir()?;
    let testbed = Testbed::up(Options::new(dir.path(), 2)).await?;
    let (first, second) = (testbed.cluster("cluster-1")?, testbed.cluster("cluster-2")?);
    assert!(testbed.cluster("cluster-3").is_err());

    controllers_work_and_rbac_refuses(first).await?;
    the_audit_log_says_who_wrote_what(first).await?;

    let elsewhere = Api::<Namespace>::all(second.client().await?).get_opt("shop").await?;
    assert!(elsewhere.is_none(), "the clusters are apart");

    // An outage of one is none of the other, and nothing is forgotten.
    let before = second.client().await?;
    for crash in [false, true] {
        if crash {
            first.kill().await?;
        } else {
            first.stop().await?;
        }
        assert!(!first.is_running());
        assert!(first.client().await?.apiserver_version().await.is_err(), "it is out");
        before.apiserver_version().await?;
        first.start().await?;
        let client = first.client().await?;
        Api::<ConfigMap>::namespaced(client, "shop").get("prices").await?;
    }

    // Deleting a namespace takes a controller that empties it.
    let namespaces = Api::<Namespace>::all(first.client().await?);
    namespaces.delete("shop", &kube::api::DeleteParams::default()).await?;
    let deadline = Instant::now() + SOON;
    while namespaces.get_opt("shop").await?.is_some() {
        assert!(Instant::now() < deadline, "the namespace does not go");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let owner = first.apiserver().process().ok_or("it does not run")?.identity();
    testbed.down().await?;
    assert!(!owner.is_running());
    assert!(!dir.path().join("testbed.json").exists());
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_does_not_answer() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut options = Options::new(dir.path(), 1);
    options.shared_etcd = false;
    let testbed = Testbed::up(options).await?;
    let cluster = testbed.cluster("cluster-1")?;
    let client = cluster.client().await?;

    cluster.freeze()?;
    let asked = tokio::time::timeout(Duration::from_secs(1), client.apiserver_version()).await;
    assert!(asked.is_err(), "it should hang");
    cluster.thaw()?;
    tokio::time::timeout(SOON, client.apiserver_version()).await??;

    // Its own etcd stops with it, and comes back with what it held.
    make_namespace(&client, "kept").await?;
    cluster.kill().await?;
    cluster.start().await?;
    Api::<Namespace>::all(cluster.client().await?).get("kept").await?;
    Ok(())
}
