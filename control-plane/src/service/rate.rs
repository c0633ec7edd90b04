//! Token buckets: so many at once, then so many a second.

use std::time::Duration;

use tokio::time::Instant;

/// One bucket.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    capacity: u32,
    /// How long one token takes to come back.
    refill: Duration,
    /// When the bucket would be full, if nothing is taken.
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(capacity: u32, refill: Duration, now: Instant) -> Self {
        Self { capacity, refill, full_at: now }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.refill;
        if full_at > now + self.refill * self.capacity {
            return false;
        }
        self.full_at = full_at;
        true
    }

    /// Takes tokens that were used already; where there are not so many, the bucket owes them.
    pub fn spend(&mut self, tokens: u32, now: Instant) {
        self.full_at = self.full_at.max(now) + self.refill * tokens;
    }

    /// From when on the bucket owes nothing.
    pub fn ready_at(&self, now: Instant) -> Instant {
        let owed = self.full_at.saturating_duration_since(now);
        now + owed.saturating_sub(self.refill * self.capacity)
    }

    /// Gives a token back.
    pub fn give_back(&mut self) {
        if let Some(earlier) = self.full_at.checked_sub(self.refill) {
            self.full_at = earlier;
        }
    }

    /// Whether nothing was taken lately.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::new(3, second, start);
        assert!(bucket.is_full(start));
        assert_eq!((0..5).filter(|_| bucket.take(start)).count(), 3);
        assert!(!bucket.take(start + second / 2));
        assert!(bucket.take(start + second));
        assert!(!bucket.take(start + second));
        bucket.give_back();
        assert!(bucket.take(start + second));
        assert!(bucket.is_full(start + second * 10));
        assert_eq!((0..5).filter(|_| bucket.take(start + second * 10)).count(), 3);
    }

    #[test]
    fn what_was_spent_is_waited_for() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::new(3, second, start);
        bucket.spend(2, start);
        assert_eq!(bucket.ready_at(start), start);
        bucket.spend(6, start);
        assert_eq!(bucket.ready_at(start), start + second * 5);
        assert_eq!(bucket.ready_at(start + second * 2), start + second * 5);
        assert_eq!(bucket.ready_at(start + second * 9), start + second * 9);
        // Nothing is saved beyond what the bucket holds.
        bucket.spend(4, start + second * 100);
        assert_eq!(bucket.ready_at(start + second * 100), start + second * 101);
    }
}
