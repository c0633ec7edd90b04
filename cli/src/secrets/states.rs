//! Whether each cluster of a secret can open it.

use hanse_domain::document::Document;
use hanse_domain::fleet::{Fleet, Member, secret_version};

/// How a secret stands on one of its clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Sealed in this version, to the recipient that the roster names.
    Sealed,
    /// Sealed in this version, to a recipient that the cluster had before.
    OldRecipient,
    /// Not sealed to it yet.
    Pending,
    /// It cannot be: the roster names no recipient.
    NoRecipient,
}

impl State {
    pub(crate) fn of(secret: &Document, member: &Member) -> Self {
        if member.can_open(secret) {
            return Self::Sealed;
        }
        if member.entry.recipient.is_none() {
            return Self::NoRecipient;
        }
        let wrap = member.wraps().get(&secret.reference.name).map(|held| &held.wrap);
        match wrap {
            Some(wrap) if secret_version(secret) == Some(wrap.version) => Self::OldRecipient,
            Some(_) | None => Self::Pending,
        }
    }

    /// A word, the same in tables and in JSON.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::OldRecipient => "old-recipient",
            Self::Pending => "pending",
            Self::NoRecipient => "no-recipient",
        }
    }
}

/// How a secret stands on each of its clusters, by their names.
pub(crate) fn of<'f>(fleet: &'f Fleet, secret: &Document) -> Vec<(&'f Member, State)> {
    let mut members = fleet.selected(secret);
    members.sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
    members.into_iter().map(|member| (member, State::of(secret, member))).collect()
}

/// How many clusters can open it, and on how many it is placed.
pub(crate) fn counts(fleet: &Fleet, secret: &Document) -> (usize, usize) {
    let members = fleet.selected(secret);
    let sealed = members.iter().filter(|member| member.can_open(secret)).count();
    (sealed, members.len())
}

/// "3/4", with what helps where some are missing.
pub(crate) fn sealed(fleet: &Fleet, secret: &Document) -> String {
    let (sealed, placed) = counts(fleet, secret);
    format!("{sealed}/{placed}")
}
