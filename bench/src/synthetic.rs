//! Clusters and documents that are made up, for measures that need no cluster.

use anyhow::{Context as _, Result};
use hanse_domain::document::Document;
use hanse_domain::history::roster::{ClusterEntry, Labels};
use hanse_domain::parse::parse_document;

/// Clusters that share the label of a group.
pub(crate) const GROUP: usize = 3;

/// Everywhere, as a placement.
pub(crate) const EVERYWHERE: &str = "{clusterSelector: {}}";

/// A cluster with labels like those of others.
pub(crate) fn cluster(n: usize) -> Result<ClusterEntry> {
    let id = format!("0192f0c1-0000-7000-8000-{n:012x}").parse()?;
    let env = if n.is_multiple_of(4) { "prod" } else { "dev" };
    let pairs = [
        ("env", env.to_owned()),
        ("region", format!("r{}", n % 12)),
        ("group", format!("g{}", n / GROUP)),
    ];
    let labels: Labels = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(ClusterEntry::new(id, format!("cluster-{n}"), labels))
}

/// The placement on one group.
pub(crate) fn of_group(group: usize) -> String {
    format!("{{clusterSelector: {{matchLabels: {{group: g{group}}}}}}}")
}

/// A role; each form has other rules.
pub(crate) fn role(name: &str, placement: &str, form: usize) -> Result<Document> {
    let rules = format!(
        "  rules:\n  - {{apiGroups: [\"\"], resources: [pods], verbs: [get], resourceNames: [p{form}]}}\n"
    );
    document("FederatedRole", name, placement, &rules)
}

/// A binding of one group of people in the namespace `shared-0`.
pub(crate) fn binding(name: &str, placement: &str, role: &str, people: &str) -> Result<Document> {
    let spec = format!(
        "  roleRef: {{kind: FederatedRole, name: {role}}}\n  subjects:\n  \
         - {{kind: Group, name: {people}}}\n  namespaces: [shared-0]\n"
    );
    document("FederatedRoleBinding", name, placement, &spec)
}

/// Any document.
pub(crate) fn document(kind: &str, name: &str, placement: &str, spec: &str) -> Result<Document> {
    let text = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  \
         placement: {placement}\n{spec}"
    );
    parse_document(text.as_bytes()).with_context(|| format!("{kind}/{name} is not valid"))
}
