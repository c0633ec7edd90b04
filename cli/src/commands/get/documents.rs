//! Documents.

use hanse_domain::document::Kind;
use hanse_domain::fleet::{Fleet, Held};
use hanse_domain::selector::LabelSelector;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure, Outcome};
use crate::hub::Hub;
use crate::output::{self, Format};
use crate::text::near;
use crate::{document_table, fleet};

pub(super) async fn get(
    hub: &Hub,
    kind: Option<Kind>,
    names: &[String],
    selector: Option<&LabelSelector>,
    format: Format,
) -> Outcome {
    let fleet = fleet::fetch(hub).await?;
    let held = selected(&fleet, kind, names, selector)?;
    show(&fleet, &held, names.len() == 1 && kind.is_some(), format)?;
    Ok(Exit::OK)
}

fn selected<'f>(
    fleet: &'f Fleet,
    kind: Option<Kind>,
    names: &[String],
    selector: Option<&LabelSelector>,
) -> Outcome<Vec<&'f Held>> {
    let of_kind = |held: &&Held| kind.is_none_or(|kind| held.document.reference.kind == kind);
    let known = || fleet.documents().values().filter(of_kind).map(|h| &*h.document.reference.name);
    if let Some(name) = names.iter().find(|name| !known().any(|known| known == **name)) {
        let what = match kind {
            Some(kind) => format!("{}/{name} does not exist", kind.name()),
            None => format!("{name} does not exist"),
        };
        return Err(Failure::new("not-found", what).hint(near(name, known(), "hanse get all")));
    }
    let all = fleet.documents().values().filter(of_kind);
    let wanted = all.filter(|h| names.is_empty() || names.contains(&h.document.reference.name));
    Ok(wanted.filter(|h| selector.is_none_or(|s| s.matches(&h.document.labels))).collect())
}

fn show(fleet: &Fleet, held: &[&Held], single: bool, format: Format) -> Outcome<()> {
    match format {
        Format::Table | Format::Wide => table(fleet, held, format == Format::Wide),
        Format::Name => output::lines(held.iter().map(|h| h.document.reference.to_string())),
        Format::Yaml => output::exact(&exact(held)),
        Format::Json => {
            let mut items = held.iter().map(|h| value(h)).collect::<Outcome<Vec<Value>>>()?;
            match items.pop() {
                Some(item) if single && items.is_empty() => output::json_as_written(&item),
                last => {
                    items.extend(last);
                    output::json_as_written(
                        &json!({ "apiVersion": "v1", "kind": "List", "items": items }),
                    )
                }
            }
        }
    }
}

/// The exact bytes, with `---` between documents.
fn exact(held: &[&Held]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, held) in held.iter().enumerate() {
        if index > 0 {
            if !out.ends_with(b"\n") {
                out.push(b'\n');
            }
            out.extend_from_slice(b"---\n");
        }
        out.extend_from_slice(&held.document.bytes);
    }
    out
}

fn value(held: &Held) -> Outcome<Value> {
    serde_saphyr::from_slice(&held.document.bytes).map_err(|e| {
        Failure::new("document", format!("{} cannot be read", held.document.reference))
            .why(e.to_string())
    })
}

fn table(fleet: &Fleet, held: &[&Held], wide: bool) -> Outcome<()> {
    if held.is_empty() {
        output::note("no documents");
        return Ok(());
    }
    let mut tables = Vec::new();
    for kind in Kind::ALL {
        let of_kind: Vec<&Held> =
            held.iter().copied().filter(|h| h.document.reference.kind == kind).collect();
        if !of_kind.is_empty() {
            let table = document_table::of_kind(fleet, kind, &of_kind, wide, Timestamp::now());
            tables.push((kind, table.to_string()));
        }
    }
    if let [(_, single)] = tables.as_slice() {
        return output::data(single);
    }
    let titled = tables.iter().map(|(kind, table)| format!("{}\n{table}", kind.name()));
    output::data(&titled.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::selector;

    const TWO: &str = "# one\napiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: a, labels: {team: x}}\n\
        spec: {placement: {clusterSelector: {}}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}\n\
        ---\napiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {name: b}\nspec: {placement: {clusterSelector: {}}}\n";

    fn names(kind: Option<Kind>, names: &[&str], selector: Option<&str>) -> Option<Vec<String>> {
        let fleet = fleet::example(TWO);
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let selector = selector.map(|s| selector::parse(s).unwrap());
        let held = selected(&fleet, kind, &names, selector.as_ref()).ok()?;
        Some(held.iter().map(|h| h.document.reference.to_string()).collect())
    }

    #[test]
    fn kinds_names_and_labels_select() {
        let (role, namespace) = ("FederatedRole/a".to_owned(), "FederatedNamespace/b".to_owned());
        assert_eq!(names(None, &[], None), Some(vec![namespace, role.clone()]));
        assert_eq!(names(Some(Kind::FederatedRole), &[], None), Some(vec![role.clone()]));
        assert_eq!(names(None, &[], Some("team=x")), Some(vec![role]));
        assert_eq!(names(Some(Kind::FederatedRole), &["b"], None), None);
    }

    #[test]
    fn documents_come_back_as_they_were_written() {
        let fleet = fleet::example(TWO);
        let held: Vec<&Held> = fleet.documents().values().rev().collect();
        assert_eq!(String::from_utf8(exact(&held)).unwrap(), TWO);
        assert_eq!(
            value(held.first().unwrap()).unwrap().pointer("/kind"),
            Some(&json!("FederatedRole"))
        );
    }
}
