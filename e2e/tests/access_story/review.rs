//! The same questions to the cluster's own authoriser, now, and to the hub, of any moment.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use hanse_e2e::Hanse;
use hanse_e2e::raw::Caller;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Who is asked about: a user, a member of a group and nothing else, a service account.
pub(crate) const WHO: [&str; 4] =
    ["user:anna", "user:bob", "group:developers", "serviceaccount:team/robot"];
/// What: verb, resource, namespace.
pub(crate) const WHAT: [(&str, &str, &str); 3] =
    [("get", "secrets", "team"), ("list", "pods", "team"), ("delete", "nodes", "")];

/// Each answer to each question.
pub(crate) type Answers =
    BTreeMap<(&'static str, (&'static str, &'static str, &'static str)), bool>;

/// What the cluster's authoriser says now.
pub(crate) async fn kubernetes(admin: &Caller) -> Result<Answers> {
    let mut out = Answers::new();
    for who in WHO {
        for what in WHAT {
            let (verb, resource, namespace) = what;
            let (user, groups) = attributes(who);
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            let review = json!({"spec": {"user": user, "groups": groups, "resourceAttributes": {
                "verb": verb, "resource": resource, "namespace": namespace,
            }}});
            let answer = admin.create(path, &review).await?;
            let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
            out.insert((who, what), allowed.context("no verdict")?);
        }
    }
    Ok(out)
}

fn attributes(who: &str) -> (String, Vec<String>) {
    let all = "system:authenticated".to_owned();
    match who.split_once(':').unwrap() {
        ("user", name) => (name.to_owned(), vec![all]),
        ("group", name) => (String::new(), vec![name.to_owned()]),
        (_, account) => {
            let (namespace, name) = account.split_once('/').unwrap();
            let of = format!("system:serviceaccounts:{namespace}");
            let groups = vec!["system:serviceaccounts".to_owned(), of, all];
            (format!("system:serviceaccount:{namespace}:{name}"), groups)
        }
    }
}

/// What `hanse who-can` lists, now or as it was.
pub(crate) async fn hub(hanse: &Hanse, at: Option<Timestamp>) -> Result<Answers> {
    let mut out = Answers::new();
    for what in WHAT {
        let rows = who_can(hanse, what, at).await?;
        for who in WHO {
            let listed = rows["grants"].as_array().into_iter().flatten().any(|g| is(g, who));
            out.insert((who, what), listed);
        }
    }
    Ok(out)
}

/// The answer to one question.
pub(crate) async fn who_can(
    hanse: &Hanse,
    (verb, resource, namespace): (&str, &str, &str),
    at: Option<Timestamp>,
) -> Result<Value> {
    let at = at.map(|at| at.to_string());
    let mut args = vec!["who-can", verb, resource, "-o", "json"];
    if !namespace.is_empty() {
        args.extend(["-n", namespace]);
    }
    if let Some(at) = &at {
        args.extend(["--at", at]);
    }
    hanse.json(&args).await
}

/// The exit code of `hanse can-i`, for everything that was asked of the cluster.
pub(crate) async fn can_i(hanse: &Hanse, at: Timestamp) -> Result<Answers> {
    let mut out = Answers::new();
    for who in WHO {
        for what in WHAT {
            let (verb, resource, namespace) = what;
            let at = at.to_string();
            let mut args = vec!["can-i", verb, resource, "--as", who, "--at", &at];
            if !namespace.is_empty() {
                args.extend(["-n", namespace]);
            }
            let printed = hanse.run(&args).await?;
            ensure!(printed.code < 2, "{args:?}: {}", printed.stderr);
            out.insert((who, what), printed.code == 0);
        }
    }
    Ok(out)
}

/// Whether a row is about somebody.
pub(crate) fn is(grant: &Value, who: &str) -> bool {
    let subject = &grant["subject"];
    let name = subject["name"].as_str().unwrap_or_default();
    let shown = match subject["kind"].as_str().unwrap_or_default() {
        "KIND_USER" => format!("user:{name}"),
        "KIND_GROUP" => format!("group:{name}"),
        _ => format!("serviceaccount:{}/{name}", subject["namespace"].as_str().unwrap_or_default()),
    };
    shown == who
}
