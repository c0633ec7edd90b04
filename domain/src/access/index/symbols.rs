//! What clusters have in common, kept once for all of them.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::interner::Interner;
use crate::access::object::{LabelSelector, RawSubject};
use crate::access::subject::Subject;
use crate::history::roster::Labels;
use crate::kinds::role::PolicyRule;

/// The number of the empty text: the namespace of what is in none.
pub(crate) const NOWHERE: u32 = 0;

/// What a role says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleContent {
    /// What it grants, in order.
    pub rules: Vec<Arc<PolicyRule>>,
    /// Of a cluster role: into which roles it is aggregated.
    pub labels: Labels,
    /// Of an aggregated cluster role: from which roles.
    pub aggregates: Option<Vec<LabelSelector>>,
}

/// As the rules and the labels that it was made of.
impl Hash for RoleContent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.rules, &self.labels).hash(state);
    }
}

/// Numbers of subjects in order, each once. Most bindings name one or two: these are read from where
/// the set is.
#[derive(Clone, Debug)]
enum Members {
    Few(u32, [u32; 3]),
    Many(Box<[u32]>),
}

impl From<&[u32]> for Members {
    fn from(members: &[u32]) -> Self {
        let mut few = [0; 3];
        match (u32::try_from(members.len()), few.get_mut(..members.len())) {
            (Ok(count), Some(place)) => {
                place.copy_from_slice(members);
                Self::Few(count, few)
            }
            _ => Self::Many(members.into()),
        }
    }
}

impl Borrow<[u32]> for Members {
    fn borrow(&self) -> &[u32] {
        match self {
            Self::Few(count, few) => few.get(..*count as usize).unwrap_or_default(),
            Self::Many(members) => members,
        }
    }
}

/// As the slice, which it is found by.
impl Hash for Members {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<[u32]>::borrow(self).hash(state);
    }
}

/// All values that clusters name by number.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    texts: Interner<Box<str>>,
    subjects: Interner<Subject>,
    /// A set uses each of its members once, however often it is used itself.
    sets: Interner<Members>,
    roles: Interner<RoleContent>,
    labels: Interner<Labels>,
}

impl Default for Symbols {
    fn default() -> Self {
        let mut texts = Interner::default();
        let nowhere = texts.acquire("");
        debug_assert_eq!(nowhere, NOWHERE, "the first number");
        Self {
            texts,
            subjects: Interner::default(),
            sets: Interner::default(),
            roles: Interner::default(),
            labels: Interner::default(),
        }
    }
}

impl Symbols {
    pub(crate) fn find_text(&self, text: &str) -> Option<u32> {
        self.texts.find(text)
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        self.texts.get(number).map_or("", AsRef::as_ref)
    }

    /// Nowhere is always there, and not counted.
    pub(crate) fn acquire_text(&mut self, text: &str) -> u32 {
        if text.is_empty() { NOWHERE } else { self.texts.acquire(text) }
    }

    pub(crate) fn release_text(&mut self, number: u32) {
        if number != NOWHERE {
            self.texts.release(number);
        }
    }

    /// The set of those whom a binding names and who are somebody.
    pub(crate) fn acquire_set(&mut self, raw: &[RawSubject], binding_namespace: &str) -> u32 {
        let named = raw.iter().filter_map(|raw| Subject::from_raw(raw, binding_namespace));
        let mut named: Vec<Subject> = named.collect();
        named.sort_unstable();
        named.dedup();
        let mut members: Vec<u32> =
            named.iter().map(|subject| self.acquire_subject(subject)).collect();
        members.sort_unstable();
        let known = self.sets.find(members.as_slice()).is_some();
        let set = self.sets.acquire(members.as_slice());
        if known {
            for member in members {
                self.subjects.release(member);
            }
        }
        set
    }

    fn acquire_subject(&mut self, subject: &Subject) -> u32 {
        self.subjects.acquire_with(subject, |held| held == subject, || subject.clone())
    }

    pub(crate) fn release_set(&mut self, number: u32) {
        if let Some(members) = self.sets.release(number) {
            for member in Borrow::<[u32]>::borrow(&members) {
                self.subjects.release(*member);
            }
        }
    }

    pub(crate) fn subjects_of(&self, set: u32) -> impl Iterator<Item = &Subject> {
        let members: &[u32] = self.sets.get(set).map(Borrow::borrow).unwrap_or_default();
        members.iter().filter_map(|&member| self.subjects.get(member))
    }

    pub(crate) fn generation_of_set(&self, number: u32) -> u32 {
        self.sets.generation(number)
    }

    pub(crate) fn acquire_role(
        &mut self,
        rules: &[PolicyRule],
        labels: &Labels,
        aggregates: Option<&[LabelSelector]>,
    ) -> u32 {
        let same = |held: &RoleContent| {
            held.rules.iter().map(AsRef::as_ref).eq(rules)
                && held.labels == *labels
                && held.aggregates.as_deref() == aggregates
        };
        self.roles.acquire_with(&(rules, labels), same, || RoleContent {
            rules: rules.iter().cloned().map(Arc::new).collect(),
            labels: labels.clone(),
            aggregates: aggregates.map(<[_]>::to_vec),
        })
    }

    pub(crate) fn release_role(&mut self, number: u32) {
        self.roles.release(number);
    }

    pub(crate) fn role(&self, number: u32) -> Option<&RoleContent> {
        self.roles.get(number)
    }

    pub(crate) fn generation_of_role(&self, number: u32) -> u32 {
        self.roles.generation(number)
    }

    pub(crate) fn acquire_labels(&mut self, labels: &Labels) -> u32 {
        self.labels.acquire_with(labels, |held| held == labels, || labels.clone())
    }

    pub(crate) fn release_labels(&mut self, number: u32) {
        self.labels.release(number);
    }

    pub(crate) fn labels(&self, number: u32) -> Option<&Labels> {
        self.labels.get(number)
    }

    /// How many texts, subjects, sets of subjects, contents of roles and sets of labels there are.
    pub(crate) fn counts(&self) -> [usize; 5] {
        let Self { texts, subjects, sets, roles, labels } = self;
        [texts.len(), subjects.len(), sets.len(), roles.len(), labels.len()]
    }

    pub(crate) fn bytes(&self) -> usize {
        let Self { texts, subjects, sets, roles, labels } = self;
        texts.bytes(|text| text.len())
            + subjects.bytes(bytes_of_subject)
            + sets.bytes(bytes_of_members)
            + roles.bytes(bytes_of_role)
            + labels.bytes(bytes_of_labels)
    }
}

fn bytes_of_members(members: &Members) -> usize {
    match members {
        Members::Few(..) => 0,
        Members::Many(members) => size_of_val::<[u32]>(members),
    }
}

fn bytes_of_subject(subject: &Subject) -> usize {
    match subject {
        Subject::User(name) | Subject::Group(name) => name.capacity(),
        Subject::ServiceAccount { namespace, name } => namespace.capacity() + name.capacity(),
    }
}

fn bytes_of_role(content: &RoleContent) -> usize {
    let RoleContent { rules, labels, aggregates } = content;
    let selectors = aggregates.iter().flatten().map(|selector| {
        let listed = selector.match_expressions.iter().flat_map(|one| &one.values);
        size_of_val(selector) + bytes_of_labels(&selector.match_labels) + bytes_of_texts(listed)
    });
    let held = rules.iter().map(|rule| {
        let PolicyRule { api_groups, resources, verbs, resource_names, non_resource_urls } =
            &**rule;
        let lists = [api_groups, resources, verbs, resource_names, non_resource_urls];
        let texts: usize = lists.into_iter().map(bytes_of_texts).sum();
        // A pointer here, and two counts beside the rule.
        3 * size_of::<usize>() + size_of::<PolicyRule>() + texts
    });
    held.sum::<usize>() + selectors.sum::<usize>() + bytes_of_labels(labels)
}

fn bytes_of_labels(labels: &Labels) -> usize {
    bytes_of_texts(labels.iter().flat_map(|(key, value)| [key, value]))
}

fn bytes_of_texts<'t>(texts: impl IntoIterator<Item = &'t String>) -> usize {
    texts.into_iter().map(|text| size_of::<String>() + text.capacity()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nowhere_is_always_there() {
        let mut symbols = Symbols::default();
        assert_eq!(symbols.acquire_text(""), NOWHERE);
        for _ in 0..3 {
            symbols.release_text(NOWHERE);
        }
        assert_eq!((symbols.find_text(""), symbols.text(NOWHERE)), (Some(NOWHERE), ""));
    }
}
