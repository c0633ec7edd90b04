//! What a cluster's agent has signed for, and so what of the hub's objects is proven.
//!
//! ```text
//! asked       ├───────────────────────────────────────┤
//! objects     ──A──┬───────B────────┬──C──────────────
//! signed        ├──┤├──────────────┤      ├───────┤       each root must be that of the objects
//! proven      ··███████████████████·······████████·····   the rest only the hub claims
//! ```
//!
//! A checkpoint whose root is not that of the objects contradicts them: then the hub has added,
//! altered or left out something. Between two checkpoints nothing is proven, neither what was there
//! nor when it changed.

use std::collections::BTreeMap;

use hanse_domain::access::checkpoint::{self, Checkpoint, NotSigned};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::{SignedDuration, Timestamp};

use super::evidence::{Evidence, Objects, Signed};
use super::past::Recipient;
use super::question::When;

/// While changes come in, an agent signs for the state before and for the state after them. What lies
/// between is shorter than this, and is bridged where both sides show the same.
pub(crate) const BRIDGED: SignedDuration = SignedDuration::from_secs(1);

/// Both ends included.
pub(crate) type Span = (Timestamp, Timestamp);

/// A checkpoint that fits the objects, cut to the time asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fitting {
    pub(crate) span: Span,
    pub(crate) checkpoint: Checkpoint,
    /// SHA-256 of the checkpoint.
    pub(crate) digest: Digest,
}

/// How much of a cluster is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// In order of their beginnings.
    pub(crate) fitting: Vec<Fitting>,
    /// What of the time asked they cover; moments shorter than [`BRIDGED`] between them are bridged.
    pub(crate) proven: Vec<Span>,
    /// The rest.
    pub(crate) gaps: Vec<Span>,
    /// Of a moment that no checkpoint covers: up to when the same objects were signed for before it.
    pub(crate) before: Option<Timestamp>,
    /// Where what the agent signed is not what the hub shows.
    pub(crate) contradictions: Vec<String>,
    /// Checkpoints that do not count, and why.
    pub(crate) not_counted: Vec<String>,
    /// Kinds that the agent could not see at some time, and why.
    pub(crate) unseen: BTreeMap<String, String>,
    /// The most objects at once that it had to leave out.
    pub(crate) skipped: u32,
    /// At the end of the time asked.
    pub(crate) root: Option<Digest>,
    pub(crate) objects: usize,
}

/// Why a checkpoint says nothing of this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Uncounted {
    /// It was signed by a key that was the cluster's at another time.
    Retired(String),
    /// Nobody vouched for who signed it, or it is of another cluster or fleet.
    Foreign(String),
}

/// Whom a checkpoint must be signed by, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'p> {
    pub(crate) fleet: Digest,
    pub(crate) cluster: ClusterId,
    pub(crate) recipients: &'p [Recipient],
}

impl Expected<'_> {
    /// Reads a checkpoint, if it is signed by who spoke for the cluster when it was made.
    pub(crate) fn read(&self, signed: &Signed) -> Result<Checkpoint, Uncounted> {
        let mut why = Uncounted::Foreign("no key of the cluster is in the history".to_owned());
        for known in self.recipients.iter().rev() {
            match checkpoint::verify(&known.key, &signed.checkpoint, &signed.signature) {
                Ok(read) => match self.fits(&read, known) {
                    Ok(()) => return Ok(read),
                    Err(uncounted) => why = uncounted,
                },
                Err(NotSigned::OtherKey) if matches!(why, Uncounted::Retired(_)) => {}
                Err(error) => why = Uncounted::Foreign(error.to_string()),
            }
        }
        Err(why)
    }

    fn fits(&self, read: &Checkpoint, known: &Recipient) -> Result<(), Uncounted> {
        if read.fleet != self.fleet {
            return Err(Uncounted::Foreign("it is of another fleet".to_owned()));
        }
        if read.cluster != self.cluster {
            return Err(Uncounted::Foreign("it is of another cluster".to_owned()));
        }
        match known.until {
            Some(until) if read.until > until => Err(Uncounted::Retired(format!(
                "the checkpoint that ends {} is signed by the key that was replaced {until}",
                read.until
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

impl Standing {
    /// Compares the objects with what was signed.
    pub(crate) fn of(evidence: &Evidence, expected: &Expected<'_>, when: When) -> Self {
        let mut out = Self::default();
        let mut read = Vec::new();
        for signed in &evidence.checkpoints {
            match expected.read(signed) {
                Ok(checkpoint) => read.push((checkpoint, Digest::of(&signed.checkpoint))),
                Err(Uncounted::Retired(why)) => out.not_counted.push(why),
                Err(Uncounted::Foreign(why)) => {
                    out.contradictions.push(format!("a checkpoint is not the cluster's: {why}"));
                }
            }
        }
        read.sort_by(|(a, x), (b, y)| (a.from, a.until, x).cmp(&(b.from, b.until, y)));
        let mut objects = Objects::default();
        let mut rest = evidence.versions.iter().peekable();
        for (checkpoint, digest) in read {
            let Some(span) = overlap(&checkpoint, when) else {
                out.earlier(&checkpoint, evidence, when);
                continue;
            };
            while let Some(version) = rest.next_if(|version| version.at <= span.0) {
                objects.apply(version);
            }
            // At the last moment of a checkpoint the next state may have begun.
            let only_its_end = span.0 == checkpoint.until && checkpoint.from < checkpoint.until;
            let amid = rest.peek().filter(|version| version.at < span.1);
            let same = objects.root() == checkpoint.root;
            if let (true, Some(version)) = (same, amid) {
                out.contradictions.push(format!(
                    "the agent signed that nothing changed from {} to {}, and the hub says that {} did at {}",
                    checkpoint.from, checkpoint.until, version.key, version.at
                ));
            } else if same && objects.len() == usize::try_from(checkpoint.objects).unwrap_or(0) {
                out.saw(&checkpoint);
                out.fitting.push(Fitting { span, checkpoint, digest });
            } else if !only_its_end {
                out.contradictions.push(format!(
                    "from {} to {} the agent signed for {} objects with the root {}; what the hub shows \
                     is {} objects with the root {}",
                    checkpoint.from,
                    checkpoint.until,
                    checkpoint.objects,
                    checkpoint.root.short(),
                    objects.len(),
                    objects.root().short()
                ));
            }
        }
        rest.for_each(|version| objects.apply(version));
        if evidence.hub.shown {
            out.root = Some(objects.root());
        }
        out.objects = objects.len();
        out.conclude(when);
        out
    }

    /// Whether a stretch of the time asked is proven as a whole, or in parts.
    pub(crate) fn covers(&self, (from, until): Span) -> Proof {
        if !self.contradictions.is_empty() {
            return Proof::Claimed;
        }
        // What lives between two checkpoints alone is not vouched for, though that moment is bridged.
        let seen = self.fitting.iter().any(|fitting| {
            let (a, b) = fitting.span;
            (a < until && from < b) || (from == until && a <= from && until <= b)
        });
        if seen && self.proven.iter().any(|(a, b)| *a <= from && until <= *b) {
            Proof::Proven
        } else if seen && self.proven.iter().any(|(a, b)| *a < until && from < *b) {
            Proof::Partly
        } else {
            Proof::Claimed
        }
    }

    /// Of all the time that was asked about.
    pub(crate) fn whole(&self) -> Proof {
        match (self.gaps.is_empty(), self.proven.is_empty()) {
            _ if !self.contradictions.is_empty() => Proof::Claimed,
            (true, _) => Proof::Proven,
            (false, false) => Proof::Partly,
            (false, true) => Proof::Claimed,
        }
    }

    /// A checkpoint that ended before the moment asked, for what was there then, too.
    fn earlier(&mut self, checkpoint: &Checkpoint, evidence: &Evidence, when: When) {
        if checkpoint.until >= when.start() || !matches!(when, When::At(_)) {
            return;
        }
        let mut objects = Objects::default();
        let start = evidence.versions.iter().take_while(|version| version.at <= when.start());
        start.for_each(|version| objects.apply(version));
        if objects.root() == checkpoint.root && self.before < Some(checkpoint.until) {
            self.before = Some(checkpoint.until);
            self.saw(checkpoint);
        }
    }

    fn saw(&mut self, checkpoint: &Checkpoint) {
        let unseen = checkpoint.unseen.iter();
        self.unseen.extend(unseen.map(|(kind, why)| (kind.to_string(), why.clone())));
        self.skipped = self.skipped.max(checkpoint.skipped);
    }

    fn conclude(&mut self, when: When) {
        for Fitting { span: (from, until), .. } in &self.fitting {
            match self.proven.last_mut() {
                Some((_, end)) if from.duration_since(*end) < BRIDGED => *end = (*end).max(*until),
                Some(_) | None => self.proven.push((*from, *until)),
            }
        }
        if let When::At(at) = when {
            if self.proven.is_empty() {
                self.gaps.push((at, at));
            }
            return;
        }
        let mut known = when.start();
        for (from, until) in &self.proven {
            if *from > known {
                self.gaps.push((known, *from));
            }
            known = known.max(*until);
        }
        if known < when.end() {
            self.gaps.push((known, when.end()));
        }
    }
}

/// How sure something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// The agent signed for it all the time.
    Proven,
    /// The agent signed for the path from the group on, and only the hub says who is in the group.
    FromGroup,
    /// The agent signed for it some of the time.
    Partly,
    /// Only the hub says so.
    Claimed,
}

impl Proof {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::FromGroup => "from-group",
            Self::Partly => "partly",
            Self::Claimed => "claimed",
        }
    }
}

/// What of a checkpoint lies in the time asked.
fn overlap(checkpoint: &Checkpoint, when: When) -> Option<Span> {
    let span = (checkpoint.from.max(when.start()), checkpoint.until.min(when.end()));
    (span.0 <= span.1).then_some(span)
}

/// Leaves out the checkpoints that others make unnecessary: those that say the same for a shorter
/// time.
pub(crate) fn needed(mut all: Vec<(Checkpoint, Signed)>, when: When) -> Vec<Signed> {
    let key = |checkpoint: &Checkpoint| {
        let Checkpoint { from, root, objects, unseen, skipped, .. } = checkpoint;
        (*from, *root, *objects, unseen.clone(), *skipped)
    };
    all.sort_by(|(a, x), (b, y)| {
        (a.from, a.until, &x.checkpoint).cmp(&(b.from, b.until, &y.checkpoint))
    });
    let mut kept: Vec<(Checkpoint, Signed)> = Vec::new();
    for (checkpoint, signed) in all {
        let longer = kept.iter_mut().rev().take_while(|(other, _)| other.from == checkpoint.from);
        match { longer }.find(|(other, _)| key(other) == key(&checkpoint)) {
            Some(other) => *other = (checkpoint, signed),
            None => kept.push((checkpoint, signed)),
        }
    }
    // Of those that ended before a moment that none covers, the newest says what was signed for last.
    let covered = kept.iter().any(|(checkpoint, _)| overlap(checkpoint, when).is_some());
    let ended = kept.iter().filter(|(c, _)| c.until < when.start()).map(|(c, _)| c.until);
    let last = if matches!(when, When::At(_)) && !covered { ended.max() } else { None };
    let matters = |checkpoint: &Checkpoint| {
        overlap(checkpoint, when).is_some() || Some(checkpoint.until) == last
    };
    kept.into_iter().filter(|(c, _)| matters(c)).map(|(_, signed)| signed).collect()
}
