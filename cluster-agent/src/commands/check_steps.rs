//! What `check` looks at, section by section.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;

use super::check::Findings;
use super::quote;
use crate::identity::{CREDENTIALS_FILE, Identity, is_private};
use crate::kube::access::{self, Right};
use crate::kube::client::{Access, ClusterFacts};
use crate::kube::ledger::{LedgerStore, LoadError};
use crate::terminal::chain;

const IDENTITY: &str = "identity";
const HUB: &str = "hub";
const CLUSTER: &str = "cluster";
const RIGHTS: &str = "rights";
const LEDGER: &str = "ledger";

/// Files and certificate.
pub(super) fn identity(dir: &Path, in_cluster: bool, findings: &mut Findings) -> Option<Identity> {
    let identity = match Identity::load(dir) {
        Ok(identity) => identity,
        Err(error) => {
            let check = format!("{} holds an identity", dir.display());
            findings.bad(IDENTITY, check, chain(&error), "hanse-agent join --help");
            return None;
        }
    };
    let facts = &identity.facts;
    findings.good(IDENTITY, format!("cluster {} ({})", facts.cluster_name, facts.cluster_id));
    if !in_cluster {
        // The mount of a Secret gives a group the right to read, which the pod alone has.
        for path in [dir.to_owned(), dir.join(CREDENTIALS_FILE)] {
            let check = format!("{} is private", path.display());
            match is_private(&path) {
                Ok(true) => findings.good(IDENTITY, check),
                Ok(false) => {
                    let hint = format!("chmod go= {}", quote(&path));
                    findings.bad(IDENTITY, check, "others have access to it", hint);
                }
                Err(error) => findings.bad(IDENTITY, check, error.to_string(), "ls -la"),
            }
        }
    }
    let until = identity.credentials.certificate.not_after;
    let left = identity.credentials.left(Timestamp::now());
    let check = format!("the certificate is valid until {until}");
    let join =
        format!("hanse join-token create {}, then hanse-agent join --force", facts.cluster_name);
    if !left.is_positive() {
        findings.bad(IDENTITY, check, "it has expired", join);
    } else if left < identity.credentials.lifetime() / 4 {
        let hint = "a running agent renews it as soon as it reaches the hub";
        findings.warning(IDENTITY, check, "it should have been renewed", hint);
    } else {
        findings.good(IDENTITY, check);
    }
    Some(identity)
}

/// Address and TLS.
pub(super) async fn hub(identity: &Identity, findings: &mut Findings) {
    let address = &identity.facts.agent_address;
    let check = format!("the hub at {address} can be reached, and is the fleet's");
    let connected = match crate::link::endpoint(identity) {
        Ok(endpoint) => {
            endpoint.timeout(Duration::from_secs(10)).connect().await.map_err(|e| chain(&e))
        }
        Err(error) => Err(chain(&error)),
    };
    match connected {
        Ok(_) => findings.good(HUB, check),
        Err(why) => findings.bad(HUB, check, why, format!("nc -vz {}", address.replace(':', " "))),
    }
}

/// API server, rights and ledger.
pub(super) async fn cluster(
    access: &Access,
    identity: Option<&Identity>,
    flags: &str,
    findings: &mut Findings,
) {
    let check = "the API server answers";
    let hint = format!("is its token still valid? hanse-agent token {flags}");
    let client = match access.client().await {
        Ok(client) => client,
        Err(error) => return findings.bad(CLUSTER, check, chain(&error), hint),
    };
    let facts = match ClusterFacts::read(&client).await {
        Ok(facts) => facts,
        Err(error) => return findings.bad(CLUSTER, check, error.to_string(), hint),
    };
    findings.good(CLUSTER, format!("{check}: Kubernetes {}", facts.version));
    if let Some(identity) = identity {
        let check = "it is the cluster that joined";
        if facts.uid == identity.facts.cluster_uid {
            findings.good(CLUSTER, check);
        } else {
            let why = format!(
                "kube-system has the uid {}, not {}",
                facts.uid, identity.facts.cluster_uid
            );
            findings.bad(CLUSTER, check, why, "use the kubeconfig of that cluster, or join again");
        }
    }
    rights(&client, findings).await;
    ledger(client, findings).await;
}

async fn rights(client: &Client, findings: &mut Findings) {
    const APPLY: &str = "kubectl apply -f deploy/agent/rbac.yaml";
    let needed = access::needed();
    let missing = ask(client, &needed, true, findings).await;
    let check = format!("the agent's account has the {} rights that it needs", needed.len());
    match missing {
        Some(missing) if missing.is_empty() => findings.good(RIGHTS, check),
        Some(missing) => findings.bad(RIGHTS, check, format!("missing: {}", list(&missing)), APPLY),
        None => return,
    }
    let check = "and none that it must not have";
    match ask(client, &access::forbidden(), false, findings).await {
        Some(extra) if extra.is_empty() => findings.good(RIGHTS, check),
        Some(extra) => {
            let hint = "kubectl get clusterrolebindings,rolebindings -A -o wide | grep hanse-agent";
            findings.bad(RIGHTS, check, format!("it can: {}", list(&extra)), hint);
        }
        None => {}
    }
}

/// The rights for which the answer is not the wanted one; nothing when there is no answer.
async fn ask(
    client: &Client,
    rights: &[Right],
    wanted: bool,
    findings: &mut Findings,
) -> Option<Vec<Right>> {
    let mut wrong = Vec::new();
    for right in rights {
        match access::has(client, right).await {
            Ok(has) if has == wanted => {}
            Ok(_) => wrong.push(right.clone()),
            Err(error) => {
                let hint = "kubectl auth can-i --list";
                findings.bad(RIGHTS, "access can be reviewed", error.to_string(), hint);
                return None;
            }
        }
    }
    Some(wrong)
}

fn list(rights: &[Right]) -> String {
    rights.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

async fn ledger(client: Client, findings: &mut Findings) {
    let check = "the ledger can be read";
    match LedgerStore::new(client).load().await {
        Ok(None) => findings.good(LEDGER, format!("{check}: nothing was accepted yet")),
        Ok(Some(ledger)) => match ledger.bundle() {
            Ok(_) => findings.good(LEDGER, format!("{check}: generation {}", ledger.generation)),
            Err(error) => findings.warning(
                LEDGER,
                check,
                error.to_string(),
                "a running agent asks the hub for its bundle anew",
            ),
        },
        Err(LoadError::Damaged { why, .. }) => {
            let hint = "a running agent asks the hub for its bundle anew";
            findings.bad(LEDGER, check, why, hint);
        }
        Err(error @ LoadError::Call(_)) => {
            let hint = "kubectl -n hanse-agent get configmap hanse-ledger";
            findings.bad(LEDGER, check, chain(&error), hint);
        }
    }
}
