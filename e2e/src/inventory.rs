//! A cluster's access as the engine reads it, listed by whoever asks rather than by an agent.

use anyhow::{Context as _, Result};
use hanse_domain::access::index::Index;
use hanse_domain::access::object::{AccessKind, AccessObject};
use hanse_domain::access::read::read;
use hanse_domain::ids::ClusterId;
use serde_json::Value;

use crate::raw::Caller;

/// Everything of one kind, as the API server serves it.
pub async fn list(caller: &Caller, kind: AccessKind) -> Result<Vec<Value>> {
    let (group, version, _, plural) = kind.resource();
    let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
    let mut list = caller.get(&format!("{root}/{version}/{plural}")).await?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        Some(_) | None => anyhow::bail!("no list of {plural}: {list}"),
    }
}

/// Everything that an agent would report.
pub async fn objects(caller: &Caller) -> Result<Vec<AccessObject>> {
    let mut out = Vec::new();
    for kind in AccessKind::ALL {
        for item in list(caller, kind).await? {
            out.extend(read(kind, &item).with_context(|| format!("cannot read {item}"))?);
        }
    }
    Ok(out)
}

/// An index of this cluster alone.
pub async fn index(caller: &Caller, cluster: ClusterId) -> Result<Index> {
    let mut index = Index::default();
    let objects = objects(caller).await?;
    index.load(cluster, objects.into_iter().map(|object| (object.key, object.content)));
    Ok(index)
}
