//! What was decided about symbols, so that each is decided once in a question, over all clusters.

/// By number: the generation that was decided about, and the decision. No generation is 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo(Vec<(u32, u32)>);

impl Memo {
    /// The decision about a symbol: the last one, unless the number has another meaning by now. 0 about
    /// a symbol that is not there.
    pub(super) fn ask(
        &mut self,
        number: u32,
        generation: u32,
        decide: impl FnOnce() -> u32,
    ) -> u32 {
        if generation == 0 {
            return 0;
        }
        let at = number as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, (0, 0));
        }
        let Some((decided, decision)) = self.0.get_mut(at) else { return 0 };
        if *decided != generation {
            (*decided, *decision) = (generation, decide());
        }
        *decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_decides_once_for_each_meaning_of_a_number() {
        let (mut memo, mut asked) = (Memo::default(), 0);
        for (number, generation, decision) in
            [(5, 1, 7), (5, 1, 0), (0, 1, 0), (0, 1, 1), (5, 2, 0), (5, 3, 8)]
        {
            memo.ask(number, generation, || {
                asked += 1;
                decision
            });
        }
        assert_eq!(asked, 4);
        let again = [(5, 3), (0, 1), (9, 0)].map(|(number, it)| memo.ask(number, it, || 9));
        assert_eq!(again, [8, 0, 0]);
    }
}
