//! What a plan does, to compare it with what it does on another base. Not its text, in which long
//! values and lists are cut.

use std::collections::BTreeMap;

use hanse_domain::fleet::Fleet;
use hanse_domain::history::changes::Transition;
use hanse_domain::object::REVISION_ANNOTATION;
use hanse_domain::plan::{Hazard, ObjectChange, Plan};
use serde_json::Value;

use crate::access::preview::Preview;

/// All that a person says yes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Effect {
    /// Digests before and after, by subject.
    edits: BTreeMap<String, Option<Transition>>,
    clusters: BTreeMap<String, Vec<ObjectChange>>,
    hazards: Vec<Hazard>,
    warnings: Vec<String>,
    access: Preview,
}

impl Effect {
    pub(super) fn of(base: &Fleet, plan: &Plan, access: &Preview) -> Self {
        let edits = plan.edits.iter();
        let clusters = plan.clusters.iter();
        Self {
            edits: edits.map(|e| (e.subject().to_string(), base.transition(e))).collect(),
            clusters: clusters
                .map(|(name, changes)| {
                    (name.clone(), changes.iter().map(without_revision).collect())
                })
                .collect(),
            hazards: plan.hazards.clone(),
            warnings: plan.warnings.clone(),
            access: access.lasting(),
        }
    }
}

/// The revision's number on an object follows the base, and says nothing by itself.
fn without_revision(change: &ObjectChange) -> ObjectChange {
    let mut change = change.clone();
    for object in [&mut change.before, &mut change.after].into_iter().flatten() {
        let annotations = object.pointer_mut("/metadata/annotations");
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.remove(REVISION_ANNOTATION);
        }
    }
    change
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hanse_domain::fleet::Edit;
    use hanse_domain::parse::parse_files;
    use hanse_domain::plan::plan;
    use jiff::Timestamp;

    use super::*;
    use crate::access::preview::tests::violating;
    use crate::fleet::example;
    use crate::plan_view;

    const ROLE: &str = "\
apiVersion: hanse.dev/v1alpha1
kind: FederatedRole
metadata: {name: reader}
spec:
  placement: {clusterSelector: {matchLabels: {env: prod}}}
  rules:
    - {apiGroups: [''], resources: [pods], resourceNames: [NAMES], verbs: [get]}
";

    /// A role with so many names in a rule that they are not all shown, and one at the end.
    fn role(last: &str) -> String {
        let mut names: Vec<String> = (0..40).map(|number| format!("pod-{number}")).collect();
        names.push(last.to_owned());
        ROLE.replace("NAMES", &names.join(", "))
    }

    fn planned(base: &Fleet, yaml: &str) -> Plan {
        let documents = parse_files([("x", yaml.as_bytes())]).unwrap();
        let edits = documents.into_iter().map(|document| Edit::Put(document.into())).collect();
        plan(base, edits, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn effect(base: &Fleet, plan: &Plan) -> Effect {
        Effect::of(base, plan, &Preview::default())
    }

    #[test]
    fn what_it_opens_counts() {
        let base = example("");
        let plan = planned(&base, &role("a"));
        assert_ne!(effect(&base, &plan), Effect::of(&base, &plan, &violating()));
    }

    #[test]
    fn a_new_base_alone_changes_no_effect() {
        let effect_at = |base: &Fleet| effect(base, &planned(base, &role("b")));
        let mut later = example(&role("a"));
        later.number.0 += 7;
        assert_eq!(effect_at(&example(&role("a"))), effect_at(&later));
        assert_ne!(effect_at(&example(&role("a"))), effect_at(&example("")));
    }

    #[test]
    fn what_is_cut_in_the_text_counts() {
        let base = example(&role("a"));
        let (one, other) = (planned(&base, &role("b")), planned(&base, &role("c")));
        assert_eq!(plan_view::effect(&one), plan_view::effect(&other), "the text is the same");
        assert_ne!(effect(&base, &one), effect(&base, &other));
        // Only the objects, only the documents, only the clusters.
        let mut plan = one.clone();
        plan.edits.clone_from(&other.edits);
        assert_ne!(effect(&base, &plan), effect(&base, &other));
        plan.clusters.clone_from(&other.clusters);
        assert_eq!(effect(&base, &plan), effect(&base, &other));
        plan.clusters.pop_last();
        assert_ne!(effect(&base, &plan), effect(&base, &other));
    }

    #[test]
    fn what_is_written_over_counts() {
        // Somebody else changed a comment in the document meanwhile.
        let base = example(&role("a"));
        let commented = example(&format!("# mind this\n{}", role("a")));
        let effect_at = |base: &Fleet| effect(base, &planned(base, &role("b")));
        assert_ne!(effect_at(&base), effect_at(&commented));
    }

    #[test]
    fn hazards_and_warnings_count() {
        let base = example("");
        let plan = planned(&base, &role("a"));
        let hazard = planned(&base, &role("a").replace("[pods]", "['*']")).hazards;
        let wider = Plan { hazards: hazard, ..plan.clone() };
        assert_ne!(effect(&base, &wider), effect(&base, &plan));
        let warned = Plan { warnings: vec!["mind".into()], ..plan.clone() };
        assert_ne!(effect(&base, &warned), effect(&base, &plan));
    }
}
