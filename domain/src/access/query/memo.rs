//! What was decided about symbols, so that each is decided once in a question, over all clusters.

/// By number: the generation and the decision. 0 where nothing was decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo(Vec<u32>);

impl Memo {
    /// The decision about a symbol: the last one, unless the number has another meaning by now.
    pub(super) fn ask(
        &mut self,
        number: u32,
        generation: u32,
        decide: impl FnOnce() -> bool,
    ) -> bool {
        if generation == 0 {
            return false;
        }
        let at = number as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        let Some(held) = self.0.get_mut(at) else { return false };
        if *held == 0 || *held >> 1 != generation & (u32::MAX >> 1) {
            *held = generation << 1 | u32::from(decide());
        }
        *held & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_decides_once_for_each_meaning_of_a_number() {
        let (mut memo, mut asked) = (Memo::default(), 0);
        for (number, generation, decision) in
            [(5, 1, true), (5, 1, false), (0, 1, false), (0, 1, true), (5, 2, false), (5, 3, true)]
        {
            memo.ask(number, generation, || {
                asked += 1;
                decision
            });
        }
        assert_eq!(asked, 4);
        assert!(memo.ask(5, 3, || false) && !memo.ask(0, 1, || true) && !memo.ask(9, 0, || true));
    }
}
