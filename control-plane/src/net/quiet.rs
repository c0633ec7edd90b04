//! Log lines that anybody on the network can cause are counted and written rarely.

use std::time::Duration;

use tokio::time::Instant;

const PERIOD: Duration = Duration::from_secs(10);

/// Says when a line of one kind may be written again.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    last: Option<Instant>,
    suppressed: u64,
}

impl Quiet {
    /// How many lines were left out since the last one, when one may be written now.
    pub(super) fn allow(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < PERIOD) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_period_says_how_many_it_stands_for() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.allow(start), Some(0));
        assert_eq!(quiet.allow(start + PERIOD / 2), None);
        assert_eq!(quiet.allow(start + PERIOD / 2), None);
        assert_eq!(quiet.allow(start + PERIOD), Some(2));
        assert_eq!(quiet.allow(start + PERIOD * 2), Some(0));
    }
}
