//! What `check` looks at, section by section.

use std::path::Path;
use std::time::Duration;

use hanse_domain::ceiling::Ceiling;
use jiff::Timestamp;
use kube::Client;

use super::check::Findings;
use super::quote;
use super::settings::AgentSettings;
use crate::fence::{self, Aspect, CeilingReport, Level};
use crate::identity::age::AgeIdentities;
use crate::identity::{CREDENTIALS_FILE, Identity, is_private};
use crate::kube::access::{self, Right};
use crate::kube::client::{Access, ClusterFacts};
use crate::kube::ledger::{LedgerStore, LoadError};
use crate::kube::writers::Model;
use crate::terminal::chain;

const IDENTITY: &str = "identity";
const HUB: &str = "hub";
const CLUSTER: &str = "cluster";
const FENCE: &str = "fence";
const CEILING: &str = "ceiling";
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

/// API server, fence, rights and ledger.
pub(super) async fn cluster(
    access: &Access,
    identity: Option<&Identity>,
    dir: &Path,
    findings: &mut Findings,
) {
    let flags = format!("--dir {}", quote(dir));
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
    let unfenced = match AgentSettings::of(dir, matches!(access, Access::InCluster)) {
        Ok(settings) => settings.allow_unfenced,
        Err(error) => {
            findings.bad(FENCE, "its settings can be read", format!("{error:#}"), "ls -la");
            false
        }
    };
    let model = fence(access, unfenced, findings).await;
    rights(&client, model, findings).await;
    ledger(client, dir, findings).await;
}

/// Whether the cluster bounds the agent.
async fn fence(access: &Access, unfenced: bool, findings: &mut Findings) -> Option<Model> {
    let check = "the fence can be looked at";
    let hint = "kubectl get --raw /readyz";
    let writers = match access.writers().await {
        Ok(writers) => writers,
        Err(error) => {
            findings.bad(FENCE, check, chain(&error), hint);
            return None;
        }
    };
    let report = match fence::check(&writers).await {
        Ok(report) => report,
        Err(error) => {
            findings.bad(FENCE, check, error.to_string(), hint);
            return None;
        }
    };
    for found in &report.findings {
        let why = found.why.clone().unwrap_or_default();
        let hint = found.hint.clone().unwrap_or_default();
        match found.level {
            Level::Good => findings.good(FENCE, &found.check),
            // Without a fence, too, the account must not have more rights than it needs.
            Level::Bad if !unfenced || found.aspect == Aspect::Rights => {
                findings.bad(FENCE, &found.check, why, hint);
            }
            Level::Bad | Level::Warning => findings.warning(FENCE, &found.check, why, hint),
        }
    }
    let ceiling = report.ceiling.as_ref().and_then(CeilingReport::ceiling);
    for line in ceiling.iter().flat_map(Ceiling::in_words) {
        findings.good(CEILING, line);
    }
    Some(report.model)
}

async fn rights(client: &Client, model: Option<Model>, findings: &mut Findings) {
    const APPLY: &str = "kubectl apply -f deploy/agent/";
    let Some(model) = model else { return };
    let needed = access::needed(model);
    let missing = lacking(client, &needed, findings).await;
    let check = format!("the agent's account has the {} rights that it needs", needed.len());
    match missing {
        Some(missing) if missing.is_empty() => findings.good(RIGHTS, check),
        Some(missing) => findings.bad(RIGHTS, check, format!("missing: {}", list(&missing)), APPLY),
        None => {}
    }
    let check = "it may see whom workloads run as";
    match lacking(client, &access::inventory(), findings).await {
        Some(missing) if missing.is_empty() => findings.good(RIGHTS, check),
        Some(missing) => {
            let why = format!("missing: {}; answers about access say so", list(&missing));
            findings.warning(RIGHTS, check, why, APPLY);
        }
        None => {}
    }
}

/// The rights that the account does not have; nothing when there is no answer.
async fn lacking(client: &Client, rights: &[Right], findings: &mut Findings) -> Option<Vec<Right>> {
    let mut missing = Vec::new();
    for right in rights {
        match access::has(client, right).await {
            Ok(true) => {}
            Ok(false) => missing.push(right.clone()),
            Err(error) => {
                let hint = "kubectl auth can-i --list";
                findings.bad(RIGHTS, "access can be reviewed", error.to_string(), hint);
                return None;
            }
        }
    }
    Some(missing)
}

fn list(rights: &[Right]) -> String {
    rights.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

async fn ledger(client: Client, dir: &Path, findings: &mut Findings) {
    let check = "the ledger can be read";
    let keys = match AgeIdentities::load(dir) {
        Ok(identities) => identities.ledger_keys(),
        Err(error) => {
            let hint = "join anew: hanse-agent join --force";
            return findings.bad(LEDGER, check, chain(&error), hint);
        }
    };
    match LedgerStore::new(client, keys).load().await {
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
