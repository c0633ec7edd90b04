//! How many keys it takes at the least to meet several quorums at once.

use std::collections::BTreeMap;

use super::root::Quorum;

/// The fewest keys with which every quorum is met; those with more names than threshold share where
/// they can. Nothing is needed for no quorum, and no more is counted than a quorum has names.
pub(crate) fn fewest(quorums: &[Quorum]) -> usize {
    // Keys that are in the same quorums are alike.
    let mut alike: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
    let mut names: Vec<_> = quorums.iter().flat_map(|quorum| &quorum.names).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let member = quorums.iter().map(|quorum| quorum.names.contains(name)).collect();
        *alike.entry(member).or_default() += 1;
    }
    // By what is still missing of each quorum, the fewest keys that lead there.
    let missing = quorums.iter().map(|quorum| quorum.threshold.min(quorum.names.len())).collect();
    let mut reached: BTreeMap<Vec<usize>, usize> = BTreeMap::from([(missing, 0)]);
    for (member, count) in alike {
        let mut further = reached.clone();
        for (missing, taken) in &reached {
            let most = missing.iter().copied().max().unwrap_or_default().min(count);
            for more in 1..=most {
                let each = missing.iter().zip(&member);
                let left = each
                    .map(|(left, is_in)| if *is_in { left.saturating_sub(more) } else { *left });
                let fewest = further.entry(left.collect()).or_insert(taken + more);
                *fewest = (*fewest).min(taken + more);
            }
        }
        reached = further;
    }
    let met = reached.into_iter().find(|(missing, _)| missing.iter().all(|left| *left == 0));
    met.map(|(_, taken)| taken).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quorum(threshold: usize, names: &str) -> Quorum {
        let names = names.split(' ').map(|name| name.parse().ok()).collect::<Option<_>>();
        Quorum { threshold, names: names.unwrap_or_default() }
    }

    #[test]
    fn keys_count_for_every_quorum_that_they_are_in() {
        let of = |quorums: &[(usize, &str)]| {
            let quorums: Vec<_> = quorums.iter().map(|(n, names)| quorum(*n, names)).collect();
            fewest(&quorums)
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[(2, "a b c")]), 2);
        assert_eq!(of(&[(2, "a b"), (1, "b c")]), 2);
        assert_eq!(of(&[(2, "a b"), (1, "c")]), 3);
        assert_eq!(of(&[(2, "a b"), (2, "a c")]), 3);
        assert_eq!(of(&[(1, "a b"), (1, "b c"), (1, "c d")]), 2);
        assert_eq!(of(&[(4, "a b c d e f"), (3, "e f g"), (1, "g")]), 5);
    }
}
