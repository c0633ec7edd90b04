//! Which versions a report adds to what is stored. Pure.

use std::collections::BTreeMap;

use hanse_domain::ids::Digest;

/// The newest stored version of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// `None`: it is gone.
    pub(super) leaf: Option<Digest>,
    /// In microseconds.
    pub(super) at: i64,
    /// Of what it says.
    pub(super) bytes: i64,
}

/// A version in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Which of the report's changes it is; `None`: gone, because its bucket came without it.
    pub(super) change: Option<usize>,
    /// `None`: it is gone.
    pub(super) leaf: Option<Digest>,
    /// In microseconds.
    pub(super) at: i64,
}

/// What a report adds for each object: its new versions, in order, each later than the one before.
/// The first is not before the stored one, and each says something else than the one before it. Of a
/// report that arrives once more, nothing is later than what is stored, and nothing is added.
pub(super) fn decide(
    stored: &BTreeMap<Digest, Known>,
    reported: BTreeMap<Digest, Vec<Step>>,
) -> BTreeMap<Digest, Vec<Step>> {
    reported
        .into_iter()
        .map(|(key, steps)| (key, versions(stored.get(&key).copied(), &steps)))
        .filter(|(_, versions)| !versions.is_empty())
        .collect()
}

fn versions(known: Option<Known>, steps: &[Step]) -> Vec<Step> {
    let mut versions: Vec<Step> = Vec::new();
    for step in steps {
        let floor = versions.last().map(|last| last.at).or(known.map(|known| known.at));
        let at = floor.map_or(step.at, |floor| floor.max(step.at));
        // What lasted no time, by the clock of one report, was at no moment.
        versions.pop_if(|last| last.at == at);
        let before = versions.last().map_or(known.and_then(|known| known.leaf), |last| last.leaf);
        if before != step.leaf {
            versions.push(Step { at, ..*step });
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(text: &str) -> Option<Digest> {
        (!text.is_empty()).then(|| Digest::of(text.as_bytes()))
    }

    fn known(text: &str, at: i64) -> Known {
        Known { leaf: leaf(text), at, bytes: 0 }
    }

    /// The versions that steps lead to: text (empty: gone) and time.
    fn after(known: impl Into<Option<Known>>, steps: &[(&str, i64)]) -> Vec<(Option<Digest>, i64)> {
        let steps: Vec<Step> = (steps.iter())
            .map(|(text, at)| Step { change: None, leaf: leaf(text), at: *at })
            .collect();
        versions(known.into(), &steps).into_iter().map(|step| (step.leaf, step.at)).collect()
    }

    #[test]
    fn versions_follow_one_another() {
        assert_eq!(after(None, &[("a", 3), ("b", 5)]), [(leaf("a"), 3), (leaf("b"), 5)]);
        assert_eq!(after(None, &[("", 3)]), []);
        assert_eq!(after(None, &[("a", 3), ("", 4)]), [(leaf("a"), 3), (None, 4)]);
        assert_eq!(after(known("a", 1), &[("a", 4)]), []);
        assert_eq!(after(known("a", 1), &[("", 4)]), [(None, 4)]);
        assert_eq!(after(known("", 1), &[("", 4)]), []);
        assert_eq!(after(known("a", 1), &[("b", 4), ("a", 5)]), [(leaf("b"), 4), (leaf("a"), 5)]);
    }

    #[test]
    fn no_version_is_before_the_one_that_it_follows() {
        assert_eq!(after(known("a", 7), &[("b", 4)]), [(leaf("b"), 7)]);
        assert_eq!(after(known("", 7), &[("b", 4), ("c", 9)]), [(leaf("b"), 7), (leaf("c"), 9)]);
        assert_eq!(after(None, &[("a", 9), ("b", 4)]), [(leaf("b"), 9)]);
        assert_eq!(after(known("a", 7), &[("b", 4), ("a", 4)]), []);
    }

    #[test]
    fn a_report_that_arrives_twice_adds_nothing() {
        for steps in
            [&[("b", 4), ("a", 5)][..], &[("b", 4), ("", 5)], &[("b", 4), ("c", 3)], &[("b", 0)]]
        {
            let once = after(known("a", 1), steps);
            let last = once.last().map(|(leaf, at)| Known { leaf: *leaf, at: *at, bytes: 0 });
            assert_eq!(after(last, steps), [], "{steps:?}");
        }
    }
}
