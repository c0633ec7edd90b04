//! Where a right holds.

/// Where a right holds, the widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the whole cluster, its namespaces included.
    Cluster,
    /// In every namespace, not for what is in none: by bindings that one can make anywhere.
    EveryNamespace,
    /// In the namespace with this number.
    Namespace(u32),
}

impl Place {
    /// Where both hold.
    pub(super) fn meet(self, other: Self) -> Option<Self> {
        match (self.namespace(), other.namespace()) {
            (Some(one), Some(two)) if one != two => None,
            (Some(_), Some(_)) | (None, _) | (_, None) => Some(self.max(other)),
        }
    }

    /// The namespace, when it is only one.
    pub(super) const fn namespace(self) -> Option<u32> {
        match self {
            Self::Cluster | Self::EveryNamespace => None,
            Self::Namespace(namespace) => Some(namespace),
        }
    }

    /// Whether the right holds in a namespace.
    pub(super) fn covers(self, namespace: u32) -> bool {
        self.namespace().is_none_or(|own| own == namespace)
    }
}
