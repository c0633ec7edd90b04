//! Where a right holds.

/// Where a right holds.
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
        match (self, other) {
            (Self::Cluster, place)
            | (place, Self::Cluster)
            | (Self::EveryNamespace, place)
            | (place, Self::EveryNamespace) => Some(place),
            (Self::Namespace(one), Self::Namespace(two)) => (one == two).then_some(self),
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
