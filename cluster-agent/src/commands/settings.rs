//! What `join` tells `run` through the directory, besides the identity.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::identity::write_private;
use crate::terminal::Failed;

const FILE: &str = "settings.json";

/// Settings of one agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AgentSettings {
    /// The administrator has said that the agent may write without a fence.
    pub(super) allow_unfenced: bool,
}

impl AgentSettings {
    /// Those of the agent that runs here. In the cluster the directory is a mounted Secret, which
    /// whoever has the agent's token may write: there only the arguments count.
    pub(super) fn of(dir: &Path, in_cluster: bool) -> anyhow::Result<Self> {
        if in_cluster { Ok(Self::default()) } else { Self::load(dir) }
    }

    /// Reads them; what `join` did not write is as it is by default.
    fn load(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                Failed::new(format!("{} is not valid", path.display()), error)
                    .hint("remove it: an agent without it needs a fence")
                    .into()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    pub(super) fn save(self, dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self)?;
        write_private(dir, FILE, format!("{text}\n").as_bytes())
            .with_context(|| format!("cannot write {}", dir.join(FILE).display()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_agent_needs_a_fence_unless_it_was_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!AgentSettings::load(dir.path()).unwrap().allow_unfenced);
        AgentSettings { allow_unfenced: true }.save(dir.path()).unwrap();
        assert!(AgentSettings::of(dir.path(), false).unwrap().allow_unfenced);
        assert!(!AgentSettings::of(dir.path(), true).unwrap().allow_unfenced);
        std::fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(!AgentSettings::load(dir.path()).unwrap().allow_unfenced);
        std::fs::write(dir.path().join(FILE), "true").unwrap();
        assert!(AgentSettings::load(dir.path()).is_err());
    }
}
