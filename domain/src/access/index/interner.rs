//! Values that are kept once, however many name them.
//!
//! Each is counted, and goes with its last use: what is kept is what is used, whatever came and went.
//! Its number is given again then; the generation tells whether a number still means the same.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

/// The number of no value.
pub(crate) const NONE: u32 = u32::MAX;

/// The hasher has a secret key: whoever chooses names in a cluster cannot make them collide.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    slots: Vec<Slot<T>>,
    /// Apart from the slots, since questions go over them alone.
    generations: Vec<u32>,
    numbers: HashTable<u32>,
    free: Vec<u32>,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    value: Option<T>,
    uses: u32,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            generations: Vec::new(),
            numbers: HashTable::new(),
            free: Vec::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: Hash> Interner<T> {
    /// The number of a value, if it is kept.
    pub(crate) fn find<Q>(&self, value: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let is = |number: &u32| self.get(*number).is_some_and(|held| held.borrow() == value);
        self.numbers.find(self.hasher.hash_one(value), is).copied()
    }

    /// Keeps a value, or uses it once more.
    pub(crate) fn acquire<Q>(&mut self, value: &Q) -> u32
    where
        T: Borrow<Q> + for<'q> From<&'q Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.acquire_with(value, |held| held.borrow() == value, || value.into())
    }

    /// [`Interner::acquire`] of what has the same hash as the value that it makes, and is like it.
    pub(crate) fn acquire_with(
        &mut self,
        like: &(impl Hash + ?Sized),
        same: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> u32 {
        let hash = self.hasher.hash_one(like);
        let is = |number: &u32| self.get(*number).is_some_and(&same);
        let Some(&number) = self.numbers.find(hash, is) else { return self.insert(make()) };
        if let Some(slot) = self.slots.get_mut(number as usize) {
            slot.uses = slot.uses.saturating_add(1);
        }
        number
    }

    /// Four thousand million values would need a hundred times the memory of the machines that this
    /// runs on; what is beyond has no number.
    fn insert(&mut self, value: T) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { value: None, uses: 0 });
            self.generations.push(0);
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        });
        let hash = self.hasher.hash_one(&value);
        let Some(slot) = self.slots.get_mut(number as usize) else { return NONE };
        *slot = Slot { value: Some(value), uses: 1 };
        if let Some(generation) = self.generations.get_mut(number as usize) {
            *generation = generation.wrapping_add(1).max(1);
        }
        let Self { slots, numbers, hasher, .. } = self;
        numbers.insert_unique(hash, number, |&number| {
            let value = slots.get(number as usize).and_then(|slot| slot.value.as_ref());
            value.map_or(0, |value| hasher.hash_one(value))
        });
        number
    }

    /// Ends one use. Gives the value back when it was the last.
    pub(crate) fn release(&mut self, number: u32) -> Option<T> {
        let slot = self.slots.get_mut(number as usize)?;
        slot.uses = slot.uses.saturating_sub(1);
        if slot.uses > 0 {
            return None;
        }
        let value = slot.value.take()?;
        let hash = self.hasher.hash_one(&value);
        if let Ok(entry) = self.numbers.find_entry(hash, |&held| held == number) {
            entry.remove();
        }
        self.free.push(number);
        Some(value)
    }

    /// The value with a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize)?.value.as_ref()
    }

    /// Which of the values that had this number it has now: never 0 for one that is there.
    pub(crate) fn generation(&self, number: u32) -> u32 {
        self.generations.get(number as usize).copied().unwrap_or(0)
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Bytes of memory, with what the values hold beside themselves.
    pub(crate) fn bytes(&self, beside: impl Fn(&T) -> usize) -> usize {
        let held: usize = self.slots.iter().filter_map(|s| s.value.as_ref()).map(beside).sum();
        let numbers = self.generations.capacity() + self.free.capacity();
        self.slots.capacity() * size_of::<Slot<T>>()
            + self.numbers.allocation_size()
            + numbers * size_of::<u32>()
            + held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_once_and_goes_with_its_last_use() {
        let mut texts = Interner::<Box<str>>::default();
        let a = texts.acquire("a");
        let b = texts.acquire("b");
        assert_eq!(texts.acquire("a"), a);
        assert_ne!(a, b);
        let first = texts.generation(a);
        assert_eq!(texts.release(a), None);
        assert_eq!(texts.release(a), Some("a".into()));
        assert_eq!((texts.find("a"), texts.get(a), texts.len()), (None, None, 1));
        assert_eq!(texts.release(a), None);

        let c = texts.acquire("c");
        assert_eq!((c, texts.get(c).map(AsRef::as_ref)), (a, Some("c")));
        assert_ne!(texts.generation(c), first);
    }

    #[test]
    fn what_comes_and_goes_takes_no_memory() {
        let mut texts = Interner::<Box<str>>::default();
        let mut round = |n: u32| {
            let text = n.to_string();
            let number = texts.acquire(text.as_str());
            texts.release(number);
            texts.bytes(|text| text.len())
        };
        let after_one = round(0);
        assert!((1..10_000).all(|n| round(n) == after_one));
    }
}
