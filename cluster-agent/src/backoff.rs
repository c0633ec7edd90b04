//! Waiting times between retries: exponential, with full jitter, so that a fleet that lost its hub at
//! one moment does not come back at one moment.

use std::time::Duration;

/// Waiting times that double up to a limit. Each is drawn from zero to the current ceiling.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// Begins with a ceiling of `first` and ends with one of `limit`.
    pub const fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit, ceiling: first }
    }

    /// The next time to wait.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = ceiling.saturating_mul(2).min(self.limit);
        ceiling.mul_f64(rand::random::<f64>())
    }

    /// Begins anew, after something worked.
    pub const fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_limit_and_begins_anew() {
        let (first, limit) = (Duration::from_millis(100), Duration::from_secs(30));
        let mut backoff = Backoff::new(first, limit);
        assert!((0..100).all(|_| backoff.next_delay() <= limit));
        let long = (0..1000).map(|_| backoff.next_delay()).max();
        assert!(long > Some(Duration::from_secs(20)), "{long:?}");
        backoff.reset();
        assert!(backoff.next_delay() <= first);
    }
}
