//! What the agent's account may do besides what the policies see: reading, and the policies themselves.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Client;
use serde_json::Value;

use super::report::{Aspect, FenceReport};
use crate::kube::CallError;
use crate::kube::access::{self, Right};
use crate::kube::writers::Model;

/// Questions at once.
const AT_ONCE: usize = 8;

/// For which model the account's rights are made.
pub(super) async fn model(client: &Client) -> Result<Model, CallError> {
    let impersonates = access::has(client, &access::impersonates()).await?;
    Ok(if impersonates { Model::Impersonate } else { Model::Bind })
}

pub(super) async fn check(client: &Client, report: &mut FenceReport) -> Result<(), CallError> {
    let check = "the agent's account has no right that it must not have";
    let found = having(client, access::forbidden(report.model)).await?;
    if found.is_empty() {
        report.good(Aspect::Rights, check);
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let hint = "kubectl get clusterrolebindings,rolebindings -A -o wide | grep -e hanse-agent -e \
                system:serviceaccounts -e system:authenticated";
    report.bad(Aspect::Rights, check, format!("it can: {}", found.join(", ")), hint);
    Ok(())
}

/// Which of these rights the account has.
async fn having(client: &Client, rights: Vec<Right>) -> Result<Vec<Right>, CallError> {
    let ask = |right: Right| async move {
        Ok::<_, CallError>(access::has(client, &right).await?.then_some(right))
    };
    let answers = stream::iter(rights).map(ask).buffered(AT_ONCE);
    answers.try_filter_map(|right| async { Ok(right) }).try_collect().await
}

/// Each single thing that a role's rules grant.
pub(crate) fn grants(role: &Value) -> BTreeSet<String> {
    let list = |rule: &Value, field: &str| -> Vec<String> {
        let items = rule.get(field).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut grants = BTreeSet::new();
    for rule in role.get("rules").and_then(Value::as_array).into_iter().flatten() {
        let mut names = list(rule, "resourceNames");
        if names.is_empty() {
            names.push(String::new());
        }
        for verb in list(rule, "verbs") {
            for url in list(rule, "nonResourceURLs") {
                grants.insert(format!("{verb} {url}"));
            }
            for group in list(rule, "apiGroups") {
                for resource in list(rule, "resources") {
                    for name in &names {
                        let right = format!("{verb} {group}/{resource} {name}");
                        grants.insert(right.trim_end().to_owned());
                    }
                }
            }
        }
    }
    grants
}
