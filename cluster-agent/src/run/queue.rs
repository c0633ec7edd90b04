//! Which write goes when: first in, first out, with two exceptions. Writes of one object never
//! overtake each other, and what is in a namespace waits for the write of the namespace itself.

use std::collections::{BTreeSet, VecDeque};

use hanse_domain::object::{Object, ObjectKind, ObjectRef};

use crate::core::io::{Sealed, Written};

/// A write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Write {
    /// Server-side apply; `first` when we have not made the object yet.
    Apply { object: Object, first: bool },
    /// Writes a Secret.
    Secret { object: Object, sealed: Sealed, record: Option<Written> },
    /// Looks whether somebody wrote a Secret.
    Probe { object: Object, sealed: Sealed, record: Written, dry_run: bool },
    /// Delete, if it still has this uid.
    Remove { object: ObjectRef, uid: String },
}

impl Write {
    /// Which object.
    pub(super) const fn reference(&self) -> &ObjectRef {
        match self {
            Self::Apply { object, .. }
            | Self::Secret { object, .. }
            | Self::Probe { object, .. } => &object.reference,
            Self::Remove { object, .. } => object,
        }
    }
}

/// Writes that wait, and which objects are being written.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Write>,
    running: BTreeSet<ObjectRef>,
    limit: usize,
}

impl Queue {
    /// At most `limit` at once.
    pub(super) const fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), running: BTreeSet::new(), limit }
    }

    pub(super) fn push(&mut self, write: Write) {
        self.waiting.push_back(write);
    }

    /// The next one that may begin now.
    pub(super) fn next(&mut self) -> Option<Write> {
        if self.running.len() >= self.limit {
            return None;
        }
        // Everything that is ahead of a write, running or waiting, may be what it has to wait for.
        let mut ahead: BTreeSet<&ObjectRef> = self.running.iter().collect();
        let mut found = None;
        for (index, write) in self.waiting.iter().enumerate() {
            let reference = write.reference();
            if !ahead.contains(reference) && !waits_for_namespace(reference, &ahead) {
                found = Some(index);
                break;
            }
            ahead.insert(reference);
        }
        let write = self.waiting.remove(found?)?;
        self.running.insert(write.reference().clone());
        Some(write)
    }

    /// A write ended.
    pub(super) fn done(&mut self, reference: &ObjectRef) {
        self.running.remove(reference);
    }
}

fn waits_for_namespace(reference: &ObjectRef, ahead: &BTreeSet<&ObjectRef>) -> bool {
    let Some(namespace) = &reference.namespace else {
        return false;
    };
    ahead.contains(&ObjectRef::cluster(ObjectKind::Namespace, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remove(reference: ObjectRef, uid: &str) -> Write {
        Write::Remove { object: reference, uid: uid.to_owned() }
    }

    fn namespace(name: &str) -> ObjectRef {
        ObjectRef::cluster(ObjectKind::Namespace, name)
    }

    fn binding(namespace: &str, name: &str) -> ObjectRef {
        ObjectRef::namespaced(ObjectKind::RoleBinding, namespace, name)
    }

    #[test]
    fn writes_of_one_object_keep_their_order() {
        let mut queue = Queue::new(16);
        for uid in ["1", "2", "3"] {
            queue.push(remove(binding("a", "x"), uid));
        }
        queue.push(remove(binding("a", "y"), "4"));
        assert_eq!(queue.next(), Some(remove(binding("a", "x"), "1")));
        assert_eq!(queue.next(), Some(remove(binding("a", "y"), "4")));
        assert_eq!(queue.next(), None);
        queue.done(&binding("a", "x"));
        assert_eq!(queue.next(), Some(remove(binding("a", "x"), "2")));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn what_is_in_a_namespace_waits_for_it() {
        let mut queue = Queue::new(16);
        queue.push(remove(namespace("a"), "1"));
        queue.push(remove(binding("a", "x"), "2"));
        queue.push(remove(binding("b", "x"), "3"));
        assert_eq!(queue.next(), Some(remove(namespace("a"), "1")));
        assert_eq!(queue.next(), Some(remove(binding("b", "x"), "3")));
        assert_eq!(queue.next(), None);
        queue.done(&namespace("a"));
        assert_eq!(queue.next(), Some(remove(binding("a", "x"), "2")));
    }

    #[test]
    fn no_more_than_the_limit_at_once() {
        let mut queue = Queue::new(2);
        for name in ["a", "b", "c"] {
            queue.push(remove(namespace(name), name));
        }
        assert!(queue.next().is_some() && queue.next().is_some());
        assert_eq!(queue.next(), None);
        queue.done(&namespace("b"));
        assert_eq!(queue.next(), Some(remove(namespace("c"), "c")));
    }
}
