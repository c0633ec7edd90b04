//! When a person is asked, and what happens when the base moves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::access::preview::tests::violating;

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
    refused_with(yes, confirm_when, plan, &Preview::default()).await
}

async fn refused_with(
    yes: bool,
    confirm_when: Confirm,
    plan: &Plan,
    access: &Preview,
) -> Option<&'static str> {
    let args = args(yes);
    let order = Order::new(&args, confirm_when);
    confirm(&order, plan, access, false).await.err().map(|failure| failure.code())
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
    let violating = violating();
    let with_violation = async |yes| refused_with(yes, Confirm::Risks, &harmless, &violating).await;
    assert_eq!(with_violation(false).await, Some("needs-yes"));
    assert_eq!(with_violation(true).await, None);
}

#[tokio::test]
async fn a_moved_base_goes_on_once_and_only_with_the_same_effect() {
    let base = fleet::example("");
    let (plan, none) = (Plan::default(), Preview::default());
    let warned = Plan { warnings: vec!["mind".into()], ..Plan::default() };
    let shown = |plan: &Plan| Shown { effect: Effect::of(&base, plan, &none), text: "same".into() };
    let (same, other) = (shown(&plan), shown(&warned));
    assert!(again(&same, &same, 1, (&base, &plan, &none)).await.is_ok());
    assert!(again(&same, &same, 2, (&base, &plan, &none)).await.is_err());
    assert!(again(&same, &other, 1, (&base, &plan, &none)).await.is_err());
}

#[test]
fn a_difference_is_named_also_where_the_text_is_cut() {
    let (base, none) = (fleet::example(""), Preview::default());
    let warned = Plan { warnings: vec!["mind".into()], ..Plan::default() };
    let shown = |plan: &Plan, text: &str| Shown {
        effect: Effect::of(&base, plan, &none),
        text: text.to_owned(),
    };
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
