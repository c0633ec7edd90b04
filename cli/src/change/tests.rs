//! When a person is asked, and what happens when the base moves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn args(yes: bool) -> CommitArgs {
    CommitArgs {
        message: None,
        yes,
        wait: true,
        timeout: Duration::from_secs(10),
        output: TextOrJson::Text,
    }
}

async fn refused(yes: bool, confirm_when: Confirm, plan: &Plan) -> Option<&'static str> {
    let args = args(yes);
    let order = Order::new(&args, confirm_when);
    confirm(&order, plan, false).await.err().map(|failure| failure.code())
}

#[tokio::test]
async fn where_nobody_can_be_asked_hazards_and_removals_need_yes() {
    let base = fleet::example("");
    let wide = "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: reader}\n\
        spec: {placement: {clusterSelector: {}}, rules: [{apiGroups: [''], resources: ['*'], verbs: [get]}]}\n";
    let edits = |yaml: &str| {
        let documents = hanse_domain::parse::parse_files([("x", yaml.as_bytes())]).unwrap();
        documents.into_iter().map(|d| Edit::Put(d.into())).collect::<Vec<_>>()
    };
    let hazard = planned(&base, edits(wide)).unwrap();
    let harmless = planned(&base, edits(&wide.replace("'*'", "pods"))).unwrap();
    assert_eq!(refused(false, Confirm::Risks, &hazard).await, Some("needs-yes"));
    assert_eq!(refused(true, Confirm::Risks, &hazard).await, None);
    assert_eq!(refused(false, Confirm::Risks, &harmless).await, None);
    assert_eq!(refused(false, Confirm::Always, &harmless).await, Some("needs-yes"));
    assert_eq!(refused(true, Confirm::Always, &harmless).await, None);
}

#[tokio::test]
async fn a_moved_base_goes_on_once_and_only_with_the_same_effect() {
    let base = fleet::example("");
    let plan = Plan::default();
    let warned = Plan { warnings: vec!["mind".into()], ..Plan::default() };
    let shown = |plan: &Plan| Shown { effect: Effect::of(&base, plan), text: "same".into() };
    let (same, other) = (shown(&plan), shown(&warned));
    assert!(again(&same, &same, 1, &base, &plan).await.is_ok());
    assert!(again(&same, &same, 2, &base, &plan).await.is_err());
    assert!(again(&same, &other, 1, &base, &plan).await.is_err());
}

#[test]
fn a_difference_is_named_also_where_the_text_is_cut() {
    let base = fleet::example("");
    let warned = Plan { warnings: vec!["mind".into()], ..Plan::default() };
    let shown =
        |plan: &Plan, text: &str| Shown { effect: Effect::of(&base, plan), text: text.to_owned() };
    let before = shown(&Plan::default(), "a\n");
    assert!(differs(&before, &shown(&warned, "b\n")).contains("\n-a\n+b\n"));
    assert!(differs(&before, &shown(&warned, "a\n")).contains("where its text is cut"));
    assert!(differs(&before, &before).contains("the same"));
}

#[test]
fn durations_are_written_as_people_write_them() {
    assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
    for bad in ["", "-5s", "5", "soon"] {
        assert!(duration(bad).is_err(), "{bad}");
    }
}
