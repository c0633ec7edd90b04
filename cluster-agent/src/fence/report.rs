//! What a look at the fence found.

use super::{CeilingReport, FenceState};
use crate::kube::writers::Model;

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Policies, bindings and the Ceiling.
    Content,
    /// What the agent's account may do.
    Rights,
    /// What the API server denies.
    Probe,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// The fence does not stand.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceFinding {
    /// By which of the three ways.
    pub aspect: Aspect,
    /// How it is.
    pub level: Level,
    /// What should be so.
    pub check: String,
    /// Why it is not.
    pub why: Option<String>,
    /// What helps.
    pub hint: Option<String>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceReport {
    /// As whom roles and bindings are written.
    pub model: Model,
    /// The Ceiling, where it can be read.
    pub ceiling: Option<CeilingReport>,
    /// In order.
    pub findings: Vec<FenceFinding>,
}

impl FenceReport {
    pub(super) const fn new(model: Model) -> Self {
        Self { model, ceiling: None, findings: Vec::new() }
    }

    pub(super) fn good(&mut self, aspect: Aspect, check: impl Into<String>) {
        self.push(aspect, Level::Good, check.into(), None);
    }

    pub(super) fn warning(
        &mut self,
        aspect: Aspect,
        check: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(aspect, Level::Warning, check.into(), Some((why.into(), hint.into())));
    }

    pub(super) fn bad(
        &mut self,
        aspect: Aspect,
        check: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(aspect, Level::Bad, check.into(), Some((why.into(), hint.into())));
    }

    pub(super) fn push(
        &mut self,
        aspect: Aspect,
        level: Level,
        check: String,
        problem: Option<(String, String)>,
    ) {
        let (why, hint) = problem.unzip();
        self.findings.push(FenceFinding { aspect, level, check, why, hint });
    }

    /// Why the fence does not stand; empty when it does.
    pub fn broken(&self) -> Vec<String> {
        let bad = self.findings.iter().filter(|finding| finding.level == Level::Bad);
        bad.map(|finding| match &finding.why {
            Some(why) => format!("{}: {why}", finding.check),
            None => finding.check.clone(),
        })
        .collect()
    }

    /// What follows for the agent.
    pub fn state(&self, allow_unfenced: bool) -> FenceState {
        let mut why = self.broken();
        match &self.ceiling {
            Some(ceiling) if why.is_empty() => {
                return FenceState::Standing { model: self.model, ceiling: ceiling.clone() };
            }
            None if why.is_empty() => why.push("the Ceiling cannot be read".to_owned()),
            Some(_) | None => {}
        }
        if allow_unfenced { FenceState::Unfenced(why) } else { FenceState::Broken(why) }
    }
}
