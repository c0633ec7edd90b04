//! Bad inputs made out of good ones: flipped bits, cut ends, spliced and repeated pieces, numbers
//! grown. The same seed gives the same inputs, so that a failure is found again.

/// The environment variable that multiplies the rounds: `HANSE_FUZZ_ROUNDS=100 cargo test fuzz`.
pub const ROUNDS_VARIABLE: &str = "HANSE_FUZZ_ROUNDS";

/// No input grows beyond this many bytes.
pub const MAX_INPUT_BYTES: usize = 4 << 20;

/// `rounds` times what [`ROUNDS_VARIABLE`] says (once, without it).
pub fn rounds(rounds: usize) -> usize {
    let factor = std::env::var(ROUNDS_VARIABLE).ok().and_then(|text| text.parse().ok());
    rounds.saturating_mul(factor.unwrap_or(1))
}

/// `rounds` inputs, each made from one of the corpus by one to four changes.
pub fn mutations(
    seed: u64,
    corpus: &[Vec<u8>],
    rounds: usize,
) -> impl Iterator<Item = Vec<u8>> + '_ {
    let mut random = Random(seed);
    (0..rounds).map(move |_| {
        let mut input = random.pick(corpus).cloned().unwrap_or_default();
        for _ in 0..=random.below(4) {
            mutate(&mut input, corpus, &mut random);
            input.truncate(MAX_INPUT_BYTES);
        }
        input
    })
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(8) {
        0 | 1 => {
            let bit = 1 << random.below(8);
            if let Some(byte) = input.get_mut(at) {
                *byte ^= bit;
            }
        }
        2 => {
            let values = [0, 0xff, 0x7f, 0x80, b'\n', b' ', b'0', b'9', b'-', b'='];
            let value = random.pick(&values).copied().unwrap_or_default();
            if let Some(byte) = input.get_mut(at) {
                *byte = value;
            }
        }
        3 => input.truncate(at),
        4 => {
            let length = random.short(input.len() - at);
            input.drain(at..at + length);
        }
        5 => {
            let piece = piece(input, random);
            let times = 1 + random.below(16);
            input.splice(at..at, piece.repeat(times));
        }
        6 => {
            let piece = random.pick(corpus).map(|other| piece(other, random)).unwrap_or_default();
            input.splice(at..at, piece);
        }
        _ => {
            // A number becomes a much longer one.
            let digits = random.below(24);
            input.splice(at..at, std::iter::repeat_n(b'9', digits));
        }
    }
}

fn piece(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let from = random.below(bytes.len() + 1);
    let length = random.short(bytes.len() - from);
    bytes.iter().skip(from).take(length).copied().collect()
}

/// `SplitMix64` (Steele, Lea, Flood 2014): any seed is a good one.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `limit`; 0 when that is 0.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    /// At most `limit`, and mostly little.
    fn short(&mut self, limit: usize) -> usize {
        let cap = if self.below(4) == 0 { limit } else { limit.min(16) };
        self.below(cap + 1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len());
        from.get(at)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    fn corpus() -> Vec<Vec<u8>> {
        vec![b"one small input".to_vec(), (0..=255).collect()]
    }

    #[test]
    fn the_seed_decides() {
        let take = |seed| mutations(seed, &corpus(), 200).collect::<Vec<_>>();
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn inputs_are_changed_shortened_and_grown() {
        let corpus = &corpus()[..1];
        let inputs: Vec<_> = mutations(1, corpus, 500).collect();
        let changed = inputs.iter().filter(|input| **input != corpus[0]).count();
        assert!(changed > 400, "{changed}");
        assert!(inputs.iter().any(|input| input.len() < corpus[0].len()));
        assert!(inputs.iter().any(|input| input.len() > corpus[0].len()));
    }

    #[test]
    fn an_empty_corpus_is_no_reason_to_fail() {
        assert_eq!(mutations(1, &[], 50).count(), 50);
        assert_eq!(mutations(1, &[Vec::new()], 50).count(), 50);
    }
}
