//! Medians and percentiles of durations, by nearest rank: each is a value that was measured.

use std::time::Duration;

/// What was measured, in the order in which it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Zero of no samples.
    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// Zero of no samples.
    pub(crate) fn p99(&self) -> Duration {
        self.percentile(99)
    }

    /// The smallest sample that at least `percent` of all samples do not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// In milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(ms: impl IntoIterator<Item = u64>) -> Samples {
        ms.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn the_median_is_the_middle_one_whatever_the_order() {
        assert_eq!(samples([9, 1, 5]).median(), Duration::from_millis(5));
    }

    #[test]
    fn of_an_even_number_the_lower_middle_one_counts() {
        assert_eq!(samples([4, 1, 3, 2]).median(), Duration::from_millis(2));
    }

    #[test]
    fn p99_of_200_is_the_third_largest() {
        assert_eq!(samples((1..=200).rev()).p99(), Duration::from_millis(198));
    }

    #[test]
    fn p99_of_few_is_the_largest() {
        assert_eq!(samples([1, 2, 30]).p99(), Duration::from_millis(30));
    }

    #[test]
    fn one_outlier_moves_p99_and_not_the_median() {
        let all = samples(std::iter::repeat_n(2, 50).chain([500]));
        assert_eq!(
            (all.median(), all.p99()),
            (Duration::from_millis(2), Duration::from_millis(500))
        );
    }

    #[test]
    fn nothing_measured_is_zero() {
        assert_eq!((Samples::default().median(), Samples::default().len()), (Duration::ZERO, 0));
    }
}
