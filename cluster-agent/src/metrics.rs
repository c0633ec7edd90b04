//! What a monitoring system reads of an agent. Every label is from a closed enum.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hanse_domain::bundle::Condition;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::inventory::Stats;

/// How a look at the fence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum FenceCheck {
    /// It stands.
    Standing,
    /// It does not.
    Broken,
    /// The API server did not answer.
    Unanswered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: FenceCheck,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCondition {
    condition: &'static str,
}

/// The agent's metrics. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Values>);

#[derive(Debug, Default)]
struct Values {
    bundle_refused: Family<ByCondition, Counter>,
    fence_checks: Family<ByResult, Counter>,
    write_errors: Counter,
    generation: Gauge,
    connected: Gauge,
    drift_open: Gauge,
    objects: Gauge,
    fence_standing: Gauge,
    secrets_pending: Gauge,
    inventory_objects: Gauge,
    inventory_skipped: Gauge,
    inventory_unseen: Gauge,
    inventory_reports: Counter,
}

impl Metrics {
    /// A bundle was refused.
    pub fn bundle_refused(&self, condition: Condition) {
        let condition = condition.word();
        self.0.bundle_refused.get_or_create(&ByCondition { condition }).inc();
    }

    /// The API server refused a write, or did not answer it.
    pub fn write_failed(&self) {
        self.0.write_errors.inc();
    }

    /// The fence was looked at.
    pub fn fence_checked(&self, result: FenceCheck) {
        self.0.fence_checks.get_or_create(&ByResult { result }).inc();
    }

    /// Whether the fence stands.
    pub fn set_fence_standing(&self, stands: bool) {
        self.0.fence_standing.set(i64::from(stands));
    }

    /// The generation of the bundle that is held.
    pub fn set_generation(&self, generation: u64) {
        set(&self.0.generation, generation);
    }

    /// Whether the hub is connected.
    pub fn set_connected(&self, connected: bool) {
        self.0.connected.set(i64::from(connected));
    }

    /// How many differences are open.
    pub fn set_drift_open(&self, open: u64) {
        set(&self.0.drift_open, open);
    }

    /// How many objects are declared.
    pub fn set_objects(&self, objects: u64) {
        set(&self.0.objects, objects);
    }

    /// How many secrets cannot be opened yet.
    pub fn set_secrets_pending(&self, pending: u64) {
        set(&self.0.secrets_pending, pending);
    }

    /// How the inventory of access stands.
    pub fn set_inventory(&self, stats: Stats) {
        set(&self.0.inventory_objects, stats.objects as u64);
        set(&self.0.inventory_skipped, stats.skipped as u64);
        set(&self.0.inventory_unseen, stats.unseen as u64);
        self.0.inventory_reports.inner().store(stats.reports, Ordering::Relaxed);
    }

    /// All of it, to be shown.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("hanse_agent");
        let values = &*self.0;
        registry.register(
            "bundle_refused",
            "Bundles that were refused, by the condition that failed",
            values.bundle_refused.clone(),
        );
        registry.register(
            "fence_checks",
            "Looks at the fence, by their result",
            values.fence_checks.clone(),
        );
        registry.register(
            "write_errors",
            "Writes that the cluster's API server refused or did not answer",
            values.write_errors.clone(),
        );
        registry.register(
            "inventory_reports",
            "Reports of the inventory of access",
            values.inventory_reports.clone(),
        );
        let gauges: [(&str, &str, &Gauge<i64, AtomicI64>); 9] = [
            ("generation", "Generation of the bundle that is held", &values.generation),
            ("connected", "1 while the hub is connected", &values.connected),
            ("drift_open", "Differences that are open", &values.drift_open),
            ("objects", "Objects that are declared for this cluster", &values.objects),
            ("fence_standing", "1 while the fence stands", &values.fence_standing),
            ("secrets_pending", "Secrets that cannot be opened yet", &values.secrets_pending),
            ("inventory_objects", "Objects in the inventory of access", &values.inventory_objects),
            (
                "inventory_skipped",
                "Objects that are too large, too many or malformed for the inventory of access",
                &values.inventory_skipped,
            ),
            (
                "inventory_unseen",
                "Kinds that the inventory of access does not see",
                &values.inventory_unseen,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        registry
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn all_of_them_are_shown() {
        let metrics = Metrics::default();
        metrics.bundle_refused(Condition::Provenance);
        metrics.bundle_refused(Condition::Provenance);
        metrics.fence_checked(FenceCheck::Broken);
        metrics.set_generation(7);
        metrics.set_connected(true);
        metrics.set_secrets_pending(u64::MAX);
        metrics.write_failed();
        metrics.set_inventory(Stats { objects: 7, skipped: 2, unseen: 1, reports: 9 });
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        for line in [
            r#"hanse_agent_bundle_refused_total{condition="provenance"} 2"#,
            r#"hanse_agent_fence_checks_total{result="Broken"} 1"#,
            "hanse_agent_generation 7",
            "hanse_agent_connected 1",
            "hanse_agent_drift_open 0",
            "hanse_agent_objects 0",
            "hanse_agent_fence_standing 0",
            "hanse_agent_secrets_pending 9223372036854775807",
            "hanse_agent_write_errors_total 1",
            "hanse_agent_inventory_objects 7",
            "hanse_agent_inventory_skipped 2",
            "hanse_agent_inventory_unseen 1",
            "hanse_agent_inventory_reports_total 9",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }
}
