//! What the ceilings of clusters would refuse, as far as their agents have reported them. Nobody has
//! signed that, so that it is good for a warning and for nothing else.

use std::collections::BTreeMap;

use hanse_domain::ceiling::Ceiling;
use hanse_domain::object::Object;
use hanse_domain::plan::Plan;
use hanse_proto::admin::Cluster;

use crate::hub::Hub;
use crate::text::count;

const MAX_NAMED: usize = 5;

/// Adds to a plan's warnings what clusters would refuse. A hub that does not say is no reason to stop.
pub(crate) async fn warn(hub: &Hub, plan: &mut Plan) {
    let writes = plan.clusters.values().flatten().any(|change| change.after.is_some());
    if writes {
        let warnings = warnings(hub.with_ceilings().await, plan);
        plan.warnings.extend(warnings);
    }
}

fn warnings(clusters: &[Cluster], plan: &Plan) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for cluster in clusters.iter().filter(|cluster| cluster.accepted) {
        let reported = cluster.fence.as_ref().map_or("", |fence| &fence.ceiling);
        let (Some(changes), Ok(ceiling)) =
            (plan.clusters.get(&cluster.name), Ceiling::parse(reported))
        else {
            continue;
        };
        for change in changes {
            let Some(body) = change.after.clone() else { continue };
            let object = Object { reference: change.object.clone(), body };
            for refusal in ceiling.refusals(&object) {
                let reason = format!("{} would be refused: {refusal}", change.object);
                by_reason.entry(reason).or_default().push(&cluster.name);
            }
        }
    }
    by_reason
        .into_iter()
        .map(|(reason, clusters)| format!("by {}: {reason}", named(&clusters)))
        .collect()
}

fn named(clusters: &[&str]) -> String {
    let shown = clusters.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    match clusters.len() {
        1 => format!("the ceiling of {shown}"),
        n if n <= MAX_NAMED => format!("the ceilings of {shown}"),
        n => format!("the ceilings of {shown} and {}", count(n - MAX_NAMED, "more cluster")),
    }
}
