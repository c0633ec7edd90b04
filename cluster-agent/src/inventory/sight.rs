//! One object as a watch brought it, reduced at once to what the inventory keeps.

use hanse_domain::access::object::{AccessKey, AccessKind, Origin};
use hanse_domain::access::read;
use serde_json::Value;

/// One object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Which one.
    pub key: AccessKey,
    /// What was found.
    pub found: Found,
}

/// What an object turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It belongs into the inventory.
    Object {
        /// What it says, in its canonical encoding.
        content: Vec<u8>,
        /// Since when and through whom.
        origin: Origin,
    },
    /// It does not: it ended, or its controller says it all.
    Outside,
    /// It should be in the inventory and cannot be.
    Skipped,
}

impl Sight {
    /// Reads an object. Nothing for one without a name, which no server sends.
    pub fn of(kind: AccessKind, object: &Value) -> Option<Self> {
        match read::read(kind, object) {
            Ok(Some(read)) => {
                let found = Found::Object { content: read.content.encode(), origin: read.origin };
                Some(Self { key: read.key, found })
            }
            Ok(None) => Some(Self { key: key(kind, object)?, found: Found::Outside }),
            Err(why) => {
                let key = key(kind, object)?;
                tracing::debug!("{kind} {} is not in the inventory: {why}", shown(&key.name));
                Some(Self { key, found: Found::Skipped })
            }
        }
    }
}

/// Also of an object whose name cannot be kept: it is counted.
fn key(kind: AccessKind, object: &Value) -> Option<AccessKey> {
    read::read_key(kind, object).ok().or_else(|| {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or_default().to_owned();
        let name = text("/metadata/name").filter(|name| !name.is_empty())?.to_owned();
        Some(AccessKey { kind, namespace, name })
    })
}

fn shown(name: &str) -> String {
    crate::terminal::plain(&name.chars().take(128).collect::<String>())
}
