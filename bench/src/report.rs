//! What a run found: figures, each with its floor, and how they compare with the targets.

use serde::Serialize;

use crate::stats::{Samples, ms};

/// Everything that is printed.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// How it was measured.
    pub(crate) conditions: Vec<String>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) goals: Vec<Goal>,
    /// What should be known to read them.
    pub(crate) notes: Vec<String>,
}

/// One figure.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    /// The target's number, such as P4; what has none is part of the figure above it.
    pub(crate) id: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) repetitions: usize,
    pub(crate) median: f64,
    /// Absent where one number is all there is.
    pub(crate) p99: Option<f64>,
    pub(crate) floor: Option<Floor>,
}

/// The same work without Hanse, in the same minute.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Floor {
    pub(crate) median: f64,
    pub(crate) p99: f64,
    /// The figure's median over the floor's.
    pub(crate) ratio: f64,
}

/// A target and whether it is met.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Goal {
    pub(crate) id: &'static str,
    pub(crate) what: String,
    /// "first" or "then".
    pub(crate) stage: &'static str,
    pub(crate) target: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

impl Figure {
    /// Durations in milliseconds.
    pub(crate) fn latency(id: &'static str, what: &str, samples: &Samples) -> Self {
        Self {
            id,
            what: what.to_owned(),
            unit: "ms",
            repetitions: samples.len(),
            median: ms(samples.median()),
            p99: Some(ms(samples.p99())),
            floor: None,
        }
    }

    /// One number.
    pub(crate) fn single(id: &'static str, what: &str, unit: &'static str, value: f64) -> Self {
        let what = what.to_owned();
        Self { id, what, unit, repetitions: 1, median: value, p99: None, floor: None }
    }

    /// In microseconds, from milliseconds.
    #[must_use]
    pub(crate) fn in_micros(mut self) -> Self {
        self.unit = "µs";
        self.median *= 1000.0;
        self.p99 = self.p99.map(|p99| p99 * 1000.0);
        self.floor = self.floor.map(|floor| Floor {
            median: floor.median * 1000.0,
            p99: floor.p99 * 1000.0,
            ratio: floor.ratio,
        });
        self
    }

    /// Beside its floor.
    #[must_use]
    pub(crate) fn over(mut self, floor: &Samples) -> Self {
        let (median, p99) = (ms(floor.median()), ms(floor.p99()));
        let ratio = if median > 0.0 { self.median / median } else { 0.0 };
        self.floor = Some(Floor { median, p99, ratio });
        self
    }
}

impl Report {
    /// Compares durations with a target of a median and, maybe, of a 99th percentile.
    pub(crate) fn judge(
        &mut self,
        (id, what): (&'static str, &str),
        stage: &'static str,
        samples: &Samples,
        (median_ms, p99_ms): (f64, Option<f64>),
    ) {
        let (median, p99) = (ms(samples.median()), ms(samples.p99()));
        let mut target = format!("p50 ≤ {median_ms} ms");
        let mut measured = format!("p50 {median:.1}");
        if let Some(limit) = p99_ms {
            target = format!("{target}, p99 ≤ {limit} ms");
            measured = format!("{measured}, p99 {p99:.1}");
        }
        let met = median <= median_ms && p99_ms.is_none_or(|limit| p99 <= limit);
        let what = what.to_owned();
        self.goals.push(Goal { id, what, stage, target, measured: measured + " ms", met });
    }

    /// Compares one number with the most that it may be.
    pub(crate) fn judge_number(
        &mut self,
        (id, what): (&'static str, &str),
        stage: &'static str,
        (value, most, unit): (f64, f64, &str),
    ) {
        self.goals.push(Goal {
            id,
            what: what.to_owned(),
            stage,
            target: format!("≤ {most} {unit}"),
            measured: format!("{} {unit}", number(value)),
            met: value <= most,
        });
    }
}

/// Short, with what matters of the digits.
pub(crate) fn number(value: f64) -> String {
    if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_target_is_met_only_when_both_its_parts_are() {
        let samples: Samples = [5, 5, 30].into_iter().map(Duration::from_millis).collect();
        let mut report = Report::default();
        report.judge(("P4", "x"), "first", &samples, (10.0, Some(40.0)));
        report.judge(("P4", "x"), "first", &samples, (10.0, Some(20.0)));
        report.judge(("P4", "x"), "first", &samples, (4.0, Some(40.0)));
        report.judge(("P4", "x"), "first", &samples, (10.0, None));
        let met: Vec<bool> = report.goals.iter().map(|goal| goal.met).collect();
        assert_eq!(met, [true, false, false, true]);
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let of = |ms| [Duration::from_millis(ms)].into_iter().collect::<Samples>();
        let figure = Figure::latency("P4", "x", &of(9)).over(&of(3));
        assert!(figure.floor.is_some_and(|floor| (floor.ratio - 3.0).abs() < 1e-9));
    }
}
