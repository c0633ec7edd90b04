//! Why a bundle is refused, and which of the five conditions it failed.

use std::fmt;

use crate::document::DocumentRef;
use crate::history::changes::Subject;
use crate::history::encoding::Malformed;
use crate::ids::{ClusterId, Digest, Generation, RevisionNumber};
use crate::parse::ParseError;
use crate::trust::authority::{NotAllowed, Untrusted};

/// What a bundle must meet, in the order in which it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// 1: the statement is signed, is newer, and extends the history that was accepted.
    Statement,
    /// 2: the manifest is under the statement's fleet root.
    Manifest,
    /// 3: contents are what the manifest names, and are placed here.
    Contents,
    /// 4: what is new was brought by statements that list it, signed by those who may.
    Provenance,
    /// 5: what is gone was taken away by such statements.
    Removals,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Statement, Self::Manifest, Self::Contents, Self::Provenance, Self::Removals];

    /// A word for logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Manifest => "manifest",
            Self::Contents => "contents",
            Self::Provenance => "provenance",
            Self::Removals => "removals",
        }
    }

    /// 1 to 5, as the documentation numbers them.
    pub const fn number(self) -> u8 {
        match self {
            Self::Statement => 1,
            Self::Manifest => 2,
            Self::Contents => 3,
            Self::Provenance => 4,
            Self::Removals => 5,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "condition {} ({})", self.number(), self.word())
    }
}

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// An older one than was accepted.
    #[error("generation {offered} is older than {accepted}, which was accepted before")]
    Older {
        /// Of the bundle.
        offered: Generation,
        /// In the ledger.
        accepted: Generation,
    },
    /// The same generation with other contents: somebody lies.
    #[error("generation {generation} was accepted with another digest")]
    Forked {
        /// Of both.
        generation: Generation,
    },
    /// Of another fleet.
    #[error("the statement is of another fleet")]
    OtherFleet,
    /// The statement is not the one of its generation.
    #[error("the statement is number {statement} and the bundle is generation {generation}")]
    OtherStatement {
        /// Its number.
        statement: RevisionNumber,
        /// What the hub said.
        generation: Generation,
    },
    /// Not signed by whom the trust root lets sign.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The statement does not come after the history that was accepted.
    #[error(
        "the statement is not in the history that was accepted up to statement {accepted}: somebody \
         shows another past"
    )]
    OtherHistory {
        /// How many statements were accepted.
        accepted: u64,
    },
    /// Another cluster's manifest or entry.
    #[error("it is of cluster {0}")]
    OtherCluster(ClusterId),
    /// The manifest is not under the fleet root.
    #[error("the manifest is not under the statement's fleet root")]
    NotIncluded,
    /// A content is missing; asking for the whole bundle helps.
    #[error("the content {0} is missing")]
    Missing(Digest),
    /// A document that is placed elsewhere.
    #[error("{0} is not placed on this cluster")]
    NotPlaced(DocumentRef),
    /// A content that is not what the manifest says it is.
    #[error("the content of {0} is something else")]
    OtherContent(Subject),
    /// A document that is not valid.
    #[error("a document is not valid: {0}")]
    Document(#[from] ParseError),
    /// Something old is put in the place of what is newer, or back where it was taken away.
    #[error("{subject} is as of statement {number}, which is not newer than what is held")]
    Replayed {
        /// What.
        subject: Subject,
        /// The statement that it is said to be of.
        number: RevisionNumber,
    },
    /// No statement shows where something new comes from.
    #[error("statement {number}, which is said to have brought {subject}, is not shown to do so")]
    Unproven {
        /// What.
        subject: Subject,
        /// The statement that it is said to be of.
        number: RevisionNumber,
    },
    /// Its signers may not say that.
    #[error("statement {number}: {why}")]
    NotAllowed {
        /// Which statement.
        number: RevisionNumber,
        /// Bringing or taking away.
        condition: Condition,
        /// Why not.
        why: NotAllowed,
    },
    /// Something is left out, and no statement took it away.
    #[error("{subject} is left out, and no statement is shown that took it away")]
    Omitted {
        /// What.
        subject: Subject,
    },
    /// An earlier statement that is shown is not what it should be.
    #[error("statement {number}, shown as evidence: {why}")]
    BadEvidence {
        /// Which one; 0 when it cannot be read.
        number: RevisionNumber,
        /// What is wrong.
        why: String,
    },
    /// Not a canonical encoding.
    #[error("{error}")]
    Malformed {
        /// Of what.
        condition: Condition,
        /// What is wrong.
        error: Malformed,
    },
}

impl Refusal {
    pub(super) const fn malformed(condition: Condition, error: Malformed) -> Self {
        Self::Malformed { condition, error }
    }

    /// Which condition was not met.
    pub const fn condition(&self) -> Condition {
        match self {
            Self::Older { .. }
            | Self::Forked { .. }
            | Self::OtherFleet
            | Self::OtherStatement { .. }
            | Self::Untrusted(_)
            | Self::OtherHistory { .. } => Condition::Statement,
            Self::OtherCluster(_) | Self::NotIncluded => Condition::Manifest,
            Self::Missing(_) | Self::NotPlaced(_) | Self::OtherContent(_) | Self::Document(_) => {
                Condition::Contents
            }
            Self::Replayed { .. } | Self::Unproven { .. } | Self::BadEvidence { .. } => {
                Condition::Provenance
            }
            Self::Omitted { .. } => Condition::Removals,
            Self::NotAllowed { condition, .. } | Self::Malformed { condition, .. } => *condition,
        }
    }
}
