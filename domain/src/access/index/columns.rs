//! All bindings of a cluster in columns of the same length, by namespace, role and name.

use std::ops::Range;

use super::rows::BindingRow;
use super::table::insert;

/// A namespace with bindings, and where they end; they begin where those before it end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    namespace: u32,
    end: u32,
}

/// The bindings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    spaces: Vec<Space>,
    /// Places in the cluster's roles.
    roles: Vec<u32>,
    names: Vec<u32>,
    sets: Vec<u32>,
}

impl Columns {
    /// Of rows in order, with the place of each one's role.
    pub(crate) fn from_rows(rows: &[BindingRow], place: impl Fn(&BindingRow) -> u32) -> Self {
        let mut end = 0;
        let spaces = rows.chunk_by(|one, other| one.namespace == other.namespace);
        let spaces = spaces.filter_map(|run| {
            end += u32::try_from(run.len()).unwrap_or(u32::MAX);
            Some(Space { namespace: run.first()?.namespace, end })
        });
        let mut spaces: Vec<Space> = spaces.collect();
        spaces.shrink_to_fit();
        Self {
            spaces,
            roles: rows.iter().map(place).collect(),
            names: rows.iter().map(|row| row.name).collect(),
            sets: rows.iter().map(|row| row.set).collect(),
        }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.sets.len()
    }

    /// All namespaces, with the places of their bindings.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = (u32, Range<usize>)> {
        let mut end = 0;
        self.spaces.iter().map(move |space| {
            let start = end;
            end = space.end as usize;
            (space.namespace, start..end)
        })
    }

    /// The places of a namespace's bindings.
    pub(crate) fn of(&self, namespace: u32) -> Range<usize> {
        match self.position(namespace) {
            Ok(at) => self.end_before(at)..self.end_before(at + 1),
            Err(at) => self.end_before(at)..self.end_before(at),
        }
    }

    /// The name and the subjects of the binding at a place.
    pub(crate) fn get(&self, place: usize) -> Option<(u32, u32)> {
        Some((*self.names.get(place)?, *self.sets.get(place)?))
    }

    /// The roles at some places.
    pub(crate) fn roles(&self, places: Range<usize>) -> &[u32] {
        self.roles.get(places).unwrap_or_default()
    }

    /// The subjects at some places.
    pub(crate) fn sets(&self, places: Range<usize>) -> &[u32] {
        self.sets.get(places).unwrap_or_default()
    }

    /// Puts a binding in.
    pub(crate) fn insert(&mut self, role: u32, row: BindingRow) {
        let places = self.of(row.namespace);
        let roles = self.roles(places.clone());
        let start = places.start + roles.partition_point(|&held| held < role);
        let end = places.start + roles.partition_point(|&held| held <= role);
        let names = self.names.get(start..end).unwrap_or_default();
        let place = start + names.partition_point(|&held| held < row.name);
        insert(&mut self.roles, place, role);
        insert(&mut self.names, place, row.name);
        insert(&mut self.sets, place, row.set);
        let at = self.position(row.namespace).unwrap_or_else(|at| {
            let end = u32::try_from(places.end).unwrap_or(u32::MAX);
            insert(&mut self.spaces, at, Space { namespace: row.namespace, end });
            at
        });
        for space in self.spaces.iter_mut().skip(at) {
            space.end += 1;
        }
    }

    /// Takes the binding with a namespace and a name away. Gives its role's place and its subjects.
    pub(crate) fn remove(&mut self, (namespace, name): (u32, u32)) -> Option<(u32, u32)> {
        let places = self.of(namespace);
        let names = self.names.get(places.clone()).unwrap_or_default();
        let place = places.start + names.iter().position(|&held| held == name)?;
        let at = self.position(namespace).ok()?;
        for space in self.spaces.iter_mut().skip(at) {
            space.end = space.end.saturating_sub(1);
        }
        if places.len() == 1 {
            self.spaces.remove(at);
        }
        self.names.remove(place);
        Some((self.roles.remove(place), self.sets.remove(place)))
    }

    /// A role came to a place, or went from it: those from there on have moved.
    pub(crate) fn move_roles(&mut self, from: u32, by: i32) {
        for role in &mut self.roles {
            if *role >= from {
                *role = role.saturating_add_signed(by);
            }
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let Self { spaces, roles, names, sets } = self;
        let columns = [roles, names, sets].map(|column| column.capacity() * size_of::<u32>());
        columns.iter().sum::<usize>() + spaces.capacity() * size_of::<Space>()
    }

    fn position(&self, namespace: u32) -> Result<usize, usize> {
        self.spaces.binary_search_by_key(&namespace, |space| space.namespace)
    }

    fn end_before(&self, at: usize) -> usize {
        let before = at.checked_sub(1).and_then(|before| self.spaces.get(before));
        before.map_or(0, |space| space.end as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u32) -> BindingRow {
        BindingRow { role: (0, n % 3), namespace: n % 4, name: n, set: 100 + n }
    }

    fn place(row: &BindingRow) -> u32 {
        row.role.1
    }

    fn sorted(numbers: impl Iterator<Item = u32>) -> Columns {
        let mut rows: Vec<BindingRow> = numbers.map(row).collect();
        rows.sort_unstable_by_key(|row| (row.namespace, row.role, row.name));
        Columns::from_rows(&rows, place)
    }

    #[test]
    fn one_by_one_they_come_to_the_same_places() {
        let mut columns = Columns::default();
        for n in (0..40).map(|n| n * 7 % 40) {
            columns.insert(place(&row(n)), row(n));
        }
        assert_eq!(format!("{columns:?}"), format!("{:?}", sorted(0..40)));
        for n in (0_u32..40).filter(|n| n % 4 == 2 || n.is_multiple_of(5)) {
            assert_eq!(columns.remove((n % 4, n)), Some((n % 3, 100 + n)));
            assert_eq!(columns.remove((n % 4, n)), None);
        }
        let rest = sorted((0_u32..40).filter(|n| n % 4 != 2 && !n.is_multiple_of(5)));
        assert_eq!(format!("{columns:?}"), format!("{rest:?}"));
    }
}
