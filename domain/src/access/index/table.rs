//! Rows of a cluster in the order of their keys: as small as they can be, found by halving.

use super::symbols::Symbols;

/// A row, which uses the symbols that it names.
pub(crate) trait Row {
    /// By which rows are ordered; one row has it.
    type Key: Ord + Copy;

    /// The row's key.
    fn key(&self) -> Self::Key;

    /// Ends the uses.
    fn release(self, symbols: &mut Symbols);
}

/// How many changes are made one by one: each moves rows by one place.
pub(crate) const FEW: usize = 8;

/// A change of the row with a key: another row, or none.
pub(crate) type Change<R> = (<R as Row>::Key, Option<R>);

/// Rows in order.
#[derive(Clone, Debug)]
pub(crate) struct Table<R>(Vec<R>);

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Row> Table<R> {
    /// All rows.
    pub(crate) fn rows(&self) -> &[R] {
        &self.0
    }

    fn set(&mut self, symbols: &mut Symbols, (key, row): Change<R>) {
        let at = self.0.binary_search_by_key(&key, Row::key);
        let gone = match (at, row) {
            (Ok(at), Some(row)) => self.0.get_mut(at).map(|held| std::mem::replace(held, row)),
            (Ok(at), None) => Some(self.0.remove(at)),
            (Err(at), Some(row)) => {
                insert(&mut self.0, at, row);
                None
            }
            (Err(_), None) => None,
        };
        if let Some(gone) = gone {
            gone.release(symbols);
        }
    }

    /// Makes changes; the last of a key counts. Few are made in place, many by sorting all.
    pub(crate) fn change(&mut self, symbols: &mut Symbols, changes: Vec<Change<R>>) {
        if changes.len() <= FEW {
            for change in changes {
                self.set(symbols, change);
            }
        } else {
            let mut rows = merge(std::mem::take(&mut self.0), changes, symbols);
            rows.sort_unstable_by_key(Row::key);
            rows.shrink_to_fit();
            self.0 = rows;
        }
    }

    /// Gives every symbol back.
    pub(crate) fn release(self, symbols: &mut Symbols) {
        for row in self.0 {
            row.release(symbols);
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<R>()
    }
}

/// Inserts as `Vec` does, but when it is full grows by a sixteenth, not to twice its size.
pub(crate) fn insert<T>(rows: &mut Vec<T>, at: usize, row: T) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact(rows.len() / 16 + 1);
    }
    rows.insert(at, row);
}

/// The rows after changes, in no order; the last change of a key counts.
pub(crate) fn merge<R: Row>(
    mut rows: Vec<R>,
    mut changes: Vec<Change<R>>,
    symbols: &mut Symbols,
) -> Vec<R> {
    if changes.is_empty() {
        return rows;
    }
    changes.sort_by_key(|(key, _)| *key);
    let is_old = |row: &mut R| changes.binary_search_by_key(&row.key(), |(key, _)| *key).is_ok();
    let gone: Vec<R> = rows.extract_if(.., is_old).collect();
    for row in gone {
        row.release(symbols);
    }
    let mut last = None;
    for (key, row) in changes.into_iter().rev() {
        match row {
            Some(row) if last != Some(key) => rows.push(row),
            Some(row) => row.release(symbols),
            None => {}
        }
        last = Some(key);
    }
    rows
}
