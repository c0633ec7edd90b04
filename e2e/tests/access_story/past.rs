//! Time travel: what was so at each moment is asked again later, by two clocks and over outages.

use std::time::Duration;

use anyhow::{Result, ensure};
use hanse_e2e::poll;
use hanse_e2e::raw::Caller;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::One;
use crate::review::{self, Answers};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const TEAM: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/team";

/// A change as somebody makes it with kubectl: method, path, body.
type Change = (&'static str, String, Value);

fn role(name: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({
        "metadata": {"name": name},
        "rules": [{"apiGroups": [""], "resources": [resource], "verbs": verbs}],
    })
}

#[expect(clippy::needless_pass_by_value, reason = "made where it is passed")]
fn binding(name: &str, kind: &str, role: &str, subjects: Value) -> Value {
    json!({
        "metadata": {"name": name}, "roleRef": {"kind": kind, "name": role}, "subjects": subjects,
    })
}

/// Each changes some answer.
fn changes() -> Vec<Change> {
    let user = |name: &str| json!({"kind": "User", "name": name});
    let dev = json!({"kind": "Group", "name": "developers"});
    let robot = json!({"kind": "ServiceAccount", "name": "robot"});
    let (roles, bindings) = (format!("{TEAM}/roles"), format!("{TEAM}/rolebindings"));
    let wide = format!("{RBAC}/clusterrolebindings");
    let reader = role("reader", "secrets", &["get"]);
    let first = binding("readers", "Role", "reader", json!([user("anna")]));
    let more = binding("readers", "Role", "reader", json!([user("anna"), robot]));
    let view = binding("viewers", "ClusterRole", "view", json!([dev]));
    let admin = binding("backdoor", "ClusterRole", "cluster-admin", json!([user("bob")]));
    vec![
        ("POST", bindings.clone(), view),
        // The binding comes before its role, and grants nothing until then.
        ("POST", bindings.clone(), first),
        ("POST", roles.clone(), reader.clone()),
        ("PUT", format!("{bindings}/readers"), more),
        ("DELETE", format!("{roles}/reader"), Value::Null),
        ("POST", wide.clone(), admin),
        ("POST", roles.clone(), reader),
        ("PUT", format!("{roles}/reader"), role("reader", "pods", &["list"])),
        ("DELETE", format!("{wide}/backdoor"), Value::Null),
        ("DELETE", format!("{bindings}/readers"), Value::Null),
    ]
}

/// Makes a change, waits until the authoriser's answers differ, and then until the hub's are the same.
/// The second change changes nothing, so that nothing is waited for.
async fn recorded(
    one: &One,
    admin: &Caller,
    (method, path, body): &Change,
    before: Option<&Answers>,
) -> Result<(Timestamp, Answers)> {
    let body = Some(body).filter(|body| !body.is_null());
    admin.send(method, path, body).await?.ok()?;
    let grants_nothing =
        body.is_some_and(|body| body["roleRef"]["name"] == "reader") && *method == "POST";
    let (said, _) = poll::until("the authoriser says otherwise", || async {
        let said = review::kubernetes(admin).await?;
        Ok((grants_nothing || before != Some(&said)).then_some(said))
    })
    .await?;
    poll::until("the hub says the same", || async {
        let known = review::hub(one.hanse(), None).await?;
        if known == said { Ok(Some(())) } else { anyhow::bail!("{known:?}\nnot {said:?}") }
    })
    .await?;
    let moment = Timestamp::now();
    // A cluster tells the times of its changes in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    Ok((moment, said))
}

async fn all_again(one: &One, recording: &[(Timestamp, Answers)], when: &str) -> Result<()> {
    for (index, (moment, said)) in recording.iter().enumerate() {
        let known = review::hub(one.hanse(), Some(*moment)).await?;
        ensure!(known == *said, "{when}, change {index} at {moment}: {known:#?}\nnot {said:#?}");
    }
    Ok(())
}

async fn status(one: &One) -> Result<Value> {
    let answer = one.hanse().json(&["access", "status", "-o", "json"]).await?;
    Ok(answer["inventories"][0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_past_moment_is_asked_again() -> Result<()> {
    let one = One::start().await?;
    let admin = Caller::new(one.client().await?);
    admin.create("/api/v1/namespaces", &json!({"metadata": {"name": "team"}})).await?;
    let robot = json!({"metadata": {"name": "robot"}});
    admin.create("/api/v1/namespaces/team/serviceaccounts", &robot).await?;
    let mut recording: Vec<(Timestamp, Answers)> = Vec::new();
    for change in &changes() {
        let before = recording.last().map(|(_, said)| said);
        recording.push(recorded(&one, &admin, change, before).await?);
    }
    all_again(&one, &recording, "at once").await?;
    for (moment, said) in recording.iter().step_by(3) {
        ensure!(review::can_i(one.hanse(), *moment).await? == *said, "can-i at {moment}");
    }

    one.federation.hub.stop().await?;
    one.federation.hub.start().await?;
    one.settled().await?;
    all_again(&one, &recording, "after a restart of the hub").await?;

    // The agent is away while something changes and changes back: nobody knows, and nobody says so.
    let agent = one.federation.agent("cluster-1")?;
    agent.kill().await?;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let backdoor = binding(
        "backdoor",
        "ClusterRole",
        "cluster-admin",
        json!([{"kind": "User", "name": "bob"}]),
    );
    let path = format!("{RBAC}/clusterrolebindings");
    admin.create(&path, &backdoor).await?;
    let away = Timestamp::now();
    admin.send("DELETE", &format!("{path}/backdoor"), None).await?.ok()?;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    agent.start()?;
    let (shown, _) = poll::until("the gap is shown", || async {
        let shown = status(&one).await?;
        let spans = shown["coverage"].as_array().map_or(0, Vec::len);
        Ok((shown["live"] == true && spans >= 2).then_some(shown))
    })
    .await?;
    let inside = |span: &Value| {
        let time = |end: &str| span[end].as_str().unwrap().parse::<Timestamp>().unwrap();
        time("from") <= away && away < time("until")
    };
    let spans = shown["coverage"].as_array().unwrap();
    ensure!(!spans.iter().any(inside), "{away} is covered: {shown}");
    let answer = review::who_can(one.hanse(), ("delete", "nodes", ""), Some(away)).await?;
    let view = &answer["views"][0];
    ensure!(view["covered"] != true && view["seenUntil"].is_string(), "{view}");
    let before = recording.last().unwrap();
    let answer = review::who_can(one.hanse(), ("delete", "nodes", ""), Some(before.0)).await?;
    ensure!(answer["views"][0]["covered"] == true, "{}", answer["views"]);
    all_again(&one, &recording, "after an outage of the agent").await
}
