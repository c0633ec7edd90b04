//! Tells of an outage once, and again each minute, however many watches it breaks.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::core::io::Failure;

const WARN_EVERY: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<OutageState>);

#[derive(Debug, Default)]
struct OutageState {
    broken: Vec<&'static str>,
    warned: Option<Instant>,
}

impl Outage {
    /// A watch of a kind is broken.
    pub(super) fn warn(&self, kind: &'static str, failure: &Failure) {
        let Ok(mut state) = self.0.lock() else { return };
        if !state.broken.contains(&kind) {
            state.broken.push(kind);
        }
        if state.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            state.warned = Some(Instant::now());
            tracing::warn!(kind, "the cluster cannot be watched: {}", failure.text());
        }
    }

    /// It works again.
    pub(super) fn ended(&self, kind: &'static str) {
        let Ok(mut state) = self.0.lock() else { return };
        if state.broken.is_empty() {
            return;
        }
        state.broken.retain(|broken| *broken != kind);
        if state.broken.is_empty() && state.warned.take().is_some() {
            tracing::info!("the cluster can be watched again");
        }
    }
}
