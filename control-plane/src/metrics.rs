//! What a monitoring system reads of the hub. Labels are from closed enums, and names of invariants,
//! which authors have signed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds, from what is in memory to what is made from a long past.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0];

/// A question about access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Asking {
    /// Who can do something.
    WhoCan,
    /// What somebody can do.
    WhatCan,
    /// Whether somebody can do something.
    Decisions,
    /// What came and went.
    Differences,
    /// Who reaches what.
    Escalations,
    /// What a change would do.
    Preview,
    /// Everything, for an auditor.
    Inventory,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByQuestion {
    question: Asking,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByInvariant {
    invariant: String,
}

/// The hub's metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Values>);

#[derive(Debug)]
struct Values {
    inventories: Gauge,
    reports: Counter,
    changes: Counter,
    questions: Family<ByQuestion, Histogram, fn() -> Histogram>,
    /// How many stand of each invariant. They are shown together, so that none is away for a moment.
    violations: Mutex<BTreeMap<String, u32>>,
    unchecked: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let questions = Family::new_with_constructor(histogram as fn() -> Histogram);
        Self(Arc::new(Values {
            inventories: Gauge::default(),
            reports: Counter::default(),
            changes: Counter::default(),
            questions,
            violations: Mutex::default(),
            unchecked: Gauge::default(),
        }))
    }
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

/// A question that is being answered; its time counts when it is dropped.
pub struct Clock {
    metrics: Metrics,
    asking: Asking,
    since: Instant,
}

impl Drop for Clock {
    fn drop(&mut self) {
        let question = ByQuestion { question: self.asking };
        let seconds = self.since.elapsed().as_secs_f64();
        self.metrics.0.questions.get_or_create(&question).observe(seconds);
    }
}

impl Metrics {
    /// How many clusters' inventories are in the index.
    pub fn set_inventories(&self, inventories: usize) {
        self.0.inventories.set(i64::try_from(inventories).unwrap_or(i64::MAX));
    }

    /// A report of an inventory with so many changes.
    pub fn inventory_report(&self, changes: usize) {
        self.0.reports.inc();
        self.0.changes.inc_by(changes as u64);
    }

    /// A question is asked; what comes back measures it.
    pub fn asking(&self, asking: Asking) -> Clock {
        Clock { metrics: self.clone(), asking, since: Instant::now() }
    }

    /// How many violations stand of each invariant that there is. Others are forgotten.
    pub fn set_violations(&self, counts: impl IntoIterator<Item = (String, u32)>) {
        *self.violations() = counts.into_iter().collect();
    }

    fn violations(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.0.violations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many clusters have invariants that cannot be checked.
    pub fn set_unchecked_clusters(&self, clusters: usize) {
        self.0.unchecked.set(i64::try_from(clusters).unwrap_or(i64::MAX));
    }

    /// All of it, to be shown.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("hanse");
        let values = &*self.0;
        let violations = Family::<ByInvariant, Gauge>::default();
        for (invariant, count) in &*self.violations() {
            let label = ByInvariant { invariant: invariant.clone() };
            violations.get_or_create(&label).set(i64::from(*count));
        }
        registry.register(
            "access_inventories",
            "Clusters whose access is known",
            values.inventories.clone(),
        );
        registry.register(
            "access_inventory_reports",
            "Reports of inventories of access that were stored",
            values.reports.clone(),
        );
        registry.register(
            "access_inventory_changes",
            "Changes of objects in those reports",
            values.changes.clone(),
        );
        registry.register(
            "access_question_seconds",
            "How long answers to questions about access took, their clients' time included",
            values.questions.clone(),
        );
        registry.register("access_violations", "Violations of invariants that stand", violations);
        registry.register(
            "access_unchecked_clusters",
            "Clusters whose invariants cannot be checked: their agents do not see what gives rights",
            values.unchecked.clone(),
        );
        registry
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn all_of_them_are_shown() {
        let metrics = Metrics::default();
        metrics.set_inventories(3);
        metrics.inventory_report(7);
        drop(metrics.asking(Asking::WhoCan));
        metrics.set_unchecked_clusters(4);
        metrics.set_violations([("gone".to_owned(), 9)]);
        metrics.set_violations([("only-sre".to_owned(), 2)]);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        for line in [
            "hanse_access_inventories 3",
            "hanse_access_unchecked_clusters 4",
            "hanse_access_inventory_reports_total 1",
            "hanse_access_inventory_changes_total 7",
            r#"hanse_access_question_seconds_count{question="WhoCan"} 1"#,
            r#"hanse_access_violations{invariant="only-sre"} 2"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("gone"), "{text}");
    }
}
