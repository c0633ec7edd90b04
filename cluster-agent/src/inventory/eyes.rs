//! Which kinds are in sight, and until when each was known.

use std::collections::BTreeMap;
use std::time::Duration;

use hanse_domain::access::object::AccessKind;
use jiff::Timestamp;

/// How long the API server must refuse a kind before it counts as unseen, and how long a watch must be
/// broken before the hub is told for that alone: right after its start an API server refuses much.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How one kind is seen.
#[derive(Debug, Default)]
struct Eye {
    listed: bool,
    blind: Option<Blind>,
    /// Refused for so long that the agent is not to wait for it; of workloads nothing is held any more.
    given_up: bool,
    /// Nothing of it changed before that moment without the agent's having said so.
    known: Option<Timestamp>,
}

#[derive(Debug)]
struct Blind {
    since: Timestamp,
    refused_since: Option<Timestamp>,
    why: String,
}

/// All kinds.
#[derive(Debug)]
pub(super) struct Eyes(BTreeMap<AccessKind, Eye>);

impl Eyes {
    pub(super) fn new() -> Self {
        Self(AccessKind::ALL.into_iter().map(|kind| (kind, Eye::default())).collect())
    }

    /// A kind was listed. Says whether it had been listed before.
    pub(super) fn listed(&mut self, kind: AccessKind, now: Timestamp) -> bool {
        let known = self
            .0
            .insert(kind, Eye { listed: true, blind: None, given_up: false, known: Some(now) });
        known.is_some_and(|eye| eye.listed)
    }

    pub(super) fn blind(&mut self, kind: AccessKind, refused: bool, why: String, now: Timestamp) {
        let eye = self.0.entry(kind).or_default();
        let refused_since = refused.then_some(now);
        match &mut eye.blind {
            None => eye.blind = Some(Blind { since: now, refused_since, why }),
            // The reason stays, or each new try would be news.
            Some(blind) if blind.refused_since.is_some() == refused => {}
            Some(blind) => {
                blind.refused_since = refused_since;
                blind.why = why;
            }
        }
    }

    /// Kinds that have been refused for long enough by now, each once.
    pub(super) fn give_up(&mut self, now: Timestamp) -> Vec<AccessKind> {
        let mut gone = Vec::new();
        for (kind, eye) in &mut self.0 {
            let refused = eye.blind.as_ref().and_then(|blind| blind.refused_since);
            if !eye.given_up && refused.is_some_and(|since| is_past(since, now)) {
                eye.given_up = true;
                eye.listed &= !kind.is_workload();
                gone.push(*kind);
            }
        }
        gone
    }

    /// Whether each kind was listed, or cannot be.
    pub(super) fn is_complete(&self) -> bool {
        self.0.values().all(|eye| eye.listed || eye.given_up)
    }

    /// What is not in sight, and why.
    pub(super) fn unseen(&self) -> BTreeMap<AccessKind, String> {
        let unseen = |(kind, eye): (&AccessKind, &Eye)| {
            let blind = eye.blind.as_ref()?;
            Some((*kind, format!("since {:.0}: {}", blind.since, blind.why)))
        };
        self.0.iter().filter_map(unseen).collect()
    }

    /// Whether a kind is not in sight.
    pub(super) fn is_blind(&self, kind: AccessKind) -> bool {
        self.0.get(&kind).is_some_and(|eye| eye.blind.is_some())
    }

    /// All that are not.
    pub(super) fn blind_kinds(&self) -> impl Iterator<Item = AccessKind> {
        self.0.iter().filter(|(_, eye)| eye.blind.is_some()).map(|(kind, _)| *kind)
    }

    /// Kinds that have been out of sight for so long that it should be said.
    pub(super) fn long_unseen(&self, now: Timestamp) -> impl Iterator<Item = AccessKind> {
        let long = move |eye: &Eye| eye.blind.as_ref().is_some_and(|b| is_past(b.since, now));
        self.0.iter().filter(move |(_, eye)| long(eye)).map(|(kind, _)| *kind)
    }

    /// The next moment at which something is past its grace.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let blind = self.0.values().filter_map(|eye| eye.blind.as_ref());
        let begun = blind.flat_map(|blind| [Some(blind.since), blind.refused_since]).flatten();
        begun.filter_map(|since| since.checked_add(GRACE).ok()).filter(|due| *due > now).min()
    }

    /// What is found of a kind now did not change before that.
    pub(super) fn known(&self, kind: AccessKind) -> Option<Timestamp> {
        self.0.get(&kind)?.known
    }

    /// Something of a kind happened then.
    pub(super) fn know(&mut self, kind: AccessKind, at: Timestamp) {
        if let Some(eye) = self.0.get_mut(&kind) {
            eye.known = Some(eye.known.map_or(at, |known| known.max(at)));
        }
    }

    /// Something was said of everything until then. Also of what is out of sight: whatever comes into
    /// sight later is no part of what was signed.
    pub(super) fn know_all(&mut self, until: Timestamp) {
        for eye in self.0.values_mut() {
            eye.known = Some(eye.known.map_or(until, |known| known.max(until)));
        }
    }

    /// The clock went back.
    pub(super) fn clock_went_back(&mut self, now: Timestamp) {
        for eye in self.0.values_mut() {
            eye.known = eye.known.map(|known| known.min(now));
            if let Some(blind) = &mut eye.blind {
                blind.since = blind.since.min(now);
                blind.refused_since = blind.refused_since.map(|since| since.min(now));
            }
        }
    }
}

fn is_past(since: Timestamp, now: Timestamp) -> bool {
    since.checked_add(GRACE).is_ok_and(|due| due <= now)
}
