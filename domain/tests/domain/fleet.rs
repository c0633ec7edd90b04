//! Edits of a fleet, and what they touch.

use hanse_domain::change::Change;
use hanse_domain::document::Document;
use hanse_domain::fleet::Edit;
use hanse_domain::plan::plan;
use proptest::prelude::*;

use crate::support::{
    NOW, READS_PODS, cluster, cluster_id, document, new_fleet, put, text, three_clusters,
};

/// One of a few documents, in one of a few forms, in one of a few places.
pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    let document = (
        0usize..4,
        0usize..3,
        prop::sample::select(vec![
            "{clusterSelector: {}}",
            "{clusterSelector: {matchLabels: {env: prod}}}",
            "{clusterNames: [c1]}",
            "{clusterNames: [c2, c9]}",
        ]),
    )
        .prop_map(|(name, form, placement)| put(make(&format!("r{name}"), form, placement)));
    let removal = (0usize..4)
        .prop_map(|name| Edit::Remove(format!("FederatedRole/r{name}").parse().unwrap()));
    let entry = (1u128..4, prop::sample::select(vec!["prod", "dev"]))
        .prop_map(|(n, env)| Edit::PutCluster(cluster(n, &format!("c{n}"), &[("env", env)])));
    let leaving = (1u128..4).prop_map(|n| Edit::RemoveCluster(cluster_id(n)));
    prop_oneof![4 => document, 2 => removal, 3 => entry, 1 => leaving]
}

fn make(name: &str, form: usize, placement: &str) -> Document {
    let drift = ["Enforce", "Report", "Enforce # again"][form];
    document(&text(
        "FederatedRole",
        name,
        &format!("  placement: {placement}\n  drift: {drift}\n{READS_PODS}"),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_plan_of_what_is_there_is_empty(edits in prop::collection::vec(edit(), 1..8)) {
        let Ok(change) = Change::propose(&new_fleet(), edits, "", NOW) else { return Ok(()) };
        let mut again: Vec<Edit> = change.fleet.documents().values().map(|held| Edit::Put(held.document.clone())).collect();
        again.extend(change.fleet.members().values().map(|member| Edit::PutCluster((*member.entry).clone())));
        let plan = plan(&change.fleet, again, NOW).unwrap();
        prop_assert!(plan.edits.is_empty() && plan.clusters.is_empty() && plan.hazards.is_empty() && plan.warnings.is_empty());
    }
}

#[test]
fn a_change_elsewhere_leaves_a_generation_alone() {
    let fleet = three_clusters();
    let prod = make("r", 0, "{clusterSelector: {matchLabels: {env: prod}}}");
    let next = crate::support::after(&fleet, vec![put(prod)]);
    let generations: Vec<u64> = next.members().values().map(|member| member.generation.0).collect();
    assert_eq!(generations, [2, 2, 1]);
    let moved = make("r", 0, "{clusterNames: [dev-1]}");
    let next = crate::support::after(&next, vec![put(moved)]);
    assert_eq!(next.member(cluster_id(1)).unwrap().manifest.documents.len(), 0);
    assert_eq!(next.member(cluster_id(3)).unwrap().manifest.documents.len(), 1);
    assert!(next.members().values().all(|member| member.generation.0 == 3));
}
