//! Scenarios: inputs in, effects out, no cluster.
